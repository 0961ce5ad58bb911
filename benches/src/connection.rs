//! One keep-alive HTTP/1.1 connection that blocks: the cheapest client there is, so that the two cores go to
//! the server.
//!
//! Owns: the socket, framing of requests and replies (content-length and chunked). Does not own: signing, or
//! what a status means. Invariant: after `exchange` returns Ok the reply has been read to its end, so the
//! connection is ready for the next request.

use std::io::{IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// A server that sends nothing for this long has hung. Without a limit, the benchmark would wait forever.
const PATIENCE: Duration = Duration::from_secs(180);
const BUFFER: usize = 256 * 1024;
const MAX_HEAD: usize = 32 * 1024;

/// What a caller wants done with the bytes of a reply's body, in order.
pub type Sink<'a> = &'a mut dyn FnMut(&[u8]);

/// The parts of a reply that callers ask about.
#[derive(Debug, Default, Clone)]
pub struct Reply {
    pub status: u16,
    pub etag: String,
    pub length: u64,
}

enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

pub struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Connection {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, buffer: vec![0; BUFFER].into_boxed_slice(), start: 0, end: 0 }
    }

    /// Opens the socket now rather than with the first request, so that its cost stays out of the first
    /// latency.
    pub fn connect(&mut self) -> Result<()> {
        if self.stream.is_none() {
            let stream =
                TcpStream::connect(self.address).with_context(|| format!("connect to {}", self.address))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            self.stream = Some(stream);
            (self.start, self.end) = (0, 0);
        }
        Ok(())
    }

    /// Sends one request and reads its reply wholly. After an error the connection is dropped; the next call
    /// opens a new one.
    pub fn exchange(&mut self, head: &[u8], body: &[u8], has_body: bool, sink: Sink) -> Result<Reply> {
        self.connect()?;
        let outcome = self.try_exchange(head, body, has_body, sink);
        if !matches!(outcome, Ok((_, true))) {
            self.stream = None;
        }
        outcome.map(|(reply, _)| reply)
    }

    fn try_exchange(
        &mut self,
        head: &[u8],
        body: &[u8],
        has_body: bool,
        sink: Sink,
    ) -> Result<(Reply, bool)> {
        // A server may refuse and close while the body is still being sent. Its reply says why, so the reply
        // is read before the write error counts.
        let sent = self.send(head, body);
        let (reply, framing, keep) = match (self.read_head(has_body), sent) {
            (Ok(head), Ok(())) => head,
            (Ok((reply, framing, _)), Err(_)) => (reply, framing, false),
            (Err(error), Ok(())) => return Err(error),
            (Err(_), Err(error)) => return Err(error),
        };
        let length = match framing {
            Framing::Length(length) => self.read_exactly(length, sink).map(|()| length)?,
            Framing::Chunked => self.read_chunks(sink)?,
            Framing::UntilClose => self.read_until_close(sink)?,
        };
        // The answer to HEAD declares a length that it does not send.
        let length = if has_body { length } else { reply.length };
        Ok((Reply { length, ..reply }, keep))
    }

    fn send(&mut self, head: &[u8], body: &[u8]) -> Result<()> {
        let stream = self.stream.as_mut().context("not connected")?;
        // One system call for head and body of a small request: two would be two segments and two wake-ups of
        // the server.
        let sent = stream.write_vectored(&[IoSlice::new(head), IoSlice::new(body)]).context("send")?;
        if sent < head.len() {
            stream.write_all(&head[sent..]).context("send head")?;
        }
        stream.write_all(&body[sent.saturating_sub(head.len())..]).context("send body")
    }

    fn read_head(&mut self, has_body: bool) -> Result<(Reply, Framing, bool)> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response.parse(&self.buffer[self.start..self.end]).context("reply head")?;
            let httparse::Status::Complete(size) = parsed else {
                if self.end - self.start > MAX_HEAD {
                    bail!("reply head of more than {MAX_HEAD} bytes");
                }
                self.fill()?;
                continue;
            };
            let head = describe(&response, has_body)?;
            self.start += size;
            if head.0.status == 100 {
                continue;
            }
            return Ok(head);
        }
    }

    fn read_exactly(&mut self, mut left: u64, sink: Sink) -> Result<()> {
        while left > 0 {
            if self.start == self.end {
                self.fill()?;
            }
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(self.end - self.start);
            sink(&self.buffer[self.start..self.start + take]);
            self.start += take;
            left -= take as u64;
        }
        Ok(())
    }

    fn read_chunks(&mut self, sink: Sink) -> Result<u64> {
        let mut total = 0;
        loop {
            let line = self.read_line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).with_context(|| format!("chunk size {size:?}"))?;
            if size == 0 {
                while !self.read_line()?.is_empty() {}
                return Ok(total);
            }
            self.read_exactly(size, sink)?;
            self.read_line()?;
            total += size;
        }
    }

    fn read_until_close(&mut self, sink: Sink) -> Result<u64> {
        let mut total = 0;
        loop {
            sink(&self.buffer[self.start..self.end]);
            total += (self.end - self.start) as u64;
            (self.start, self.end) = (0, 0);
            let stream = self.stream.as_mut().context("not connected")?;
            match stream.read(&mut self.buffer).context("receive")? {
                0 => return Ok(total),
                read => self.end = read,
            }
        }
    }

    fn read_line(&mut self) -> Result<String> {
        loop {
            if let Some(length) = self.buffer[self.start..self.end].iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&self.buffer[self.start..self.start + length])
                    .trim_end()
                    .to_owned();
                self.start += length + 1;
                return Ok(line);
            }
            if self.end - self.start > MAX_HEAD {
                bail!("line of more than {MAX_HEAD} bytes in a chunked reply");
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let stream = self.stream.as_mut().context("not connected")?;
        match stream.read(&mut self.buffer[self.end..]).context("receive")? {
            0 => bail!("the server closed the connection inside a reply"),
            read => self.end += read,
        }
        Ok(())
    }
}

fn describe(response: &httparse::Response, has_body: bool) -> Result<(Reply, Framing, bool)> {
    let mut reply = Reply { status: response.code.unwrap_or(0), ..Reply::default() };
    let (mut length, mut chunked, mut keep) = (None, false, true);
    for header in response.headers.iter() {
        let value = std::str::from_utf8(header.value).unwrap_or_default();
        match () {
            () if header.name.eq_ignore_ascii_case("content-length") => {
                length = Some(value.parse().with_context(|| format!("content-length {value:?}"))?);
            }
            () if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                chunked = value.eq_ignore_ascii_case("chunked")
            }
            () if header.name.eq_ignore_ascii_case("connection") => {
                keep = !value.eq_ignore_ascii_case("close")
            }
            () if header.name.eq_ignore_ascii_case("etag") => reply.etag = value.trim_matches('"').to_owned(),
            () => {}
        }
    }
    reply.length = length.unwrap_or(0);
    let bodiless = !has_body || matches!(reply.status, 100..200 | 204 | 304);
    let framing = match (bodiless, chunked, length) {
        (true, ..) => Framing::Length(0),
        (false, true, _) => Framing::Chunked,
        (false, false, Some(length)) => Framing::Length(length),
        (false, false, None) => Framing::UntilClose,
    };
    keep &= !matches!(framing, Framing::UntilClose);
    Ok((reply, framing, keep))
}
