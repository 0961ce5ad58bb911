//! Settings of OpenID Connect providers, whose tokens are exchanged for temporary credentials.

use super::{
    error::ConfigErrors,
    section::{Fallback, Reader, Row, Section, section},
    tree::Node,
    value::{Context, Setting, quote, quote_all, refuse, text, texts},
};
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

/// The address of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer(pub String);

impl Setting for Issuer {
    const KIND: &'static str = "a URL such as https://id.example.com/realm, without a query";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        let issuer = text::<Self>(node)?;
        let rest = ["https://", "http://"].iter().find_map(|scheme| issuer.strip_prefix(scheme));
        let is_sound = |rest: &str| {
            !rest.is_empty()
                && !rest.starts_with('/')
                && rest.bytes().all(|b| b.is_ascii_graphic() && !b"?#@".contains(&b))
        };
        if rest.is_some_and(is_sound) { Ok(Self(issuer.to_owned())) } else { refuse::<Self, _>(node) }
    }

    fn show(&self) -> Option<String> {
        Some(quote(&self.0))
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
