//! Signed HTTP/1.1 requests by hand, for what SDKs cannot send: headers added after signing, wrong lengths,
//! changed chunks.

use super::{REGION, Who};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
        SigningParams, SigningSettings, UriPathNormalizationMode, sign,
    },
    sign::{v4, v4a},
};
use bytes::Bytes;
use std::{
    io::{Read, Write},
    net::{IpAddr, Shutdown, SocketAddr, TcpStream},
    time::{Duration, SystemTime},
};

/// The server and the identity of requests.
#[derive(Debug, Clone)]
pub struct Raw {
    address: SocketAddr,
    who: Who,
}

impl Raw {
    pub fn new(address: SocketAddr, who: Who) -> Self {
        Self { address, who }
    }

    /// `target` is path and query in their encoded form: `/bucket/a%20b?acl`.
    pub fn request(&self, method: &str, target: impl Into<String>) -> RawRequest {
        RawRequest {
            raw: self.clone(),
            method: method.to_owned(),
            target: target.into(),
            signed: vec![("host".to_owned(), self.address.to_string())],
            unsigned: vec![("connection".to_owned(), "close".to_owned())],
            body: Vec::new(),
            payload: PayloadMode::Signed,
            signature: Signature::Header,
            region: REGION,
            region_set: None,
            service: "s3",
            token: None,
            length: None,
            tampering: None,
            half_close: false,
            from: None,
        }
    }

    pub fn get(&self, target: impl Into<String>) -> RawRequest {
        self.request("GET", target)
    }

    pub fn put(&self, target: impl Into<String>, body: impl AsRef<[u8]>) -> RawRequest {
        self.request("PUT", target).body(body)
    }

    pub fn post(&self, target: impl Into<String>, body: impl AsRef<[u8]>) -> RawRequest {
        self.request("POST", target).body(body)
    }

    /// Sends these bytes, and reads the reply.
    pub fn send(&self, wire: &[u8]) -> RawReply {
        self.exchange(wire, false, None)
    }

