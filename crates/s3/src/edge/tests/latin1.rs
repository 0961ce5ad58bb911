//! Headers outside ASCII: signed as text and sent in Latin-1, as the AWS SDK for JavaScript does, or signed
//! as they are sent.

use super::*;
use http::HeaderValue;

/// Signs `text` as UTF-8 and sends `bytes` in its place.
fn sent(text: &str, bytes: &[u8]) -> http::Request<Full<Bytes>> {
    sent_by(&Signer::default(), text, bytes)
}

fn sent_by(signer: &Signer, text: &str, bytes: &[u8]) -> http::Request<Full<Bytes>> {
    let mut request =
        signer.sign(Draft::new("PUT", "/bucket/key").body("hello").header("x-amz-meta-a", text)).build();
    request.headers_mut().insert("x-amz-meta-a", HeaderValue::from_bytes(bytes).expect("a value"));
    request
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|character| u8::try_from(u32::from(character)).expect("a character of Latin-1"))
        .collect()
}

fn meant(request: http::Request<Full<Bytes>>) -> Result<Vec<u8>, ErrorCode> {
    let admitted = admit(request).map_err(|error| error.code)?;
    Ok(admitted.headers.get("x-amz-meta-a").expect("the header").as_bytes().to_vec())
}

#[test]
fn a_header_in_latin1_that_was_signed_as_text_means_that_text() {
    for text in ["caf\u{e9}", "\u{80}\u{ff}", "one  \u{fc}  two", "\u{c3}\u{a9} is no \u{e9}"] {
        assert_eq!(meant(sent(text, &latin1(text))), Ok(text.as_bytes().to_vec()), "{text}");
        assert_eq!(
            meant(sent_by(&Signer::presigning(60), text, &latin1(text))),
            Ok(text.as_bytes().to_vec()),
            "{text}, presigned"
        );
    }
}

#[test]
fn a_header_that_was_signed_as_it_is_sent_stays_as_it_is() {
    for text in ["caf\u{e9}", "\u{65e5}\u{672c}", "\u{c3}\u{a9}", "plain"] {
        assert_eq!(meant(sent(text, text.as_bytes())), Ok(text.as_bytes().to_vec()), "{text}");
    }
}

#[test]
fn any_other_difference_between_what_was_signed_and_what_came_is_refused() {
    let refused = Err(ErrorCode::SignatureDoesNotMatch);
    for (text, bytes) in [
        ("caf\u{e9}", &b"caf\xe8"[..]),
        ("caf\u{e9}", b"cafe"),
        ("caf\u{e9}", b"\xe9caf"),
        // The encoding of the encoding.
        ("\u{e9}", "\u{c3}\u{a9}".as_bytes()),
        // Half as text, half as it was sent.
        ("\u{e9}\u{e9}", b"\xe9\xc3\xa9"),
        ("\u{20ac}", b"\x80"),
    ] {
        assert_eq!(meant(sent(text, bytes)), refused, "{text} {bytes:?}");
    }
    let stranger = Signer { secret: "another".to_owned(), ..Signer::default() };
    assert_eq!(meant(sent_by(&stranger, "caf\u{e9}", b"caf\xe9")), refused);
}

#[test]
fn an_unsigned_header_in_latin1_is_no_text_and_metadata_has_to_be_signed() {
    let mut request = sent("caf\u{e9}", b"caf\xe9");
    request.headers_mut().insert("x-unsigned", HeaderValue::from_bytes(b"\xe9").expect("a value"));
    let admitted = admit(request).expect("admitted");
    assert_eq!(admitted.headers.get("x-unsigned").map(HeaderValue::as_bytes), Some(&b"\xe9"[..]));
    let unsigned = Signer { not_signed: vec!["content-length", "x-amz-meta-a"], ..Signer::default() };
    assert_eq!(meant(sent_by(&unsigned, "caf\u{e9}", b"caf\xe9")), Err(ErrorCode::AccessDenied));
}
