//! Finds where HTTP/1.1 requests begin and end in a stream of bytes. Heads are returned whole, other bytes as
//! they arrive.

/// Larger than any head that the tested clients send.
const MAX_HEAD_BYTES: usize = 256 * 1024;

/// The first bytes of SSH and FTP connections.
const OTHERS: [&[u8]; 3] = [b"SSH-", b"USER ", b"AUTH "];

#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// The request line and headers, with the empty line.
    Head(Vec<u8>),
    Rest(Vec<u8>),
}

#[derive(Debug, Default)]
pub struct Requests {
    expects: Expects,
    /// The part of a head, or of a line of chunked framing, that has arrived.
    held: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Expects {
    #[default]
    Head,
    Body(u64),
    /// The data of a chunk, with the line end after it.
    Chunk(u64),
    ChunkSize,
    Trailers,
    /// Bytes that are not HTTP: TLS, SSH, or a protocol after an upgrade.
    Anything,
}

impl Requests {
    pub fn split(&mut self, mut bytes: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let taken = match self.expects {
                Expects::Head => self.head(bytes, &mut pieces),
                Expects::Body(left) | Expects::Chunk(left) => {
                    let taken = left.min(bytes.len() as u64) as usize;
                    let left = left - taken as u64;
                    self.expects = match self.expects {
                        Expects::Body(_) if left == 0 => Expects::Head,
                        Expects::Chunk(_) if left == 0 => Expects::ChunkSize,
                        Expects::Body(_) => Expects::Body(left),
                        _ => Expects::Chunk(left),
                    };
                    rest(&mut pieces, &bytes[..taken]);
                    taken
                }
                Expects::ChunkSize | Expects::Trailers => self.line(bytes, &mut pieces),
                Expects::Anything => {
                    rest(&mut pieces, bytes);
                    bytes.len()
                }
            };
            bytes = &bytes[taken..];
        }
        pieces
    }

    fn head(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) -> usize {
        let before = self.held.len();
        self.held.extend_from_slice(bytes);
        let is_http = self.held[0].is_ascii_uppercase()
            && !OTHERS.iter().any(|other| self.held.starts_with(other))
            && self.held.len() < MAX_HEAD_BYTES;
        let from = before.saturating_sub(3);
        match self.held[from..].windows(4).position(|window| window == b"\r\n\r\n") {
            Some(at) => {
                let end = from + at + 4;
                self.held.truncate(end);
                let head = std::mem::take(&mut self.held);
                self.expects = after(&head);
                pieces.push(Piece::Head(head));
                end - before
            }
            None => {
                if !is_http {
                    self.expects = Expects::Anything;
                    pieces.push(Piece::Rest(std::mem::take(&mut self.held)));
                }
                bytes.len()
            }
        }
    }

    /// Reads a line of chunked framing: it is forwarded as it arrives, and parsed once it is complete.
    fn line(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) -> usize {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(bytes.len(), |at| at + 1);
        self.held.extend_from_slice(&bytes[..taken]);
        rest(pieces, &bytes[..taken]);
        if end.is_some() {
            let line = std::mem::take(&mut self.held);
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end();
            self.expects = match self.expects {
                Expects::Trailers if text.is_empty() => Expects::Head,
                Expects::Trailers => Expects::Trailers,
                _ => match u64::from_str_radix(text.split(';').next().unwrap_or_default().trim(), 16) {
                    Ok(0) => Expects::Trailers,
                    Ok(size) => Expects::Chunk(size + 2),
                    Err(_) => Expects::Anything,
                },
            };
        }
        taken
    }
}

fn rest(pieces: &mut Vec<Piece>, bytes: &[u8]) {
    match pieces.last_mut() {
        Some(Piece::Rest(known)) => known.extend_from_slice(bytes),
        _ => pieces.push(Piece::Rest(bytes.to_vec())),
    }
}

fn after(head: &[u8]) -> Expects {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let header =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim));
    if header("transfer-encoding").is_some_and(|coding| coding.ends_with("chunked")) {
        return Expects::ChunkSize;
    }
    match header("content-length").and_then(|length| length.parse().ok()) {
        None | Some(0) => Expects::Head,
        Some(length) => Expects::Body(length),
    }
}
