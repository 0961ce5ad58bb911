//! An HTTP proxy that gives an S3 upstream the quirks of another storage: it refuses what that storage would
//! refuse, and forwards the rest unchanged.
//!
//! Requests keep their `Host`, so that signatures stay valid. It runs on its own thread, until it is dropped.

// Each test target uses another part of this module.
#![allow(dead_code)]

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client, server, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread::JoinHandle,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
};

/// How a storage differs from the upstream. Each quirk was seen in a storage that people use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quirks {
    /// The last bytes of an empty object are answered with 206 and `bytes 0--1/0`.
    pub empty_suffixes: bool,
    /// A Complete must name the checksum of each part if the upload was begun with an algorithm. Otherwise,
    /// no part has a checksum, and none may be named.
    pub strict_part_checksums: bool,
    /// A copy into a part of an upload that was begun with an algorithm is refused.
    pub no_summed_part_copies: bool,
    /// The storage has none of the checksums that S3 has only since April 2026.
    pub old_checksums: bool,
    /// The first request with a range is refused without the size of the object, as if the object had been
    /// shorter at that moment.
    pub short_at_first: bool,
    /// PUT, DELETE and DeleteObjects are executed, and their answers are lost.
    pub loses_answers: bool,
    /// DeleteObjects is not known, as in Google Cloud Storage until 2024.
    pub no_deletes_together: bool,
    /// DeleteObjects refuses the ETags of objects.
    pub no_conditional_deletes_together: bool,
    /// DeleteObjects refuses keys with this text in them, each by itself.
    pub refuses_deletes_of: Option<&'static str>,
    /// DeleteObjects removes everything, and says nothing of keys with this text in them.
    pub silent_about: Option<&'static str>,
    /// The `n`th request and all later ones are answered with 503.
    pub away_from: Option<usize>,
    /// A copy lasts until `let_copies_end`. A copy that arrives while one in the other direction lasts is
    /// answered with 500: in MinIO, both would wait for each other for minutes.
    pub locks_copies: bool,
}

#[derive(Debug)]
pub struct Mannered {
    address: SocketAddr,
    seen: Arc<Seen>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Seen {
    upstream: SocketAddr,
    quirks: Mutex<Quirks>,
    requests: Mutex<Vec<String>>,
    /// The algorithm of each upload.
    uploads: Mutex<HashMap<String, Option<String>>>,
    /// The source and the target of each copy in progress.
    copies: Mutex<Vec<(String, String)>>,
    copies_seen: watch::Sender<usize>,
    copies_end: watch::Sender<bool>,
}

impl Mannered {
    pub fn before(upstream: SocketAddr, quirks: Quirks) -> Self {
        let seen = Arc::new(Seen {
            upstream,
            quirks: Mutex::new(quirks),
            requests: Mutex::default(),
            uploads: Mutex::default(),
            copies: Mutex::default(),
            copies_seen: watch::Sender::new(0),
            copies_end: watch::Sender::new(false),
        });
        let ((stop, mut stopped), (started, start)) = (oneshot::channel(), std::sync::mpsc::channel());
        let served = seen.clone();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                started.send(listener.local_addr().expect("an address")).expect("somebody waits");
                loop {
                    tokio::select! {
                        _ = &mut stopped => return,
                        accepted = listener.accept() => {
                            let (stream, _) = accepted.expect("a connection");
                            let seen = served.clone();
                            let service = service_fn(move |request| {
                                let seen = seen.clone();
                                async move { seen.answer(request).await.ok_or(Lost) }
                            });
                            tokio::spawn(server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
                        }
                    }
                }
            });
        });
        Self { address: start.recv().expect("it starts"), seen, stop: Some(stop), thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn become_like(&self, quirks: Quirks) {
        *self.seen.quirks.lock().expect("no panic") = quirks;
    }

    /// The method and the target of every request so far.
    pub fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().expect("no panic").clone()
    }

    /// Waits until so many copies have arrived.
    pub async fn copies(&self, number: usize) {
        self.seen.copies_seen.subscribe().wait_for(|seen| *seen >= number).await.expect("it runs");
    }

    pub fn let_copies_end(&self) {
        self.seen.copies_end.send_replace(true);
    }
}

impl Drop for Mannered {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Closes a connection.
#[derive(Debug)]
struct Lost;

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("as was asked for")
    }
}

impl std::error::Error for Lost {}

type Reply = Response<Full<Bytes>>;

