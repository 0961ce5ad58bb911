//! An HTTP storage that follows a script: it answers without end, in circles, slowly, wrongly or with
//! garbage.
//!
//! It sends until the client disconnects, and counts the requests.

// Each test target uses another part of this module.
#![allow(dead_code)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A request.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// The path with the query.
    pub target: String,
    /// The headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The number of the request; the first is 0.
    pub nth: usize,
}

impl Asked {
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// A decoded value of the query.
    pub fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let value = query.split('&').find_map(|pair| match pair.split_once('=') {
            Some((found, value)) => (found == name).then_some(value),
            None => (pair == name).then_some(""),
        })?;
        Some(percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// A reply: a head, and pieces of a body with pauses between them, as long as the iterator has any.
pub struct Said {
    status: u16,
    headers: Vec<(&'static str, String)>,
    pieces: Box<dyn Iterator<Item = Vec<u8>> + Send>,
    pause: Duration,
}

impl Said {
    pub fn new(status: u16, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref().to_vec();
        Self { status, headers: Vec::new(), pieces: Box::new(std::iter::once(body)), pause: Duration::ZERO }
    }

    /// A body that may be endless.
    pub fn pieces(status: u16, pieces: impl Iterator<Item = Vec<u8>> + Send + 'static) -> Self {
        Self { status, headers: Vec::new(), pieces: Box::new(pieces), pause: Duration::ZERO }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Pauses between two pieces.
    pub fn pausing(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }
}

pub struct Hostile {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Hostile {
    pub fn start(script: impl Fn(&Asked) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (asked, script) = (Arc::new(AtomicUsize::new(0)), Arc::new(script));
        let count = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (script, count) = (script.clone(), count.clone());
                // The conversation ends when the client disconnects.
                std::thread::spawn(move || converse(stream, &*script, &count));
            }
        });
        Self { address, asked }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of requests so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn converse(stream: TcpStream, script: &dyn Fn(&Asked) -> Said, count: &AtomicUsize) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut asked = read(&mut reader)?;
        asked.nth = count.fetch_add(1, Ordering::SeqCst);
        let Said { status, headers, pieces, pause } = script(&asked);
        let mut head = format!("HTTP/1.1 {status} x\r\ndate: Sun, 29 Nov 2026 00:00:00 GMT\r\n");
        for (name, value) in &headers {
            head += &format!("{name}: {value}\r\n");
        }
        if asked.method == "HEAD" || status == 204 {
            stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
            continue;
        }
        stream.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).ok()?;
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat();
            stream.write_all(&chunk).ok()?;
            std::thread::sleep(pause);
        }
        stream.write_all(b"0\r\n\r\n").ok()?;
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    let mut next = |line: &mut String| {
        line.clear();
        (reader.read_line(line).ok()? > 0).then(|| line.trim_end().to_owned())
    };
    let first = next(&mut line)?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let header = next(&mut line)?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut asked = Asked { method, target, headers, body: Vec::new(), nth: 0 };
    if let Some(length) = asked.header("content-length").and_then(|length| length.parse().ok()) {
        asked.body = vec![0; length];
        reader.read_exact(&mut asked.body).ok()?;
    }
    Some(asked)
}
