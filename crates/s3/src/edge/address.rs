//! What a request addresses: bucket and key, from the path alone or from the host and the path.
//!
//! Does not know which names are legal: the service checks that when it looks them up.

use crate::s3::Target;

/// The domains under which buckets are host names. Any other host, and any IP address, is addressed by path.
#[derive(Debug)]
pub(super) struct Addresses {
    /// In lower case, the longest first: the most specific domain wins.
    domains: Vec<String>,
}

impl Addresses {
    pub(super) fn new(domains: impl IntoIterator<Item = String>) -> Self {
        let mut domains: Vec<_> = domains
            .into_iter()
            .map(|domain| domain.trim_matches('.').to_ascii_lowercase())
            .filter(|domain| !domain.is_empty())
            .collect();
        domains.sort_by_key(|domain| std::cmp::Reverse(domain.len()));
        Self { domains }
    }

    /// `path` is decoded, `host` as received, with its port. Also whether the bucket is in the host.
    pub(super) fn locate(&self, host: &str, path: &str) -> (Target, bool) {
        let rest = path.strip_prefix('/').unwrap_or(path);
        match self.bucket_of(host) {
            Some(bucket) => {
                (Target { bucket: Some(bucket), key: non_empty(rest), ..Target::default() }, true)
            }
            // Some clients ask for `//` when they list buckets.
            None if rest.bytes().all(|byte| byte == b'/') => (Target::default(), false),
            None => {
                let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
                (Target { bucket: Some(bucket.to_owned()), key: non_empty(key), ..Target::default() }, false)
            }
        }
    }

    fn bucket_of(&self, host: &str) -> Option<String> {
        if self.domains.is_empty() {
            return None;
        }
        let host = without_port(host).to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        if self.domains.iter().any(|domain| domain == host) {
            return None;
        }
        let bucket = |domain: &String| {
            host.strip_suffix(domain.as_str())?.strip_suffix('.').filter(|bucket| !bucket.is_empty())
        };
        self.domains.iter().find_map(bucket).map(str::to_owned)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // `[::1]` has colons of its own.
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit())
                && (!name.starts_with('[') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

fn non_empty(key: &str) -> Option<String> {
    (!key.is_empty()).then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(host: &str, path: &str) -> (Option<String>, Option<String>) {
        let addresses =
            Addresses::new(["example.com".to_owned(), "S3.example.com".to_owned(), "localhost".to_owned()]);
        let (target, _) = addresses.locate(host, path);
        (target.bucket, target.key)
    }

    fn target(bucket: &str, key: &str) -> (Option<String>, Option<String>) {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (some(bucket), some(key))
    }

    #[test]
    fn hosts_below_a_domain_name_buckets() {
        assert_eq!(located("photos.s3.example.com", "/a/b"), target("photos", "a/b"));
        assert_eq!(located("Photos.S3.Example.com:9000", "/"), target("photos", ""));
        assert_eq!(located("my.photos.s3.example.com.", "//"), target("my.photos", "/"));
        assert_eq!(located("photos.localhost:9000", "/k"), target("photos", "k"));
    }

    #[test]
    fn domains_themselves_addresses_and_unknown_hosts_are_addressed_by_path() {
        for host in [
            "s3.example.com",
            "example.com:80",
            "127.0.0.1:9000",
            "[::1]:9000",
            "[::1]",
            "elsewhere.net",
            "notexample.com",
            "",
            ".example.com",
        ] {
            assert_eq!(located(host, "/bucket/a//b/"), target("bucket", "a//b/"), "{host}");
        }
    }

    #[test]
    fn a_path_of_slashes_is_the_service() {
        for path in ["/", "//", ""] {
            assert_eq!(located("localhost", path), target("", ""), "{path}");
        }
        assert_eq!(located("localhost", "/bucket"), target("bucket", ""));
        assert_eq!(located("localhost", "/bucket/"), target("bucket", ""));
        assert_eq!(located("localhost", "/bucket//"), target("bucket", "/"));
        assert_eq!(located("localhost", "/bucket/../x"), target("bucket", "../x"));
        assert_eq!(located("localhost", "//key"), (Some(String::new()), Some("key".to_owned())));
    }
}
