//! Corrects what OpenDAL's drivers send and receive, and adds fields of replies that they leave out and that
//! identify a file. Each correction has its reason. Review this file first when OpenDAL is upgraded.

use crate::model::Timestamp;
use ::opendal::{Buffer, Metadata};
use bytes::Bytes;
use http::{HeaderMap, request::Parts};
use serde_json::Value;

/// Marks a content type that was replaced by other fields of the reply.
const FACTS: &str = "causeway-facts;";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mend {
    Nothing,
    /// - The driver percent-encodes the name of a large file in JSON, where it must not be encoded.
    /// - The driver drops SHA-1, id and time of a file: they are passed in place of its content type, which
    ///   is not used here.
    B2,
    /// - Listings report the ETag of a large object's manifest, while HEAD reports the ETag of the object.
    /// - HEAD rounds times up to the next second, listings do not.
    Swift,
}

impl Mend {
    pub(super) fn of(service: &str) -> Self {
        match service {
            "b2" => Self::B2,
            "swift" => Self::Swift,
            _ => Self::Nothing,
        }
    }

    pub(super) fn request(self, parts: &mut Parts, body: Buffer) -> Buffer {
        if self != Self::B2 || !parts.uri.path().ends_with("/b2_start_large_file") {
            return body;
        }
        let Ok(mut said) = serde_json::from_slice::<Value>(&body.to_bytes()) else { return body };
        if let Some(name) = said.get("fileName").and_then(Value::as_str) {
            let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned();
            said["fileName"] = name.into();
        }
        Buffer::from(said.to_string())
    }

    /// Returns whether the whole reply has to be read, because its body is corrected.
    pub(super) fn wants_reply(self, parts: &Parts) -> bool {
        match self {
            Self::Nothing => false,
            Self::B2 => parts.uri.path().ends_with("/b2_list_file_names"),
            Self::Swift => {
                parts.uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "format=json"))
            }
        }
    }

    pub(super) fn reply(self, _parts: &Parts, text: Bytes) -> Bytes {
        let Ok(mut said) = serde_json::from_slice::<Value>(&text) else { return text };
        match self {
            Self::Nothing => return text,
            Self::B2 => {
                for file in said.get_mut("files").and_then(Value::as_array_mut).into_iter().flatten() {
                    let text = |name: &str| file.get(name).and_then(Value::as_str).unwrap_or_default();
                    let tag = b2_tag(text("contentSha1"), text("fileId"));
                    let time = file.get("uploadTimestamp").and_then(Value::as_i64).unwrap_or_default();
                    file["contentType"] = format!("{FACTS}{time};{tag}").into();
                }
            }
            Self::Swift => {
                for object in said.as_array_mut().into_iter().flatten() {
                    if let Some(tag) = object.get("slo_etag").cloned() {
                        object["hash"] = tag;
                    }
                }
            }
        }
        said.to_string().into()
    }

    /// Returns the storage's tag, time and MD5 of a file.
    pub(super) fn facts(self, meta: &Metadata) -> (Option<String>, Option<Timestamp>, Option<[u8; 16]>) {
        let modified = meta.last_modified().map(|time| time.into_inner().as_millisecond());
        let tag = meta.etag().or(meta.content_md5()).map(unquoted);
        let md5 = meta.content_md5().or(meta.etag().filter(|_| self == Self::Swift)).and_then(md5);
        match self {
            Self::B2 => {
                let facts = meta.content_type().and_then(|text| text.strip_prefix(FACTS)?.split_once(';'));
                let (time, tag) = facts.unwrap_or_default();
                let time = time.parse().ok().filter(|time| *time > 0);
                (Some(tag.to_owned()).filter(|tag| !tag.is_empty()), time.map(Timestamp::from_millis), md5)
            }
            Self::Swift => {
                (tag, modified.map(|time| Timestamp::from_millis((time + 999).div_euclid(1000) * 1000)), md5)
            }
            Self::Nothing => (tag, modified.map(Timestamp::from_millis), md5),
        }
    }

    /// Returns the tag in the headers of a download.
    pub(super) fn reported_tag(self, headers: &HeaderMap) -> Option<String> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        match self {
            Self::B2 => Some(b2_tag(text("x-bz-content-sha1").unwrap_or_default(), text("x-bz-file-id")?)),
            Self::Swift | Self::Nothing => text("etag").map(unquoted),
        }
    }
}

/// Returns B2's tag of a file: its SHA-1, or its id for large files, which have no SHA-1.
fn b2_tag(sha1: &str, id: &str) -> String {
    let sha1 = sha1.strip_prefix("unverified:").unwrap_or(sha1);
    if sha1.len() == 40 { sha1.to_owned() } else { id.to_owned() }
}

fn unquoted(tag: &str) -> String {
    tag.trim_start_matches("W/").trim_matches('"').to_owned()
}

/// Parses hex or base64. A value in quotes is not an MD5.
fn md5(text: &str) -> Option<[u8; 16]> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let hex = || hex::decode(text).ok();
    let base64 = || STANDARD.decode(text).ok();
    let bytes = if text.len() == 32 { hex() } else { base64() };
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(uri: &str) -> Parts {
        http::Request::get(uri).body(()).expect("a request").into_parts().0
    }

    #[test]
    fn a_large_file_on_b2_keeps_its_name() {
        let mut head = parts("https://api.example.com/b2api/v2/b2_start_large_file");
        let body =
            Mend::B2.request(&mut head, Buffer::from(r#"{"bucketId":"b","fileName":"a%20b/%C3%BC%2541"}"#));
        let said: Value = serde_json::from_slice(&body.to_bytes()).expect("JSON");
        assert_eq!((said["fileName"].as_str(), said["bucketId"].as_str()), (Some("a b/ü%41"), Some("b")));
    }

    #[test]
    fn files_on_b2_are_known_by_sha1_or_id() {
        let head = parts("https://api.example.com/b2api/v2/b2_list_file_names?bucketId=b");
        assert!(Mend::B2.wants_reply(&head));
        let sha1 = "0123456789abcdef0123456789abcdef01234567";
        let reply = format!(
            r#"{{"files":[{{"fileId":"i","contentSha1":"unverified:{sha1}","uploadTimestamp":1234}},
                {{"fileId":"j","contentSha1":"none","uploadTimestamp":5}}],"nextFileName":null}}"#
        );
        let said: Value = serde_json::from_slice(&Mend::B2.reply(&head, reply.into())).expect("JSON");
        let facts = |n: usize| {
            let mut meta = ::opendal::MetadataBuilder::file(1);
            meta.content_type(said["files"][n]["contentType"].as_str().expect("text"));
            Mend::B2.facts(&meta.build())
        };
        assert_eq!(facts(0), (Some(sha1.to_owned()), Some(Timestamp::from_millis(1234)), None));
        assert_eq!(facts(1), (Some("j".to_owned()), Some(Timestamp::from_millis(5)), None));
        let headers =
            |sha1: &str| {
                HeaderMap::from_iter([("x-bz-file-id", "j"), ("x-bz-content-sha1", sha1)].map(
                    |(name, value)| (http::HeaderName::from_static(name), value.parse().expect("a value")),
                ))
            };
        assert_eq!(Mend::B2.reported_tag(&headers(sha1)).as_deref(), Some(sha1));
        assert_eq!(Mend::B2.reported_tag(&headers("none")).as_deref(), Some("j"));
    }
}
