//! Bodies in every payload mode, cut into frames anywhere.

use super::*;
use crate::{
    edge::{
        authentication::Proof, chunked::Decoder, chunked::Signatures, claim::SigningTime,
        signature::SigningKeys,
    },
    model::{ChecksumAlgorithm, ChecksumHasher},
};
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use http_body::Frame;
use http_body_util::StreamBody;
use proptest::prelude::*;
use std::convert::Infallible;

const CRC32: ChecksumAlgorithm = ChecksumAlgorithm::Crc32;

fn crc32(bytes: &[u8]) -> String {
    let mut hasher = ChecksumHasher::new(CRC32);
    hasher.update(bytes);
    hasher.finish().to_base64()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(ring::digest::digest(&ring::digest::SHA256, bytes))
}

/// The three kinds of `aws-chunked`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unsigned,
    Signed,
    SignedTrailer,
}

impl Kind {
    fn payload(self) -> SignableBody<'static> {
        match self {
            Kind::Unsigned => SignableBody::StreamingUnsignedPayloadTrailer,
            Kind::Signed => SignableBody::Precomputed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned()),
            Kind::SignedTrailer => {
                SignableBody::Precomputed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER".to_owned())
            }
        }
    }

    fn has_trailer(self) -> bool {
        self != Kind::Signed
    }
}

/// The published algorithm of chunk signatures, on the SDK's key derivation.
struct Chain {
    previous: String,
}

impl Chain {
    fn next(&mut self, kind: &str, rest: &str) -> String {
        let key = generate_signing_key(SECRET, UNIX_EPOCH + Duration::from_secs(NOW), "us-east-1", "s3");
        let scope = "20260102/us-east-1/s3/aws4_request";
        let text = format!("AWS4-HMAC-SHA256-{kind}\n20260102T030405Z\n{scope}\n{}\n{rest}", self.previous);
        self.previous = calculate_signature(key, text.as_bytes());
        self.previous.clone()
    }

    fn chunk(&mut self, data: &[u8]) -> String {
        let rest = format!("{}\n{}", sha256(b""), sha256(data));
        self.next("PAYLOAD", &rest)
    }
}

/// The body of an upload in chunks of these sizes, with its last chunk and its trailer.
fn framed(kind: Kind, seed: &str, data: &[u8], sizes: &[usize]) -> Vec<u8> {
    let mut chain = Chain { previous: seed.to_owned() };
    let mut body = Vec::new();
    let mut rest = data;
    let mut chunks = Vec::new();
    for size in sizes.iter().copied().chain([data.len()]) {
        let (chunk, after) = rest.split_at(size.min(rest.len()));
        if !chunk.is_empty() {
            chunks.push(chunk);
        }
        rest = after;
    }
    for chunk in chunks.into_iter().chain([&[][..]]) {
        let signature = if kind == Kind::Unsigned {
            String::new()
        } else {
            format!(";chunk-signature={}", chain.chunk(chunk))
        };
        body.extend_from_slice(format!("{:x}{signature}\r\n", chunk.len()).as_bytes());
        if !chunk.is_empty() {
            body.extend_from_slice(chunk);
            body.extend_from_slice(b"\r\n");
        }
    }
    if kind.has_trailer() {
        let field = format!("x-amz-checksum-crc32:{}", crc32(data));
        body.extend_from_slice(format!("{field}\r\n").as_bytes());
        if kind == Kind::SignedTrailer {
            let signature = chain.next("TRAILER", &sha256(format!("{field}\n").as_bytes()));
            body.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
        }
    }
    body.extend_from_slice(b"\r\n");
    body
}

