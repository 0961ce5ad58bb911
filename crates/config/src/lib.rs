//! Configuration: from defaults, a TOML file, the environment and the command line (each overriding the one
//! before) to [`Settings`], which is plain, validated data. Nothing here opens or connects to anything. The
//! only files read are the configuration itself, those that hold secrets, and the key of sealed secrets; only
//! `edit` writes: the configuration, and a new seal key.
//!
//! Invariants:
//! - every key is declared once, in a `section!`, with its type, its default and its description: reading,
//!   showing and `docs/configuration.md` all follow from that declaration;
//! - a key that is not declared is an error, in whatever source;
//! - an error says where the value came from (file and line, variable, or flag) and never repeats a secret.

#![warn(unreachable_pub)]

// Other crates import this crate under this name.
extern crate self as config;

mod addition;
mod address;
mod amount;
mod at_url;
mod backend;
mod bucket;
mod choice;
mod cors;
mod dropbox;
mod edit;
mod environment;
mod error;
mod exposed;
mod faulty;
mod file;
mod ftp;
mod gdrive;
mod homes;
mod http;
mod layers;
mod ldap;
mod load;
mod moment;
mod networks;
mod object_stores;
mod oidc;
mod onedrive;
mod provider;
mod reference;
mod region;
mod removal;
mod replacement;
mod replicated;
mod reread;
mod schemes;
mod seal;
mod secret;
mod section;
mod sections;
mod services;
mod settings;
mod sftp;
mod sign_in;
mod tree;
mod unit;
mod validate;
mod value;
mod weak;
mod webdav;
mod website;

use causeway_core::{model, store};
use causeway_file_drivers as drivers;

pub use addition::{Added, Addition, Need, Needs, SecretSource, add, begin, needs};
pub use address::{Address, Addresses};
pub use amount::{ByteRate, Count};
pub use at_url::{AT_URL, AtUrl, Named, Search, UrlError, at_url};
pub use backend::{Backend, FsBackend, MemoryBackend, NullBackend};
pub use bucket::{Bucket, Grant};
pub use choice::{Addressing, AtBudget, FtpTls, LogFormat, Promise};
pub use cors::Cors;
pub use dropbox::DropboxBackend;
pub use edit::{Edit, EditError, seal};
pub use error::{ConfigError, ConfigErrors};
pub use exposed::exposed;
pub use faulty::FaultyBackend;
pub use ftp::FtpBackend;
pub use gdrive::GdriveBackend;
pub use http::Http;
pub use layers::Layers;
pub use ldap::{Ldap, LdapGroup, LdapUrl};
pub use load::{Flag, Sources};
pub use moment::Moment;
pub use networks::Networks;
pub use object_stores::{AzblobBackend, GcsBackend, S3Backend};
pub use oidc::{Audiences, Oidc, OidcAllowed};
pub use onedrive::OnedriveBackend;
pub use reference::reference;
pub use removal::{Removed, remove};
pub use replacement::replace_secret;
pub use replicated::{Names, ReadMode, ReplicatedBackend, WriteMode};
pub use reread::{Reread, Waiting};
pub use secret::SecretSetting;
pub use services::{Given, ServiceBackend};
pub use settings::{Defaults, Identity, Root, Server, Settings};
pub use sftp::SftpBackend;
pub use sign_in::{Landing, Redirect, Scopes, SignIn, SignInRole};
pub use unit::Interval;
pub use value::{Domains, FileMode, HostKeyPins, LogLevel, Port};
pub use webdav::WebdavBackend;
pub use website::Website;
