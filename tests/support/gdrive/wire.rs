//! Requests and replies of the fake: parameters, errors in Google's form, partial replies.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use http_body_util::Full;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

pub type Reply = Response<Full<Bytes>>;

/// The error with which a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub reason: &'static str,
    pub message: String,
}

impl Refusal {
    pub fn new(status: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { status, reason, message: message.into() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid", message)
    }

    pub fn not_found(id: &str) -> Self {
        Self::new(404, "notFound", format!("File not found: {id}."))
    }

    pub fn reply(&self) -> Reply {
        let inner = json!({ "domain": "global", "reason": self.reason, "message": self.message });
        json_reply(
            self.status,
            &json!({ "error": { "errors": [inner], "code": self.status, "message": self.message } }),
        )
    }
}

/// A request without its body.
#[derive(Debug)]
pub struct Call {
    pub method: Method,
    /// The decoded segments of the path.
    pub path: Vec<String>,
    parameters: Vec<(String, String)>,
    headers: HeaderMap,
}

impl Call {
    pub fn of<B>(request: &Request<B>) -> Result<Self, Refusal> {
        let decoded = |text: &str| {
            percent_decode_str(text)
                .decode_utf8()
                .map(String::from)
                .map_err(|_| Refusal::invalid("not UTF-8"))
        };
        let path = request.uri().path().split('/').skip(1).map(decoded).collect::<Result<_, _>>()?;
        let pairs = request.uri().query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        };
        let parameters = pairs.map(pair).collect::<Result<_, Refusal>>()?;
        Ok(Self { method: request.method().clone(), path, parameters, headers: request.headers().clone() })
    }

    /// Refuses unknown parameters. The service ignores some of them, but no driver should rely on that.
    pub fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        let common = ["fields", "supportsAllDrives"];
        match self
            .parameters
            .iter()
            .find(|(name, _)| !known.contains(&name.as_str()) && !common.contains(&name.as_str()))
        {
            Some((name, _)) => Err(Refusal::invalid(format!("Unknown parameter {name}"))),
            None => Ok(()),
        }
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn is_set(&self, name: &str) -> bool {
        self.parameter(name) == Some("true")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Replies with the fields that `fields` selects, of a file or of a page of files.
    pub fn answer(&self, document: Value) -> Result<Reply, Refusal> {
        let default = if document.get("files").is_some() {
            "nextPageToken,files(kind,id,name,mimeType)"
        } else {
            "kind,id,name,mimeType"
        };
        let fields = self.parameter("fields").unwrap_or(default);
        Ok(json_reply(200, &project(document, fields)?))
    }
}

/// Selects these fields: `a,b(c,d)`.
fn project(document: Value, fields: &str) -> Result<Value, Refusal> {
    let Value::Object(mut all) = document else { return Ok(document) };
    let mut kept = Map::new();
    let mut rest = fields;
    while !rest.is_empty() {
        let end = rest.find([',', '(']).unwrap_or(rest.len());
        let (name, more) = rest.split_at(end);
        rest = more;
        let mut value = all.remove(name);
        if let Some(inner) = rest.strip_prefix('(') {
            let end = closing(inner)
                .ok_or_else(|| Refusal::invalid(format!("Invalid field selection {fields}")))?;
            let (within, more) = inner.split_at(end);
            rest = &more[1..];
            value = match value {
                Some(Value::Array(items)) => Some(Value::Array(
                    items.into_iter().map(|item| project(item, within)).collect::<Result<_, _>>()?,
                )),
                Some(one) => Some(project(one, within)?),
                None => None,
            };
        }
        if let Some(value) = value {
            kept.insert(name.to_owned(), value);
        }
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    Ok(Value::Object(kept))
}

/// Finds the end of the open parenthesis.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    text.char_indices().find_map(|(at, c)| {
        open += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        (open == 0).then_some(at)
    })
}

pub fn json_reply(status: u16, document: &Value) -> Reply {
    let reply =
        Response::builder().status(status).header(header::CONTENT_TYPE, "application/json; charset=UTF-8");
    reply.body(Full::new(document.to_string().into())).expect("a reply")
}

pub fn empty(status: u16) -> Reply {
    Response::builder().status(status).body(Full::default()).expect("a reply")
}
