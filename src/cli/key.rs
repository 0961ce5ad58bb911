//! `causeway key add | list | rotate | set | disable | enable | remove`.

use super::{
    FAILED, SENSELESS,
    catalog::CatalogArguments,
    environment, fail,
    moment::{Expiry, expiry, from_now, moment, span},
    report, say, wait,
};
use crate::operate::{
    self, Change, Done, Hidden, Key, Keyed, ListedKey, Request, Role, SignatureV2, Timestamp,
};
use serde_json::json;
use std::{process::ExitCode, time::Duration};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add an identity beside those of the configuration. It is valid at once, and stays so after a restart.
    ///
    /// The secret key is printed once and cannot be shown again. A key that the configuration has is refused:
    /// the configuration wins.
    Add {
        /// Use this access key. Without it, one is generated.
        #[arg(value_name = "ACCESS_KEY")]
        access_key: Option<String>,
        /// Let the identity do this: admin, readwrite or readonly.
        #[arg(long, default_value = "readwrite", value_parser = policy)]
        policy: Role,
        /// Show this name as the owner of buckets and objects, instead of the access key.
        #[arg(long)]
        name: Option<String>,
        /// Read the secret key from this variable. Without it, one is generated.
        #[arg(long, value_name = "VARIABLE")]
        secret_env: Option<String>,
        /// Refuse the access key from this time on: a day, a time, or how long from now (90d).
        #[arg(long, value_name = "TIME", value_parser = moment)]
        expires: Option<Timestamp>,
        /// Accept signature version 2 from the identity: off, presigned or all. Without it, the setting of the
        /// server counts.
        #[arg(long, value_name = "WHERE", value_parser = signature_v2)]
        sigv2: Option<SignatureV2>,
        #[command(flatten)]
        to: To,
    },
    /// List the identities that were added, with the ids of their accounts. Those of the configuration are not
    /// listed.
    List {
        #[command(flatten)]
        to: To,
    },
    /// Give an identity that was added another secret key. The old one stays valid for some time.
    ///
    /// The new secret key is printed once and cannot be shown again.
    Rotate {
        /// Change the identity with this access key.
        #[arg(value_name = "ACCESS_KEY")]
        access_key: String,
        /// Accept the old secret key for so long: 30m, 12h, 7d. With 0s, it is refused at once.
        #[arg(long, value_name = "TIME", default_value = "1d", value_parser = span)]
        keep: Duration,
        /// Read the new secret key from this variable. Without it, one is generated.
        #[arg(long, value_name = "VARIABLE")]
        secret_env: Option<String>,
        #[command(flatten)]
        to: To,
    },
    /// Change the expiry of an identity that was added, or where signature version 2 is accepted from it.
    Set {
        /// Change the identity with this access key.
        #[arg(value_name = "ACCESS_KEY")]
        access_key: String,
        /// Refuse the access key from this time on: a day, a time, how long from now (90d), or never.
        #[arg(long, value_name = "TIME", value_parser = expiry, required_unless_present = "sigv2")]
        expires: Option<Expiry>,
        /// Accept signature version 2 there: off, presigned, all, or default for the setting of the server.
        #[arg(long, value_name = "WHERE", value_parser = signature_v2_or_default)]
        sigv2: Option<Accepted>,
        #[command(flatten)]
        to: To,
    },
    /// Refuse an access key that was added, until it is enabled again. Its buckets and users stay.
    Disable {
        /// Change the identity with this access key.
        #[arg(value_name = "ACCESS_KEY")]
        access_key: String,
        #[command(flatten)]
        to: To,
    },
    /// Accept an access key again.
    Enable {
        /// Change the identity with this access key.
        #[arg(value_name = "ACCESS_KEY")]
        access_key: String,
        #[command(flatten)]
        to: To,
    },
    /// Remove an identity that was added. Its next request is refused. It stays the owner of its buckets.
    Remove {
        /// Remove the identity with this access key.
        #[arg(value_name = "ACCESS_KEY")]
        access_key: String,
        #[command(flatten)]
        to: To,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct To {
    #[command(flatten)]
    place: CatalogArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn policy(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "it is none of admin, readwrite and readonly".to_owned())
}

pub(super) fn signature_v2(text: &str) -> Result<SignatureV2, String> {
    SignatureV2::parse(text).ok_or_else(|| "it is none of off, presigned and all".to_owned())
}

/// Where signature version 2 is accepted. `None`: where the server accepts it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Accepted(pub(super) Option<SignatureV2>);

pub(super) fn signature_v2_or_default(text: &str) -> Result<Accepted, String> {
    if text == "default" { Ok(Accepted(None)) } else { signature_v2(text).map(|it| Accepted(Some(it))) }
}

pub(super) fn run(command: Command) -> ExitCode {
    let change = |access_key, change, to: &To| ask(to, Key::Change { access_key, change });
    let done = match command {
        Command::Add { access_key, policy, name, secret_env, expires, sigv2, to } => secret(secret_env)
            .and_then(|secret_key| {
                let signature_v2 = sigv2;
                ask(&to, Key::Add { access_key, secret_key, policy, name, expires, signature_v2 })
            }),
        Command::List { to } => ask(&to, Key::List),
        Command::Rotate { access_key, keep, secret_env, to } => secret(secret_env).and_then(|secret_key| {
            let until = if keep.is_zero() { Timestamp::from_millis(0) } else { from_now(keep) };
            change(access_key, Change::Rotate { secret_key, until }, &to)
        }),
        Command::Set { access_key, expires, sigv2, to } => {
            let expires = expires.map(|Expiry(at)| Change::Expire(at));
            let sigv2 = sigv2.map(|Accepted(accepted)| Change::SignatureV2(accepted));
            let mut changes = expires.into_iter().chain(sigv2);
            // The command line has one of them at least.
            changes.try_fold(ExitCode::SUCCESS, |_, one| change(access_key.clone(), one, &to))
        }
        Command::Disable { access_key, to } => change(access_key, Change::Disable, &to),
        Command::Enable { access_key, to } => change(access_key, Change::Enable, &to),
        Command::Remove { access_key, to } => ask(&to, Key::Remove { access_key }),
    };
    done.unwrap_or_else(|code| code)
}

fn secret(variable: Option<String>) -> Result<Option<Hidden>, ExitCode> {
    let Some(variable) = variable else { return Ok(None) };
    match environment().remove(&variable) {
        Some(secret) => Ok(Some(Hidden(secret))),
        None => Err(fail(SENSELESS, format_args!("the variable {variable} is not set"))),
    }
}

fn ask(to: &To, key: Key) -> Result<ExitCode, ExitCode> {
    let settings = to.place.settings()?;
    let done = wait(operate::ask(&settings, Request::Key(key), async |_| Ok(())))
        .map_err(|error| fail(FAILED, error))?;
    if let Done::Keyed(keyed) = done {
        if to.json { report::document(&document(&keyed)) } else { tell(keyed) }
    }
    Ok(ExitCode::SUCCESS)
}

fn document(keyed: &Keyed) -> serde_json::Value {
    match keyed {
        Keyed::Added { access_key, secret_key: Hidden(secret_key), policy } => {
            json!({ "access_key": access_key, "secret_key": secret_key, "policy": policy })
        }
        Keyed::Listed(keys) => json!(keys),
        Keyed::Rotated { access_key, secret_key: Hidden(secret_key), until } => {
            json!({ "access_key": access_key, "secret_key": secret_key, "previous_secret_until": shown(*until) })
        }
        Keyed::Removed | Keyed::Changed => json!({}),
    }
}

fn tell(keyed: Keyed) {
    match keyed {
        Keyed::Added { access_key, secret_key: Hidden(secret_key), .. } => {
            say(&format!("access key: {access_key}\nsecret key: {secret_key}\n"));
        }
        Keyed::Listed(keys) => {
            let row = |key: ListedKey| {
                let in_force = if key.in_force { "yes" } else { "no" };
                let last_used = key.last_used.map_or_else(|| "never".to_owned(), |used| used.at);
                vec![
                    key.access_key,
                    key.policy.as_str().to_owned(),
                    key.name.unwrap_or_default(),
                    key.account,
                    key.expires.unwrap_or_else(|| "never".to_owned()),
                    last_used,
                    in_force.to_owned(),
                ]
            };
            let rows: Vec<_> = keys.into_iter().map(row).collect();
            let columns = ["ACCESS KEY", "POLICY", "NAME", "ACCOUNT", "EXPIRES", "LAST USED", "IN FORCE"];
            report::table(&columns, &rows, "no identity was added");
        }
        Keyed::Rotated { access_key, secret_key: Hidden(secret_key), until } => {
            let old = if until > Timestamp::now() {
                format!("the old secret key is valid until {}", shown(until))
            } else {
                "the old secret key is refused".to_owned()
            };
            say(&format!("access key: {access_key}\nsecret key: {secret_key}\n{old}\n"));
        }
        Keyed::Removed | Keyed::Changed => {}
    }
}

fn shown(at: Timestamp) -> String {
    at.iso8601()
}
