//! `causeway policy`.

use super::{To, read};
use crate::{
    cli::{FAILED, catalog::CatalogArguments, fail, report, say, wait},
    operate::{self, AccessChange, Done, Explained, Members, PublicAccess, Reply, Request, Simulate},
};
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Create a managed policy, which users, groups and roles can have.
    Create {
        name: String,
        /// The file with the policy; `-` is standard input.
        file: String,
        /// Put the policy under this path, which begins and ends with `/`.
        #[arg(long, default_value = "/")]
        path: String,
        #[command(flatten)]
        to: To,
    },
    /// List the policies of the account and those that every account has.
    List {
        #[command(flatten)]
        to: To,
    },
    /// Delete a managed policy that nobody has.
    Delete {
        arn: String,
        #[command(flatten)]
        to: To,
    },
    /// Say whether a user or a role would be allowed an action, and by which statement.
    ///
    /// Considers the policies of the user or role, not the policy and the ACL of a bucket. The command fails
    /// (exit code 1) if the action is denied.
    Simulate {
        /// The action, such as `s3:GetObject`.
        action: String,
        /// The resource, such as `arn:aws:s3:::photos/a.jpg`.
        resource: String,
        /// The user who asks.
        #[arg(long, conflicts_with = "role", required_unless_present = "role")]
        user: Option<String>,
        /// The role whose session asks.
        #[arg(long)]
        role: Option<String>,
        /// A condition key and its value: `aws:SourceIp=10.0.0.1`.
        #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
        context: Vec<(String, String)>,
        #[command(flatten)]
        to: To,
    },
    /// Show, set or remove the block of public access of all buckets of the account.
    ///
    /// A rule is in force for a bucket if the bucket or its account has it.
    PublicAccess {
        /// Turn on these rules, and all others off: BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy,
        /// RestrictPublicBuckets, or `all`.
        #[arg(long, value_name = "RULE", num_args = 1.., value_delimiter = ',', value_parser = rules)]
        set: Vec<PublicAccess>,
        /// Remove the block.
        #[arg(long, conflicts_with = "set")]
        remove: bool,
        #[command(flatten)]
        to: To,
    },
    /// Say why a running server allowed or denied a request of the last minutes: each action that it needed, and
    /// the role, ACL or statement that decided.
    ///
    /// The id of a request is in the header x-amz-request-id of its reply, in error documents and in the log. The
    /// command fails (exit code 1) if nothing is known of the request.
    Explain {
        #[arg(value_name = "REQUEST-ID")]
        request: String,
        #[command(flatten)]
        place: CatalogArguments,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// The rule with a name, or all.
fn rules(name: &str) -> Result<PublicAccess, String> {
    let mut access = PublicAccess::default();
    let names = access.rules().map(|(rule, _)| rule);
    if name != "all" && !names.contains(&name) {
        return Err(format!("it is none of {}, and not 'all'", names.join(", ")));
    }
    for rule in names.into_iter().filter(|rule| name == "all" || name == *rule) {
        if let Some(is_on) = access.rule_mut(rule) {
            *is_on = true;
        }
    }
    Ok(access)
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("it is not KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

pub(in crate::cli) fn run(command: Command) -> ExitCode {
    done(command).unwrap_or_else(|code| code)
}

fn done(command: Command) -> Result<ExitCode, ExitCode> {
    match command {
        Command::Create { name, file, path, to } => {
            let parameters = vec![("PolicyName", name), ("PolicyDocument", read(&file)?), ("Path", path)];
            to.carry_out(("CreatePolicy", parameters))
        }
        Command::List { to } => {
            let columns = [("POLICY", "PolicyName"), ("ARN", "Arn"), ("ATTACHED", "AttachmentCount")];
            to.list(("ListPolicies", Vec::new()), "Policies", &columns, "there is no policy")
        }
        Command::Delete { arn, to } => to.carry_out(("DeletePolicy", vec![("PolicyArn", arn)])),
        Command::Simulate { action, resource, user, role, context, to } => {
            let what = Simulate { user, role, action, resource, context };
            let result = to.send(Members::Simulate { account: to.account.clone(), what })?;
            let is_allowed = result["allowed"].as_bool() == Some(true);
            if to.json {
                report::document(&result);
            } else {
                say(&format!("{}\n", result["why"].as_str().unwrap_or_default()));
            }
            Ok(if is_allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::PublicAccess { set, remove, to } => {
            let change = match (remove, set.into_iter().reduce(PublicAccess::and)) {
                (true, _) => AccessChange::Remove,
                (false, Some(access)) => AccessChange::Set(access),
                (false, None) => AccessChange::Keep,
            };
            public_access(change, &to)
        }
        Command::Explain { request, place, json } => explain(request, &place, json),
    }
}

fn explain(request: String, place: &CatalogArguments, json: bool) -> Result<ExitCode, ExitCode> {
    let settings = place.settings()?;
    let mut all = Vec::new();
    let hear = async |reply| {
        if let Reply::Explained(explained) = reply {
            all.push(explained);
        }
        Ok(())
    };
    match wait(operate::ask(&settings, Request::Explain { request }, hear)) {
        Ok(Done::Explained) => {}
        Ok(other) => return Err(fail(FAILED, format_args!("an unexpected reply: {other:?}"))),
        Err(error) => return Err(fail(FAILED, error)),
    }
    if json {
        let all = serde_json::to_value(&all).map_err(|error| fail(FAILED, error))?;
        report::document(&all);
    } else {
        say(&all.iter().map(line).collect::<String>());
    }
    Ok(ExitCode::SUCCESS)
}

fn line(explained: &Explained) -> String {
    let Explained { at, access_key, arn, operation, action, resource, why, .. } = explained;
    let who = arn.as_ref().or(access_key.as_ref()).map_or("anonymous", String::as_str);
    let operation = operation.as_deref().unwrap_or("a request");
    format!("{} {operation} by {who}: {action} on {resource}: {why}\n", at.iso8601())
}

fn public_access(change: AccessChange, to: &To) -> Result<ExitCode, ExitCode> {
    let rules = to.send(Members::PublicAccess { account: to.account.clone(), change })?;
    if to.json {
        report::document(&rules);
        return Ok(ExitCode::SUCCESS);
    }
    let row = |(rule, is_on): (&String, &serde_json::Value)| {
        vec![rule.clone(), if is_on == &serde_json::Value::Bool(true) { "on" } else { "off" }.to_owned()]
    };
    let rows: Vec<_> = rules.as_object().into_iter().flatten().map(row).collect();
    report::table(&["RULE", ""], &rows, "the account has no block of public access");
    Ok(ExitCode::SUCCESS)
}
