//! `causeway key add | list | remove`.

use super::{FAILED, SENSELESS, catalog::CatalogArguments, environment, fail, report, say, wait};
use crate::operate::{self, Done, Hidden, Key, Keyed, ListedKey, Request, Role};
use serde_json::json;
use std::process::ExitCode;

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
        #[command(flatten)]
        to: To,
    },
    /// List the identities that were added. Those of the configuration are not listed.
    List {
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

pub(super) fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::Add { access_key, policy, name, secret_env, to } => secret(secret_env)
            .and_then(|secret_key| ask(&to, Key::Add { access_key, secret_key, policy, name })),
        Command::List { to } => ask(&to, Key::List),
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
        Keyed::Removed => json!({}),
    }
}

fn tell(keyed: Keyed) {
    match keyed {
        Keyed::Added { access_key, secret_key: Hidden(secret_key), .. } => {
            say(&format!("access key: {access_key}\nsecret key: {secret_key}\n"));
        }
        Keyed::Listed(keys) => {
            let row = |ListedKey { access_key, policy, name, in_force }: ListedKey| {
                let in_force = if in_force { "yes" } else { "no" };
                vec![access_key, policy.as_str().to_owned(), name.unwrap_or_default(), in_force.to_owned()]
            };
            let rows: Vec<_> = keys.into_iter().map(row).collect();
            report::table(&["ACCESS KEY", "POLICY", "NAME", "IN FORCE"], &rows, "no identity was added");
        }
        Keyed::Removed => {}
    }
}
