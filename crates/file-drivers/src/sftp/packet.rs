//! SFTP version 3 as bytes: only this module encodes requests and decodes replies. It does not know the
//! connection.
//!
//! Invariants: names are arbitrary bytes; a reply that does not follow the protocol is refused, never guessed
//! at.

use super::failure::Failure;
use crate::{
    backend::tree::files::{EntryKind, Stat},
    model::Timestamp,
};
use bytes::{Buf, Bytes, BytesMut};

/// The longest packet, in bytes. No reply to the requests of this driver is longer.
const MAX_PACKET: usize = 1 << 20;

pub(super) const INIT: u8 = 1;
pub(super) const VERSION: u8 = 2;
pub(super) const OPEN: u8 = 3;
pub(super) const CLOSE: u8 = 4;
pub(super) const READ: u8 = 5;
pub(super) const WRITE: u8 = 6;
pub(super) const LSTAT: u8 = 7;
pub(super) const FSTAT: u8 = 8;
pub(super) const SETSTAT: u8 = 9;
pub(super) const FSETSTAT: u8 = 10;
pub(super) const OPENDIR: u8 = 11;
pub(super) const READDIR: u8 = 12;
pub(super) const REMOVE: u8 = 13;
pub(super) const MKDIR: u8 = 14;
pub(super) const RMDIR: u8 = 15;
pub(super) const RENAME: u8 = 18;
pub(super) const EXTENDED: u8 = 200;

pub(super) const FOR_READING: u32 = 0x01;
pub(super) const FOR_WRITING: u32 = 0x02;
pub(super) const MADE_IF_MISSING: u32 = 0x08;
pub(super) const EMPTIED: u32 = 0x10;

const HAS_SIZE: u32 = 0x01;
const HAS_OWNER: u32 = 0x02;
const HAS_PERMISSIONS: u32 = 0x04;
const HAS_TIMES: u32 = 0x08;
const HAS_MORE: u32 = 0x8000_0000;

/// A request without its length and number.
#[derive(Debug)]
pub(super) struct Request {
    kind: u8,
    fields: Vec<u8>,
    data: Bytes,
}

impl Request {
    pub(super) fn new(kind: u8) -> Self {
        Self { kind, fields: Vec::with_capacity(64), data: Bytes::new() }
    }

    pub(super) fn extended(name: &str) -> Self {
        Self::new(EXTENDED).text(name.as_bytes())
    }

    pub(super) fn text(mut self, text: &[u8]) -> Self {
        self.fields.extend_from_slice(&length(text.len()));
        self.fields.extend_from_slice(text);
        self
    }

