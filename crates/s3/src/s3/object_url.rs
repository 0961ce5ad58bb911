//! The URL of an object, as replies to uploads show it.

use super::request::Request;
use crate::model::ObjectKey;
use http::header;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters that the path of a URL shows as they are.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// The object's URL, by the name under which the client found us, and with the scheme that it really used: a
/// header of just anybody decides nothing.
pub(super) fn of(request: &Request, bucket: &str, key: &ObjectKey) -> String {
    let key = utf8_percent_encode(key.as_str(), PATH);
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(host) = host.filter(|host| !host.is_empty()) else { return format!("/{bucket}/{key}") };
    let scheme = if request.context.arrival.is_secure { "https" } else { "http" };
    match host.strip_prefix(bucket) {
        Some(domain) if domain.starts_with('.') => format!("{scheme}://{host}/{key}"),
        _ => format!("{scheme}://{host}/{bucket}/{key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::tests::request;

    #[test]
    fn the_location_is_the_url_under_which_the_client_found_us() {
        let key = ObjectKey::new("a b/ü").expect("a key");
        let of = |is_secure: bool, headers: &[(&'static str, &str)]| {
            let mut request = request(headers);
            request.context.arrival.is_secure = is_secure;
            of(&request, "bucket", &key)
        };
        let local = ("host", "localhost:9000");
        assert_eq!(of(false, &[local]), "http://localhost:9000/bucket/a%20b/%C3%BC");
        assert_eq!(of(true, &[("host", "bucket.s3.test")]), "https://bucket.s3.test/a%20b/%C3%BC");
        assert_eq!(of(false, &[("host", "bucketeer.test")]), "http://bucketeer.test/bucket/a%20b/%C3%BC");
        assert_eq!(of(true, &[]), "/bucket/a%20b/%C3%BC");
        let claimed = of(false, &[local, ("x-forwarded-proto", "https")]);
        assert_eq!(claimed, "http://localhost:9000/bucket/a%20b/%C3%BC");
    }
}
