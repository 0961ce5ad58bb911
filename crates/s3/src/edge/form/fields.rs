//! The fields of a form: their names, the variable that they may contain, and the headers that they stand
//! for.
//!
//! Owns one table: each field is either about the form itself, or stands for a header of PutObject. So a form
//! can ask for nothing that a PUT could not ask for, and whatever refuses a header refuses the field.
//! Invariants:
//! - each field occurs once; names are in lower case;
//! - variables are expanded before anything looks at a value (S3 API reference, "POST policy").

use super::multipart::Field;
use crate::s3::{S3Error, tagging_header};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Fields about the form itself.
const OF_THE_FORM: &[&str] = &[
    "awsaccesskeyid",
    "bucket",
    "key",
    "policy",
    "redirect",
    "signature",
    "success_action_redirect",
    "success_action_status",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-signature",
];

/// Fields that stand for a header of another name, or of theirs.
const OF_OBJECTS: &[(&str, &str)] = &[
    ("acl", "x-amz-acl"),
    ("cache-control", "cache-control"),
    ("content-disposition", "content-disposition"),
    ("content-encoding", "content-encoding"),
    ("content-language", "content-language"),
    ("content-md5", "content-md5"),
    ("content-type", "content-type"),
    ("expires", "expires"),
    (TAGGING, "x-amz-tagging"),
];

/// Headers of the same prefix that describe a request and no object.
const OF_REQUESTS: &[&str] = &["x-amz-content-sha256", "x-amz-decoded-content-length", "x-amz-trailer"];
const COPY_SOURCE: &str = "x-amz-copy-source";
const TAGGING: &str = "tagging";
const FILENAME: &str = "${filename}";

/// Whether a field needs no condition: the signature and what it signs, and what S3 ignores.
pub(super) fn is_exempt(name: &str) -> bool {
    matches!(name, "awsaccesskeyid" | "file" | "policy" | "signature" | "x-amz-signature") || is_ignored(name)
}

fn is_ignored(name: &str) -> bool {
    name.starts_with("x-ignore-")
}

/// In the order in which they came.
#[derive(Debug)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// `filename` is that of the file, as the client sent it.
    pub(super) fn new(fields: Vec<Field>, filename: &str) -> Result<Self, S3Error> {
        let filename = filename.rsplit(['/', '\\']).next().unwrap_or_default();
        let mut all: Vec<(String, String)> = Vec::with_capacity(fields.len());
        for Field { name, value } in fields {
            let name = name.to_ascii_lowercase();
            if !is_ignored(&name) && all.iter().any(|(known, _)| *known == name) {
                return Err(S3Error::argument(
                    &name,
                    value,
                    format!("The form field {name} must not be repeated"),
                ));
            }
            // What is signed means itself.
            let expanded = if name == "policy" { value } else { value.replace(FILENAME, filename) };
            all.push((name, expanded));
        }
        Ok(Self(all))
    }

    /// By its name in lower case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// 400 without the field.
    pub(super) fn required(&self, name: &str, shown: &str) -> Result<&str, S3Error> {
        self.get(name).ok_or_else(|| {
            let message = format!(
                "Bucket POST must contain a field named '{shown}'. If it is specified, please check the order of the fields."
            );
            S3Error::argument(shown, "", message)
        })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The headers of a PutObject that asks for the same. Fields that mean nothing to S3 stand for none.
    pub(super) fn headers(&self) -> Result<HeaderMap, S3Error> {
        let mut headers = HeaderMap::new();
        for (field, value) in &self.0 {
            let (header, value) = match stands_for(field)? {
                None => continue,
                Some(header) if field == TAGGING => (header, tagging_header(value)?),
                Some(header) => (header, value.clone()),
            };
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
                S3Error::argument(
                    field,
                    "",
                    format!("The form field {field} has characters that no header can have"),
                )
            })?;
            if headers.insert(&header, value).is_some() {
                let message =
                    format!("The form field {field} and another one both stand for the header {header}");
                return Err(S3Error::argument(field, "", message));
            }
        }
        Ok(headers)
    }

    #[cfg(test)]
    pub(super) fn of_pairs(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }
}

