//! `causeway role`.

use super::{
    To,
    held::{self, OfHolder},
    read,
};
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Create a role, which others take on by STS's AssumeRole.
    Create {
        name: String,
        /// The file with the trust policy, which says who may take on the role; `-` is standard input.
        #[arg(long, value_name = "FILE")]
        trust: String,
        /// Put the role under this path, which begins and ends with `/`.
        #[arg(long, default_value = "/")]
        path: String,
        /// Maximum time of a session, in seconds: 3600 to 43200.
        #[arg(long, value_name = "SECONDS")]
        max_session: Option<u32>,
        #[command(flatten)]
        to: To,
    },
    /// List the roles of the account.
    List {
        #[command(flatten)]
        to: To,
    },
    /// Replace the trust policy of a role.
    Trust {
        name: String,
        /// The file with the trust policy; `-` is standard input.
        file: String,
        #[command(flatten)]
        to: To,
    },
    /// Delete a role that has no policy. Its sessions end.
    Delete {
        name: String,
        #[command(flatten)]
        to: To,
    },
    #[command(flatten)]
    Policies(OfHolder),
}

pub(in crate::cli) fn run(command: Command) -> ExitCode {
    done(command).unwrap_or_else(|code| code)
}

fn done(command: Command) -> Result<ExitCode, ExitCode> {
    match command {
        Command::Create { name, trust, path, max_session, to } => {
            let mut more = vec![("AssumeRolePolicyDocument", read(&trust)?)];
            more.extend(max_session.map(|seconds| ("MaxSessionDuration", seconds.to_string())));
            held::create("Role", name, path, more, &to)
        }
        Command::List { to } => held::list("Role", &to),
        Command::Trust { name, file, to } => {
            let parameters = vec![("RoleName", name), ("PolicyDocument", read(&file)?)];
            to.carry_out(("UpdateAssumeRolePolicy", parameters))
        }
        Command::Delete { name, to } => held::delete("Role", name, &to),
        Command::Policies(policies) => policies.run("Role"),
    }
}
