//! Replacements for hosts that are fixed in OpenDAL's drivers: by a proxy, a private link, or a test server.

use crate::model::Endpoint;
use http::Uri;

/// The replacement of each host. A host is written as in URLs, with its port if it has one.
#[derive(Debug, Clone, Default)]
pub(super) struct Hosts(pub(super) Vec<(String, Endpoint)>);

impl Hosts {
    /// Returns the address to connect to. The signed address is unchanged.
    pub(super) fn direct(&self, uri: &Uri) -> Option<Uri> {
        let authority = uri.authority()?;
        let Some((_, endpoint)) =
            self.0.iter().find(|(host, _)| authority.as_str().eq_ignore_ascii_case(host))
        else {
            return Some(uri.clone());
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        format!("{}://{}{}{path}", endpoint.scheme(), endpoint.authority(), endpoint.path()).parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_that_are_named_lead_elsewhere() {
        let endpoint = Endpoint::parse("http://127.0.0.1:8000/inner").expect("an endpoint");
        let hosts = Hosts(vec![("api.example.com".to_owned(), endpoint)]);
        let direct = |uri: &str| hosts.direct(&uri.parse().expect("a URL")).expect("a URL").to_string();
        assert_eq!(direct("https://API.example.com/a%2Fb?x=1"), "http://127.0.0.1:8000/inner/a%2Fb?x=1");
        assert_eq!(direct("https://api.example.com:8443/a"), "https://api.example.com:8443/a");
        assert_eq!(direct("https://api.example.com.evil.org/a"), "https://api.example.com.evil.org/a");
    }
}