/// An upload as an SDK sends it, signed; the framing is made of the signature.
fn upload(kind: Kind, data: &[u8], sizes: &[usize]) -> Draft {
    let mut draft = Draft::new("PUT", "/bucket/key")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", &data.len().to_string());
    if kind.has_trailer() {
        draft = draft.header("x-amz-trailer", "x-amz-checksum-crc32");
    }
    let signer = Signer { payload: kind.payload(), ..Signer::default() };
    let (draft, signature) = signer.sign_and_tell(draft);
    let body = framed(kind, &signature, data, sizes);
    draft.body(body)
}

/// Sends the body in frames that end at these places.
fn in_frames(draft: Draft, cuts: &[usize]) -> Result<Request, S3Error> {
    let (parts, _) = draft.clone().build().into_parts();
    let mut body = draft.body;
    let mut frames = Vec::new();
    for cut in cuts {
        frames.push(body.split_to((*cut).min(body.len())));
    }
    frames.push(body);
    let frames = frames.into_iter().map(|frame| Ok::<_, Infallible>(Frame::data(frame)));
    let request = http::Request::from_parts(parts, StreamBody::new(futures_util::stream::iter(frames)));
    admit_to(&edge(), request, now()).map_err(|refusal| refusal.error)
}

fn decoded(draft: Draft) -> Result<Bytes, PayloadError> {
    decoded_in_frames(draft, &[])
}

fn decoded_in_frames(draft: Draft, cuts: &[usize]) -> Result<Bytes, PayloadError> {
    let request = in_frames(draft, cuts).expect("admitted");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(read(request))
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Unsigned), Just(Kind::Signed), Just(Kind::SignedTrailer)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_body_cut_anywhere_decodes_to_the_same_bytes(
        kind in kinds(),
        data in prop::collection::vec(any::<u8>(), 0..20_000),
        sizes in prop::collection::vec(1usize..9000, 0..6),
        cuts in prop::collection::vec(1usize..3000, 0..12),
    ) {
        let whole = decoded_in_frames(upload(kind, &data, &sizes), &cuts);
        prop_assert_eq!(whole.as_deref(), Ok(data.as_slice()));
    }

    #[test]
    fn a_changed_byte_anywhere_in_a_body_is_noticed(kind in kinds(), at in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let data = b"The quick brown fox jumps over the lazy dog";
        let mut draft = upload(kind, data, &[10, 20]);
        let mut body = draft.body.to_vec();
        let place = at.index(body.len());
        body[place] ^= flip;
        draft.body = body.into();
        match decoded(draft) {
            // The case of a digit of a size, of the name of a trailer, or an added blank: the same bytes,
            // verified.
            Ok(bytes) => prop_assert_eq!(&bytes[..], &data[..]),
            Err(error) => prop_assert!(error != PayloadError::Timeout),
        }
    }

    #[test]
    fn a_body_cut_short_is_never_whole(kind in kinds(), at in any::<prop::sample::Index>()) {
        let mut draft = upload(kind, b"The quick brown fox jumps over the lazy dog", &[10, 20]);
        draft.body = draft.body.slice(..at.index(draft.body.len()));
        prop_assert!(decoded(draft).is_err());
    }
}

#[test]
fn the_documented_chunks_are_accepted() {
    // S3 API reference, "Signature calculations: transferring payload in multiple chunks", the example.
    let body = |last: &str| {
        let a = "a".repeat(65536);
        let b = "a".repeat(1024);
        format!(
            "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n{a}\r\n\
             400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n{b}\r\n\
             0;chunk-signature={last}\r\n\r\n"
        )
    };
    let last = "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9";
    let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
    assert_eq!(documented(seed, &body(last), None, false), Ok(66560));
    assert_eq!(
        documented(seed, &body(&last.replace('b', "c")), None, false),
        Err(PayloadError::SignatureMismatch)
    );
}

