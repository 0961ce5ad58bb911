//! Requests and replies of the fake: addresses by path and by id, errors in Graph's form.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use http_body_util::Full;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

pub type Reply = Response<Full<Bytes>>;

/// The error with which a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
    pub retry_after: Option<u64>,
}

impl Refusal {
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalidRequest", message)
    }

    pub fn not_found() -> Self {
        Self::new(404, "itemNotFound", "The resource could not be found.")
    }

    pub fn exists() -> Self {
        Self::new(409, "nameAlreadyExists", "An item with the same name already exists under the parent")
    }

    pub fn reply(&self) -> Reply {
        let error =
            json!({ "code": self.code, "message": self.message, "innerError": { "request-id": "1" } });
        let mut reply = json_reply(self.status, &json!({ "error": error }));
        if let Some(seconds) = self.retry_after {
            reply.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        reply
    }
}

/// A request without its body.
#[derive(Debug)]
pub struct Call {
    pub method: Method,
    pub path: String,
    parameters: Vec<(String, String)>,
    headers: HeaderMap,
}

/// The item that an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `root:/a/b`
    Path(String),
    /// `items/1`
    Id(String),
    /// `items/1:/name:`
    Child(String, String),
}

impl Call {
    pub fn of<B>(request: &Request<B>) -> Result<Self, Refusal> {
        let pairs = request.uri().query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        };
        let parameters = pairs.map(pair).collect::<Result<_, Refusal>>()?;
        let path = request.uri().path().to_owned();
        Ok(Self { method: request.method().clone(), path, parameters, headers: request.headers().clone() })
    }

    /// Refuses unknown parameters.
    pub fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        match self.parameters.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(Refusal::invalid(format!("Unknown parameter {name}"))),
            None => Ok(()),
        }
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Reads the behaviour from the address or from the document, as the service does.
    pub fn behaviour(&self, document: &Value) -> Result<Behaviour, Refusal> {
        let name = "@microsoft.graph.conflictBehavior";
        match self.parameter(name).or(document[name].as_str()) {
            None | Some("fail") => Ok(Behaviour::Fail),
            Some("replace") => Ok(Behaviour::Replace),
            Some(_) => Err(Refusal::invalid("the fake does not know this behaviour")),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    Fail,
    Replace,
}

pub fn decoded(text: &str) -> Result<String, Refusal> {
    percent_decode_str(text).decode_utf8().map(String::from).map_err(|_| Refusal::invalid("not UTF-8"))
}

/// Splits the part after `/me/drive` or `/drives/…` into an item and the action on it.
pub fn place(below: &str) -> Result<(Place, String), Refusal> {
    if let Some(rest) = below.strip_prefix("/root") {
        let Some(path) = rest.strip_prefix(":/") else {
            return if rest.starts_with('/') || rest.is_empty() {
                Ok((Place::Path(String::new()), rest.to_owned()))
            } else {
                Err(Refusal::invalid("an address"))
            };
        };
        let (path, rest) = path.split_once(':').unwrap_or((path, ""));
        return Ok((Place::Path(decoded(path)?), rest.to_owned()));
    }
    let item = below.strip_prefix("/items/").ok_or_else(|| Refusal::invalid("an address"))?;
    let end = item.find([':', '/']).unwrap_or(item.len());
    let (id, rest) = item.split_at(end);
    let id = decoded(id)?;
    match rest.strip_prefix(":/") {
        None => Ok((Place::Id(id), rest.to_owned())),
        Some(name) => {
            let (name, rest) = name.split_once(':').ok_or_else(|| Refusal::invalid("an address"))?;
            Ok((Place::Child(id, decoded(name)?), rest.to_owned()))
        }
    }
}

pub fn json_reply(status: u16, document: &Value) -> Reply {
    let reply = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
    reply.body(Full::new(document.to_string().into())).expect("a reply")
}

pub fn empty(status: u16) -> Reply {
    Response::builder().status(status).body(Full::default()).expect("a reply")
}

pub fn located(status: u16, location: &str) -> Reply {
    let mut reply = empty(status);
    reply.headers_mut().insert(header::LOCATION, location.parse().expect("an address"));
    reply
}
