//! Bodies as blocks. Blocks are sent to a blob's name and do not belong to the blob until a block list names
//! them.
//!
//! A body of known length is one streamed block, or several if it is longer than a block may be. Memory holds
//! only what is in flight. The ids of one body are random and have a fixed length, so that they never replace
//! a block of another writer.

use super::{headers, refusal, store::AzblobStore};
use crate::{
    backend::wire::{Again, BodyOutcome, Framing, Outgoing, Sent, gather_or_stream},
    model::{ChecksumAlgorithm, Timestamp},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
        payload::{Arrived, Payload},
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Method;

/// The longest block ("Put Block", since version 2019-12-12).
const LONGEST_BLOCK: u64 = 4000 << 20;

/// The blocks of one body, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blocks {
    base: [u8; 16],
    count: u16,
}

pub(super) fn random() -> Result<[u8; 16]> {
    let mut random = [0; 16];
    let failed =
        |error| StoreError::new(StoreErrorKind::Internal, "no randomness").with_source(format!("{error}"));
    getrandom::fill(&mut random).map_err(failed)?;
    Ok(random)
}

impl Blocks {
    /// Returns the text that the catalog stores for a part.
    pub(super) fn location(&self) -> String {
        format!("{}.{}", hex::encode(self.base), self.count)
    }

    pub(super) fn parse(location: &str) -> Option<Self> {
        let (base, count) = location.split_once('.')?;
        let mut blocks = Self { base: [0; 16], count: count.parse().ok()? };
        hex::decode_to_slice(base, &mut blocks.base).ok()?;
        Some(blocks)
    }

    /// Returns the id of a block: 18 bytes are 24 characters without padding.
    fn id(&self, nth: u16) -> String {
        STANDARD.encode([&self.base[..], &nth.to_be_bytes()].concat())
    }

    fn ids(&self) -> impl Iterator<Item = String> {
        (0..self.count).map(|nth| self.id(nth))
    }
}

/// Returns a block list. `Latest` also finds blocks that an earlier attempt of the same commit has published
/// already.
pub(super) fn list<'b>(all: impl Iterator<Item = &'b Blocks>) -> Bytes {
    let mut document = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
    for id in all.flat_map(Blocks::ids) {
        document.push_str("<Latest>");
        document.push_str(&id);
        document.push_str("</Latest>");
    }
    document.push_str("</BlockList>");
    document.into()
}

/// A body ready to be sent.
pub(super) enum Body {
    Short(Bytes, Arrived),
    Long { body: Outgoing, outcome: BodyOutcome },
}

pub(super) async fn ready(payload: Payload, checksum: ChecksumAlgorithm) -> Result<Body> {
    Ok(match gather_or_stream(payload, Some(checksum), true, Framing::Plain).await? {
        Sent::Gathered(bytes, verified) => Body::Short(bytes, verified.into()),
        Sent::Streamed { body, outcome, .. } => Body::Long { body, outcome },
    })
}

/// A body whose blocks are complete and verified.
pub(super) struct Staged {
    pub(super) blocks: Blocks,
    pub(super) arrived: Arrived,
    /// A time by Azure's clock, before the first block arrived.
    pub(super) begun: Timestamp,
}

impl AzblobStore {
    pub(super) async fn stage(&self, name: &str, body: Body) -> Result<Staged> {
        let mut blocks = Blocks { base: random()?, count: 0 };
        let (pieces, mut known, outcome) = match body {
            // A block cannot be empty.
            Body::Short(bytes, arrived) => {
                (Outgoing::full(bytes).cut(LONGEST_BLOCK), Some(arrived), BodyOutcome::default())
            }
            Body::Long { body, outcome } => (body.cut(LONGEST_BLOCK), None, outcome),
        };
        let mut begun = None;
        for piece in pieces {
            let id = blocks.id(blocks.count);
            let call = self.blob(Method::PUT, name).query("comp", "block").query("blockid", id).body(piece);
            let sent = call.send(Again::Harmless).await;
            // If the body failed, its error is the reason why the request failed.
            match outcome.take().transpose()? {
                None => {}
                whole => known = whole,
            }
            let reply = refusal::accept(sent?).await?;
            // The reply is sent after the block was stored: one second earlier is surely before it.
            begun.get_or_insert_with(|| Timestamp::from_millis(headers::answered_at(&reply).millis() - 1000));
            blocks.count += 1;
        }
        let arrived = known.ok_or_else(unread)?;
        Ok(Staged { blocks, arrived, begun: begun.unwrap_or_else(Timestamp::now) })
    }
}

/// The error for a reply of success that came before the whole body was sent.
fn unread() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the storage answered before it had the whole body")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_length_and_locations_come_back() {
        let blocks = Blocks { base: random().expect("random"), count: 3 };
        assert_eq!(Blocks::parse(&blocks.location()), Some(blocks.clone()));
        let ids: Vec<_> = blocks.ids().collect();
        assert!(ids.len() == 3 && ids.iter().all(|id| id.len() == 24 && !id.ends_with('=')));
        for text in ["", "ab.1", "zz", &format!("{}.70000", hex::encode(blocks.base))] {
            assert_eq!(Blocks::parse(text), None);
        }
        let none = Blocks { count: 0, ..blocks };
        assert!(list([&none].into_iter()).ends_with(b"<BlockList></BlockList>"));
    }
}