#[test]
fn the_documented_trailer_is_accepted() {
    // S3 API reference, "Signature calculations … including trailing headers", the example.
    let a = "a".repeat(65536);
    let b = "a".repeat(1024);
    let body = |line_end: &str| {
        format!(
            "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n{a}\r\n\
             400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n{b}\r\n\
             0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n\
             x-amz-checksum-crc32c:sOO8/Q=={line_end}\
             x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
        )
    };
    let seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
    let crc32c = Some(ChecksumAlgorithm::Crc32c);
    assert_eq!(documented(seed, &body("\r\n"), crc32c, true), Ok(66560));
    // minio-go writes it so.
    assert_eq!(documented(seed, &body("\n\r\n"), crc32c, true), Ok(66560));
    assert_eq!(documented(seed, &body("\r\n\r\n"), crc32c, true), Err(PayloadError::SignatureMismatch));
}

/// Decodes a body of the documentation's examples: all of 2013-05-24, with the secret of the examples.
fn documented(
    seed: &str,
    body: &str,
    trailer: Option<ChecksumAlgorithm>,
    sealed: bool,
) -> Result<usize, PayloadError> {
    let credential = crate::edge::Credential::parse(
        "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request",
        &["s3"],
        crate::edge::Algorithm::Hmac,
    )
    .expect("parses");
    let secret = Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let at = UNIX_EPOCH + Duration::from_secs(1_369_353_600);
    let some_signature =
        calculate_signature(generate_signing_key(secret.expose(), at, "us-east-1", "s3"), b"text");
    let key = SigningKeys::new().verify(&credential, &secret, b"text", &some_signature).expect("the key");
    let proof = Proof {
        key,
        time: SigningTime::parse("20130524T000000Z").expect("a time"),
        signature: seed.to_owned(),
    };
    let mut decoder = Decoder::signed(66560, trailer, Signatures::new(&proof), sealed);
    let mut input = Bytes::copy_from_slice(body.as_bytes());
    let mut length = 0;
    while let Some(piece) = decoder.decode(&mut input)? {
        length += piece.len();
    }
    decoder.finish().map(|()| length)
}

#[test]
fn a_tampered_chunk_is_refused_whatever_follows() {
    let mut draft = upload(Kind::Signed, &[b'a'; 100], &[50, 50]);
    let tampered = String::from_utf8(draft.body.to_vec()).expect("ASCII").replacen("aaaa", "aaab", 1);
    draft.body = tampered.into();
    assert_eq!(decoded(draft), Err(PayloadError::SignatureMismatch));
}

#[test]
fn chunks_cannot_change_places_or_be_left_out() {
    let draft = upload(Kind::Signed, b"aaabbbccc", &[3, 3]);
    let text = String::from_utf8(draft.body.to_vec()).expect("ASCII");
    let lines: Vec<&str> = text.split_inclusive("\r\n").collect();
    assert_eq!(lines.len(), 8);
    let with = |order: &[usize]| Draft {
        body: order.iter().map(|i| lines[*i]).collect::<String>().into(),
        ..draft.clone()
    };
    assert_eq!(decoded(with(&[0, 1, 2, 3, 4, 5, 6, 7])).as_deref(), Ok(&b"aaabbbccc"[..]));
    assert_eq!(decoded(with(&[2, 3, 0, 1, 4, 5, 6, 7])), Err(PayloadError::SignatureMismatch));
    assert_eq!(decoded(with(&[0, 1, 4, 5, 6, 7])), Err(PayloadError::SignatureMismatch));
    assert_eq!(decoded(with(&[0, 1, 2, 3, 4, 5])), Err(PayloadError::Incomplete));
    assert_eq!(decoded(with(&[0, 1, 2, 3, 6, 7])), Err(PayloadError::Incomplete));
}

fn unsigned(body: impl Into<Bytes>, declared: u64) -> Result<Bytes, PayloadError> {
    let draft =
        Draft::new("PUT", "/bucket/key").header("x-amz-decoded-content-length", &declared.to_string());
    let draft = Signer { payload: Kind::Unsigned.payload(), ..Signer::default() }.sign(draft);
    decoded(draft.body(body))
}

