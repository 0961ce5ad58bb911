//! The binary as an operator meets it: configuration, credentials, listeners, limits, TLS, health, stopping.

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod configuration;
mod credentials;
mod h2;
mod limits;
mod listeners;
mod log;
mod process;
mod reference;
mod shutdown;
mod tls;
