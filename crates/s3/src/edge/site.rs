//! Websites: which requests are for pages of a bucket, and what of such a request counts.
//!
//! Owns the addressing of websites. Does not own what is shown (`s3::Service::visit`).
//!
//! Invariants:
//! - no credentials of a request for a page are looked at: it is anonymous;
//! - the host of a request for a page is the one that names its bucket.

use super::{
    Edge, Refusal,
    address::{Domains, plain},
    encoding, wire,
};
use crate::s3::{Arrival, Asked, Preflight, Target, Visit};
use http::{Method, header, request::Parts};

/// The listener that a request came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// S3, and websites below their own domains.
    S3,
    /// Websites alone: every host names a bucket.
    Website,
}

/// The name of the bucket whose website a request is for. It need not exist, nor be a legal name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site(pub String);

/// The result of the edge for a request to a website.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // One a request, moved once.
pub enum Visited {
    Visit(Visit),
    /// A question of a browser, which a page of another origin makes it ask.
    Preflight(Preflight),
}

/// The domains below which hosts are websites.
#[derive(Debug, Default)]
pub(super) struct Sites(Domains);

impl Sites {
    pub(super) fn new(domains: impl IntoIterator<Item = String>) -> Self {
        Self(Domains::new(domains))
    }

    /// `None`: the request is for S3, whose domains are `s3`.
    fn site(&self, host: &str, entrance: Entrance, s3: &Domains) -> Option<Site> {
        let host = plain(host);
        let is_ours = entrance == Entrance::Website || self.0.specificity(&host) > s3.specificity(&host);
        let bucket = || match self.0.below(&host) {
            Some(bucket) => bucket.to_owned(),
            None => host.clone(),
        };
        is_ours.then(|| Site(bucket()))
    }
}

impl Edge {
    /// The website that a request is for. `None`: it is a request of S3, of IAM or of STS.
    pub fn site<B>(&self, request: &http::Request<B>, entrance: Entrance) -> Option<Site> {
        if entrance == Entrance::S3 && self.sites.0.is_empty() {
            return None;
        }
        // A request whose host is malformed is refused where it is read.
        let host = wire::host(request.uri(), request.headers(), request.version()).unwrap_or_default();
        self.sites.site(host, entrance, self.addresses.domains())
    }

    /// Reads a request for a page. Its body, if it has one, is not read.
    #[allow(clippy::result_large_err)] // One a request, moved once.
    pub fn visit<B>(
        &self,
        request: http::Request<B>,
        arrival: Arrival,
        site: Site,
    ) -> Result<Visited, Refusal> {
        let (Parts { method, uri, version, headers, .. }, _) = request.into_parts();
        let bucket = site.0;
        let of_bucket = || Target { bucket: Some(bucket.clone()), ..Target::default() };
        let refusal = |error| Refusal { error, target: of_bucket() };
        let host = wire::host(&uri, &headers, version).map_err(refusal)?.to_owned();
        let path = encoding::decode_path(uri.path()).map_err(refusal)?;
        let path = path.strip_prefix('/').unwrap_or(&path).to_owned();
        let asks = headers.contains_key(header::ORIGIN)
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if method == Method::OPTIONS && asks {
            let target = Target { key: Some(path.clone()), ..of_bucket() };
            let preflight = Preflight::read(&method, &headers, &target, &arrival).map_err(refusal)?;
            if let Some(preflight) = preflight {
                return Ok(Visited::Preflight(preflight));
            }
        }
        let query = uri.query().map(str::to_owned);
        Ok(Visited::Visit(Visit::new(Asked { arrival, method, bucket, path, host, query, headers })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(host: &str, entrance: Entrance) -> Option<String> {
        let sites = Sites::new(["web.example.com".to_owned(), "s3.example.net".to_owned(), "org".to_owned()]);
        let s3 = Domains::new(["example.com".to_owned(), "a.s3.example.net".to_owned()]);
        sites.site(host, entrance, &s3).map(|site| site.0)
    }

    #[test]
    fn a_host_below_a_domain_of_websites_is_that_of_a_bucket_on_every_listener() {
        for entrance in [Entrance::S3, Entrance::Website] {
            assert_eq!(site("photos.web.example.com", entrance).as_deref(), Some("photos"));
            assert_eq!(site("My.Photos.WEB.example.com.:8080", entrance).as_deref(), Some("my.photos"));
            assert_eq!(site("b.s3.example.net", entrance).as_deref(), Some("b"));
            assert_eq!(site("web.example.com", entrance).as_deref(), Some("web.example.com"));
        }
    }

    #[test]
    fn the_most_specific_domain_decides_between_s3_and_websites() {
        for host in [
            "photos.example.com",
            "a.s3.example.net",
            "b.a.s3.example.net",
            "elsewhere",
            "127.0.0.1:9000",
            "",
        ] {
            assert_eq!(site(host, Entrance::S3), None, "{host}");
        }
    }

    #[test]
    fn on_the_listener_of_websites_any_other_host_is_the_name_of_a_bucket() {
        for (host, bucket) in [
            ("www.example.net:80", "www.example.net"),
            ("photos.example.com", "photos.example.com"),
            ("127.0.0.1:9000", "127.0.0.1"),
            ("[::1]:80", "[::1]"),
            ("bucket:evil", "bucket:evil"),
            ("", ""),
        ] {
            assert_eq!(site(host, Entrance::Website).as_deref(), Some(bucket));
        }
    }

    #[test]
    fn without_a_domain_no_host_is_a_website_on_the_listener_of_s3() {
        let sites = Sites::default();
        assert_eq!(sites.site("photos.web.example.com", Entrance::S3, &Domains::default()), None);
        let own = sites.site("photos", Entrance::Website, &Domains::default());
        assert_eq!(own, Some(Site("photos".to_owned())));
    }
}
