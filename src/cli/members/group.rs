//! `causeway group`.

use super::{
    To,
    held::{self, OfHolder},
};
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Create a group. Its users have its policies.
    Create {
        name: String,
        /// Put the group under this path, which begins and ends with `/`.
        #[arg(long, default_value = "/")]
        path: String,
        #[command(flatten)]
        to: To,
    },
    /// List the groups of the account.
    List {
        #[command(flatten)]
        to: To,
    },
    /// Delete a group that has no user and no policy.
    Delete {
        name: String,
        #[command(flatten)]
        to: To,
    },
    /// List the users of a group.
    Users {
        name: String,
        #[command(flatten)]
        to: To,
    },
    /// Add a user to a group.
    AddUser {
        name: String,
        user: String,
        #[command(flatten)]
        to: To,
    },
    /// Remove a user from a group.
    RemoveUser {
        name: String,
        user: String,
        #[command(flatten)]
        to: To,
    },
    #[command(flatten)]
    Policies(OfHolder),
}

pub(in crate::cli) fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::Create { name, path, to } => held::create("Group", name, path, Vec::new(), &to),
        Command::List { to } => held::list("Group", &to),
        Command::Delete { name, to } => held::delete("Group", name, &to),
        Command::Users { name, to } => {
            let columns = [("USER", "UserName"), ("ARN", "Arn")];
            to.list(("GetGroup", vec![("GroupName", name)]), "Users", &columns, "the group has no user")
        }
        Command::AddUser { name, user, to } => {
            to.carry_out(("AddUserToGroup", vec![("GroupName", name), ("UserName", user)]))
        }
        Command::RemoveUser { name, user, to } => {
            to.carry_out(("RemoveUserFromGroup", vec![("GroupName", name), ("UserName", user)]))
        }
        Command::Policies(policies) => policies.run("Group"),
    };
    done.unwrap_or_else(|code| code)
}
