//! What is built from the settings: backends and their layers, the catalog, buckets, jobs, and the service that
//! answers requests.
//!
//! Owns the one place that knows all parts and how they are connected (`graph`), the data directory, and the
//! buckets of the configuration. Owns no sockets and serves nothing: `server` does that, and `operate` builds
//! the same parts for commands.
//!
//! | file | owns |
//! |---|---|
//! | `backends` | from the settings of a backend to its driver |
//! | `alone` | one backend without a server |
//! | `limits`, `caches` | the layers above backends, as configured |
//! | `data` | the data directory, and the credentials in it |
//! | `settle` | the buckets of the configuration |
//! | `graph` | how all parts are connected |
//! | `oidc` | OpenID Connect providers |
//! | `ldap` | the LDAP directory |
//! | `sign_in` | the sign-in for people |
//! | `account` | the account whose members a section is about |
//! | `signals` | the signals that stop a server or a command |
//! | `error` | why something could not be built |

mod account;
pub(crate) mod alone;
pub(crate) mod backends;
pub(crate) mod caches;
pub(crate) mod data;
mod error;
pub(crate) mod graph;
pub(crate) mod ldap;
pub(crate) mod limits;
pub(crate) mod oidc;
pub(crate) mod settle;
pub(crate) mod sign_in;
pub(crate) mod signals;

pub use error::StartError;