impl Seen {
    /// `None` if the connection ends without an answer.
    async fn answer(&self, request: Request<Incoming>) -> Option<Reply> {
        let loses = self.quirks.lock().expect("no panic").loses_answers
            && (matches!(*request.method(), Method::PUT | Method::DELETE) || deletes_several(&request));
        Some(self.say(request).await).filter(|_| !loses)
    }

    async fn say(&self, request: Request<Incoming>) -> Reply {
        let quirks = *self.quirks.lock().expect("no panic");
        let (head, body) = request.into_parts();
        let body = body.collect().await.expect("a whole request").to_bytes();
        let number = {
            let mut requests = self.requests.lock().expect("no panic");
            requests.push(format!("{} {}", head.method, head.uri));
            requests.len()
        };
        if quirks.away_from.is_some_and(|from| number >= from) {
            return refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable");
        }
        if quirks.short_at_first && head.method == Method::GET && head.headers.contains_key(header::RANGE) {
            self.quirks.lock().expect("no panic").short_at_first = false;
            return refusal(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange");
        }
        if quirks.old_checksums
            && head.headers.iter().any(|(name, value)| names_newer_checksum(name.as_str(), value.as_bytes()))
        {
            return refusal(StatusCode::BAD_REQUEST, "InvalidRequest");
        }
        let query = head.uri.query().unwrap_or_default().to_owned();
        let begins = head.method == Method::POST
            && query.split('&').any(|pair| pair.split('=').next() == Some("uploads"));
        let upload = query.split('&').find_map(|pair| pair.strip_prefix("uploadId=")).map(str::to_owned);
        let algorithm =
            upload.and_then(|upload| self.uploads.lock().expect("no panic").get(&upload).cloned()).flatten();
        let completes = head.method == Method::POST && query.contains("uploadId=");
        let names = String::from_utf8_lossy(&body).contains("<Checksum");
        if quirks.strict_part_checksums && completes && names != algorithm.is_some() {
            return if names {
                refusal(StatusCode::BAD_REQUEST, "InvalidPart")
            } else {
                refusal(StatusCode::BAD_REQUEST, "InvalidRequest")
            };
        }
        let deletes = head.method == Method::POST && query == "delete";
        let has_etags = String::from_utf8_lossy(&body).contains("<ETag>");
        if deletes && (quirks.no_deletes_together || quirks.no_conditional_deletes_together && has_etags) {
            return refusal(StatusCode::NOT_IMPLEMENTED, "NotImplemented");
        }
        let copies = head.method == Method::PUT && head.headers.contains_key("x-amz-copy-source");
        // Copies of the gateway's probe are not delayed.
        let is_trial = head.uri.path().contains("/.causeway-");
        if quirks.locks_copies && copies && !is_trial && !self.lock_copy(&head).await {
            return refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
        }
        if quirks.no_summed_part_copies && copies && algorithm.is_some() {
            return refusal(StatusCode::BAD_REQUEST, "InvalidArgument");
        }
        let suffix = |headers: &HeaderMap| {
            headers.get(header::RANGE).is_some_and(|range| range.as_bytes().starts_with(b"bytes=-"))
        };
        let hides_checksums = quirks.strict_part_checksums
            && head.method == Method::GET
            && query.contains("uploadId=")
            && algorithm.is_none();
        let (asked_suffix, begun_with) =
            (suffix(&head.headers), head.headers.get("x-amz-checksum-algorithm").cloned());
        let reply = self.pass_on(Request::from_parts(head, Full::new(body))).await;
        let empty = reply.headers().get(header::CONTENT_RANGE).is_some_and(|range| range == "bytes */0");
        if quirks.empty_suffixes && asked_suffix && empty {
            let etag = "\"d41d8cd98f00b204e9800998ecf8427e\"";
            let reply =
                Response::builder().status(206).header("content-range", "bytes 0--1/0").header("etag", etag);
            let reply = reply.header("last-modified", "Sat, 28 Nov 2026 21:10:21 GMT");
            return reply.body(Full::default()).expect("a reply");
        }
        if begins {
            let text = String::from_utf8_lossy(reply_body(&reply)).into_owned();
            if let Some((id, _)) =
                text.split_once("<UploadId>").and_then(|(_, rest)| rest.split_once("</UploadId>"))
            {
                let algorithm = begun_with.and_then(|value| value.to_str().ok().map(str::to_owned));
                self.uploads.lock().expect("no panic").insert(id.to_owned(), algorithm);
            }
        }
        if deletes {
            return with_refusals(&reply, quirks);
        }
        if hides_checksums { without_checksums(&reply) } else { reply.map(|body| Full::new(body.0)) }
    }

    /// Waits until copies may end. Returns `false` if a copy in the other direction is in progress.
    async fn lock_copy(&self, head: &Parts) -> bool {
        let source = head.headers["x-amz-copy-source"].to_str().expect("text").to_owned();
        let copy = (source, head.uri.path().to_owned());
        let crosses = {
            let mut copies = self.copies.lock().expect("no panic");
            let crosses = copies.iter().any(|(source, target)| (target, source) == (&copy.0, &copy.1));
            copies.push(copy.clone());
            crosses
        };
        self.copies_seen.send_modify(|seen| *seen += 1);
        if !crosses {
            self.copies_end.subscribe().wait_for(|end| *end).await.expect("it runs");
        }
        self.copies.lock().expect("no panic").retain(|other| *other != copy);
        !crosses
    }

    async fn pass_on(&self, request: Request<Full<Bytes>>) -> Response<Whole> {
        let stream = TcpStream::connect(self.upstream).await.expect("the upstream is there");
        let (mut sender, connection) =
            client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a connection");
        tokio::spawn(connection);
        let reply = sender.send_request(request).await.expect("a reply");
        let (mut head, body) = reply.into_parts();
        head.headers.remove(header::CONNECTION);
        let body = body.collect().await.expect("a whole reply").to_bytes();
        Response::from_parts(head, Whole(body))
    }
}

fn deletes_several(request: &Request<Incoming>) -> bool {
    *request.method() == Method::POST && request.uri().query() == Some("delete")
}

/// The outcomes of DeleteObjects, as a storage tells them that refuses some keys or says nothing of them.
fn with_refusals(reply: &Response<Whole>, quirks: Quirks) -> Reply {
    let text = String::from_utf8_lossy(reply_body(reply)).into_owned();
    let mut told = String::new();
    for piece in text.split_inclusive("</Deleted>") {
        let has = |text: Option<&str>| text.is_some_and(|text| piece.contains(text));
        let Some((before, key)) = piece.split_once("<Deleted>").filter(|_| piece.ends_with("</Deleted>"))
        else {
            told += piece;
            continue;
        };
        told += before;
        if has(quirks.refuses_deletes_of) {
            let key = key.trim_end_matches("</Deleted>");
            told += &format!("<Error>{key}<Code>AccessDenied</Code><Message>m</Message></Error>");
        } else if !has(quirks.silent_about) {
            told += piece.strip_prefix(before).expect("it begins so");
        }
    }
    Response::builder().status(reply.status()).body(Full::new(told.into())).expect("a reply")
}

/// A list of parts, as shown by a storage that keeps none of their checksums.
fn without_checksums(reply: &Response<Whole>) -> Reply {
    let mut text = String::from_utf8_lossy(reply_body(reply)).into_owned();
    while let Some((before, rest)) = text.split_once("<Checksum") {
        let (_, behind) = rest.split_once("</Checksum").expect("an end");
        let (_, behind) = behind.split_once('>').expect("a tag");
        text = format!("{before}{behind}");
    }
    Response::builder()
        .status(reply.status())
        .header("content-type", "application/xml")
        .body(Full::new(text.into()))
        .expect("a reply")
}

/// Whether the name or the value of a header names one of the five newest algorithms.
fn names_newer_checksum(name: &str, value: &[u8]) -> bool {
    let newer = ["sha512", "md5", "xxhash64", "xxhash3", "xxhash128"];
    let of_name =
        |name: &str| name.strip_prefix("x-amz-checksum-").is_some_and(|algorithm| newer.contains(&algorithm));
    let value = String::from_utf8_lossy(value).to_ascii_lowercase();
    of_name(name)
        || (name == "x-amz-trailer" && of_name(&value))
        || (name == "x-amz-checksum-algorithm" && newer.contains(&value.as_str()))
}

/// A reply with its whole body.
struct Whole(Bytes);

fn reply_body(reply: &Response<Whole>) -> &Bytes {
    &reply.body().0
}

fn refusal(status: StatusCode, code: &str) -> Reply {
    let document = format!("<Error><Code>{code}</Code><Message>As this storage has it.</Message></Error>");
    Response::builder()
        .status(status)
        .header("content-type", "application/xml")
        .body(Full::new(document.into()))
        .expect("a reply")
}
