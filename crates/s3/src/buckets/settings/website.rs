//! The website of a bucket, as its owner set it.

use super::{DocumentKind, json};
use crate::model::Website;
use std::sync::Arc;

#[derive(Debug)]
pub enum WebsiteConfiguration {}

impl DocumentKind for WebsiteConfiguration {
    type Value = Option<Arc<Website>>;
    const NAME: &'static str = "website";

    fn parse(body: &str) -> Result<Self::Value, String> {
        let website: Website = json::parse(body)?;
        website.check().map_err(|error| error.to_string())?;
        Ok(Some(Arc::new(website)))
    }

    fn write(website: &Self::Value) -> String {
        website.as_deref().map(json::write).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Documents of released versions: they are only added to.
    const STORED: &[&str] = &[
        r#"{"redirect_all":{"host":"example.com"}}"#,
        r#"{"redirect_all":{"host":"example.com","protocol":"https"}}"#,
        r#"{"pages":{"index":"index.html"}}"#,
        concat!(
            r#"{"pages":{"index":"index.html","error":"404.html","rules":["#,
            r#"{"condition":{"prefix":"docs/","status":404},"#,
            r#""redirect":{"protocol":"http","host":"example.com","code":302,"key":{"whole":"one"}}},"#,
            r#"{"redirect":{"key":{"prefix":""}}}]}}"#
        ),
    ];

    #[test]
    fn stored_websites_are_read_and_written_as_they_are() {
        for stored in STORED {
            let website = WebsiteConfiguration::parse(stored).expect("a website");
            assert_eq!(WebsiteConfiguration::write(&website), *stored);
        }
    }

    #[test]
    fn a_website_beyond_the_limits_is_an_error() {
        for broken in [
            "",
            "{}",
            r#"{"pages":{"index":"a/b"}}"#,
            r#"{"pages":{"index":"i","unknown":1}}"#,
            r#"{"redirect_all":{"host":"a b"}}"#,
        ] {
            assert!(WebsiteConfiguration::parse(broken).is_err(), "{broken}");
        }
    }
}
