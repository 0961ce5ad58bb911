//! Reasons why the body of a request cannot be trusted.

use crate::model::ChecksumAlgorithm;

/// Reasons why a body cannot be trusted. The client, the network, or the source of a copy causes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    #[error("the body ended before its declared length, or did not end there")]
    Incomplete,
    #[error("the provided 'x-amz-content-sha256' header does not match what was computed")]
    Sha256Mismatch { announced: [u8; 32], computed: [u8; 32] },
    #[error("the Content-MD5 you specified did not match what we received")]
    Md5Mismatch { announced: [u8; 16], computed: [u8; 16] },
    #[error("the {} you specified did not match the calculated checksum", .0.as_str())]
    ChecksumMismatch(ChecksumAlgorithm),
    /// The value cannot be a checksum of this algorithm. A checksum that does not match is a different error.
    #[error("the value of the trailer {} is no {} checksum in base64", .0.header(), .0.as_str())]
    InvalidChecksum(ChecksumAlgorithm),
    #[error("a chunk's signature does not match")]
    SignatureMismatch,
    #[error("the chunked framing of the body is malformed: {0}")]
    Framing(&'static str),
    #[error("the trailer of the body is malformed: {0}")]
    Trailer(&'static str),
    #[error("the body of your POST request is not well-formed multipart/form-data: {0}")]
    Form(&'static str),
    /// So much of the file of a form had arrived when it was refused.
    #[error("the file of the form is larger than {most} bytes")]
    FileTooLarge { length: u64, most: u64 },
    #[error("the file of the form is smaller than {least} bytes")]
    FileTooSmall { length: u64, least: u64 },
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("your socket connection to the server was not read from or written to within the timeout period")]
    Timeout,
    #[error("the connection was lost")]
    Disconnected,
    /// Reading the source of a copy failed. The client did not cause this.
    #[error("reading the source failed")]
    Source,
    /// The document has to be held as a whole, and memory is full.
    #[error("there is no memory for the document now")]
    NoMemory,
}
