//! Reading a document that is too long to be held in memory: the children of its root, one after the other as
//! they arrive.

use super::{
    Element, Malformed,
    read::{Growing, reader},
};
use quick_xml::events::Event;

/// The maximum number of bytes of one child.
const MAX_CHILD: usize = 256 << 10;

/// Reads a document in pieces, and holds only the bytes that are not yet a complete child.
#[derive(Debug)]
pub struct Children {
    root: &'static str,
    position: RootPosition,
    rest: Vec<u8>,
    /// The number of held bytes at which they are parsed again. It doubles while a child is incomplete, so
    /// that the total work is proportional to the size of the document, however small the pieces are.
    again: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum RootPosition {
    Before,
    Inside,
    Behind,
}

impl Children {
    pub fn of(root: &'static str) -> Self {
        Self { root, position: RootPosition::Before, rest: Vec::new(), again: 0 }
    }

    /// Returns the children that are complete with these bytes. Some may be returned later, at the latest by
    /// `finish`.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Element>, Malformed> {
        self.rest.extend_from_slice(bytes);
        if self.rest.len() < self.again {
            return Ok(Vec::new());
        }
        let children = self.read()?;
        self.again = (2 * self.rest.len()).min(MAX_CHILD);
        Ok(children)
    }

    fn read(&mut self) -> Result<Vec<Element>, Malformed> {
        let mut children = Vec::new();
        let mut used = 0;
        let mut reader = reader(&self.rest);
        // The root's start tag was in bytes that were dropped, so its end tag has no match here.
        reader.config_mut().allow_unmatched_ends = true;
        let mut growing: Option<Growing> = None;
        // An error can mean that a piece has not arrived yet. It counts only when the limit is reached or the
        // document ends.
        while let Ok(event) = reader.read_event() {
            let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            match (&self.position, event) {
                (_, Event::Eof) => break,
                (_, Event::DocType(_)) => return Err(Malformed),
                (RootPosition::Before, Event::Start(start)) => {
                    if start.local_name().into_inner() != self.root {
                        return Err(Malformed);
                    }
                    (self.position, used) = (RootPosition::Inside, at);
                }
                (RootPosition::Inside, Event::End(_)) if growing.is_none() => {
                    (self.position, used) = (RootPosition::Behind, at)
                }
                (RootPosition::Inside, event) if growing.is_some() || matches!(event, Event::Start(_)) => {
                    match growing.get_or_insert_default().take(event) {
                        Some(None) => {}
                        Some(Some(child)) => {
                            children.push(child);
                            (growing, used) = (None, at);
                        }
                        // The piece ends inside a character or a reference.
                        None if at == self.rest.len() => break,
                        None => return Err(Malformed),
                    }
                }
                (RootPosition::Behind, Event::Start(_)) => return Err(Malformed),
                _ => {}
            }
        }
        self.rest.drain(..used);
        if self.rest.len() > MAX_CHILD { Err(Malformed) } else { Ok(children) }
    }

    /// Returns the last children. Fails if the document is not complete.
    pub fn finish(mut self) -> Result<Vec<Element>, Malformed> {
        let children = self.read()?;
        if self.position == RootPosition::Behind { Ok(children) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "<?xml version=\"1.0\"?>\n<d:m xmlns:d='DAV:'><!-- c -->\n<d:r><d:h>a&amp;b</d:h></d:r><d:r/><x/>\n<d:r>\u{e9}</d:r></d:m>\n";

    fn read(document: &str, step: usize) -> Result<Vec<Element>, Malformed> {
        let mut children = Children::of("m");
        let mut all = Vec::new();
        for piece in document.as_bytes().chunks(step) {
            all.extend(children.feed(piece)?);
        }
        all.extend(children.finish()?);
        Ok(all)
    }

    #[test]
    fn children_are_the_same_wherever_a_document_is_cut() {
        let whole = read(DOCUMENT, DOCUMENT.len()).expect("is well-formed");
        assert_eq!(whole.iter().map(|child| child.name.as_str()).collect::<Vec<_>>(), ["r", "r", "x", "r"]);
        assert_eq!((whole[0].value("h"), whole[3].text.as_str()), (Some("a&b"), "\u{e9}"));
        for step in 1..DOCUMENT.len() {
            assert_eq!(read(DOCUMENT, step).as_ref(), Ok(&whole), "{step} bytes at a time");
        }
    }

    #[test]
    fn what_is_no_such_document_is_malformed() {
        let long = format!("<m><r>{}", "x".repeat(MAX_CHILD));
        for document in [
            "",
            "<m>",
            "<m><r></m>",
            "<n/>",
            "<m/><m/>",
            "<m><r>&undefined;</r></m>",
            "<!DOCTYPE m><m/>",
            "nothing",
            &long,
        ] {
            assert_eq!(read(document, 7), Err(Malformed), "{}", &document[..document.len().min(40)]);
        }
    }

    #[test]
    fn a_child_that_comes_byte_by_byte_costs_no_more_than_its_length() {
        let child = format!("<r>{}</r>", "<a/>".repeat(60_000));
        let mut children = Children::of("m");
        children.feed(b"<m>").expect("a beginning");
        let mut reads = 0;
        for byte in child.as_bytes() {
            let before = children.again;
            children.feed(std::slice::from_ref(byte)).expect("a piece");
            reads += usize::from(children.again != before);
        }
        assert!(reads < 40, "{reads} times the child was read from its beginning");
        children.feed(b"</m>").expect("the end");
        let found = children.finish().expect("is whole");
        assert_eq!(found.iter().map(|child| child.children.len()).sum::<usize>(), 60_000);
    }

    #[test]
    fn what_is_held_does_not_grow_with_the_document() {
        let mut children = Children::of("m");
        children.feed(b"<m>").expect("a beginning");
        for n in 0..10_000 {
            let found = children.feed(format!("<r><h>/{n}</h></r>").as_bytes()).expect("a child");
            assert_eq!(found.len(), 1);
        }
        assert!(children.rest.capacity() < 4096);
    }
}
