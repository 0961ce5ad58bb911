//! What is the same for users, groups and roles: how they are created, listed and deleted, and the policies
//! that they have. A kind is `User`, `Group` or `Role`, as actions of IAM name it.

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

/// `more` are parameters that only this kind has.
pub(super) fn create(
    kind: &str,
    name: String,
    path: String,
    more: Vec<(&str, String)>,
    to: &To,
) -> Result<ExitCode, ExitCode> {
    let holder = format!("{kind}Name");
    let parameters = [(&*holder, name), ("Path", path)].into_iter().chain(more).collect();
    to.carry_out((&format!("Create{kind}"), parameters))
}

pub(super) fn list(kind: &str, to: &To) -> Result<ExitCode, ExitCode> {
    let (holder, all) = (format!("{kind}Name"), format!("{kind}s"));
    let heading = kind.to_uppercase();
    let columns = [(&*heading, &*holder), ("ARN", "Arn"), ("CREATED", "CreateDate")];
    let none = format!("there is no {}", kind.to_lowercase());
    to.list((&format!("List{all}"), Vec::new()), &all, &columns, &none)
}

pub(super) fn delete(kind: &str, name: String, to: &To) -> Result<ExitCode, ExitCode> {
    to.carry_out((&format!("Delete{kind}"), vec![(&format!("{kind}Name"), name)]))
}

impl OfHolder {
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
