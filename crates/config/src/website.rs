//! Settings of websites: where the pages of buckets are served to browsers.

use super::{
    address::Addresses,
    error::ConfigErrors,
    section::{Fallback, Reader, Row, Section, section},
    value::{Domains, Setting},
};
use Fallback::Unset;

section! {
    /// Where buckets that have a website configuration (`PutBucketWebsite`) are served as websites. Without these
    /// keys they are not. See [websites](guide/website.md).
    Website {
        /// The address of a listener for websites alone. It uses TLS if S3 does. The host of a request names the
        /// bucket: below `domain`, or any other host that is the name of a bucket.
        listen: Option<Addresses> = Unset("none"),
        /// The domain of websites: with `web.example.com`, `photos.web.example.com` is the website of bucket
        /// `photos`, on this listener and on that of S3.
        domain: Option<Domains> = Unset("none"),
    }
}

impl Website {
    /// Returns the domains, if there are any.
    pub fn domains(&self) -> &[String] {
        self.domain.as_ref().map_or(&[], |domains| &domains.0)
    }
}
