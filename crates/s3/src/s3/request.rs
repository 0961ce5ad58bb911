//! A request as the edge hands it over: authenticated and decoded, with a payload that is verified as it is
//! read.

use super::{
    context::Context,
    error::{ErrorCode, S3Error},
};
use crate::store::payload::Payload;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// What the request addresses, percent-decoded, from the path or the virtual host. Not validated: the gate
/// does that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    pub bucket: Option<String>,
    pub key: Option<String>,
    /// The path below the version, in a request of the control plane. See `control`.
    pub control: Option<String>,
}

/// What an upload by form asks of its reply.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FormReply {
    /// Where the browser goes next: an absolute address.
    pub redirect: Option<String>,
    pub status: FormStatus,
}

/// The status of the reply to a form that asks for no redirect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FormStatus {
    Ok,
    /// With a document.
    Created,
    #[default]
    NoContent,
}

#[derive(Debug)]
pub struct Request {
    pub context: Context,
    pub method: Method,
    pub target: Target,
    pub query: Query,
    /// The headers as received, without `Authorization`. Every `x-amz-*` among them was signed, unless the
    /// principal is anonymous. With a form, those that its fields stand for: its policy covers them.
    pub headers: HeaderMap,
    /// Only with an upload by form.
    pub form: Option<FormReply>,
    pub payload: Payload,
}

/// Parameters that clients repeat: MinIO's, for a watch on a bucket, which means nothing to any operation
/// that is served; and the keys of UntagResource, whose order means nothing.
const REPEATABLE: &[&str] = &["events", "tagKeys"];

/// The query, percent-decoded, in order, without the parameters of a presigned URL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The first value of a parameter; empty if it has none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that is said twice means one thing or another by the order of the two, which no signature
    /// covers.
    pub fn refuse_repeated(&self) -> Result<(), S3Error> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1] && !REPEATABLE.contains(&pair[0])) {
            Some(pair) => {
                Err(S3Error::argument(pair[0], "", format!("The parameter {} must not be repeated", pair[0])))
            }
            None => Ok(()),
        }
    }

    /// All values of a parameter.
    pub fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        self.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value)
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A number, or 400 InvalidArgument naming the parameter.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, S3Error> {
        self.get(name)
            .map(|text| {
                text.parse().map_err(|_| {
                    S3Error::argument(
                        name,
                        text,
                        format!("Provided {name} not an integer or within integer range"),
                    )
                })
            })
            .transpose()
    }
}

/// Headers read singly: a repeated header with a single meaning is an error, never "the first one wins".
pub trait HeaderMapExt {
    /// The text of a header that may occur once.
    fn text(&self, name: impl Into<HeaderName>) -> Result<Option<&str>, S3Error>;

    /// Like `text`, for a header name in lower case.
    fn amz(&self, name: &'static str) -> Result<Option<&str>, S3Error>;
}

/// A request is asked for some thirty headers and has a few: up to so many it costs less to look at each than
/// to parse and hash a name.
const FEW: usize = 24;

impl HeaderMapExt for HeaderMap {
    fn text(&self, name: impl Into<HeaderName>) -> Result<Option<&str>, S3Error> {
        let name = name.into();
        single(name.as_str(), self.get_all(&name).iter())
    }

    fn amz(&self, name: &'static str) -> Result<Option<&str>, S3Error> {
        if self.len() > FEW {
            return self.text(HeaderName::from_static(name));
        }
        single(name, self.iter().filter(|(known, _)| known.as_str() == name).map(|(_, value)| value))
    }
}

fn single<'h>(
    name: &str,
    mut values: impl Iterator<Item = &'h HeaderValue>,
) -> Result<Option<&'h str>, S3Error> {
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(S3Error::new(
            ErrorCode::InvalidRequest,
            format!("The {name} header must not be repeated"),
        ));
    }
    // UTF-8 beyond ASCII is legal in user metadata as S3 takes it.
    std::str::from_utf8(first.as_bytes())
        .map(Some)
        .map_err(|_| S3Error::argument(name, "", format!("The {name} header is not UTF-8")))
}