    fn exchange(&self, wire: &[u8], half_close: bool, from: Option<IpAddr>) -> RawReply {
        let mut stream = match from {
            Some(from) => connect_from(from, self.address),
            None => TcpStream::connect(self.address).expect("a connection"),
        };
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        // A server that refuses early may close the connection before it has read everything; its answer
        // counts.
        let _ = stream.write_all(wire);
        if half_close {
            let _ = stream.shutdown(Shutdown::Write);
        }
        let mut reply = Vec::new();
        let mut buffer = [0; 64 * 1024];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => reply.extend_from_slice(&buffer[..n]),
                Err(_) if !reply.is_empty() => break,
                Err(error) => panic!("no reply: {error}"),
            }
        }
        RawReply::parse(&reply, wire.starts_with(b"HEAD "))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PayloadMode {
    /// `x-amz-content-sha256` is that of the body.
    Signed,
    Unsigned,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`, in chunks of this size.
    Chunked(usize),
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`, framed by the test.
    Framed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signature {
    Header,
    /// The signature is in the query, and valid for this long.
    Query(Duration),
    None,
}

#[derive(Debug, Clone)]
pub struct RawRequest {
    raw: Raw,
    method: String,
    target: String,
    signed: Vec<(String, String)>,
    unsigned: Vec<(String, String)>,
    body: Vec<u8>,
    payload: PayloadMode,
    signature: Signature,
    region: &'static str,
    region_set: Option<&'static str>,
    service: &'static str,
    token: Option<String>,
    length: Option<String>,
    tampering: Option<(Vec<u8>, Vec<u8>)>,
    half_close: bool,
    from: Option<IpAddr>,
}

impl RawRequest {
    /// Adds a signed header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.signed.push((name.to_owned(), value.into()));
        self
    }

    /// Names this host in place of the server's address.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.signed[0].1 = host.into();
        self
    }

    /// Adds a header after signing.
    pub fn unsigned_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.unsigned.push((name.to_owned(), value.into()));
        self
    }

    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    pub fn unsigned_payload(mut self) -> Self {
        self.payload = PayloadMode::Unsigned;
        self
    }

    /// Sends the body in signed chunks of this size.
    pub fn chunked(mut self, size: usize) -> Self {
        self.payload = PayloadMode::Chunked(size);
        self
    }

    /// The body is `aws-chunked` already, without signatures.
    pub fn framed(mut self) -> Self {
        self.payload = PayloadMode::Framed;
        self
    }

    /// Puts the signature into the query instead of a header.
    pub fn presigned(mut self, expires: Duration) -> Self {
        self.payload = PayloadMode::Unsigned;
        self.signature = Signature::Query(expires);
        self
    }

    /// Signs for this region.
    pub fn region(mut self, region: &'static str) -> Self {
        self.region = region;
        self
    }

    /// Signs with SigV4A, for a set of regions.
    pub fn region_set(mut self, set: &'static str) -> Self {
        self.region_set = Some(set);
        self
    }

    /// Signs for this service: `iam` or `sts`.
    pub fn service(mut self, service: &'static str) -> Self {
        self.service = service;
        self
    }

    /// Signs with this session token.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    pub fn anonymous(mut self) -> Self {
        self.payload = PayloadMode::Unsigned;
        self.signature = Signature::None;
        self
    }

    /// Sends another Content-Length than the body's.
    pub fn content_length(mut self, length: impl Into<String>) -> Self {
        self.length = Some(length.into());
        self
    }

    /// Replaces bytes of the signed request, so that its signature does not match.
    pub fn tamper(mut self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Self {
        self.tampering = Some((from.as_ref().to_vec(), to.as_ref().to_vec()));
        self
    }

    /// Sends the request from another address of this machine.
    pub fn from(mut self, address: IpAddr) -> Self {
        self.from = Some(address);
        self
    }

    /// Closes the sending side after the request, so that the server detects a short body at once.
    pub fn half_close(mut self) -> Self {
        self.half_close = true;
        self
    }

    pub fn send(self) -> RawReply {
        let mut wire = self.wire();
        if let Some((from, to)) = &self.tampering {
            let at = wire
                .windows(from.len())
                .rposition(|window| window == &from[..])
                .expect("the bytes to tamper with");
            wire.splice(at..at + from.len(), to.iter().copied());
        }
        self.raw.exchange(&wire, self.half_close, self.from)
    }

    /// The request as bytes, for tampering.
    pub fn wire(&self) -> Vec<u8> {
        let now = SystemTime::now();
        let identity = Credentials::new(
            self.raw.who.access_key,
            self.raw.who.secret_key,
            self.token.clone(),
            None,
            "test",
        )
        .into();
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        if let Signature::Query(expires) = self.signature {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(expires);
            // A presigned URL has no hash of its payload.
            settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        }
        let params = match self.region_set {
            None => {
                let params = v4::SigningParams::builder().identity(&identity).region(self.region);
                let params = params.name(self.service).time(now).settings(settings);
                SigningParams::V4(params.build().expect("complete"))
            }
            Some(set) => {
                let params = v4a::SigningParams::builder().identity(&identity).region_set(set);
                let params = params.name(self.service).time(now).settings(settings);
                SigningParams::V4a(params.build().expect("complete"))
            }
        };
        let mut headers = self.signed.clone();
        if let PayloadMode::Chunked(_) = self.payload {
            headers.push(("x-amz-decoded-content-length".to_owned(), self.body.len().to_string()));
            headers.push(("content-encoding".to_owned(), "aws-chunked".to_owned()));
        }
        let mut target = self.target.clone();
        let mut seed = String::new();
        if self.signature != Signature::None {
            let body = match self.payload {
                PayloadMode::Signed => SignableBody::Bytes(&self.body),
                PayloadMode::Unsigned => SignableBody::UnsignedPayload,
                PayloadMode::Chunked(_) => {
                    SignableBody::Precomputed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned())
                }
                PayloadMode::Framed => SignableBody::StreamingUnsignedPayloadTrailer,
            };
            let uri = format!("http://{}{}", self.raw.address, self.target);
            let borrowed = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let signable = SignableRequest::new(&self.method, uri, borrowed, body).expect("signable");
            let (instructions, signature) = sign(signable, &params).expect("signed").into_parts();
            seed = signature;
            let (signed_headers, query) = instructions.into_parts();
            headers.extend(
                signed_headers.iter().map(|header| (header.name().to_owned(), header.value().to_owned())),
            );
            for (name, value) in query {
                let encoded =
                    percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC);
                target += &format!("{}{name}={encoded}", if target.contains('?') { '&' } else { '?' });
            }
        }
        let body = match self.payload {
            PayloadMode::Chunked(size) => chunks(&self.body, size, &seed, &params),
            PayloadMode::Signed | PayloadMode::Unsigned | PayloadMode::Framed => self.body.clone(),
        };
        let length = self.length.clone().unwrap_or_else(|| body.len().to_string());
        if self.length.is_some() || !body.is_empty() || matches!(self.method.as_str(), "PUT" | "POST") {
            headers.push(("content-length".to_owned(), length));
        }
        let mut wire = format!("{} {target} HTTP/1.1\r\n", self.method).into_bytes();
        for (name, value) in headers.iter().chain(&self.unsigned) {
            wire.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        wire.extend_from_slice(b"\r\n");
        wire.extend_from_slice(&body);
        wire
    }
}