    pub(super) fn number(mut self, number: u32) -> Self {
        self.fields.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub(super) fn long(mut self, number: u64) -> Self {
        self.fields.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Adds empty attributes: the server uses its defaults.
    pub(super) fn plain(self) -> Self {
        self.number(0)
    }

    pub(super) fn sized(self, size: u64) -> Self {
        self.number(HAS_SIZE).long(size)
    }

    /// Adds access and modification time, in seconds since the epoch.
    pub(super) fn modified(self, seconds: u32) -> Self {
        self.number(HAS_TIMES).number(seconds).number(seconds)
    }

    /// Adds the data to write, which comes last in the packet.
    pub(super) fn data(mut self, data: Bytes) -> Self {
        self.fields.extend_from_slice(&length(data.len()));
        self.data = data;
        self
    }

    /// Returns the packet in the form to send. A small one is one piece.
    pub(super) fn framed(self, id: u32) -> [Bytes; 2] {
        let whole = 5 + self.fields.len() + self.data.len();
        let mut head = Vec::with_capacity(
            9 + self.fields.len() + if self.data.len() < 4096 { self.data.len() } else { 0 },
        );
        head.extend_from_slice(&length(whole));
        head.push(self.kind);
        head.extend_from_slice(&id.to_be_bytes());
        head.extend_from_slice(&self.fields);
        if self.data.len() >= 4096 {
            return [head.into(), self.data];
        }
        head.extend_from_slice(&self.data);
        [head.into(), Bytes::new()]
    }
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// Returns the `INIT` packet, which has no request number.
pub(super) fn greeting() -> Bytes {
    Bytes::from_static(&[0, 0, 0, 5, INIT, 0, 0, 0, 3])
}

#[derive(Debug)]
pub(super) enum Reply {
    Done,
    /// There is nothing more to read or to list.
    End,
    Failed(Failure),
    Handle(Bytes),
    Data(Bytes),
    Names(Vec<Name>),
    Attributes(Attributes),
    Extended(Bytes),
}

#[derive(Debug)]
pub(super) struct Name {
    pub(super) name: Bytes,
    pub(super) attributes: Attributes,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Attributes {
    size: Option<u64>,
    permissions: Option<u32>,
    modified: Option<u32>,
}

impl Attributes {
    /// Returns size, kind and time. `None`: the server does not report the kind.
    pub(super) fn stat(&self) -> Option<Stat> {
        let kind = match self.permissions? & 0o170_000 {
            0o100_000 => EntryKind::File,
            0o040_000 => EntryKind::Folder,
            _ => EntryKind::Other,
        };
        let modified = self.modified.map(|seconds| Timestamp::from_millis(i64::from(seconds) * 1000));
        Some(Stat { kind, size: self.size.unwrap_or(0), modified, tag: None, md5: None })
    }
}

/// Splits the stream of replies into packets.
#[derive(Debug, Default)]
pub(super) struct Packets(BytesMut);

impl Packets {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Returns the kind and the content of the next packet, once it is complete.
    pub(super) fn next(&mut self) -> Result<Option<(u8, Bytes)>, Failure> {
        let Some(Ok(length)) = self.0.get(..4).map(<[u8; 4]>::try_from) else { return Ok(None) };
        let length = u32::from_be_bytes(length) as usize;
        if length == 0 || length > MAX_PACKET {
            return Err(unexpected());
        }
        if self.0.len() < 4 + length {
            // Reserves space for the whole packet at once.
            self.0.reserve(4 + length - self.0.len());
            return Ok(None);
        }
        self.0.advance(4);
        let mut packet = self.0.split_to(length).freeze();
        Ok(Some((packet.get_u8(), packet)))
    }
}

/// Parses a reply: the number of its request, and its content.
pub(super) fn reply(kind: u8, packet: Bytes) -> Result<(u32, Reply), Failure> {
    let mut fields = Fields(packet);
    let id = fields.number()?;
    let reply = match kind {
        101 => {
            let code = fields.number()?;
            // Servers of version 2 send no message.
            let words = fields.text().unwrap_or_default();
            match code {
                0 => Reply::Done,
                1 => Reply::End,
                code => Reply::Failed(Failure::of(code, &String::from_utf8_lossy(&words))),
            }
        }
        102 => Reply::Handle(fields.text()?),
        103 => Reply::Data(fields.text()?),
        104 => {
            let count = fields.number()?;
            let mut names = Vec::new();
            for _ in 0..count {
                let name = fields.text()?;
                let _for_humans = fields.text()?;
                names.push(Name { name, attributes: fields.attributes()? });
            }
            Reply::Names(names)
        }
        105 => Reply::Attributes(fields.attributes()?),
        201 => Reply::Extended(fields.0),
        _ => return Err(unexpected()),
    };
    Ok((id, reply))
}

/// Returns the extensions that a server announced with `VERSION`.
pub(super) fn extensions(packet: Bytes) -> Result<Vec<String>, Failure> {
    let mut fields = Fields(packet);
    if fields.number()? < 3 {
        return Err(Failure::Refused("it speaks an old version of SFTP".to_owned()));
    }
    let mut names = Vec::new();
    while !fields.0.is_empty() {
        names.push(String::from_utf8_lossy(&fields.text()?).into_owned());
        fields.text()?;
    }
    Ok(names)
}

/// Parses the numbers of an extended reply.
pub(super) fn longs<const N: usize>(packet: Bytes) -> Result<[u64; N], Failure> {
    let (mut fields, mut numbers) = (Fields(packet), [0; N]);
    for number in &mut numbers {
        *number = fields.long()?;
    }
    Ok(numbers)
}

pub(super) fn unexpected() -> Failure {
    Failure::Lost("the server does not keep to the protocol")
}

struct Fields(Bytes);

impl Fields {
    fn number(&mut self) -> Result<u32, Failure> {
        self.0.try_get_u32().map_err(|_| unexpected())
    }

    fn long(&mut self) -> Result<u64, Failure> {
        self.0.try_get_u64().map_err(|_| unexpected())
    }

    fn text(&mut self) -> Result<Bytes, Failure> {
        let length = self.number()? as usize;
        if length > self.0.len() {
            return Err(unexpected());
        }
        Ok(self.0.split_to(length))
    }

    fn attributes(&mut self) -> Result<Attributes, Failure> {
        let flags = self.number()?;
        let mut attributes = Attributes::default();
        if flags & HAS_SIZE != 0 {
            attributes.size = Some(self.long()?);
        }
        if flags & HAS_OWNER != 0 {
            self.long()?;
        }
        if flags & HAS_PERMISSIONS != 0 {
            attributes.permissions = Some(self.number()?);
        }
        if flags & HAS_TIMES != 0 {
            self.number()?;
            attributes.modified = Some(self.number()?);
        }
        if flags & HAS_MORE != 0 {
            for _ in 0..self.number()? {
                self.text()?;
                self.text()?;
            }
        }
        Ok(attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn packets_come_out_whole_however_they_arrive() {
        let mut packets = Packets::default();
        let stream = [0, 0, 0, 3, 7, 1, 2, 0, 0, 0, 1, 9];
        let mut got = Vec::new();
        for byte in stream {
            packets.push(&[byte]);
            while let Some(packet) = packets.next().expect("packets") {
                got.push(packet);
            }
        }
        assert_eq!(got, [(7, Bytes::from_static(&[1, 2])), (9, Bytes::new())]);
    }

    #[test]
    fn a_name_that_is_no_text_arrives_as_it_is() {
        let attributes = [0, 0, 0, 0x0d, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0x81, 0xa4, 0, 0, 0, 1, 0, 0, 0, 2];
        let packet =
            [&[0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, b'x', 0, 0, 0, 0][..], &attributes].concat();
        let (id, Reply::Names(names)) = reply(104, packet.into()).expect("a reply") else { panic!("names") };
        assert_eq!((id, &*names[0].name), (8, &[0xff, b'x'][..]));
        let stat = names[0].attributes.stat().expect("a stat");
        assert_eq!(
            (stat.kind, stat.size, stat.modified),
            (EntryKind::File, 5, Some(Timestamp::from_millis(2000)))
        );
    }

    proptest! {
        #[test]
        fn nonsense_is_refused_and_never_a_panic(kind: u8, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = reply(kind, bytes.clone().into());
            let _ = extensions(bytes.clone().into());
            let mut packets = Packets::default();
            packets.push(&bytes);
            while let Ok(Some(_)) = packets.next() {}
        }
    }
}
