//! Settings of OpenID Connect providers, whose tokens are exchanged for temporary credentials, and of the
//! issuers that accounts may make providers of.

use super::{
    error::ConfigErrors,
    section::{Fallback, Reader, Row, Section, section},
    tree::Node,
    value::{Context, Setting, quote, quote_all, refuse, text, texts},
};
use crate::model::{Issuer, IssuerPattern};
use Fallback::{Required, Text, Unset};
use std::path::PathBuf;

section! {
    /// One OpenID Connect provider; the section repeats. Whoever has a token of it may ask STS for temporary
    /// credentials (`AssumeRoleWithWebIdentity`) of a role whose trust policy names the provider: see
    /// [users](guide/users.md#web-identities).
    Oidc {
        /// The issuer, letter for letter as tokens name it. Its keys are found by discovery
        /// (`ISSUER/.well-known/openid-configuration`).
        issuer: Issuer = Required,
        /// Whom tokens must be for: an entry of this list must be among the audiences of a token.
        audience: Audiences = Required,
        /// A PEM file with certificates to trust for this provider, beside the public ones.
        ca_file: Option<PathBuf> = Unset("the public ones"),
        /// Whether the provider may be at an address of a private network, or of this machine. A Kubernetes
        /// cluster that issues tokens itself is.
        private: bool = Text("false"),
    }
}

section! {
    /// Issuers of which accounts may make OpenID Connect providers of their own, by IAM's API
    /// (`CreateOpenIDConnectProvider`); the section repeats, and the first one that matches an issuer counts.
    /// Without it nobody makes a provider by API. Such a provider vouches for people and workloads to the
    /// roles of its account only: see [users](guide/users.md#providers-by-api).
    OidcAllowed {
        /// An issuer, or a pattern of issuers. One `*` in the host stands for any text without a slash, one
        /// in the path for any text. `/*` at the end stands for any path, or none.
        issuer: IssuerPattern = Required,
        /// A PEM file with certificates to trust for these issuers, beside the public ones.
        ca_file: Option<PathBuf> = Unset("the public ones"),
        /// Whether these issuers may be at addresses of a private network, or of this machine. Whoever makes
        /// a provider then chooses what the gateway asks there: name the issuers one by one.
        private: bool = Text("false"),
    }
}

impl Setting for Issuer {
    const KIND: &'static str = "a URL such as https://id.example.com/realm, without a query";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        Self::parse(text::<Self>(node)?).map_or_else(|| refuse::<Self, _>(node), Ok)
    }

    fn show(&self) -> Option<String> {
        Some(quote(self.as_str()))
    }
}

impl Setting for IssuerPattern {
    const KIND: &'static str = "a URL such as https://id.example.com/realm or https://*.example.com/*";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        Self::parse(text::<Self>(node)?).map_or_else(|| refuse::<Self, _>(node), Ok)
    }

    fn show(&self) -> Option<String> {
        Some(quote(self.as_str()))
    }
}

/// Whom tokens are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audiences(pub Vec<String>);

impl Setting for Audiences {
    const KIND: &'static str = "text such as sts.amazonaws.com, or a list of such texts";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        let audiences: Vec<String> = texts::<Self>(node)?.into_iter().map(str::to_owned).collect();
        if audiences.iter().any(String::is_empty) { refuse::<Self, _>(node) } else { Ok(Self(audiences)) }
    }

    fn show(&self) -> Option<String> {
        Some(quote_all(self.0.iter().cloned()))
    }
}
