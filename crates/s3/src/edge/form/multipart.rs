//! The framing of a form (`multipart/form-data`, RFC 7578 and RFC 2046) up to its file, read as it arrives.
//!
//! Does no I/O: bytes go in, and what lies behind the head of the file stays in the input. Owns the boundary
//! and the fields before the file; `file_end` owns the end of the file. Invariants:
//! - at most [`MAX_FORM`] bytes are kept, framing included;
//! - the result does not depend on how a body is split into frames;
//! - a field ends only at a boundary, so nothing that arrived in part is a field.

use super::parameters;
use bytes::{Buf, Bytes};

/// S3 API reference, "POST Object": the form data and boundaries, excluding the contents of the file, cannot
/// exceed 20 KB.
pub const MAX_FORM: usize = 20 * 1024;

/// RFC 2046, section 5.1.1.
const MAX_BOUNDARY: usize = 70;

/// The first line end of a buffer, and that of an empty line behind it.
const EMPTY_LINE: &[u8] = b"\r\n\r\n";

/// The field that ends a form.
const FILE: &str = "file";

/// Why a body is no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormError {
    Malformed(&'static str),
    TooLong,
    /// The form ended, and no field of it was the file.
    NoFile,
}

/// Whether a body of this `Content-Type` is a form.
pub(super) fn is_form(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("multipart/form-data"))
}

/// The bytes before each part: `\r\n--` and the boundary. Only the first of them is `\r`, so a delimiter
/// never begins within another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delimiter(Bytes);

impl Delimiter {
    /// From the `Content-Type` of a form. `None`: it names no boundary, or one that RFC 2046 does not allow.
    pub fn of(content_type: &str) -> Option<Self> {
        let (_, parameters) = parameters::parse(content_type)?;
        let boundary = parameters::get(&parameters, "boundary")?;
        let is_allowed = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        let fits = (1..=MAX_BOUNDARY).contains(&boundary.len()) && !boundary.ends_with(' ');
        (fits && boundary.bytes().all(is_allowed)).then(|| Self(format!("\r\n--{boundary}").into()))
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.0
    }
}

/// A field before the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub value: String,
}

/// The head of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileHead {
    /// As the client sent it, possibly with a path.
    pub filename: String,
}

#[derive(Debug)]
enum Position {
    /// Before the first boundary.
    Beginning,
    /// Behind a boundary, in its line.
    Line,
    /// In the head of a part.
    Head,
    Value {
        name: String,
    },
}

/// Public for fuzzing.
#[derive(Debug)]
pub struct Reader {
    delimiter: Delimiter,
    /// All that arrived. It begins with the line end that the first delimiter lacks.
    buffer: Vec<u8>,
    position: Position,
    /// Where in the buffer what is read now begins.
    at: usize,
    /// Up to here there is no end of it.
    searched: usize,
    fields: Vec<Field>,
}

impl Reader {
    pub fn new(delimiter: Delimiter) -> Self {
        let position = Position::Beginning;
        Self { delimiter, buffer: b"\r\n".to_vec(), position, at: 0, searched: 0, fields: Vec::new() }
    }

    /// Takes bytes of the body: all of them, or those up to the contents of the file.
    pub fn push(&mut self, input: &mut Bytes) -> Result<Option<FileHead>, FormError> {
        let before = self.buffer.len();
        let more = input.len().min(MAX_FORM + 2 - before);
        self.buffer.extend_from_slice(&input[..more]);
        while let Some(next) = self.step()? {
            if let Some(head) = next {
                input.advance(self.at - before);
                return Ok(Some(head));
            }
        }
        if more < input.len() {
            return Err(FormError::TooLong);
        }
        input.clear();
        Ok(None)
    }

    /// The fields that were read, once the file has begun.
    pub fn fields(self) -> Vec<Field> {
        self.fields
    }

