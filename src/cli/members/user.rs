//! `causeway user`.

use super::{
    Asked, To,
    held::{self, OfHolder},
    read,
};
use crate::{
    cli::{
        key::{Accepted, signature_v2, signature_v2_or_default},
        moment::{Expiry, expiry, moment, span},
        report, say,
    },
    operate::{SignatureV2, Timestamp},
};
use std::{process::ExitCode, time::Duration};

#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Create a user. It may do nothing before it has a policy.
    Create {
        name: String,
        /// Put the user under this path, which begins and ends with `/`.
        #[arg(long, default_value = "/")]
        path: String,
        /// Accept signature version 2 from the user: off, presigned or all. Without it, the setting of the
        /// server counts.
        #[arg(long, value_name = "WHERE", value_parser = signature_v2)]
        sigv2: Option<SignatureV2>,
        #[command(flatten)]
        to: To,
    },
    /// Change where signature version 2 is accepted from a user.
    Set {
        name: String,
        /// Accept it there: off, presigned, all, or default for the setting of the server.
        #[arg(long, value_name = "WHERE", value_parser = signature_v2_or_default)]
        sigv2: Accepted,
        #[command(flatten)]
        to: To,
    },
    /// List the users of the account.
    List {
        #[command(flatten)]
        to: To,
    },
    /// Delete a user that has no access key, no policy and no group.
    Delete {
        name: String,
        #[command(flatten)]
        to: To,
    },
    /// Create an access key of a user. Its secret is printed once and cannot be shown again. A user has two at
    /// most, so that one can replace the other.
    ///
    /// With `--service-account` it is a key for a program, which counts apart and can be narrowed by a policy.
    AddKey {
        name: String,
        /// Make a service account of this name.
        #[arg(long, value_name = "NAME")]
        service_account: Option<String>,
        /// The file with a policy that narrows what the user may do; `-` is standard input.
        #[arg(long, value_name = "FILE", requires = "service_account")]
        policy: Option<String>,
        /// What the service account is for.
        #[arg(long, value_name = "TEXT", requires = "service_account")]
        description: Option<String>,
        /// Refuse the access key from this time on: a day, a time, or how long from now (90d).
        #[arg(long, value_name = "TIME", value_parser = moment)]
        expires: Option<Timestamp>,
        #[command(flatten)]
        to: To,
    },
    /// Change the expiry of an access key, or the policy or description of a service account.
    SetKey {
        name: String,
        key: String,
        /// Refuse the access key from this time on: a day, a time, how long from now (90d), or never.
        #[arg(long, value_name = "TIME", value_parser = expiry)]
        expires: Option<Expiry>,
        /// The file with a policy that replaces the one of the service account; an empty file removes it.
        #[arg(long, value_name = "FILE")]
        policy: Option<String>,
        /// What the service account is for.
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        #[command(flatten)]
        to: To,
    },
    /// Give an access key another secret, which is printed once. The old one stays valid for some time.
    RotateKey {
        name: String,
        key: String,
        /// Accept the old secret key for so long, at most 7d. With 0s, it is refused at once.
        #[arg(long, value_name = "TIME", default_value = "1d", value_parser = span)]
        keep: Duration,
        #[command(flatten)]
        to: To,
    },
    /// Say when an access key was last used, and for which service.
    LastUse {
        key: String,
        #[command(flatten)]
        to: To,
    },
    /// List the access keys of a user.
    Keys {
        name: String,
        #[command(flatten)]
        to: To,
    },
    /// Refuse an access key from the next request on, until it is enabled again.
    DisableKey {
        name: String,
        key: String,
        #[command(flatten)]
        to: To,
    },
    /// Accept an access key again.
    EnableKey {
        name: String,
        key: String,
        #[command(flatten)]
        to: To,
    },
    /// Delete an access key.
    RemoveKey {
        name: String,
        key: String,
        #[command(flatten)]
        to: To,
    },
    #[command(flatten)]
    Policies(OfHolder),
}

