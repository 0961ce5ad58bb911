//! The actions of IAM.

pub(in crate::query) mod attached;
pub(in crate::query) mod boundaries;
pub(in crate::query) mod groups;
mod holder;
pub(in crate::query) mod inline;
pub(in crate::query) mod keys;
pub(in crate::query) mod last_used;
pub(in crate::query) mod managed;
pub(in crate::query) mod members;
pub(in crate::query) mod providers;
pub(in crate::query) mod roles;
mod service_account;
pub(in crate::query) mod summary;
pub(in crate::query) mod tags;
pub(in crate::query) mod users;
pub(in crate::query) mod versions;
