//! As much of HTTP/2 as tests need by hand: clients that keep windows closed, and connections without
//! negotiation of the protocol.

use super::process::Place;
use std::io::{Read, Write};

const SETTINGS: u8 = 4;
pub const RESET: u8 = 3;
const GOAWAY: u8 = 7;
pub const HEADERS: u8 = 1;
pub const DATA: u8 = 0;
pub const END: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const WINDOW_UPDATE: u8 = 8;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Sends `GET /` on stream 1, by the static table of HPACK, and returns the body of the reply.
pub fn get_root(stream: &mut (impl Read + Write), secure: bool, authorization: Option<&str>) -> String {
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    request.extend(frame(SETTINGS, 0, 0, &[]));
    let mut head = vec![0x82, 0x84, if secure { 0x87 } else { 0x86 }, 0x41, 9];
    head.extend_from_slice(b"localhost");
    if let Some(text) = authorization {
        head.extend([0x0F, 0x08, u8::try_from(text.len()).expect("short")]);
        head.extend_from_slice(text.as_bytes());
    }
    request.extend(frame(HEADERS, END | END_HEADERS, 1, &head));
    stream.write_all(&request).expect("sent");
    let mut body = Vec::new();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).expect("a frame");
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).expect("a whole frame");
        if head[3] == DATA {
            body.extend_from_slice(&payload);
        }
        if matches!(head[3], DATA | HEADERS) && head[4] & END != 0 {
            return String::from_utf8(body).expect("UTF-8");
        }
    }
}

#[test]
fn http2_is_spoken_with_prior_knowledge() {
    let place = Place::new();
    let server = place.serve(&["--data", "d"], &[]);
    let body = get_root(&mut server.connect(), false, None);
    assert!(body.contains("<Code>AccessDenied</Code>"), "{body}");
}

#[test]
fn headers_are_not_logged_at_any_level() {
    let place = Place::new();
    let server = place.serve(&["--data", "d"], &[("CAUSEWAY_LOG", "trace")]);
    let body = get_root(&mut server.connect(), false, Some("AWS4-HMAC-SHA256 Signature=hunter2"));
    assert!(body.contains("<Code>AuthorizationHeaderMalformed</Code>"), "{body}");
    let log = place.read("stderr");
    assert!(log.contains("ListBuckets") || log.contains("access"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}

/// A client whose flow-control windows a test controls.
pub struct Client<S> {
    stream: S,
    secure: bool,
    /// Frames that arrived before the test asked for them: replies come in any order.
    seen: Vec<Frame>,
}

/// The type, the flags, the stream and the payload of a frame.
type Frame = (u8, u8, u32, Vec<u8>);

impl<S: Read + Write> Client<S> {
    /// `window` is how much of each reply may be sent before `allow`.
    pub fn begin(mut stream: S, secure: bool, window: u32) -> Self {
        let mut begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let mut setting = vec![0, 4];
        setting.extend(window.to_be_bytes());
        begin.extend(frame(SETTINGS, 0, 0, &setting));
        stream.write_all(&begin).expect("sent");
        Self { stream, secure, seen: Vec::new() }
    }

    /// Sends a request: all of it, or only its head if it has a `length`.
    pub fn request(&mut self, stream: u32, method: &str, path: &str, length: Option<usize>) {
        let mut head = vec![if self.secure { 0x87 } else { 0x86 }, 0x41, 9];
        head.extend_from_slice(b"localhost");
        let mut text = |name: &[u8], value: &str| {
            head.extend_from_slice(name);
            head.push(u8::try_from(value.len()).ok().filter(|length| *length < 127).expect("short"));
            head.extend_from_slice(value.as_bytes());
        };
        text(&[0x02], method);
        text(&[0x04], path);
        if let Some(length) = length {
            text(&[0x0F, 0x0D], &length.to_string());
        }
        let end = if length.is_some() { 0 } else { END };
        self.stream.write_all(&frame(HEADERS, END_HEADERS | end, stream, &head)).expect("sent");
    }

    /// Sends the body of a request.
    pub fn body(&mut self, stream: u32, bytes: &[u8]) {
        self.stream.write_all(&frame(DATA, END, stream, bytes)).expect("sent");
    }

    /// Allows so many more bytes of a reply.
    pub fn allow(&mut self, stream: u32, bytes: u32) {
        for stream in [stream, 0] {
            self.stream.write_all(&frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())).expect("sent");
        }
    }

    /// Returns the flags and the payload of the first frame of this type on this stream that was not returned
    /// yet.
    pub fn until(&mut self, kind: u8, stream: u32) -> (u8, Vec<u8>) {
        let is_it = |frame: &Frame| (frame.0, frame.2) == (kind, stream);
        if let Some(at) = self.seen.iter().position(is_it) {
            let (_, flags, _, payload) = self.seen.remove(at);
            return (flags, payload);
        }
        loop {
            match next_frame(&mut self.stream) {
                frame if is_it(&frame) => return (frame.1, frame.3),
                (GOAWAY, ..) => panic!("the connection ends"),
                frame => self.seen.push(frame),
            }
        }
    }

    /// Reads everything until the server closes the connection.
    pub fn until_the_end(mut self) {
        let mut buffer = [0; 4096];
        while let Ok(1..) = self.stream.read(&mut buffer) {}
    }
}

fn next_frame(stream: &mut impl Read) -> Frame {
    let mut head = [0; 9];
    stream.read_exact(&mut head).expect("a frame");
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    stream.read_exact(&mut payload).expect("a whole frame");
    (head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload)
}

#[test]
fn a_refusal_before_the_body_ends_its_stream_without_an_error_and_the_connection_goes_on() {
    let place = Place::new();
    let server = place.serve(&["--data", "d"], &[]);
    let mut stream = server.connect();
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    request.extend(frame(SETTINGS, 0, 0, &[]));
    let head = |method: &[u8], path: &[u8]| {
        let mut head = vec![0x86, 0x41, 9];
        head.extend_from_slice(b"localhost");
        for (name, value) in [(0x02, method), (0x04, path)] {
            head.extend([name, u8::try_from(value.len()).expect("short")]);
            head.extend_from_slice(value);
        }
        head
    };
    request.extend(frame(HEADERS, END_HEADERS, 1, &head(b"PUT", b"/bucket/key")));
    // The client sends as much as it may before the server has answered; the body does not end.
    for _ in 0..3 {
        request.extend(frame(DATA, 0, 1, &[b'x'; 16 << 10]));
    }
    stream.write_all(&request).expect("sent");
    let mut reply = Vec::new();
    let reset = loop {
        match next_frame(&mut stream) {
            (DATA, _, 1, payload) => reply.extend(payload),
            (RESET, _, 1, payload) => break payload,
            (GOAWAY, ..) => panic!("the connection ends"),
            _ => {}
        }
    };
    let reply = String::from_utf8(reply).expect("UTF-8");
    assert!(reply.contains("<Code>MissingContentLength</Code>") && reply.ends_with("</Error>"), "{reply}");
    assert_eq!(reset, [0; 4], "NO_ERROR: the reply counts");
    stream.write_all(&frame(HEADERS, END | END_HEADERS, 3, &head(b"GET", b"/"))).expect("sent");
    let ended = std::iter::repeat_with(|| next_frame(&mut stream)).find(|(kind, flags, stream, _)| {
        assert_ne!(*kind, GOAWAY, "the connection ends");
        *stream == 3 && matches!(*kind, DATA | HEADERS) && flags & END != 0
    });
    assert!(ended.is_some());
}
