//! Writing XML into one growing buffer.

use bytes::Bytes;
use std::fmt::Write;

#[derive(Debug)]
pub struct Writer(String);

impl Writer {
    pub fn document() -> Self {
        let mut text = String::with_capacity(1024);
        text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        Self(text)
    }

    /// Returns the text before and after the content of a root that is written piece by piece, each a
    /// [`Writer::fragment`].
    pub fn halves(root: &str) -> (Bytes, Bytes) {
        let mut writer = Self::document();
        writer.root(root, |_| {});
        let mut begin = writer.finish();
        let end = begin.split_off(begin.len() - root.len() - 3);
        (begin, end)
    }

    /// Begins text that is inserted into a document written elsewhere.
    pub fn fragment() -> Self {
        Self(String::new())
    }

    /// Makes room for so many bytes at once: a text that grows piece by piece is copied each time.
    pub fn reserve(&mut self, bytes: usize) {
        self.0.reserve(bytes);
    }

    /// Returns the number of bytes written so far.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// Writes an element with S3's namespace: the root of a reply.
    pub fn root(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.open(name, Some(("xmlns", super::NAMESPACE)), content);
    }

    /// Writes the root of a reply of another service than S3, with its namespace.
    pub fn root_of(&mut self, name: &str, namespace: &str, content: impl FnOnce(&mut Self)) {
        self.open(name, Some(("xmlns", namespace)), content);
    }

    /// Inserts what was written elsewhere as a [`Writer::fragment`].
    pub fn insert(&mut self, fragment: &Self) {
        self.0.push_str(&fragment.0);
    }

    pub fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.open(name, None, content);
    }

    fn open(&mut self, name: &str, attribute: Option<(&str, &str)>, content: impl FnOnce(&mut Self)) {
        self.0.push('<');
        self.0.push_str(name);
        if let Some((attribute, value)) = attribute {
            let _ = write!(self.0, " {attribute}=\"{value}\"");
        }
        self.0.push('>');
        content(self);
        self.close(name);
    }

    fn close(&mut self, name: &str) {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    /// Writes `<Grantee xmlns:xsi=… xsi:type="…">`: the one element of S3 with attributes of its own.
    pub fn grantee(&mut self, kind: &str, content: impl FnOnce(&mut Self)) {
        let _ = write!(
            self.0,
            "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"{kind}\">"
        );
        content(self);
        self.0.push_str("</Grantee>");
    }

    pub fn text(&mut self, name: &str, value: impl AsRef<str>) {
        self.element(name, |w| w.content(value));
    }

    /// Writes text between quotation marks, as listings show an entity tag.
    pub fn quoted(&mut self, name: &str, value: &str) {
        self.element(name, |w| {
            w.0.push_str("&quot;");
            w.content(value);
            w.0.push_str("&quot;");
        });
    }

    /// Writes text inside the open element.
    pub fn content(&mut self, value: impl AsRef<str>) {
        escape(value.as_ref(), &mut self.0);
    }

    pub fn number(&mut self, name: &str, value: impl Into<u64>) {
        self.element(name, |w| w.decimal(value));
    }

    /// Writes a number inside the open element.
    pub fn decimal(&mut self, value: impl Into<u64>) {
        decimal(value.into(), &mut self.0);
    }

    /// Lets `write` add text that has no character to be escaped.
    pub fn plain(&mut self, write: impl FnOnce(&mut String)) {
        write(&mut self.0);
    }

    pub fn boolean(&mut self, name: &str, value: bool) {
        self.element(name, |w| w.0.push_str(if value { "true" } else { "false" }));
    }

    /// Writes XML that another writer has made, and that was kept since.
    pub fn verbatim(&mut self, xml: &str) {
        self.0.push_str(xml);
    }

    pub fn finish(self) -> Bytes {
        self.0.into()
    }
}

/// Control characters become references, as S3 sends them. XML 1.0 does not allow them in any form: clients
/// that need them use `encoding-type=url`.
fn escape(text: &str, out: &mut String) {
    // Nearly all text has nothing to escape, and is copied in one piece. The loop has no exit, so that it becomes
    // instructions that look at many bytes at once.
    if !text.bytes().fold(false, |found, byte| found | begins_escaped(byte)) {
        return out.push_str(text);
    }
    let mut rest = text;
    while let Some(at) = rest.bytes().position(begins_escaped) {
        let Some(c) = rest[at..].chars().next() else { break };
        out.push_str(&rest[..at]);
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(out, "&#x{:x};", u32::from(c));
            }
            c => out.push(c),
        }
        rest = &rest[at + c.len_utf8()..];
    }
    out.push_str(rest);
}

/// Whether a character that is escaped may begin with this byte: U+FFFE and U+FFFF begin with EF in UTF-8.
fn begins_escaped(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'&') | (byte == b'<') | (byte == b'>') | (byte == b'"') | (byte == 0xef)
}

/// Writes a number: a listing has one for each key, and the formatter takes several times as long.
fn decimal(mut value: u64, out: &mut String) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] += (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&digits[first..]).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_values_is_escaped() {
        let mut writer = Writer::document();
        writer.root("R", |w| {
            w.text("K", "a<b>&\"\r\u{1}é");
            w.number("N", 3u32);
        });
        let text = String::from_utf8(writer.finish().to_vec()).expect("UTF-8");
        assert!(text.ends_with("<R xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><K>a&lt;b&gt;&amp;&quot;&#xd;&#x1;é</K><N>3</N></R>"));
    }

    #[test]
    fn numbers_and_text_are_those_of_the_formatter() {
        for value in [0, 1, 9, 10, 99, 100, 1_234_567_890, u64::MAX] {
            let mut text = String::new();
            decimal(value, &mut text);
            assert_eq!(text, value.to_string());
        }
        for (text, written) in [
            ("", ""),
            ("&", "&amp;"),
            ("é&\u{fffe}ü", "é&amp;&#xfffe;ü"),
            ("\0x", "&#x0;x"),
            ("x>", "x&gt;"),
            ("ｘ\u{feff}\u{ffff}", "ｘ\u{feff}&#xffff;"),
        ] {
            let mut out = String::new();
            escape(text, &mut out);
            assert_eq!(out, written);
        }
    }
}
