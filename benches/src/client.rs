//! The S3 calls the benchmark makes, over one connection.
//!
//! Owns: the request heads, the rule that any status but 2xx is an error carrying the server's own words.
//! Does not own: framing (`connection`), signatures (`sigv4`). Invariant: keys use only unreserved characters
//! and `/`, so paths need no encoding.

use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::connection::{Connection, Reply, Sink};
use crate::listing;
use crate::sigv4::{Credentials, Signer, UNSIGNED_PAYLOAD, Unsigned};

/// Enough of an error body to show what the server meant.
const ERROR_EXCERPT: usize = 600;

/// The server answered with a status other than success.
#[derive(Debug)]
pub struct Refused {
    call: String,
    status: u16,
    body: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} answered {}: {}", self.call, self.status, self.body)
    }
}

impl std::error::Error for Refused {}

pub struct Client {
    connection: Connection,
    signer: Signer,
    host: String,
    head: String,
}

/// One call. Path and query are encoded already.
struct Call<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    body: &'a [u8],
}

impl Client {
    pub fn new(address: SocketAddr, credentials: &Credentials) -> Self {
        Self {
            connection: Connection::new(address),
            signer: Signer::new(credentials.clone()),
            host: address.to_string(),
            head: String::with_capacity(1024),
        }
    }

    pub fn connect(&mut self) -> Result<()> {
        self.connection.connect()
    }

    pub fn create_bucket(&mut self, bucket: &str) -> Result<()> {
        self.plain("PUT", &format!("/{bucket}"), "", &[]).map(drop)
    }

    pub fn put(&mut self, path: &str, body: &[u8]) -> Result<Reply> {
        self.plain("PUT", path, "", body)
    }

    pub fn get(&mut self, path: &str, sink: Sink) -> Result<Reply> {
        self.checked(&Call { method: "GET", path, query: "", body: &[] }, sink)
    }

    pub fn head(&mut self, path: &str) -> Result<Reply> {
        self.plain("HEAD", path, "", &[])
    }

    pub fn delete(&mut self, path: &str) -> Result<()> {
        self.plain("DELETE", path, "", &[]).map(drop)
    }

    /// The object's bytes, or None where the server answers 404.
    pub fn fetch(&mut self, path: &str) -> Result<Option<(Reply, Vec<u8>)>> {
        let mut body = Vec::new();
        let call = Call { method: "GET", path, query: "", body: &[] };
        let reply = self.call(&call, &mut |bytes| body.extend_from_slice(bytes))?;
        match reply.status {
            404 => Ok(None),
            _ => accept(&call, &reply, &body).map(|()| Some((reply, body))),
        }
    }

    /// Reads one page of ListObjectsV2. `query` holds further parameters, encoded.
    pub fn list(&mut self, bucket: &str, query: &str) -> Result<listing::Page> {
        let mut body = Vec::new();
        let query = canonical(query);
        let path = format!("/{bucket}");
        let call = Call { method: "GET", path: &path, query: &query, body: &[] };
        self.checked(&call, &mut |bytes| body.extend_from_slice(bytes))?;
        listing::parse(&String::from_utf8(body).context("a listing that is not UTF-8")?)
    }

    /// Reads one page of ListObjectsV2 without parsing it, for measurements.
    pub fn list_bytes(&mut self, path: &str, query: &str) -> Result<Reply> {
        self.plain("GET", path, query, &[])
    }

    pub fn create_multipart(&mut self, path: &str) -> Result<String> {
        let mut body = Vec::new();
        let call = Call { method: "POST", path, query: "uploads=", body: &[] };
        self.checked(&call, &mut |bytes| body.extend_from_slice(bytes))?;
        let text = String::from_utf8_lossy(&body);
        let id = listing::between(&text, "<UploadId>", "</UploadId>").context("no UploadId in the reply")?;
        Ok(id.to_owned())
    }