pub(in crate::cli) fn run(command: Command) -> ExitCode {
    let status = |name, key, status: &str, to: To| {
        let parameters = vec![("UserName", name), ("AccessKeyId", key), ("Status", status.to_owned())];
        to.carry_out(("UpdateAccessKey", parameters))
    };
    let done = match command {
        Command::Create { name, path, sigv2, to } => {
            let accepted = sigv2.map(|accepted| ("SignatureV2", accepted.as_str().to_owned()));
            held::create("User", name, path, accepted.into_iter().collect(), &to)
        }
        Command::Set { name, sigv2: Accepted(accepted), to } => {
            let accepted = accepted.map_or("default", SignatureV2::as_str).to_owned();
            to.carry_out(("UpdateUser", vec![("UserName", name), ("SignatureV2", accepted)]))
        }
        Command::List { to } => held::list("User", &to),
        Command::Delete { name, to } => held::delete("User", name, &to),
        Command::AddKey { name, service_account, policy, description, expires, to } => {
            policy.map(|file| read(&file)).transpose().and_then(|policy| {
                let optional = [
                    ("ServiceAccountName", service_account),
                    ("PolicyDocument", policy),
                    ("Description", description),
                    ("Expires", expires.map(Timestamp::iso8601)),
                ];
                let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
                let parameters = std::iter::once(("UserName", name)).chain(optional);
                print_key(("CreateAccessKey", parameters.collect()), &to)
            })
        }
        Command::SetKey { name, key, expires, policy, description, to } => {
            policy.map(|file| read(&file)).transpose().and_then(|policy| {
                let expires = expires.map(|Expiry(at)| at.map_or("never".to_owned(), Timestamp::iso8601));
                let optional = [
                    ("Expires", expires),
                    ("PolicyDocument", policy.map(|text| text.trim().to_owned())),
                    ("Description", description),
                ];
                let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
                let parameters = [("UserName", name), ("AccessKeyId", key)].into_iter().chain(optional);
                to.carry_out(("UpdateAccessKey", parameters.collect()))
            })
        }
        Command::RotateKey { name, key, keep, to } => {
            let seconds = keep.as_secs().to_string();
            let parameters = vec![("UserName", name), ("AccessKeyId", key), ("GracePeriodSeconds", seconds)];
            print_key(("RotateAccessKey", parameters), &to)
        }
        Command::LastUse { key, to } => last_use(key, &to),
        Command::Keys { name, to } => {
            let columns = [
                ("ACCESS KEY", "AccessKeyId"),
                ("STATUS", "Status"),
                ("CREATED", "CreateDate"),
                ("EXPIRES", "Expires"),
                ("SERVICE ACCOUNT", "ServiceAccountName"),
                ("DESCRIPTION", "Description"),
            ];
            let asked = ("ListAccessKeys", vec![("UserName", name)]);
            to.list(asked, "AccessKeyMetadata", &columns, "the user has no access key")
        }
        Command::DisableKey { name, key, to } => status(name, key, "Inactive", to),
        Command::EnableKey { name, key, to } => status(name, key, "Active", to),
        Command::RemoveKey { name, key, to } => {
            to.carry_out(("DeleteAccessKey", vec![("UserName", name), ("AccessKeyId", key)]))
        }
        Command::Policies(policies) => policies.run("User"),
    };
    done.unwrap_or_else(|code| code)
}

/// Calls an action that makes a secret, and prints it.
fn print_key(asked: Asked<'_>, to: &To) -> Result<ExitCode, ExitCode> {
    let result = to.call(asked)?;
    let key = &result["AccessKey"];
    if to.json {
        report::document(key);
    } else {
        let text = |element: &str| key[element].as_str().unwrap_or_default();
        say(&format!("access key: {}\nsecret key: {}\n", text("AccessKeyId"), text("SecretAccessKey")));
    }
    Ok(ExitCode::SUCCESS)
}

fn last_use(key: String, to: &To) -> Result<ExitCode, ExitCode> {
    let result = to.call(("GetAccessKeyLastUsed", vec![("AccessKeyId", key)]))?;
    if to.json {
        report::document(&result);
    } else {
        let used = &result["AccessKeyLastUsed"];
        match (used["LastUsedDate"].as_str(), used["ServiceName"].as_str()) {
            (Some(at), Some(service)) => say(&format!("{at} for {service}\n")),
            _ => say("never\n"),
        }
    }
    Ok(ExitCode::SUCCESS)
}
