//! The `aws-chunked` framing of a body (S3 API reference, "Signature calculations for … multiple chunks"),
//! decoded as it arrives.
//!
//! Does no I/O: bytes go in, slices of the same bytes come out. Invariants:
//! - nothing is kept but one line of the framing, whatever size a chunk announces;
//! - a chunk's last bytes come out only after its signature held, and the end is reported only after all did,
//!   the decoded length was the declared one, and the announced trailer was read;
//! - nothing may follow the end.

use super::{
    authentication::Proof,
    canonical::push_sha256,
    claim::{Algorithm, SigningTime},
    signature::SigningKey,
};
use crate::{
    model::{Checksum, ChecksumAlgorithm},
    store::payload::PayloadError,
};
use bytes::Bytes;
use ring::digest;
use std::sync::Arc;

/// The longest line: a chunk's size with its signature, or one trailer.
const MAX_LINE: usize = 256;
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Where in the framing the next byte lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FramingState {
    /// In the line before a chunk.
    Size,
    /// In a chunk, with so many bytes to come.
    Data(u64),
    /// Behind a chunk, before `\r\n`.
    Return,
    /// After `\r`, before `\n`.
    Newline,
    /// Behind the last chunk. After a line that ended without `\r`, an empty one is not the end: minio-go
    /// ends the last line of its trailer, as it was signed, with `\n` and then with `\r\n`.
    Trailer {
        bare: bool,
    },
    End,
}

/// Public for fuzzing.
#[derive(Debug)]
pub struct Decoder {
    state: FramingState,
    /// The beginning of a line that did not end within one frame.
    line: Vec<u8>,
    /// Bytes of the object still to come.
    missing: u64,
    signatures: Option<Signatures>,
    /// The signature of the trailer is awaited.
    sealed: bool,
    announced: Option<ChecksumAlgorithm>,
    checksum: Option<Checksum>,
}

impl Decoder {
    /// For chunks without signatures. `trailer` is what `x-amz-trailer` announced.
    pub fn unsigned(decoded_length: u64, trailer: Option<ChecksumAlgorithm>) -> Self {
        Self {
            state: FramingState::Size,
            line: Vec::new(),
            missing: decoded_length,
            signatures: None,
            sealed: false,
            announced: trailer,
            checksum: None,
        }
    }

    /// With `sealed`, the trailer has a signature too.
    pub(super) fn signed(
        decoded_length: u64,
        trailer: Option<ChecksumAlgorithm>,
        signatures: Signatures,
        sealed: bool,
    ) -> Self {
        Self { signatures: Some(signatures), sealed, ..Self::unsigned(decoded_length, trailer) }
    }

    /// The next bytes of the object within `input`, which is consumed up to them; `None` once it is used up.
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, PayloadError> {
        while !input.is_empty() {
            match self.state {
                FramingState::Size => {
                    if let Some(line) = self.line(input)? {
                        self.begin(&line)?;
                    }
                }
                FramingState::Data(size) => {
                    let data = input.split_to(usize::try_from(size).unwrap_or(usize::MAX).min(input.len()));
                    let rest = size - data.len() as u64;
                    if let Some(signatures) = &mut self.signatures {
                        signatures.running.update(&data);
                        if rest == 0 {
                            signatures.check_chunk()?;
                        }
                    }
                    self.state = if rest == 0 { FramingState::Return } else { FramingState::Data(rest) };
                    return Ok(Some(data));
                }
                FramingState::Return | FramingState::Newline => {
                    let (expected, next) = if self.state == FramingState::Return {
                        (b'\r', FramingState::Newline)
                    } else {
                        (b'\n', FramingState::Size)
                    };
                    if input.split_to(1) != [expected][..] {
                        return Err(PayloadError::Framing("a chunk is longer than its size"));
                    }
                    self.state = next;
                }
                FramingState::Trailer { bare } => {
                    if let Some(line) = self.line(input)? {
                        self.trailer(&line, bare)?;
                    }
                }
                FramingState::End => return Err(PayloadError::Framing("there are bytes behind the end")),
            }
        }
        Ok(None)
    }

    /// Called when the body has ended: it must have ended here.
    pub fn finish(&self) -> Result<(), PayloadError> {
        if self.state == FramingState::End { Ok(()) } else { Err(PayloadError::Incomplete) }
    }

    /// The value that the trailer had.
    pub fn checksum(&self) -> Option<&Checksum> {
        self.checksum.as_ref()
    }

    /// A whole line with its end, taken out of `input`, or `None` and the beginning of one kept.
    fn line(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, PayloadError> {
        let room = MAX_LINE - self.line.len();
        let end = input.iter().take(room).position(|byte| *byte == b'\n');
        let Some(end) = end else {
            if input.len() >= room {
                return Err(PayloadError::Framing("a line is too long"));
            }
            self.line.extend_from_slice(&input.split_to(input.len()));
            return Ok(None);
        };
        let rest = input.split_to(end + 1);
        if self.line.is_empty() {
            return Ok(Some(rest));
        }
        self.line.extend_from_slice(&rest);
        Ok(Some(std::mem::take(&mut self.line).into()))
    }

    /// `size\r\n` or `size;chunk-signature=…\r\n`.
    fn begin(&mut self, line: &[u8]) -> Result<(), PayloadError> {
        let line = line.strip_suffix(b"\r\n").and_then(|line| std::str::from_utf8(line).ok());
        let line = line.ok_or(PayloadError::Framing("the line before a chunk is malformed"))?;
        let (size, signature) = match line.split_once(";chunk-signature=") {
            Some((size, signature)) => (size, Some(signature)),
            None => (line, None),
        };
        if size.is_empty() || size.len() > 16 || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(PayloadError::Framing("a chunk has no size"));
        }
        let size = u64::from_str_radix(size, 16).map_err(|_| PayloadError::Framing("a chunk has no size"))?;
        self.missing = self.missing.checked_sub(size).ok_or(PayloadError::Incomplete)?;
        match (&mut self.signatures, signature) {
            (Some(signatures), Some(signature)) => signatures.claimed = signature.to_owned(),
            (None, None) => {}
            (Some(_), None) => return Err(PayloadError::SignatureMismatch),
            (None, Some(_)) => return Err(PayloadError::Framing("a chunk is signed in an unsigned body")),
        }
        if size > 0 {
            self.state = FramingState::Data(size);
            return Ok(());
        }
        if self.missing > 0 {
            return Err(PayloadError::Incomplete);
        }
        if let Some(signatures) = &mut self.signatures {
            signatures.check_chunk()?;
        }
        self.state = FramingState::Trailer { bare: false };
        Ok(())
    }

