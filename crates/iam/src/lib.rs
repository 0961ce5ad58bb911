//! Users, groups, roles and managed policies of accounts, and temporary credentials.
//!
//! An account is what the configuration, or `causeway key add`, calls an identity. This crate keeps the
//! members of accounts in the catalog, answers the query APIs of IAM and STS about them, and finds the
//! identity of an access key of a member. It knows no HTTP connection and no signature: the edge verifies who
//! sends a request, and the gate of S3 decides what a member may do with buckets.
//!
//! | file | owns |
//! |---|---|
//! | `data_key` | the key that seals secrets, and the sealed form |
//! | `random` | new ids, access keys and secrets |
//! | `names` | which names, paths and tags there may be |
//! | `entity` | users, groups, roles, policies and settings of accounts as they are stored |
//! | `compiled` | the same with their policies compiled and their secrets unsealed |
//! | `provided` | policies that every account has, under `arn:aws:iam::aws:policy/` |
//! | `account`, `state` | all of one account, and of all accounts |
//! | `member` | from a user or a session of a role to what the gate decides with |
//! | `session` | temporary credentials: what a token holds, and how it is sealed |
//! | `begun` | sessions of an account that no request began |
//! | `sessions` | the sessions that were used lately |
//! | `uses` | when access keys were last used |
//! | `key_in_force` | what an access key opens |
//! | `snapshot` | which identity an access key belongs to |
//! | `directory` | the catalog, the snapshot in force, and changes |
//! | `oidc` | who an OpenID Connect token speaks of |
//! | `ldap` | who a user of an LDAP directory is, and what its groups give |
//! | `sign_in` | the sign-in of people by OpenID Connect, and their sessions |
//! | `simulate` | whether somebody would be allowed something |
//! | `query` | the query APIs of IAM and STS |
//!
//! Invariants:
//! - a document that is not understood completely is an error, never read in part;
//! - a request sees all of one state, and a change is in force before its caller gets the result;
//! - no secret is in an error, a log line or a `Debug` form.

#![warn(unreachable_pub)]

mod account;
mod begun;
mod compiled;
mod data_key;
mod directory;
mod entity;
mod key_in_force;
pub mod ldap;
mod member;
mod names;
pub mod oidc;
mod provided;
pub mod query;
mod random;
mod session;
mod sessions;
pub mod sign_in;
mod simulate;
mod snapshot;
mod state;
mod uses;

use causeway_catalog as catalog;
#[cfg(test)]
use causeway_core::store;
use causeway_core::{model, xml};
use causeway_policy as policy;

pub use begun::BegunSession;
pub use data_key::DataKey;
pub use directory::{Accounts, Directory, DirectoryError, Refused};
pub use entity::sealed_secrets;
pub use key_in_force::KeyInForce;
pub use session::SessionToken;
pub use simulate::{Simulated, Simulation};
pub use uses::{KeyUses, LastUse, Used};
