//! The format of an exported catalog: one JSON object per line. The first line names the format, and the last
//! one shows that the file is complete.
//!
//! ```text
//! {"causeway_catalog":3}
//! {"bucket":{"name":"photos","owner":{…},"created":…,"documents":{"acl":"public-read"},"backend":"nas","place":"photos"}}
//! {"object":{"bucket":"photos","key":"a.jpg","stands":"…","intended":null}}
//! {"identity":{"access_key":"bob","policy":"readwrite","secret":"v1:…"}}
//! {"member":{"account":"…","kind":"user","name":"carol","body":"{…}"}}
//! {"end":{"buckets":1,"objects":1,"identities":1,"members":1}}
//! ```
//!
//! A bucket comes before its objects. The content of an object's row is in the form of its driver. Secrets are
//! sealed as they are in the catalog: the file alone gives none away. Formats 1 and 2 had no identities and
//! members; format 1 had the fields `acl` and `location` of a bucket instead of its documents. Both are read,
//! too.

use crate::{
    buckets::settings::{BucketAcl, Location, document},
    catalog::{Documents, IamKey, NewBucket, NewDocument, NewIdentity, ObjectRow},
    model::{AccessKey, BucketName, CannedAcl, ObjectKey, Owner, Role, TenantId, Timestamp},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashSet},
    io::BufRead,
};

/// The version of the format. A change that older readers would misread gets a new version.
const VERSION: u32 = 3;
const OLDEST: u32 = 1;
/// A key is 1 KiB and metadata are 2 KiB; tags and parts need some more.
const LONGEST_LINE: usize = 16 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    pub causeway_catalog: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Row {
    Bucket(BucketRow),
    Object(ObjectLine),
    Identity(IdentityRow),
    Member(MemberRow),
    End(End),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketRow {
    #[serde(default, skip_serializing_if = "TenantId::is_default")]
    pub tenant: TenantId,
    pub name: BucketName,
    pub owner: Owner,
    pub created: Timestamp,
    /// The bodies of documents, by kind.
    #[serde(default)]
    pub documents: BTreeMap<String, String>,
    pub backend: String,
    pub place: String,
    /// Only in format 1.
    #[serde(default, skip_serializing)]
    pub acl: CannedAcl,
    #[serde(default, skip_serializing)]
    pub location: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectLine {
    pub bucket: BucketName,
    pub key: String,
    #[serde(rename = "stands")]
    pub committed: Option<String>,
    #[serde(rename = "intended")]
    pub pending: Option<String>,
}

/// An identity that was added at run time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityRow {
    #[serde(default, skip_serializing_if = "TenantId::is_default")]
    pub tenant: TenantId,
    pub access_key: AccessKey,
    pub policy: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Sealed.
    pub secret: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub details: String,
}

/// A user, a group, a role or a managed policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberRow {
    #[serde(default, skip_serializing_if = "TenantId::is_default")]
    pub tenant: TenantId,
    pub account: String,
    pub kind: String,
    pub name: String,
    pub body: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    pub buckets: u64,
    pub objects: u64,
    #[serde(default)]
    pub identities: u64,
    #[serde(default)]
    pub members: u64,
}

impl Default for Header {
    fn default() -> Self {
        Self { causeway_catalog: VERSION }
    }
}

impl BucketRow {
    pub(super) fn new(bucket: NewBucket, documents: Documents) -> Self {
        let NewBucket { tenant, name, owner, created, backend, location: place } = bucket;
        let documents = documents.all.into_iter().map(|document| (document.kind, document.body)).collect();
        let (acl, location) = Default::default();
        Self { tenant, name, owner, created, documents, backend, place, acl, location }
    }

    pub(super) fn bucket(self) -> (NewBucket, Vec<NewDocument>) {
        let Self { tenant, name, owner, created, documents, backend, place, acl, location } = self;
        let of_format_1 = [document::<BucketAcl>(&acl.into()), document::<Location>(&location.into())];
        let documents = documents.into_iter().map(|(kind, body)| NewDocument { kind, body });
        (
            NewBucket { tenant, name, owner, created, backend, location: place },
            of_format_1.into_iter().flatten().chain(documents).collect(),
        )
    }
}

