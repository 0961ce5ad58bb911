//! IAM and bucket policies: parsed once, and decided for each request.
//!
//! Pure logic: it reads no clock, no file and no socket, and stores nothing. The caller keeps the texts of
//! policies, and says who sends a request and what its condition keys are.
//!
//! | file | owns |
//! |---|---|
//! | `document` | a policy as a whole: version, size, statements |
//! | `statement` | one statement, and whether it speaks of a request |
//! | `principal`, `action`, `resource`, `condition` | one element of a statement each |
//! | `keys`, `late` | which condition keys there are, and which are known late |
//! | `pattern`, `arn` | wildcards and policy variables |
//! | `json`, `error` | the syntax below, and what is wrong with a document |
//! | `request`, `context` | what is decided |
//! | `member` | users and sessions with their policies, as they are kept |
//! | `evaluate`, `decision` | who wins, and the answer |
//! | `trust` | who may take on a role |
//! | `public` | whether a policy is public |
//!
//! Invariants:
//! - what no statement allows is denied, and a statement that denies always wins;
//! - a document that is not understood completely is refused, never read in part.

#![warn(unreachable_pub)]

mod action;
mod arn;
mod condition;
mod context;
mod decision;
mod document;
mod error;
mod evaluate;
mod json;
mod keys;
mod late;
mod member;
mod pattern;
mod principal;
mod public;
mod request;
mod resource;
mod statement;
mod trust;

pub use action::Action;
pub use context::Context;
pub use decision::{At, Decision, Ground, Missing, Source};
pub use document::{
    MAX_BUCKET_POLICY_BYTES, MAX_IDENTITY_POLICY_CHARACTERS, MAX_TRUST_POLICY_CHARACTERS, Policy,
};
pub use error::{Flaw, MalformedPolicy};
pub use evaluate::{Attached, Policies};
pub use keys::valued_keys;
pub use late::Late;
pub use member::{Member, MemberKind, NamedPolicy};
pub use request::{Principal, PrincipalKind, Request, Tag};
pub use statement::{Effect, Statement};
pub use trust::decide_federated;