#[test]
fn the_decoded_length_is_the_declared_one() {
    assert_eq!(unsigned("5\r\nhello\r\n0\r\n\r\n", 5).as_deref(), Ok(&b"hello"[..]));
    for declared in [0, 4, 6, 99] {
        assert_eq!(
            unsigned("5\r\nhello\r\n0\r\n\r\n", declared),
            Err(PayloadError::Incomplete),
            "{declared}"
        );
    }
}

#[test]
fn broken_framing_is_refused() {
    let framing = |body: &str| match unsigned(body.to_owned(), 5) {
        Err(PayloadError::Framing(_) | PayloadError::Trailer(_)) => true,
        Err(PayloadError::Incomplete) | Ok(_) => false,
        Err(other) => panic!("{other} for {body}"),
    };
    for body in [
        "5\nhello\n0\n\n",
        "\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "5x\r\nhello\r\n",
        "00000000000000005\r\nhello\r\n0\r\n\r\n",
        "5;name=value\r\nhello\r\n0\r\n\r\n",
        "5;chunk-signature=00\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloworld",
        "5\r\nhello\r\n0\r\n\r\nmore",
        "5\r\nhello\r\n0\r\nx-amz-meta-a:b\r\n\r\n",
        "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
        "5\r\nhello\r\n0\r\ngarbage\r\n\r\n",
        &format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(300)),
    ] {
        assert!(framing(body), "{body}");
    }
    for body in ["", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n", "5\r\nhe"] {
        assert_eq!(unsigned(body.to_owned(), 5), Err(PayloadError::Incomplete), "{body}");
    }
}

#[test]
fn the_trailer_is_the_announced_one_and_true() {
    let with_trailer = |trailer: &str| {
        let draft = Draft::new("PUT", "/bucket/key")
            .header("x-amz-decoded-content-length", "5")
            .header("x-amz-trailer", "x-amz-checksum-crc32");
        let draft = Signer { payload: Kind::Unsigned.payload(), ..Signer::default() }.sign(draft);
        decoded(draft.body(format!("5\r\nhello\r\n0\r\n{trailer}\r\n")))
    };
    let right = format!("X-Amz-Checksum-Crc32: {}\r\n", crc32(b"hello"));
    assert_eq!(with_trailer(&right).as_deref(), Ok(&b"hello"[..]));
    assert_eq!(with_trailer("x-amz-checksum-crc32:AAAAAA==\r\n"), Err(PayloadError::ChecksumMismatch(CRC32)));
    for malformed in ["bad", "AAAA", "AAAAAAAA", ""] {
        assert_eq!(
            with_trailer(&format!("x-amz-checksum-crc32:{malformed}\r\n")),
            Err(PayloadError::InvalidChecksum(CRC32))
        );
    }
    for bad in
        [String::new(), right.repeat(2), format!("{right}x-amz-meta-a:b\r\n"), right.replace("Crc32", "Sha1")]
    {
        assert!(matches!(with_trailer(&bad), Err(PayloadError::Trailer(_))), "{bad}");
    }
}

#[test]
fn a_trailer_of_a_signed_body_is_signed() {
    let draft = upload(Kind::SignedTrailer, b"hello", &[]);
    let text = String::from_utf8(draft.body.to_vec()).expect("ASCII");
    let unsealed = text.split("x-amz-trailer-signature").next().expect("a part").to_owned() + "\r\n";
    assert_eq!(
        decoded(Draft { body: unsealed.into(), ..draft.clone() }),
        Err(PayloadError::SignatureMismatch)
    );
    let other = text.replace(&crc32(b"hello"), "AAAAAA==");
    assert_eq!(decoded(Draft { body: other.into(), ..draft }), Err(PayloadError::SignatureMismatch));
}

