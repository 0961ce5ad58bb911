//! Request documents that are lists: parsed while they arrive, so that only the results of their entries are
//! kept.
//!
//! Invariants: nothing is done before the whole document has arrived and was verified; what is kept of it
//! counts as memory.

use super::{
    error::{ErrorCode, S3Error},
    xml::{Children, Element},
};
use crate::store::{memory::Held, payload::Payload};
use std::time::Duration;

/// How much of a client's text is shown: enough for the longest key.
const SHOWN: usize = 2048;

/// The results of the entries that have arrived.
pub(super) struct Entries<T> {
    pub(super) items: Vec<T>,
    /// The memory that they count as.
    pub(super) held: Option<Held>,
}

/// Reads the children of `root`. `entry` makes an item of each, or nothing, and says how many bytes that
/// holds.
pub(super) async fn entries<T>(
    payload: Payload,
    root: &'static str,
    limit: usize,
    mut entry: impl FnMut(Element, &[T]) -> Result<Option<(T, usize)>, S3Error>,
) -> Result<Entries<T>, S3Error> {
    let mut entries = Entries { items: Vec::new(), held: payload.memory().map(|memory| memory.hold(0)) };
    let mut take = |children: Vec<Element>| {
        for child in children {
            let Some((item, size)) = entry(child, &entries.items)? else { continue };
            if entries.held.as_mut().is_some_and(|held| !held.try_grow(size)) {
                return Err(S3Error::from(ErrorCode::SlowDown).retry_after(Duration::ZERO));
            }
            entries.items.push(item);
        }
        Ok(())
    };
    let mut children = Children::of(root);
    let length = payload.pieces(limit, |piece| take(children.feed(piece)?)).await?;
    if length == 0 {
        return Err(ErrorCode::MissingRequestBodyError.into());
    }
    take(children.finish()?)?;
    Ok(entries)
}

/// The beginning of a text, where all of it would be too much.
pub(super) fn shown(text: &str) -> &str {
    &text[..text.floor_char_boundary(SHOWN)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::Memory;
    use bytes::Bytes;
    use std::sync::Arc;

    async fn read(document: &str, memory: &Arc<Memory>) -> Result<Entries<String>, S3Error> {
        let pieces: Vec<_> =
            document.as_bytes().chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let payload = Payload::from_stream(futures_util::stream::iter(pieces), Default::default())
            .within(memory.clone());
        entries(payload, "List", 1 << 20, |child, _| {
            Ok((child.name == "Item").then(|| (child.text.clone(), child.text.len())))
        })
        .await
    }

    #[tokio::test]
    async fn entries_are_held_and_count_for_as_long_as_they_are() {
        let memory = Memory::new(1 << 20);
        let entries =
            read("<List><Item>one</Item><Other/><Item>three</Item></List>", &memory).await.expect("a list");
        assert_eq!((entries.items.join(" "), memory.used()), ("one three".to_owned(), 8));
        drop(entries);
        assert_eq!(memory.used(), 0);
    }

    #[tokio::test]
    async fn entries_that_are_told_only_at_the_end_are_in_the_list() {
        let list = format!("<List><Item>{}</Item><Item>last</Item></List>", "x".repeat(100_000));
        let entries = read(&list, &Memory::new(1 << 20)).await.expect("a list");
        assert_eq!(entries.items.iter().map(String::len).collect::<Vec<_>>(), [100_000, 4]);
    }

    #[tokio::test]
    async fn a_list_that_finds_no_memory_is_told_to_come_back() {
        let memory = Memory::new(100);
        let list = format!("<List>{}</List>", "<Item>0123456789</Item>".repeat(20));
        assert_eq!(read(&list, &memory).await.err().map(|error| error.code), Some(ErrorCode::SlowDown));
        assert_eq!(memory.used(), 0);
    }

    #[tokio::test]
    async fn a_list_must_come_whole() {
        let memory = Memory::new(1 << 20);
        for (document, code) in [
            ("", ErrorCode::MissingRequestBodyError),
            ("<List><Item>a</Item>", ErrorCode::MalformedXML),
            ("<Else/>", ErrorCode::MalformedXML),
        ] {
            assert_eq!(read(document, &memory).await.err().map(|error| error.code), Some(code), "{document}");
        }
    }

    #[test]
    fn texts_are_shown_up_to_a_whole_character() {
        assert_eq!(shown("short"), "short");
        let long = format!("{}\u{e9}", "x".repeat(SHOWN - 1));
        assert_eq!(shown(&long).len(), SHOWN - 1);
    }
}