    /// Goes on by one step. `None`: more bytes are needed.
    fn step(&mut self) -> Result<Option<Option<FileHead>>, FormError> {
        match &mut self.position {
            Position::Beginning => {
                let delimiter = &self.delimiter.0[..];
                // Some clients begin with an empty line.
                if EMPTY_LINE.starts_with(&self.buffer) && self.buffer.len() < EMPTY_LINE.len() {
                    return Ok(None);
                }
                let start = if self.buffer.starts_with(EMPTY_LINE) { 2 } else { 0 };
                let found = &self.buffer[start..];
                let length = found.len().min(delimiter.len());
                if found[..length] != delimiter[..length] {
                    return Err(FormError::Malformed("it does not begin with the boundary"));
                }
                if length < delimiter.len() {
                    return Ok(None);
                }
                self.go(start + length, Position::Line);
            }
            Position::Line => {
                let rest = &self.buffer[self.at..];
                if rest.starts_with(b"--") {
                    return Err(FormError::NoFile);
                }
                let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
                match &rest[blanks..] {
                    [b'\r', b'\n', ..] => self.go(self.at + blanks, Position::Head),
                    [] | [b'\r'] => return Ok(None),
                    [b'-'] if blanks == 0 => return Ok(None),
                    _ => return Err(FormError::Malformed("a boundary is not followed by a line end")),
                }
            }
            Position::Head => {
                // The line end before the head counts: a head may be empty.
                let Some(end) = find(&self.buffer, self.searched, b"\r\n\r\n") else {
                    self.searched = self.at.max(self.buffer.len().saturating_sub(3));
                    return Ok(None);
                };
                let (name, filename) = disposition(&self.buffer[self.at..end])?;
                if name.eq_ignore_ascii_case(FILE) {
                    self.at = end + 4;
                    return Ok(Some(Some(FileHead { filename: filename.unwrap_or_default() })));
                }
                self.go(end + 4, Position::Value { name });
            }
            Position::Value { name } => {
                let delimiter = &self.delimiter.0[..];
                let Some(end) = find(&self.buffer, self.searched, delimiter) else {
                    self.searched = self.at.max(self.buffer.len().saturating_sub(delimiter.len() - 1));
                    return Ok(None);
                };
                let value = std::str::from_utf8(&self.buffer[self.at..end])
                    .map_err(|_| FormError::Malformed("the value of a field is not UTF-8"))?;
                self.fields.push(Field { name: std::mem::take(name), value: value.to_owned() });
                self.go(end + self.delimiter.0.len(), Position::Line);
            }
        }
        Ok(Some(None))
    }

    fn go(&mut self, at: usize, position: Position) {
        (self.at, self.searched, self.position) = (at, at, position);
    }
}

fn find(buffer: &[u8], from: usize, wanted: &[u8]) -> Option<usize> {
    buffer.get(from..)?.windows(wanted.len()).position(|window| window == wanted).map(|at| from + at)
}