    /// `name:value\r\n`, or the empty line that is the end.
    fn trailer(&mut self, line: &[u8], after_bare: bool) -> Result<(), PayloadError> {
        let malformed = PayloadError::Trailer("a line of the trailer is malformed");
        let line = line.strip_suffix(b"\n").ok_or(malformed)?;
        let (line, bare) = line.strip_suffix(b"\r").map_or((line, true), |line| (line, false));
        if line.is_empty() {
            return match (bare, after_bare) {
                (true, _) => Err(malformed),
                (false, true) => {
                    self.state = FramingState::Trailer { bare: false };
                    Ok(())
                }
                (false, false) => self.end(),
            };
        }
        let (name, value) =
            std::str::from_utf8(line).ok().and_then(|line| line.split_once(':')).ok_or(malformed)?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        self.state = FramingState::Trailer { bare };
        if name == TRAILER_SIGNATURE && self.sealed {
            if let Some(signatures) = &mut self.signatures {
                signatures.check_trailer(value)?;
            }
            self.sealed = false;
            return Ok(());
        }
        let algorithm =
            self.announced.filter(|algorithm| algorithm.header() == name && self.checksum.is_none());
        let algorithm = algorithm.ok_or(PayloadError::Trailer("it has a field that was not announced"))?;
        if let Some(signatures) = &mut self.signatures {
            // Anything after the signature of the trailer is not signed.
            if !self.sealed {
                return Err(PayloadError::SignatureMismatch);
            }
            signatures.trailer.extend([&name, ":", value, "\n"]);
        }
        self.checksum =
            Some(Checksum::from_base64(algorithm, value).ok_or(PayloadError::InvalidChecksum(algorithm))?);
        Ok(())
    }

    fn end(&mut self) -> Result<(), PayloadError> {
        if self.sealed {
            return Err(PayloadError::SignatureMismatch);
        }
        if self.announced.is_some() && self.checksum.is_none() {
            return Err(PayloadError::Trailer("the announced checksum did not come"));
        }
        self.state = FramingState::End;
        Ok(())
    }
}

/// The chain of signatures through a body: each covers its chunk and the signature before it.
pub(super) struct Signatures {
    key: Arc<SigningKey>,
    time: SigningTime,
    /// First that of the request itself.
    previous: String,
    /// The signature that the current chunk has.
    claimed: String,
    running: digest::Context,
    /// The fields of the trailer as they are signed.
    trailer: String,
    text: String,
}

impl std::fmt::Debug for Signatures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signatures").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Signatures {
    pub(super) fn new(proof: &Proof) -> Self {
        Self {
            key: Arc::clone(&proof.key),
            time: proof.time,
            previous: proof.signature.clone(),
            claimed: String::new(),
            running: digest::Context::new(&digest::SHA256),
            trailer: String::new(),
            text: String::new(),
        }
    }

    fn check_chunk(&mut self) -> Result<(), PayloadError> {
        let running = std::mem::replace(&mut self.running, digest::Context::new(&digest::SHA256));
        let mut digest = [0; 64];
        hex::encode_to_slice(running.finish(), &mut digest).map_err(|_| PayloadError::SignatureMismatch)?;
        self.start_text("-PAYLOAD");
        self.text.push_str(EMPTY_SHA256);
        self.text.push('\n');
        self.text.push_str(std::str::from_utf8(&digest).unwrap_or_default());
        let claimed = std::mem::take(&mut self.claimed);
        self.advance(claimed)
    }

    fn check_trailer(&mut self, claimed: &str) -> Result<(), PayloadError> {
        self.start_text("-TRAILER");
        push_sha256(&mut self.text, self.trailer.as_bytes());
        self.advance(claimed.to_owned())
    }

    fn start_text(&mut self, kind: &str) {
        self.text.clear();
        self.text.extend([
            self.key.algorithm().name(),
            kind,
            "\n",
            self.time.as_str(),
            "\n",
            self.key.scope(),
            "\n",
            &self.previous,
            "\n",
        ]);
    }

    fn advance(&mut self, mut claimed: String) -> Result<(), PayloadError> {
        // A signature in DER has no fixed length. Signers fill it up, so that they know the length of a body.
        if self.key.algorithm() == Algorithm::Ecdsa {
            claimed.truncate(claimed.trim_end_matches('*').len());
        }
        if !self.key.verifies(self.text.as_bytes(), &claimed) {
            return Err(PayloadError::SignatureMismatch);
        }
        self.previous = claimed;
        Ok(())
    }
}