#[test]
fn a_gigabyte_announced_costs_nothing() {
    let mut decoder = Decoder::unsigned(1 << 30, None);
    let mut input = Bytes::from_static(b"40000000\r\nabc");
    let piece = decoder.decode(&mut input).expect("decodes").expect("a piece");
    assert_eq!(piece, "abc");
    assert_eq!(decoder.decode(&mut input), Ok(None));
}

#[test]
fn a_piece_is_a_slice_of_what_came() {
    let frame = Bytes::from(format!("2000\r\n{}", "x".repeat(0x2000)));
    let start = frame.as_ptr() as usize;
    let mut decoder = Decoder::unsigned(0x2000, None);
    let piece = decoder.decode(&mut frame.clone()).expect("decodes").expect("a piece");
    assert_eq!(piece.as_ptr() as usize - start, 6);
}

#[test]
fn a_body_of_tiny_chunks_comes_in_pieces_worth_keeping() {
    let data = vec![b'x'; 10_000];
    let sizes = vec![1; 10_000];
    let request = in_frames(upload(Kind::Unsigned, &data, &sizes), &[]).expect("admitted");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let mut payload = request.payload;
    let batch = runtime.block_on(payload.read(usize::MAX)).expect("readable").expect("bytes");
    assert_eq!(batch.iter().map(Bytes::len).collect::<Vec<_>>(), [4096, 4096, 1808]);
}

#[test]
fn an_anonymous_upload_is_unframed_too() {
    let draft = |sha256: Option<&str>| {
        let draft = Draft::new("PUT", "/bucket/key")
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", "5");
        let draft = sha256.map_or(draft.clone(), |text| draft.header("x-amz-content-sha256", text));
        draft.body("5\r\nhello\r\n0\r\n\r\n")
    };
    assert_eq!(decoded(draft(None)).as_deref(), Ok(&b"hello"[..]));
    assert_eq!(decoded(draft(Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER"))).as_deref(), Ok(&b"hello"[..]));
    assert_eq!(
        refusal_code(draft(Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"))),
        Some(ErrorCode::InvalidRequest)
    );
}

#[test]
fn a_presigned_upload_may_sign_its_chunks() {
    let digest = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    let draft = Draft::new("PUT", "/bucket/key")
        .header("x-amz-content-sha256", digest)
        .header("x-amz-decoded-content-length", "5");
    let signer = Signer { payload: SignableBody::Precomputed(digest.to_owned()), ..Signer::presigning(60) };
    let (draft, signature) = signer.sign_and_tell(draft);
    let body = framed(Kind::Signed, &signature, b"hello", &[2]);
    assert_eq!(decoded(draft.body(body)).as_deref(), Ok(&b"hello"[..]));
}

#[test]
fn a_plain_body_is_held_to_its_digest() {
    let upload = |body: &'static str| {
        let signer = Signer { payload: SignableBody::Precomputed(sha256(b"hello")), ..Signer::default() };
        signer
            .sign(Draft::new("PUT", "/bucket/key").header("content-encoding", "gzip, aws-chunked"))
            .body(body)
    };
    assert_eq!(decoded(upload("hello")).as_deref(), Ok(&b"hello"[..]));
    assert!(matches!(decoded(upload("hellO")), Err(PayloadError::Sha256Mismatch { .. })));
    let request = admit(upload("hello").build()).expect("admitted");
    assert_eq!(request.headers.get("content-encoding").and_then(|value| value.to_str().ok()), Some("gzip"));
}

#[test]
fn the_checksum_of_a_complete_is_not_that_of_its_document() {
    let draft = |path| Draft::new("POST", path).header("x-amz-checksum-sha256", "bad");
    let signed = |path| Signer::default().sign(draft(path)).body("<CompleteMultipartUpload/>");
    assert_eq!(decoded(signed("/bucket/key?uploadId=u")).as_deref(), Ok(&b"<CompleteMultipartUpload/>"[..]));
    assert_eq!(refusal_code(signed("/bucket?delete")), Some(ErrorCode::InvalidRequest));
}