/// The name and the file name of a part.
fn disposition(head: &[u8]) -> Result<(String, Option<String>), FormError> {
    let malformed = |why| Err(FormError::Malformed(why));
    let Ok(head) = std::str::from_utf8(head) else { return malformed("the head of a field is not UTF-8") };
    let mut found = None;
    for line in head.split("\r\n").filter(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(':') else {
            return malformed("a line in the head of a field is no header");
        };
        if name.eq_ignore_ascii_case("content-disposition") && found.replace(value).is_some() {
            return malformed("a field has two Content-Dispositions");
        }
        let is_binary =
            |value: &str| ["binary", "8bit", "7bit"].iter().any(|it| value.eq_ignore_ascii_case(it));
        if name.eq_ignore_ascii_case("content-transfer-encoding") && !is_binary(value.trim()) {
            return malformed("a field is encoded");
        }
    }
    let parsed = found.and_then(parameters::parse).filter(|(kind, _)| kind == "form-data");
    let Some((name, parameters)) =
        parsed.and_then(|(_, parameters)| Some((parameters::get(&parameters, "name")?, parameters)))
    else {
        return malformed("a field has no name");
    };
    Ok((name, parameters::get(&parameters, "filename")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Outcome = Result<Option<(Vec<(String, String)>, String, Vec<u8>)>, FormError>;

    /// Reads a body that arrives in frames of these lengths, the last one as long as need be.
    fn read(body: &[u8], boundary: &str, cuts: &[usize]) -> Outcome {
        let delimiter =
            Delimiter::of(&format!("multipart/form-data; boundary=\"{boundary}\"")).expect("allowed");
        let mut reader = Reader::new(delimiter);
        let mut rest = Bytes::copy_from_slice(body);
        for cut in cuts.iter().copied().chain([usize::MAX]) {
            let mut frame = rest.split_to(cut.min(rest.len()));
            if let Some(head) = reader.push(&mut frame)? {
                let fields = reader.fields().into_iter().map(|field| (field.name, field.value)).collect();
                return Ok(Some((fields, head.filename, [&frame[..], &rest[..]].concat())));
            }
            assert!(frame.is_empty());
        }
        Ok(None)
    }

    fn part(head: &str, value: &str) -> String {
        format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n")
    }

    fn form() -> String {
        part("name=\"key\"", "a b\r\n--\r\n--c")
            + &part("name=acl; filename=acl", "")
            + &part("name=\"file\"; filename=\"x.txt\"", "content")
            + "--b--\r\n"
    }

    #[test]
    fn fields_are_read_up_to_the_contents_of_the_file() {
        let fields = vec![("key".into(), "a b\r\n--\r\n--c".into()), ("acl".into(), String::new())];
        let expected = Ok(Some((fields, "x.txt".to_owned(), b"content\r\n--b--\r\n".to_vec())));
        assert_eq!(read(form().as_bytes(), "b", &[]), expected);
        assert_eq!(read(format!("\r\n{}", form()).as_bytes(), "b", &[]), expected, "an empty line before");
        assert_eq!(read(form().replace("--b\r\n", "--b \t\r\n").as_bytes(), "b", &[]), expected, "blanks");
    }

    #[test]
    fn it_does_not_matter_where_a_body_is_cut() {
        let whole = read(form().as_bytes(), "b", &[]);
        for cut in 0..form().len() {
            assert_eq!(read(form().as_bytes(), "b", &[cut]), whole, "{cut}");
            assert_eq!(read(form().as_bytes(), "b", &[cut, 1, 1]), whole, "{cut}");
        }
        assert_eq!(read(form().as_bytes(), "b", &vec![1; form().len()]), whole, "byte by byte");
    }

    #[test]
    fn a_body_that_is_no_form_is_refused() {
        let malformed = |body: &str| matches!(read(body.as_bytes(), "b", &[]), Err(FormError::Malformed(_)));
        for body in [
            "x",
            "preamble\r\n--b\r\n",
            "--bc\r\n",
            "--b\r\n\r\nvalue\r\n--b--",
            "--b\r\nno header\r\n\r\n",
            "--b\r\nContent-Disposition: form-data\r\n\r\n",
            "--b\r\nContent-Disposition: attachment; name=file\r\n\r\n",
            "--b\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b\r\n\r\n",
            "--b\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nvalue\r\n--bc",
        ] {
            assert!(malformed(body), "{body:?}");
        }
        assert_eq!(
            read(b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\xff\r\n--b\r\n", "b", &[]),
            Err(FormError::Malformed("the value of a field is not UTF-8"))
        );
        assert_eq!(read(b"--b--", "b", &[]), Err(FormError::NoFile));
        assert_eq!(read((part("name=a", "") + "--b--").as_bytes(), "b", &[]), Err(FormError::NoFile));
    }

    #[test]
    fn a_form_that_stops_before_its_file_is_not_complete() {
        let whole = form();
        let begins = whole.find("content").expect("a file");
        for length in 0..begins {
            assert_eq!(read(&whole.as_bytes()[..length], "b", &[]), Ok(None), "{length}");
        }
    }

    #[test]
    fn fields_and_framing_have_20_kb() {
        let with = |length: usize| {
            let file = "--b\r\nContent-Disposition: form-data; name=file\r\n\r\n";
            part("name=a", &"x".repeat(length)) + file
        };
        let most = MAX_FORM - with(0).len();
        assert!(matches!(read(with(most).as_bytes(), "b", &[]), Ok(Some(_))));
        assert_eq!(read(with(most + 1).as_bytes(), "b", &[]), Err(FormError::TooLong));
        assert_eq!(
            read(&[b"--b\r\n".to_vec(), vec![b'x'; 30_000]].concat(), "b", &[100, 100]),
            Err(FormError::TooLong)
        );
    }

    #[test]
    fn a_boundary_is_one_that_the_standard_allows() {
        let known = |content_type: &str| Delimiter::of(content_type).map(|delimiter| delimiter.0);
        assert_eq!(known("multipart/form-data; boundary=a"), Some("\r\n--a".into()));
        assert_eq!(known("multipart/form-data; charset=x; Boundary=\"a b\""), Some("\r\n--a b".into()));
        let long = "x".repeat(71);
        for bad in [
            "",
            "; boundary",
            "; boundary=",
            "; boundary=\"a \"",
            "; boundary=ä",
            &format!("; boundary={long}"),
        ] {
            assert_eq!(known(&format!("multipart/form-data{bad}")), None, "{bad}");
        }
        assert!(is_form("Multipart/Form-Data; boundary=x") && !is_form("multipart/mixed") && !is_form(""));
    }

    proptest! {
        #[test]
        fn whatever_is_said_is_read_however_it_is_cut(
            fields in proptest::collection::vec(("[a-z-]{1,8}", "\\PC{0,20}|(\r|\n|-|b){0,12}"), 0..6),
            file in proptest::collection::vec(any::<u8>(), 0..64),
            cuts in proptest::collection::vec(0usize..40, 0..12),
        ) {
            let is_usual = |name: &str, value: &str| name != FILE && !format!("\r\n{value}").contains("\r\n--b");
            let fields: Vec<(String, String)> =
                fields.into_iter().filter(|(name, value)| is_usual(name, value)).collect();
            let written = |(name, value): &(String, String)| part(&format!("name=\"{name}\""), value).into_bytes();
            let mut body: Vec<u8> = fields.iter().flat_map(written).collect();
            body.extend_from_slice(b"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n");
            body.extend_from_slice(&file);
            prop_assert_eq!(read(&body, "b", &cuts), Ok(Some((fields, String::new(), file))));
        }

        #[test]
        fn no_bytes_panic_and_no_cut_changes_what_they_mean(
            body in "((\r\n)?--b(\r\n|--)?|Content-Disposition: form-data; name=|file|key|\"|\r\n|\r|\n|[ -~]){0,24}",
            cuts in proptest::collection::vec(0usize..20, 0..12),
        ) {
            prop_assert_eq!(read(body.as_bytes(), "b", &cuts), read(body.as_bytes(), "b", &[]));
        }
    }
}
