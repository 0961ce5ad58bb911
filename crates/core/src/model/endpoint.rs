//! The address of a storage service.

use std::{fmt, sync::Arc};

/// `http://` or `https://`, a host with an optional port, and an optional path without a `/` at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    secure: bool,
    authority: Arc<str>,
    path: Arc<str>,
}

impl Endpoint {
    pub fn parse(text: &str) -> Option<Self> {
        let uri: http::Uri = text.parse().ok()?;
        let secure = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        if uri.query().is_some() || authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        Some(Self {
            secure,
            authority: authority.as_str().into(),
            path: uri.path().trim_end_matches('/').into(),
        })
    }

    pub fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// Host and port.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    pub fn host(&self) -> &str {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => &self.authority,
        }
    }

    /// Returns the path. It begins with a `/`, or is empty.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_a_scheme_a_host_and_perhaps_a_path() {
        for (text, parts) in [
            ("https://s3.example.com", ("https", "s3.example.com", "s3.example.com", "")),
            ("http://127.0.0.1:9000/", ("http", "127.0.0.1:9000", "127.0.0.1", "")),
            ("http://[::1]:10000/account/", ("http", "[::1]:10000", "[::1]", "/account")),
        ] {
            let endpoint = Endpoint::parse(text).expect("an endpoint");
            assert_eq!((endpoint.scheme(), endpoint.authority(), endpoint.host(), endpoint.path()), parts);
            assert_eq!(endpoint.to_string(), text.trim_end_matches('/'));
        }
        for text in [
            "s3.example.com",
            "ftp://a",
            "https://",
            "https://user:secret@a",
            "https://a/?x=1",
            "https://a b",
        ] {
            assert_eq!(Endpoint::parse(text), None, "{text}");
        }
    }
}
