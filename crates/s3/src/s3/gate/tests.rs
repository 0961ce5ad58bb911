//! Decisions about whole requests: members, accounts and anonymous clients before buckets with policies.

mod fixture;
mod grants;
mod keys;
mod members;
mod objects;
mod owners;
mod policies;
mod uploads;
