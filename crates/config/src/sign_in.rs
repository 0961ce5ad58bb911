//! Settings of the sign-in for people, and of the roles that they get.

use super::{
    error::ConfigErrors,
    secret::SecretSetting,
    section::{Fallback, Reader, Row, Section, section},
    tree::Node,
    value::{Context, Setting, quote, refuse, text},
};
use crate::model::{AccessKey, Issuer};
use Fallback::{Required, Text, Unset};
use std::time::Duration;

const CALLBACK: &str = "/sign-in/callback";
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

section! {
    /// The sign-in for people on the admin address (`/sign-in`), by OpenID Connect with PKCE. Browsers reach
    /// that address through a proxy with TLS, or on `localhost`. See
    /// [signing in](guide/sign-in.md#people).
    SignIn {
        /// The provider at which people sign in: the issuer of one `[[oidc]]`.
        issuer: Issuer = Required,
        /// The name by which the provider knows the gateway. ID tokens must be for it.
        client_id: String = Required,
        /// The secret of that client.
        client_secret: Option<SecretSetting> = Unset("none: a public client"),
        /// The address to which the provider sends browsers back, as it is registered there.
        redirect: Redirect = Required,
        /// Where a person goes after the sign-in: a path at the same origin.
        landing: Landing = Text("/sign-in/who"),
        /// What the provider is asked for, separated by blanks. `openid` has to be part of it.
        scopes: Scopes = Text("openid profile email"),
        /// The claim of the ID token whose values `[[sign_in_role]]` names, such as `groups`.
        claim: Option<String> = Unset("none"),
        /// The name of the role of everybody for whom no `[[sign_in_role]]` counts. Its trust policy decides
        /// who gets it.
        role: Option<String> = Unset("they have none, and cannot sign in"),
        /// The access key of the account of the roles.
        account: Option<AccessKey> = Unset("the first administrator"),
        /// How long a person stays signed in.
        session: Duration = Text("8h"),
    }
}

section! {
    /// The role of people with a value of the claim that `[sign_in]` names; the section repeats, and the first
    /// one that a person has counts. The trust policy of the role must allow it, too.
    SignInRole {
        /// A value of the claim.
        value: String = Required,
        /// The name of a role of the account.
        role: String = Required,
    }
}

impl SignIn {
    /// Returns what is wrong between settings: the key and the problem.
    pub(super) fn problems(&self, issuers: &[&Issuer], roles: usize) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let mut fail =
            |key: &'static str, problem: &str| wrong.push((key, format!("sign_in.{key} {problem}")));
        if !issuers.contains(&&self.issuer) {
            fail("issuer", "is the issuer of no [[oidc]]");
        }
        match (&self.claim, roles) {
            (Some(_), 0) => fail("claim", "needs a [[sign_in_role]]"),
            (None, 1..) => fail("claim", "is missing: of which claim are the values of [[sign_in_role]]?"),
            (None, 0) if self.role.is_none() => fail("role", "is missing: which role do people get?"),
            _ => {}
        }
        if !(SHORTEST..=LONGEST).contains(&self.session) {
            fail("session", "must be between 1m and 30d");
        }
        wrong
    }
}

/// The address of the callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect(String);

impl Redirect {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `https://admin.example.com`
    pub fn origin(&self) -> &str {
        self.0.strip_suffix(CALLBACK).unwrap_or(&self.0)
    }
}

impl Setting for Redirect {
    const KIND: &'static str = "https://HOST/sign-in/callback, or the same with http:// on localhost";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        let url = text::<Self>(node)?;
        let is_host = |b: u8| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b);
        let is_sound = |rest: &str| !rest.is_empty() && rest.bytes().all(is_host);
        // Browsers take cookies of this machine without TLS.
        let is_here = |rest: &str| {
            let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host);
            ["localhost", "127.0.0.1", "[::1]"].contains(&host)
        };
        let origin = url.strip_suffix(CALLBACK).unwrap_or_default();
        let is_good = match (origin.strip_prefix("https://"), origin.strip_prefix("http://")) {
            (Some(rest), _) => is_sound(rest),
            (_, Some(rest)) => is_sound(rest) && is_here(rest),
            _ => false,
        };
        if is_good { Ok(Self(url.to_owned())) } else { refuse::<Self, _>(node) }
    }

    fn show(&self) -> Option<String> {
        Some(quote(&self.0))
    }
}

/// A path at the origin of the admin address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landing(pub String);

impl Setting for Landing {
    const KIND: &'static str = "a path such as /console";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        let path = text::<Self>(node)?;
        // `//host` and `/\host` lead browsers elsewhere.
        let leads_away = path.starts_with("//") || path.contains('\\');
        let is_sound = path.starts_with('/') && !leads_away && path.bytes().all(|b| b.is_ascii_graphic());
        if is_sound { Ok(Self(path.to_owned())) } else { refuse::<Self, _>(node) }
    }

    fn show(&self) -> Option<String> {
        Some(quote(&self.0))
    }
}

/// The scopes of a request to the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(pub Vec<String>);

impl Setting for Scopes {
    const KIND: &'static str = "words separated by blanks, with openid among them";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        let scopes: Vec<String> = text::<Self>(node)?.split_whitespace().map(str::to_owned).collect();
        if scopes.iter().any(|scope| scope == "openid") { Ok(Self(scopes)) } else { refuse::<Self, _>(node) }
    }

    fn show(&self) -> Option<String> {
        Some(quote(&self.0.join(" ")))
    }
}
