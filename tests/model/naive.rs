//! The model: what S3 says should happen, on plain maps. It is deliberately simple, and independent of every
//! driver and of the rules that drivers share.

use causeway::{
    model::{Attributes, ByteRange, ETag, Timestamp},
    store::{Written, error::StoreErrorKind as Kind},
};
use md5::{Digest, Md5};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone)]
pub struct Object {
    pub body: Vec<u8>,
    pub etag: String,
    pub attributes: Attributes,
    pub parts: Vec<(u16, u64)>,
    /// The time that the store reported for the write.
    pub modified: Timestamp,
}

#[derive(Debug)]
pub struct Upload {
    pub key: String,
    pub attributes: Attributes,
    pub parts: BTreeMap<u16, Part>,
    pub end: Option<End>,
}

#[derive(Debug)]
pub struct Part {
    pub body: Vec<u8>,
    pub md5: [u8; 16],
}

impl Part {
    pub fn new(body: Vec<u8>) -> Self {
        Self { md5: Md5::digest(&body).into(), body }
    }

    pub fn etag(&self) -> String {
        hex::encode(self.md5)
    }
}

#[derive(Debug)]
pub enum End {
    Aborted,
    Completed(Written),
}

#[derive(Debug, Default)]
pub struct Model {
    pub objects: BTreeMap<String, Object>,
    pub uploads: Vec<Upload>,
}

pub fn hex_md5(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

/// A condition after its ETag has been resolved.
#[derive(Debug, Clone)]
pub enum Wants {
    Anything,
    Absent,
    ETag(ETag),
}

impl Model {
    pub fn check(&self, key: &str, wants: &Wants) -> Result<(), Kind> {
        match (wants, self.objects.get(key)) {
            (Wants::Anything, _) | (Wants::Absent, None) => Ok(()),
            (Wants::ETag(_), None) => Err(Kind::NoSuchKey),
            (Wants::ETag(etag), Some(object)) if etag.as_str() == object.etag => Ok(()),
            _ => Err(Kind::PreconditionFailed),
        }
    }

    pub fn read(&self, key: &str, range: Option<ByteRange>) -> Result<&[u8], Kind> {
        let body = &self.objects.get(key).ok_or(Kind::NoSuchKey)?.body;
        let size = body.len();
        let cut = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(size);
        let (from, to) = match range {
            None => return Ok(body),
            Some(ByteRange::FromTo(from, to)) => (cut(from), cut(to.saturating_add(1))),
            Some(ByteRange::From(from)) => (cut(from), size),
            Some(ByteRange::Suffix(last)) => (size - cut(last), size),
        };
        if from < to { Ok(&body[from..to]) } else { Err(Kind::InvalidRange { size: size as u64 }) }
    }

    /// The names that a listing shows, and whether there are more than `limit`.
    pub fn list<'n>(
        names: impl Iterator<Item = &'n str>,
        prefix: &str,
        delimiter: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<String>, bool) {
        let mut shown = BTreeSet::new();
        for name in names.filter(|name| name.starts_with(prefix)) {
            let rest = &name[prefix.len()..];
            let group = delimiter
                .and_then(|delimiter| rest.find(delimiter).map(|at| prefix.len() + at + delimiter.len()));
            shown.insert(name[..group.unwrap_or(name.len())].to_owned());
        }
        shown.retain(|name| after.is_none_or(|after| name.as_str() > after));
        let more = limit > 0 && shown.len() > limit;
        (shown.into_iter().take(limit).collect(), more)
    }

    /// The object that these parts of an upload form.
    pub fn assemble(&self, upload: usize, chosen: &[u16]) -> Result<Object, Kind> {
        let upload = &self.uploads[upload];
        let parts: Vec<_> = chosen.iter().map(|number| (*number, &upload.parts[number])).collect();
        let Some((_, front)) = parts.split_last() else { return Err(Kind::InvalidRequest) };
        if front.iter().any(|(_, part)| part.body.len() < 5 * 1024 * 1024) {
            return Err(Kind::EntityTooSmall);
        }
        let mut digests = Vec::new();
        parts.iter().for_each(|(_, part)| digests.extend_from_slice(&part.md5));
        Ok(Object {
            body: parts.iter().map(|(_, part)| part.body.as_slice()).collect::<Vec<_>>().concat(),
            etag: format!("{}-{}", hex_md5(&digests), parts.len()),
            attributes: upload.attributes.clone(),
            parts: parts.iter().map(|(number, part)| (*number, part.body.len() as u64)).collect(),
            modified: Timestamp::from_millis(0),
        })
    }

    /// Uploads in progress, in the order in which they began.
    pub fn open_uploads(&self) -> impl Iterator<Item = &Upload> {
        self.uploads.iter().filter(|upload| upload.end.is_none())
    }

    /// Removes what a volatile storage loses at a restart.
    pub fn forget(&mut self) {
        self.objects.clear();
        for upload in &mut self.uploads {
            upload.end = Some(End::Aborted);
            upload.parts.clear();
        }
    }
}