impl ObjectLine {
    pub(super) fn new(bucket: BucketName, row: ObjectRow) -> Self {
        Self { bucket, key: row.key.as_str().to_owned(), committed: row.committed, pending: row.pending }
    }

    pub(super) fn row(self) -> Result<ObjectRow, String> {
        let key =
            ObjectKey::new(self.key.as_str()).map_err(|error| format!("the key '{}': {error}", self.key))?;
        Ok(ObjectRow { key, committed: self.committed, pending: self.pending })
    }
}

impl IdentityRow {
    pub(super) fn new(identity: NewIdentity) -> Self {
        let NewIdentity { tenant, access_key, role, name, sealed_secret, details } = identity;
        Self { tenant, access_key, policy: role, name, secret: sealed_secret, details }
    }

    pub(super) fn identity(self) -> NewIdentity {
        let Self { tenant, access_key, policy, name, secret, details } = self;
        NewIdentity { tenant, access_key, role: policy, name, sealed_secret: secret, details }
    }
}

impl MemberRow {
    pub(super) fn new(key: IamKey, body: String) -> Self {
        let IamKey { tenant, account, kind, name } = key;
        Self { tenant, account, kind, name, body }
    }

    pub(super) fn key(&self) -> IamKey {
        let Self { tenant, account, kind, name, .. } = self.clone();
        IamKey { tenant, account, kind, name }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RowError {
    #[error("line {line}: {why}")]
    Line { line: u64, why: String },
    #[error("reading it: {0}")]
    Read(#[from] std::io::Error),
}

/// The rows of an exported catalog, each checked as far as it can be alone. Ends after the last line of a
/// complete file, and with an error in an incomplete one.
pub struct Rows<R> {
    lines: R,
    line: u64,
    buckets: HashSet<BucketName>,
    counted: End,
    ended: bool,
}

impl<R: BufRead> Rows<R> {
    pub fn begin(lines: R) -> Result<Self, RowError> {
        let mut rows =
            Self { lines, line: 0, buckets: HashSet::new(), counted: End::default(), ended: false };
        let header = rows.next_line()?.ok_or_else(|| rows.wrong("the file is empty"))?;
        match serde_json::from_slice::<Header>(&header) {
            Ok(Header { causeway_catalog: OLDEST..=VERSION }) => Ok(rows),
            Ok(Header { causeway_catalog }) => Err(rows.wrong(format_args!(
                "format {causeway_catalog} is not known here: this Causeway reads {OLDEST} to {VERSION}"
            ))),
            Err(_) => Err(rows.wrong("this is no exported catalog")),
        }
    }

    fn next_row(&mut self) -> Result<Option<Row>, RowError> {
        let Some(line) = self.next_line()? else {
            return if self.ended {
                Ok(None)
            } else {
                Err(self.wrong("the file ends here, but is not whole"))
            };
        };
        if self.ended {
            return Err(self.wrong("there is more after the end"));
        }
        let row = serde_json::from_slice::<Row>(&line).map_err(|error| self.wrong(error))?;
        match &row {
            Row::Bucket(bucket) => {
                self.counted.buckets += 1;
                if !self.buckets.insert(bucket.name.clone()) {
                    return Err(self.wrong(format_args!("bucket '{}' is there twice", bucket.name)));
                }
            }
            Row::Object(object) => {
                self.counted.objects += 1;
                if !self.buckets.contains(&object.bucket) {
                    return Err(self
                        .wrong(format_args!("bucket '{}' did not come before its objects", object.bucket)));
                }
                object.clone().row().map_err(|why| self.wrong(why))?;
            }
            Row::Identity(_) => self.counted.identities += 1,
            Row::Member(_) => self.counted.members += 1,
            Row::End(end) => {
                self.ended = true;
                if *end != self.counted {
                    return Err(self.wrong(format_args!(
                        "rows are missing: {:?} were announced, {:?} are there",
                        end, self.counted
                    )));
                }
            }
        }
        Ok(Some(row))
    }

    fn next_line(&mut self) -> Result<Option<Vec<u8>>, RowError> {
        let mut line = Vec::new();
        let read = std::io::Read::take(&mut self.lines, LONGEST_LINE as u64).read_until(b'\n', &mut line)?;
        self.line += 1;
        match (read, line.pop()) {
            (0, _) => Ok(None),
            (_, Some(b'\n')) => Ok(Some(line)),
            _ => Err(self.wrong("the line is cut short, or too long")),
        }
    }

    fn wrong(&self, why: impl std::fmt::Display) -> RowError {
        RowError::Line { line: self.line, why: why.to_string() }
    }
}

impl<R: BufRead> Iterator for Rows<R> {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_row().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUCKET: &str = r#"{"bucket":{"name":"photos","owner":{"id":"i","display_name":"d"},"created":1,"documents":{},"backend":"b","place":"p"}}"#;
    const OBJECT: &str = r#"{"object":{"bucket":"photos","key":"a","stands":"x","intended":null}}"#;

    fn read(lines: &[&str]) -> Result<usize, String> {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let rows = Rows::begin(text.as_bytes()).map_err(|error| error.to_string())?;
        rows.collect::<Result<Vec<_>, _>>().map(|rows| rows.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn acl_and_location_of_format_1_are_documents() {
        let line = r#"{"name":"photos","owner":{"id":"i","display_name":"d"},"created":1,"acl":"public-read","location":"EU","backend":"b","place":"p"}"#;
        let row: BucketRow = serde_json::from_str(line).expect("read");
        let (bucket, documents) = row.bucket();
        assert!(bucket.tenant.is_default());
        let kinds: Vec<_> =
            documents.iter().map(|document| (document.kind.as_str(), document.body.as_str())).collect();
        assert_eq!(kinds, [("acl", "public-read"), ("location", "EU")]);
        let written = serde_json::to_string(&BucketRow::new(bucket, Documents::default())).expect("written");
        assert!(!written.contains("acl") && !written.contains("tenant"), "{written}");
    }

    #[test]
    fn a_whole_file_is_read_to_its_end() {
        let lines = [r#"{"causeway_catalog":2}"#, BUCKET, OBJECT, r#"{"end":{"buckets":1,"objects":1}}"#];
        assert_eq!(read(&lines), Ok(3));
        let identity = r#"{"identity":{"access_key":"bob","policy":"readonly","secret":"v1:x"}}"#;
        let member = r#"{"member":{"account":"9a","kind":"user","name":"carol","body":"{}"}}"#;
        let end = r#"{"end":{"buckets":0,"objects":0,"identities":1,"members":1}}"#;
        assert_eq!(read(&[r#"{"causeway_catalog":3}"#, identity, member, end]), Ok(3));
        let short = read(&[r#"{"causeway_catalog":3}"#, identity, end]).expect_err("refused");
        assert!(short.contains("rows are missing"), "{short}");
        for (line, row) in [(identity, 0), (member, 1)] {
            let read: Row = serde_json::from_str(line).expect("read");
            assert_eq!(serde_json::to_string(&read).expect("written"), line, "{row}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let header = r#"{"causeway_catalog":1}"#;
        let cases: [(&[&str], &str); 7] = [
            (&[], "line 1: the file is empty"),
            (&["{}"], "line 1: this is no exported catalog"),
            (
                &[r#"{"causeway_catalog":4}"#],
                "line 1: format 4 is not known here: this Causeway reads 1 to 3",
            ),
            (&[header, BUCKET], "line 3: the file ends here, but is not whole"),
            (&[header, OBJECT], "line 2: bucket 'photos' did not come before"),
            (&[header, BUCKET, BUCKET], "line 3: bucket 'photos' is there twice"),
            (&[header, BUCKET, r#"{"end":{"buckets":1,"objects":1}}"#], "line 3: rows are missing"),
        ];
        for (lines, words) in cases {
            let error = read(lines).expect_err("refused");
            assert!(error.starts_with(words), "{error}");
        }
    }
}
