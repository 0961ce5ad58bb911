//! HTML forms as browsers send them, with a policy that an identity signs.

use super::{
    REGION, Who,
    raw::{Raw, RawReply, RawRequest},
};
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use base64::{Engine, engine::general_purpose::STANDARD};
use causeway::model::Timestamp;
use std::time::{Duration, SystemTime};

const BOUNDARY: &str = "----WebKitFormBoundary7MA4YWxkTrZu0gW";

#[derive(Debug, Clone)]
pub struct Form {
    pub fields: Vec<(String, String)>,
    pub file: Vec<u8>,
    /// What follows the file.
    pub tail: String,
}

impl Form {
    /// A form that nobody signed.
    pub fn anonymous(fields: &[(&str, &str)]) -> Self {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { fields, file: b"hello".to_vec(), tail: format!("\r\n--{BOUNDARY}--\r\n") }
    }

    /// A form with a policy that covers exactly these fields, and has further conditions.
    pub fn signed(who: Who, bucket: &str, fields: &[(&str, &str)], conditions: &[String]) -> Self {
        let now = SystemTime::now();
        let time = |at: SystemTime| Timestamp::from(at).iso8601();
        let date: String =
            time(now).chars().filter(char::is_ascii_alphanumeric).take(15).collect::<String>() + "Z";
        let credential = format!("{}/{}/{REGION}/s3/aws4_request", who.access_key, &date[..8]);
        let own = [
            ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
            ("x-amz-credential", credential.as_str()),
            ("x-amz-date", date.as_str()),
        ];
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let simple = |(name, value): &(&str, &str)| {
            // What the browser fills in is not known when the policy is signed.
            if value.contains("${filename}") {
                return format!("[\"starts-with\", \"${name}\", \"\"]");
            }
            format!("{{{}: {}}}", quoted(name), quoted(value))
        };
        let all: Vec<String> =
            [&[("bucket", bucket)][..], &own[..], fields].concat().iter().map(simple).collect();
        let all = [all, conditions.to_vec()].concat().join(", ");
        let end = time(now + Duration::from_secs(600));
        let policy = STANDARD.encode(format!("{{\"expiration\": \"{end}\", \"conditions\": [{all}]}}"));
        let key = generate_signing_key(who.secret_key, now, REGION, "s3");
        let signature = calculate_signature(key, policy.as_bytes());
        let signed = [("policy", policy.as_str()), ("x-amz-signature", signature.as_str())];
        Self::anonymous(&[&own[..], fields, &signed[..]].concat())
    }

    /// With another field, which no policy covers.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn file(mut self, file: impl Into<Vec<u8>>) -> Self {
        self.file = file.into();
        self
    }

    pub fn body(&self) -> Vec<u8> {
        let part = |(name, value): &(String, String)| {
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a b.txt\"\r\nContent-Type: text/html\r\n\r\n"
        );
        let fields: String = self.fields.iter().map(part).collect();
        [fields.as_bytes(), head.as_bytes(), &self.file, self.tail.as_bytes()].concat()
    }

    pub fn request(&self, raw: &Raw, bucket: &str) -> RawRequest {
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        raw.post(format!("/{bucket}"), self.body()).unsigned_header("content-type", content_type).anonymous()
    }

    pub fn send(&self, raw: &Raw, bucket: &str) -> RawReply {
        self.request(raw, bucket).send()
    }
}
