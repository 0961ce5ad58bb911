//! The actions of STS: who calls, and temporary credentials.

pub(in crate::query) mod caller;
mod given;
pub(in crate::query) mod ldap;
pub(in crate::query) mod role;
pub(in crate::query) mod token;
pub(in crate::query) mod web;
