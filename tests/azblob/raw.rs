//! A client of Azure's own, as far as these tests need one: requests signed with the account's key, one per
//! connection.

use crate::support::upstream::Upstream;
use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
};

#[derive(Debug)]
pub struct RawReply {
    pub status: u16,
    /// Header names are in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl RawReply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// `path` is `/container/blob`, not yet encoded; `query` and `headers` are sent as they are.
pub fn send(
    method: &str,
    path: &str,
    query: &[(&str, &str)],
    headers: &[(&str, &str)],
    body: &[u8],
) -> RawReply {
    let azurite = Upstream::azurite();
    let account = azurite.access_key;
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let path = format!(
        "/{account}/{}",
        path.trim_start_matches('/').split('/').map(encode).collect::<Vec<_>>().join("/")
    );
    let mut all: BTreeMap<String, String> =
        headers.iter().map(|(name, value)| (name.to_lowercase(), (*value).to_owned())).collect();
    all.insert("x-ms-date".into(), httpdate::fmt_http_date(std::time::SystemTime::now()));
    all.insert("x-ms-version".into(), "2021-12-02".into());
    let length = if body.is_empty() { String::new() } else { body.len().to_string() };
    let of = |name: &str| all.get(name).cloned().unwrap_or_default();
    let mut text = [
        method.to_owned(),
        of("content-encoding"),
        of("content-language"),
        length,
        of("content-md5"),
        of("content-type"),
        String::new(),
        of("if-modified-since"),
        of("if-match"),
        of("if-none-match"),
        of("if-unmodified-since"),
        of("range"),
    ]
    .join("\n")
        + "\n";
    for (name, value) in all.iter().filter(|(name, _)| name.starts_with("x-ms-")) {
        text += &format!("{name}:{value}\n");
    }
    text += &format!("/{account}{path}");
    let sorted: BTreeMap<_, _> = query.iter().copied().collect();
    for (name, value) in &sorted {
        text += &format!("\n{name}:{value}");
    }
    let key = STANDARD.decode(azurite.secret_key).expect("base64");
    let signature = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key), text.as_bytes());
    all.insert("authorization".into(), format!("SharedKey {account}:{}", STANDARD.encode(signature)));

    let pairs: Vec<_> =
        sorted.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    let target = if pairs.is_empty() { path } else { format!("{path}?{}", pairs.join("&")) };
    let mut request =
        format!("{method} {target} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", azurite.address);
    request += &format!("content-length: {}\r\n", body.len());
    for (name, value) in &all {
        request += &format!("{name}: {value}\r\n");
    }
    let mut stream = TcpStream::connect(azurite.address).expect("connects");
    stream.write_all(&[request.as_bytes(), b"\r\n", body].concat()).expect("is sent");
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).expect("is answered");
    let end = reply.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&reply[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let header =
        |line: &str| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    RawReply {
        status,
        headers: head.lines().skip(1).filter_map(header).collect(),
        body: reply[end + 4..].to_vec(),
    }
}

pub fn create_container(name: &str) {
    assert_eq!(send("PUT", &format!("/{name}"), &[("restype", "container")], &[], b"").status, 201);
}

pub fn put_blob(container: &str, name: &str, headers: &[(&str, &str)], body: &[u8]) {
    let headers = [&[("x-ms-blob-type", "BlockBlob")], headers].concat();
    let reply = send("PUT", &format!("/{container}/{name}"), &[], &headers, body);
    assert_eq!(reply.status, 201, "{}", reply.text());
}

/// The names of all blobs in a container, uncommitted ones too.
pub fn blobs(container: &str) -> Vec<String> {
    let query = [("restype", "container"), ("comp", "list"), ("include", "uncommittedblobs")];
    let reply = send("GET", &format!("/{container}"), &query, &[], b"");
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
        .text()
        .split("<Name>")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("</Name>")?.0.to_owned()))
        .collect()
}