/// Frames a body as `aws-chunked`; the signature of each chunk depends on the one before it.
fn chunks(body: &[u8], size: usize, seed: &str, params: &SigningParams<'_>) -> Vec<u8> {
    let SigningParams::V4(params) = params else { panic!("SigV4 it is") };
    let mut wire = Vec::new();
    let mut previous = seed.to_owned();
    for chunk in body.chunks(size).chain([&[][..]]) {
        let (_, signature) =
            v4::sign_chunk(&Bytes::copy_from_slice(chunk), &previous, params).expect("signed").into_parts();
        wire.extend_from_slice(format!("{:x};chunk-signature={signature}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
        previous = signature;
    }
    wire
}

#[derive(Debug, Clone)]
pub struct RawReply {
    pub status: u16,
    /// The headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl RawReply {
    fn parse(wire: &[u8], head: bool) -> Self {
        let mut rest = wire;
        loop {
            let end = rest.windows(4).position(|window| window == b"\r\n\r\n").expect("a complete head");
            let text = std::str::from_utf8(&rest[..end]).expect("UTF-8").to_owned();
            rest = &rest[end + 4..];
            let mut lines = text.split("\r\n");
            let status =
                lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
            if status == 100 {
                continue;
            }
            let split = |line: &str| {
                line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            };
            let headers: Vec<_> = lines.filter_map(split).collect();
            let mut reply = Self { status, headers, body: Vec::new() };
            reply.body = if reply.header("transfer-encoding") == Some("chunked") {
                unchunk(rest)
            } else {
                rest.to_vec()
            };
            if let Some(length) =
                reply.header("content-length").and_then(|length| length.parse::<usize>().ok())
                && !head
                && status != 304
            {
                assert_eq!(reply.body.len(), length, "the body has the length it says");
            }
            return reply;
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The text of the first element of this name.
    pub fn element(&self, name: &str) -> Option<String> {
        let text = self.text();
        let start = text.find(&format!("<{name}>"))? + name.len() + 2;
        let end = start + text[start..].find(&format!("</{name}>"))?;
        Some(text[start..end].to_owned())
    }

    /// The code of an error document.
    pub fn code(&self) -> Option<String> {
        self.element("Code")
    }

    /// Status and code, which most tests of failures compare.
    pub fn failure(&self) -> (u16, String) {
        (self.status, self.code().unwrap_or_default())
    }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end])
            .ok()
            .and_then(|text| usize::from_str_radix(text, 16).ok())
            .expect("a chunk size");
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        if size == 0 {
            break;
        }
        rest = &rest[end + 2 + size + 2..];
    }
    body
}

/// A connection from another address of this machine.
pub fn connect_from(from: IpAddr, address: SocketAddr) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&socket, &SocketAddr::new(from, 0)).expect("an address of this machine");
    connect(&socket, &address).expect("a connection");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    stream
}