    pub fn upload_part(&mut self, path: &str, upload: &str, number: usize, body: &[u8]) -> Result<String> {
        let query = format!("partNumber={number}&uploadId={}", encode(upload));
        self.plain("PUT", path, &query, body).map(|reply| reply.etag)
    }

    /// Returns the ETag of the finished object. S3 may send 200 and put an error in the body, so the body
    /// decides.
    pub fn complete_multipart(&mut self, path: &str, upload: &str, etags: &[String]) -> Result<String> {
        let mut parts = String::from("<CompleteMultipartUpload>");
        for (index, etag) in etags.iter().enumerate() {
            let _ =
                write!(parts, "<Part><PartNumber>{}</PartNumber><ETag>\"{etag}\"</ETag></Part>", index + 1);
        }
        parts.push_str("</CompleteMultipartUpload>");
        let query = format!("uploadId={}", encode(upload));
        let mut body = Vec::new();
        let call = Call { method: "POST", path, query: &query, body: parts.as_bytes() };
        self.checked(&call, &mut |bytes| body.extend_from_slice(bytes))?;
        let text = String::from_utf8_lossy(&body);
        let Some(etag) = listing::between(&text, "<ETag>", "</ETag>") else {
            bail!("CompleteMultipartUpload answered without an ETag: {text}");
        };
        Ok(listing::unescape(etag).trim_matches('"').to_owned())
    }

    fn plain(&mut self, method: &str, path: &str, query: &str, body: &[u8]) -> Result<Reply> {
        self.checked(&Call { method, path, query, body }, &mut |_| {})
    }

    fn checked(&mut self, call: &Call, sink: Sink) -> Result<Reply> {
        let mut excerpt = Vec::new();
        let reply = self.call(call, &mut |bytes| {
            if excerpt.len() < ERROR_EXCERPT {
                excerpt.extend_from_slice(&bytes[..bytes.len().min(ERROR_EXCERPT)]);
            }
            sink(bytes);
        })?;
        accept(call, &reply, &excerpt)?;
        Ok(reply)
    }

    fn call(&mut self, call: &Call, sink: Sink) -> Result<Reply> {
        let Call { method, path, query, body } = *call;
        let request = Unsigned { method, host: &self.host, path, query, payload: UNSIGNED_PAYLOAD };
        let signed = self.signer.sign(&request, SystemTime::now());
        let mark = if query.is_empty() { "" } else { "?" };
        self.head.clear();
        let _ = write!(
            self.head,
            "{method} {path}{mark}{query} HTTP/1.1\r\nhost: {}\r\nx-amz-content-sha256: {UNSIGNED_PAYLOAD}\r\n\
             x-amz-date: {}\r\nauthorization: {}\r\n",
            self.host, signed.date, signed.authorization
        );
        if matches!(method, "PUT" | "POST") {
            let _ = write!(self.head, "content-length: {}\r\n", body.len());
        }
        self.head.push_str("\r\n");
        self.connection
            .exchange(self.head.as_bytes(), body, method != "HEAD", sink)
            .with_context(|| format!("{method} {path}{mark}{query}"))
    }
}

fn accept(call: &Call, reply: &Reply, body: &[u8]) -> Result<()> {
    if (200..300).contains(&reply.status) {
        return Ok(());
    }
    let body = String::from_utf8_lossy(body).into_owned();
    Err(Refused { call: format!("{} {}?{}", call.method, call.path, call.query), status: reply.status, body }
        .into())
}

/// Adds `list-type=2` and sorts the parameters: the signature needs them sorted.
fn canonical(query: &str) -> String {
    let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.push("list-type=2");
    pairs.sort_unstable();
    pairs.join("&")
}

/// Percent-encodes a query value as SigV4 canonicalises it.
pub fn encode(value: &str) -> String {
    value.bytes().fold(String::with_capacity(value.len()), |mut text, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte))
            }
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
        text
    })
}