/// The header that a field stands for.
fn stands_for(field: &str) -> Result<Option<HeaderName>, S3Error> {
    if OF_THE_FORM.contains(&field) || is_ignored(field) {
        return Ok(None);
    }
    if let Some((_, header)) = OF_OBJECTS.iter().find(|(known, _)| *known == field) {
        return Ok(Some(HeaderName::from_static(header)));
    }
    if !field.starts_with("x-amz-") {
        return Ok(None);
    }
    let refused = || S3Error::argument(field, "", format!("{field} cannot be a field of a form"));
    if OF_REQUESTS.contains(&field) || field.starts_with(COPY_SOURCE) {
        return Err(refused());
    }
    HeaderName::from_bytes(field.as_bytes()).map(Some).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::ErrorCode;

    fn fields(pairs: &[(&str, &str)], filename: &str) -> Result<Fields, S3Error> {
        let field =
            |(name, value): &(&str, &str)| Field { name: (*name).to_owned(), value: (*value).to_owned() };
        Fields::new(pairs.iter().map(field).collect(), filename)
    }

    fn headers(pairs: &[(&str, &str)]) -> Result<Vec<(String, String)>, ErrorCode> {
        let headers = fields(pairs, "").and_then(|fields| fields.headers()).map_err(|error| error.code)?;
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let mut pairs: Vec<_> = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        pairs.sort();
        Ok(pairs)
    }

    #[test]
    fn a_field_stands_for_the_header_of_a_put() {
        let tags = "<Tagging><TagSet><Tag><Key>a b</Key><Value>&amp;</Value></Tag></TagSet></Tagging>";
        let found = headers(&[
            ("Key", "k"),
            ("acl", "public-read"),
            ("Content-Type", "text/plain"),
            ("X-Amz-Meta-Colour", "blué"),
            ("x-amz-checksum-crc32", "AAAAAA=="),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            ("tagging", tags),
            ("policy", "p"),
            ("x-amz-date", "d"),
            ("x-ignore-this", "i"),
            ("utf8", "✓"),
            ("authorization", "AWS x:y"),
            ("content-length", "1"),
            ("host", "x"),
        ]);
        let expected = [
            ("content-type", "text/plain"),
            ("x-amz-acl", "public-read"),
            ("x-amz-checksum-crc32", "AAAAAA=="),
            ("x-amz-meta-colour", "blué"),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            ("x-amz-tagging", "a%20b=%26"),
        ];
        assert_eq!(found, Ok(expected.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()));
    }

    #[test]
    fn a_field_cannot_say_what_a_request_is() {
        for field in [
            "x-amz-content-sha256",
            "x-amz-trailer",
            "x-amz-copy-source",
            "x-amz-copy-source-range",
            "x-amz-meta-a b",
        ] {
            assert_eq!(headers(&[(field, "x")]), Err(ErrorCode::InvalidArgument), "{field}");
        }
        assert_eq!(
            headers(&[("x-amz-meta-a", "1\r\nx-amz-acl: public-read")]),
            Err(ErrorCode::InvalidArgument)
        );
        assert_eq!(
            headers(&[("acl", "private"), ("x-amz-acl", "public-read")]),
            Err(ErrorCode::InvalidArgument)
        );
        assert_eq!(headers(&[("tagging", "<Tagging/>")]), Err(ErrorCode::MalformedXML));
    }

    #[test]
    fn a_field_that_comes_twice_is_refused_unless_it_is_ignored() {
        assert_eq!(headers(&[("key", "a"), ("KEY", "b")]), Err(ErrorCode::InvalidArgument));
        assert_eq!(headers(&[("x-ignore-a", "a"), ("x-ignore-a", "b")]), Ok(Vec::new()));
    }

    #[test]
    fn the_name_of_the_file_replaces_its_variable_without_its_path() {
        for filename in ["a.txt", "/home/user/a.txt", r"C:\Program Files\a.txt"] {
            let fields =
                fields(&[("key", "user/${filename}/${filename}"), ("policy", "${filename}")], filename);
            let fields = fields.expect("fields");
            assert_eq!(
                (fields.get("key"), fields.get("policy")),
                (Some("user/a.txt/a.txt"), Some("${filename}"))
            );
        }
        let nameless = fields(&[("key", "user/${filename}")], "").expect("fields");
        assert_eq!(nameless.get("key"), Some("user/"));
    }

    #[test]
    fn a_missing_field_is_named() {
        let fields = fields(&[], "").expect("none");
        let error = fields.required("key", "key").expect_err("missing");
        assert_eq!(error.code, ErrorCode::InvalidArgument);
        assert!(error.message.starts_with("Bucket POST must contain a field named 'key'."));
    }
}
