//! What is the same for users, groups and roles: the policies that they have.

use super::{To, read, table};
use crate::cli::report;
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum OfHolder {
    /// Give it a managed policy, by the policy's ARN.
    Attach {
        name: String,
        arn: String,
        #[command(flatten)]
        to: To,
    },
    /// Take a managed policy from it.
    Detach {
        name: String,
        arn: String,
        #[command(flatten)]
        to: To,
    },
    /// Give it a policy of its own, or replace that policy.
    PutPolicy {
        name: String,
        policy: String,
        /// The file with the policy; `-` is standard input.
        file: String,
        #[command(flatten)]
        to: To,
    },
    /// Remove a policy of its own.
    RemovePolicy {
        name: String,
        policy: String,
        #[command(flatten)]
        to: To,
    },
    /// List its policies: its own, and the managed ones that it has.
    Policies {
        name: String,
        #[command(flatten)]
        to: To,
    },
}

impl OfHolder {
    /// `kind` is `User`, `Group` or `Role`.
    pub(super) fn run(self, kind: &str) -> Result<ExitCode, ExitCode> {
        let holder = format!("{kind}Name");
        match self {
            Self::Attach { name, arn, to } => {
                to.carry_out((&format!("Attach{kind}Policy"), vec![(&holder, name), ("PolicyArn", arn)]))
            }
            Self::Detach { name, arn, to } => {
                to.carry_out((&format!("Detach{kind}Policy"), vec![(&holder, name), ("PolicyArn", arn)]))
            }
            Self::PutPolicy { name, policy, file, to } => {
                let text = read(&file)?;
                let parameters = vec![(&*holder, name), ("PolicyName", policy), ("PolicyDocument", text)];
                to.carry_out((&format!("Put{kind}Policy"), parameters))
            }
            Self::RemovePolicy { name, policy, to } => {
                to.carry_out((&format!("Delete{kind}Policy"), vec![(&holder, name), ("PolicyName", policy)]))
            }
            Self::Policies { name, to } => {
                let own = format!("List{kind}Policies");
                let managed = format!("ListAttached{kind}Policies");
                let own = to.all((&own, vec![(&holder, name.clone())]), "PolicyNames")?;
                let managed = to.all((&managed, vec![(&holder, name)]), "AttachedPolicies")?;
                if to.json {
                    report::document(&json!({ "own": own, "managed": managed }));
                } else {
                    table(&own, &[("OWN POLICY", "")], "no policy of its own");
                    let columns = [("MANAGED POLICY", "PolicyName"), ("ARN", "PolicyArn")];
                    table(&managed, &columns, "no managed policy");
                }
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}
