//! Reading documents into a small tree.

use quick_xml::{Reader, events::Event};

/// No document of S3 or Azure is deeper.
const MAX_DEPTH: usize = 16;
/// The document is not well-formed, exceeds a limit, or is not the expected one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the XML is not well-formed or not what is expected here")]
pub struct Malformed;

/// Enough for CompleteMultipartUpload: 10,000 parts of at most nine elements.
const MAX_ELEMENTS: usize = 120_000;

/// An element: its local name, its own text, its children. Attributes and namespaces are dropped: S3 uses
/// only `xsi:type` of a grantee, which also follows from the grantee's content.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Returns the text of a child.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// Parses a document. Its root element must have the name `root`.
pub fn parse(document: &[u8], root: &str) -> Result<Element, Malformed> {
    tree(document).filter(|element| element.name == root).ok_or(Malformed)
}

/// Parses a reply and returns its root element, unless that is an `Error`. Any other name is accepted:
/// servers use different names.
pub fn parse_reply(document: &[u8]) -> Result<Element, Malformed> {
    tree(document).filter(|element| element.name != "Error").ok_or(Malformed)
}

fn tree(document: &[u8]) -> Option<Element> {
    let mut reader = reader(document);
    let mut growing = Growing::default();
    let mut root = None;
    loop {
        match reader.read_event().ok()? {
            Event::Eof => return if growing.open.is_empty() { root } else { None },
            Event::Start(_) if root.is_some() => return None,
            event => root = growing.take(event)?.or(root),
        }
    }
}

pub(super) fn reader(document: &[u8]) -> Reader<&[u8]> {
    let mut reader = Reader::from_reader(document);
    reader.config_mut().expand_empty_elements = true;
    reader
}

/// The elements that have begun and not yet ended.
#[derive(Default)]
pub(super) struct Growing {
    open: Vec<Element>,
    count: usize,
}

impl Growing {
    /// Takes the next event. It returns `None` for a malformed document, and otherwise the outermost element
    /// if the event ends it.
    pub(super) fn take(&mut self, event: Event<'_>) -> Option<Option<Element>> {
        match event {
            Event::Start(start) => {
                self.count += 1;
                if self.open.len() == MAX_DEPTH || self.count > MAX_ELEMENTS {
                    return None;
                }
                let name = start.local_name().into_inner().to_owned();
                self.open.push(Element { name, ..Default::default() });
            }
            Event::End(_) => {
                let done = self.open.pop()?;
                match self.open.last_mut() {
                    Some(parent) => parent.children.push(done),
                    None => return Some(Some(done)),
                }
            }
            Event::Text(text) => match self.open.last_mut() {
                Some(element) => element.text.push_str(&text),
                None if text.trim().is_empty() => {}
                None => return None,
            },
            Event::CData(text) => self.open.last_mut()?.text.push_str(&text),
            Event::GeneralRef(reference) => {
                let element = self.open.last_mut()?;
                match character(&reference) {
                    Some(character) => element.text.push(character),
                    None => element.text.push_str(quick_xml::escape::resolve_predefined_entity(&reference)?),
                }
            }
            Event::DocType(_) => return None,
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::Empty(_) | Event::Eof => {}
        }
        Some(None)
    }
}

/// Decodes `#65` or `#x41`. Characters that XML 1.0 forbids are accepted: S3 writes keys that contain them in
/// this form.
fn character(reference: &str) -> Option<char> {
    let number = reference.strip_prefix('#')?;
    let code = match number.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => number.parse(),
    };
    char::from_u32(code.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_becomes_a_tree_with_entities_resolved() {
        let document = br#"<?xml version="1.0"?><!-- c --><a:Delete xmlns:a="x"><Object><Key>a&amp;b&#x41;<![CDATA[<c>]]></Key></Object><Quiet/></a:Delete>"#;
        let root = parse(document, "Delete").expect("parses");
        assert_eq!(root.child("Object").and_then(|o| o.value("Key")), Some("a&bA<c>"));
        assert_eq!(root.value("Quiet"), Some(""));
    }

    #[test]
    fn characters_that_xml_lacks_may_be_referred_to() {
        let root = parse(b"<a>&#x1;&#0;&#10;&#x1F600;</a>", "a").expect("parses");
        assert_eq!(root.text, "\u{1}\0\n\u{1F600}");
        assert!(parse(b"<a>&#xD800;</a>", "a").is_err() && parse(b"<a>&#;</a>", "a").is_err());
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_document() {
        let document = b"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><a>b</a>";
        assert_eq!(parse(document, "a").map(|root| root.text), Ok("b".to_owned()), "Azure sends one");
    }

    #[test]
    fn hostile_documents_are_malformed() {
        let deep = format!("{}{}", "<a>".repeat(10_000), "</a>".repeat(10_000));
        let wide = format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS));
        let laughs = r#"<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><a>&b;</a>"#;
        for document in [
            deep.as_str(),
            &wide,
            laughs,
            "<a>&undefined;</a>",
            "<a>",
            "<a></b>",
            "<a/><a/>",
            "",
            "<b/>",
            "text",
            "<a>\u{0}<",
        ] {
            assert!(parse(document.as_bytes(), "a").is_err(), "{}", &document[..document.len().min(60)]);
        }
        assert!(parse(b"\xff\xfe", "a").is_err());
    }
}
