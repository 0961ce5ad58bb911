//! The binary as an operator meets it: configuration, credentials, listeners, limits, TLS, health, stopping.

#[path = "../support/mod.rs"]
mod support;

mod access;
mod admin;
mod backend_authorize;
mod backend_list;
mod backend_probe;
mod bucket_add;
mod bucket_add_folder;
mod bucket_list;
mod bucket_remove;
mod bucket_scan;
mod bucket_scrub;
mod bucket_validate;
mod catalog;
mod config_seal;
mod configuration;
mod credentials;
mod descriptors;
mod faulty;
mod full;
mod h2;
mod halted;
mod help;
mod limited;
mod limits;
mod listeners;
mod log;
mod minio;
mod places;
mod private;
mod process;
mod reference;
mod refused_uploads;
mod reload;
mod removed_directory;
mod replicate;
mod replicated;
mod shutdown;
mod sizes;
mod staged;
mod stalled;
mod tls;
mod unreachable;
mod unreadable;
