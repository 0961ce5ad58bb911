//! CORS for all buckets: the rules of the configuration, which apply where a bucket has none of its own.
//!
//! Owns how rules are written in the configuration. Their limits and their meaning are in `model`.

use super::{
    error::ConfigErrors,
    section::{Fallback, Reader, Row, Section, section},
    tree::Node,
    value::{Context, Setting, quote_all, refuse, texts},
};
use crate::model::{CorsMethod, CorsPattern, CorsRule, CorsRules};
use Fallback::{Required, Unset};
use std::time::Duration;

section! {
    /// One CORS rule for pages of other origins; the section repeats, and the first rule that a request meets
    /// applies. The rules are those of every bucket that has none of its own (`PutBucketCors`), and of
    /// requests that name no bucket. See [CORS](guide/cors.md).
    Cors {
        /// The origins that the rule allows. One `*` in each stands for any characters.
        origins: Patterns = Required,
        /// The methods that the rule allows.
        methods: Methods = Required,
        /// The headers that requests may have, with one `*` in each. Pages that sign their requests need
        /// `"*"`.
        headers: Option<Patterns> = Unset("none but those that browsers always send"),
        /// The headers of replies that pages may read.
        expose: Option<HeaderNames> = Unset("none but those that browsers always show"),
        /// How long a browser may keep the answer to a preflight.
        max_age: Option<Duration> = Unset("as long as the browser does by itself"),
    }
}

impl Cors {
    fn rule(&self) -> CorsRule {
        let seconds = |age: &Duration| u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
        CorsRule {
            id: None,
            origins: self.origins.0.clone(),
            methods: self.methods.0.clone(),
            headers: self.headers.clone().map(|headers| headers.0).unwrap_or_default(),
            exposed: self.expose.clone().map(|names| names.0).unwrap_or_default(),
            max_age: self.max_age.as_ref().map(seconds),
        }
    }

    /// Returns the rules, or what is wrong with them.
    pub(super) fn rules(all: &[Self]) -> Result<CorsRules, String> {
        CorsRules::new(all.iter().map(Self::rule).collect()).map_err(|error| error.to_string())
    }
}

/// Texts with one `*` at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patterns(pub Vec<CorsPattern>);

impl Setting for Patterns {
    const KIND: &'static str = "text with one `*` at most, or a list of them";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        let pattern = |text: &str| CorsPattern::parse(text).filter(|_| !text.is_empty());
        let patterns: Option<Vec<_>> = texts::<Self>(node)?.into_iter().map(pattern).collect();
        patterns.map_or_else(|| refuse::<Self, _>(node), |patterns| Ok(Self(patterns)))
    }

    fn show(&self) -> Option<String> {
        Some(quote_all(self.0.iter().map(|pattern| pattern.as_str().to_owned())))
    }
}

/// Methods, each of which a rule can allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Methods(pub Vec<CorsMethod>);

impl Setting for Methods {
    const KIND: &'static str = "\"GET\", \"PUT\", \"HEAD\", \"POST\" or \"DELETE\", or a list of them";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        let methods: Option<Vec<_>> = texts::<Self>(node)?.into_iter().map(CorsMethod::parse).collect();
        methods.map_or_else(|| refuse::<Self, _>(node), |methods| Ok(Self(methods)))
    }

    fn show(&self) -> Option<String> {
        Some(quote_all(self.0.iter().map(|method| method.as_str().to_owned())))
    }
}

/// Names of headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderNames(pub Vec<String>);

impl Setting for HeaderNames {
    const KIND: &'static str = "the name of a header, or a list of them";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        let names = texts::<Self>(node)?;
        let is_name = |name: &&str| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if names.iter().all(is_name) {
            Ok(Self(names.into_iter().map(str::to_owned).collect()))
        } else {
            refuse::<Self, _>(node)
        }
    }

    fn show(&self) -> Option<String> {
        Some(quote_all(self.0.iter().cloned()))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Settings, load::Sources};
    use std::path::PathBuf;

    fn settings(text: &str) -> Result<Settings, String> {
        let sources = Sources { file: Some(PathBuf::from("c.toml")), ..Sources::default() };
        Settings::of(&sources, Some(text), None).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn rules_of_the_configuration_are_read_shown_and_take_effect_without_a_restart() {
        let text = "[[cors]]\norigins = ['https://*.example.com', 'https://other']\nmethods = ['GET', 'PUT']\n\
                    headers = '*'\nexpose = 'ETag'\nmax_age = '5m'\n[[cors]]\norigins = '*'\nmethods = 'HEAD'\n";
        let read = settings(text).expect("settings");
        let rules = read.cors_rules();
        let found = rules.of_preflight("https://a.example.com", "PUT", &["x-amz-date"]).expect("a rule");
        assert_eq!((found.rule.max_age, &*found.rule.exposed), (Some(300), &["ETag".to_owned()][..]));
        assert!(rules.of_request("https://anything", "HEAD").is_some());
        assert_eq!(settings(&read.show()).expect("settings").cors, read.cors, "what is shown is read back");
        let reread = settings("").expect("settings").reread(read.clone());
        assert!(reread.waiting.is_empty());
        assert_eq!(reread.next.cors, read.cors);
    }

    #[test]
    fn a_rule_that_is_wrong_is_refused_by_its_key() {
        for (wrong, words) in [
            ("[[cors]]\nmethods = 'GET'\n", "cors[0].origins is missing"),
            ("[[cors]]\norigins = '*.*'\nmethods = 'GET'\n", "cors[0].origins must be text with one `*`"),
            ("[[cors]]\norigins = '*'\nmethods = 'PATCH'\n", "cors[0].methods must be"),
            ("[[cors]]\norigins = '*'\nmethods = 'GET'\nexpose = 'a b'\n", "cors[0].expose must be"),
            ("[cors]\norigins = '*'\n", "'cors' is a list of sections: write [[cors]]"),
            (&"[[cors]]\norigins = '*'\nmethods = 'GET'\n".repeat(101), "allowed limit of 100 rules"),
        ] {
            let found = settings(wrong).expect_err("refused");
            assert!(found.contains(words), "{found}");
        }
    }
}
