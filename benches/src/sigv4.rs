//! Signs requests with AWS Signature Version 4, header form.
//!
//! Owns: the canonical request, the signing key and its daily cache. Does not own: which headers a request
//! carries beyond the three that are always signed, nor the encoding of paths and queries (both arrive
//! encoded, the query sorted). Invariant: exactly `host`, `x-amz-content-sha256` and `x-amz-date` are signed,
//! which is what every server accepts for plain calls.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use ring::{digest, hmac};

/// The payload is not hashed: the benchmark measures the server, and a client-side SHA-256 of every body
/// would take its CPU.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
const SIGNED_HEADERS: &str = "host;x-amz-content-sha256;x-amz-date";
const REGION: &str = "us-east-1";

/// An access key with its secret, configured on every server under test.
#[derive(Clone)]
pub struct Credentials {
    pub access: String,
    pub secret: String,
}

/// The parts of one request that are signed.
pub struct Unsigned<'a> {
    pub method: &'a str,
    pub host: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    pub payload: &'a str,
}

/// The values of the `x-amz-date` and `authorization` headers.
pub struct Signed {
    pub date: String,
    pub authorization: String,
}

pub struct Signer {
    credentials: Credentials,
    key: Option<(String, hmac::Key)>,
}

impl Signer {
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, key: None }
    }

    pub fn sign(&mut self, request: &Unsigned, now: SystemTime) -> Signed {
        let date = timestamp(now);
        let day = &date[..8];
        let canonical = format!(
            "{}\n{}\n{}\nhost:{}\nx-amz-content-sha256:{}\nx-amz-date:{}\n\n{}\n{}",
            request.method,
            request.path,
            request.query,
            request.host,
            request.payload,
            date,
            SIGNED_HEADERS,
            request.payload
        );
        let scope = format!("{day}/{REGION}/s3/aws4_request");
        let hash = digest::digest(&digest::SHA256, canonical.as_bytes());
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(hash.as_ref()));
        let signature = hmac::sign(self.key_of(day), text.as_bytes());
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={SIGNED_HEADERS}, Signature={}",
            self.credentials.access,
            hex(signature.as_ref())
        );
        Signed { date, authorization }
    }

    fn key_of(&mut self, day: &str) -> &hmac::Key {
        if self.key.as_ref().is_none_or(|(cached, _)| cached != day) {
            self.key = None;
        }
        let secret = &self.credentials.secret;
        &self.key.get_or_insert_with(|| (day.to_owned(), derive(secret, day))).1
    }
}

fn derive(secret: &str, day: &str) -> hmac::Key {
    let first = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret}").as_bytes());
    [day, REGION, "s3", "aws4_request"].iter().fold(first, |key, part| {
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref())
    })
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `YYYYMMDDTHHMMSSZ`, by the days-to-civil calculation on eras of 400 years.
pub fn timestamp(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn signature_of(query: &str) -> String {
        let credentials = Credentials {
            access: "AKIAIOSFODNN7EXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        };
        let request = Unsigned {
            method: "GET",
            host: "examplebucket.s3.amazonaws.com",
            path: "/",
            query,
            payload: EMPTY,
        };
        let signed = Signer::new(credentials).sign(&request, UNIX_EPOCH + Duration::from_secs(1_369_353_600));
        assert_eq!(signed.date, "20130524T000000Z");
        signed.authorization.rsplit('=').next().unwrap_or_default().to_owned()
    }

    #[test]
    fn signatures_equal_the_examples_of_the_s3_documentation() {
        assert_eq!(
            signature_of("lifecycle="),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        );
        assert_eq!(
            signature_of("max-keys=2&prefix=J"),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }

    #[test]
    fn a_leap_day_is_written_as_such() {
        assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(1_709_210_096)), "20240229T123456Z");
    }
}
