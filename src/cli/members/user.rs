//! `causeway user`.

use super::{
    To,
    held::{self, OfHolder},
};
use crate::cli::{report, say};
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Create a user. It may do nothing before it has a policy.
    Create {
        name: String,
        /// Put the user under this path, which begins and ends with `/`.
        #[arg(long, default_value = "/")]
        path: String,
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
    AddKey {
        name: String,
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
        Command::Create { name, path, to } => held::create("User", name, path, Vec::new(), &to),
        Command::List { to } => held::list("User", &to),
        Command::Delete { name, to } => held::delete("User", name, &to),
        Command::AddKey { name, to } => add_key(name, &to),
        Command::Keys { name, to } => {
            let columns = [("ACCESS KEY", "AccessKeyId"), ("STATUS", "Status"), ("CREATED", "CreateDate")];
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

fn add_key(name: String, to: &To) -> Result<ExitCode, ExitCode> {
    let result = to.call(("CreateAccessKey", vec![("UserName", name)]))?;
    let key = &result["AccessKey"];
    if to.json {
        report::document(key);
    } else {
        let text = |element: &str| key[element].as_str().unwrap_or_default();
        say(&format!("access key: {}\nsecret key: {}\n", text("AccessKeyId"), text("SecretAccessKey")));
    }
    Ok(ExitCode::SUCCESS)
}
