//! What a request addresses: bucket and key, from the path alone or from the host and the path.
//!
//! Does not know which names are legal: the service checks that when it looks them up.

use crate::s3::Target;

/// The domains under which buckets are host names. Any other host, and any IP address, is addressed by path.
#[derive(Debug)]
pub(super) struct Addresses(Domains);

impl Addresses {
    pub(super) fn new(domains: impl IntoIterator<Item = String>) -> Self {
        Self(Domains::new(domains))
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
        if self.0.is_empty() {
            return None;
        }
        let host = plain(host);
        self.0.below(&host).map(str::to_owned)
    }

    pub(super) fn domains(&self) -> &Domains {
        &self.0
    }
}

/// Names of hosts, each with all names below it.
#[derive(Debug, Default)]
pub(super) struct Domains(
    /// In lower case, the longest first: the most specific domain wins.
    Vec<String>,
);

impl Domains {
    pub(super) fn new(domains: impl IntoIterator<Item = String>) -> Self {
        let mut domains: Vec<_> = domains
            .into_iter()
            .map(|domain| domain.trim_matches('.').to_ascii_lowercase())
            .filter(|domain| !domain.is_empty())
            .collect();
        domains.sort_by_key(|domain| std::cmp::Reverse(domain.len()));
        Self(domains)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What stands before the most specific domain of a host. `None`: the host is a domain itself, or below
    /// none. `host` is [`plain`].
    pub(super) fn below<'h>(&self, host: &'h str) -> Option<&'h str> {
        if self.0.iter().any(|domain| domain == host) {
            return None;
        }
        self.0.iter().find_map(|domain| before(host, domain))
    }

    /// The length of the most specific domain that a host is, or is below; 0 if there is none.
    pub(super) fn specificity(&self, host: &str) -> usize {
        let is_within = |domain: &&String| *domain == host || before(host, domain).is_some();
        self.0.iter().find(is_within).map_or(0, String::len)
    }
}

fn before<'h>(host: &'h str, domain: &str) -> Option<&'h str> {
    host.strip_suffix(domain)?.strip_suffix('.').filter(|name| !name.is_empty())
}

/// The name of a host, in lower case: without its port, and without the dot of the root.
pub(super) fn plain(host: &str) -> String {
    let mut host = without_port(host).to_ascii_lowercase();
    if host.ends_with('.') {
        host.pop();
    }
    host
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
