//! Tests of payloads: what is verified before an object is published.

use super::*;
use md5::{Digest, Md5};

async fn verify(mut payload: Payload) -> Result<Verified, PayloadError> {
    let mut digests = payload.digests(None);
    while let Some(batch) = payload.read(4).await? {
        batch.iter().for_each(|frame| digests.update(frame));
    }
    payload.verify(digests)
}

fn payload(frames: &[&'static str], announced: Announced) -> Payload {
    let frames: Vec<_> = frames.iter().map(|f| Ok(Bytes::from_static(f.as_bytes()))).collect();
    Payload::from_stream(futures_util::stream::iter(frames), announced)
}

#[tokio::test]
async fn a_body_of_another_length_than_declared_is_not_verified() {
    for (length, ok) in [(4, false), (5, true), (6, false)] {
        let announced = Announced { length: Some(length), ..Default::default() };
        assert_eq!(verify(payload(&["he", "", "llo"], announced)).await.is_ok(), ok, "{length}");
    }
}

#[tokio::test]
async fn every_announced_digest_is_compared() {
    let right = ring::digest::digest(&ring::digest::SHA256, b"hello");
    let sha256: [u8; 32] = right.as_ref().try_into().expect("32 bytes");
    let good =
        Announced { sha256: Some(sha256), md5: Some(Md5::digest(b"hello").into()), ..Default::default() };
    assert_eq!(verify(payload(&["hello"], good)).await.map(|v| v.size()), Ok(5));
    let bad = Announced { sha256: Some(sha256), ..Default::default() };
    let other = ring::digest::digest(&ring::digest::SHA256, b"hellO").as_ref().try_into().expect("32 bytes");
    let expected = PayloadError::Sha256Mismatch { announced: sha256, computed: other };
    assert_eq!(verify(payload(&["hellO"], bad)).await, Err(expected));
    let bad = Announced { md5: Some([0; 16]), ..Default::default() };
    let expected = PayloadError::Md5Mismatch { announced: [0; 16], computed: Md5::digest(b"hello").into() };
    assert_eq!(verify(payload(&["hello"], bad)).await, Err(expected));
    let wrong = Checksum::new(ChecksumAlgorithm::Crc32, &[0; 4]).expect("4 bytes");
    let bad = Announced { checksum: AnnouncedChecksum::Header(wrong), ..Default::default() };
    assert_eq!(
        verify(payload(&["hello"], bad)).await,
        Err(PayloadError::ChecksumMismatch(ChecksumAlgorithm::Crc32))
    );
    let bad =
        Announced { checksum: AnnouncedChecksum::Trailer(ChecksumAlgorithm::Crc32), ..Default::default() };
    assert!(matches!(verify(payload(&["hello"], bad)).await, Err(PayloadError::Trailer(_))));
}

#[tokio::test]
async fn bytes_that_were_not_digested_are_not_verified() {
    let mut body = payload(&["hello"], Announced::default());
    let digests = body.digests(None);
    while body.read(64).await.expect("readable").is_some() {}
    assert_eq!(body.verify(digests), Err(PayloadError::Incomplete));
}

#[tokio::test]
async fn a_body_that_is_held_is_the_body_that_came() {
    let right = Announced { md5: Some(Md5::digest(b"hello").into()), ..Default::default() };
    let held = payload(&["he", "llo"], right).held().await.expect("all of it came");
    assert_eq!(verify(held).await.map(|v| v.size()), Ok(5));
    let wrong = Announced { md5: Some([0; 16]), ..Default::default() };
    let held = payload(&["hello"], wrong).held().await.expect("all of it came");
    assert!(matches!(verify(held).await, Err(PayloadError::Md5Mismatch { .. })));
    let short = Announced { length: Some(4), ..Default::default() };
    assert_eq!(payload(&["hello"], short).held().await.err(), Some(PayloadError::Incomplete));
}

#[tokio::test]
async fn collecting_stops_at_the_limit() {
    assert_eq!(
        payload(&["hello", "world"], Announced::default()).collect(9).await,
        Err(PayloadError::TooLarge(9))
    );
    assert_eq!(
        payload(&["hello", "world"], Announced::default()).collect(10).await.as_deref(),
        Ok(&b"helloworld"[..])
    );
}
