//! Requests and replies of the fake: arguments in bodies and headers, errors in Dropbox's form.

use bytes::Bytes;
use http::{Response, header};
use http_body_util::Full;
use serde_json::{Value, json};

pub type Reply = Response<Full<Bytes>>;

/// The error with which a request is refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub status: u16,
    /// The tags, such as `path/not_found`.
    pub summary: String,
    /// The fields inside the innermost tag.
    pub more: Value,
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// An error of the function.
    pub fn of(summary: &str) -> Self {
        Self { status: 409, summary: summary.to_owned(), more: json!({}), retry_after: None }
    }

    /// A malformed request.
    pub fn malformed(words: &str) -> Self {
        Self { status: 400, summary: words.to_owned(), more: Value::Null, retry_after: None }
    }

    pub fn reply(&self) -> Reply {
        if self.more.is_null() {
            let reply = Response::builder().status(self.status).header(header::CONTENT_TYPE, "text/plain");
            return reply.body(Full::new(self.summary.clone().into())).expect("a reply");
        }
        // Built from the inside out: every tag holds the inner one under its own name.
        let mut tags = self.summary.split('/').rev();
        let mut error = self.more.clone();
        error[".tag"] = json!(tags.next());
        for tag in tags {
            error = json!({ ".tag": tag, tag: error });
        }
        let mut reply = json_reply(
            self.status,
            &json!({ "error_summary": format!("{}/..", self.summary), "error": error }),
        );
        if let Some(seconds) = self.retry_after {
            reply.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        reply
    }
}

pub fn json_reply(status: u16, document: &Value) -> Reply {
    let reply = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
    reply.body(Full::new(document.to_string().into())).expect("a reply")
}
