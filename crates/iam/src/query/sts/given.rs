//! What the actions that begin a session share: what a client may ask for, and the credentials that it gets.

use crate::{
    names,
    policy::Policy,
    query::{
        error::{Code, QueryError},
        work::{Work, no_such_policy},
    },
    session::{Credentials, SessionPolicies},
    xml::Writer,
};

/// The shortest session, in seconds.
pub(super) const SHORTEST: u32 = 900;
/// The longest policy of a session, and the most managed policies of one.
const MAX_CHARACTERS: usize = 2048;
const MOST_POLICIES: usize = 10;

pub(super) fn duration(work: &Work<'_>, default: u32, longest: u32) -> Result<u32, QueryError> {
    let seconds = work.call.form.number::<u32>("DurationSeconds")?.unwrap_or(default);
    if seconds < SHORTEST {
        return Err(QueryError::invalid(format!("DurationSeconds must be at least {SHORTEST}")));
    }
    if seconds > longest {
        let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
        return Err(QueryError::invalid(format!("{message} It is {longest} here.")));
    }
    Ok(seconds)
}

pub(super) fn session_name<'a>(work: &Work<'a>) -> Result<&'a str, QueryError> {
    let name = work.needed("RoleSessionName")?;
    if name.len() < 2 {
        return Err(QueryError::invalid("RoleSessionName must have at least 2 characters"));
    }
    names::check_name("roleSessionName", name, names::USER_NAME).map_err(QueryError::invalid)?;
    Ok(name)
}

/// The policies that narrow a session. Managed ones are those of the account of the role.
pub(super) fn policies(
    work: &Work<'_>,
    account: &crate::account::Account,
) -> Result<Option<SessionPolicies>, QueryError> {
    let inline = work.parameter("Policy");
    if let Some(text) = inline {
        let size = text.chars().count();
        if size > MAX_CHARACTERS {
            let message = format!(
                "The policy of a session has {size} characters; at most {MAX_CHARACTERS} are allowed"
            );
            return Err(QueryError::new(Code::PackedPolicyTooLarge, message));
        }
        let malformed = |error: crate::policy::MalformedPolicy| {
            QueryError::new(Code::MalformedPolicyDocument, error.to_string())
        };
        Policy::identity(text).map_err(malformed)?;
    }
    let attached = work.call.form.list("PolicyArns").into_iter().map(|fields| {
        let arn = fields.get("arn").copied();
        arn.ok_or_else(|| QueryError::invalid("An entry of PolicyArns must have an arn"))
    });
    let attached: Vec<&str> = attached.collect::<Result<_, _>>()?;
    if attached.len() > MOST_POLICIES {
        return Err(QueryError::invalid(format!("PolicyArns must have at most {MOST_POLICIES} entries")));
    }
    if let Some(arn) = attached.iter().find(|arn| account.managed(arn).is_none()) {
        return Err(no_such_policy(arn));
    }
    if inline.is_none() && attached.is_empty() {
        return Ok(None);
    }
    let attached = attached.into_iter().map(str::to_owned).collect();
    Ok(Some(SessionPolicies { inline: inline.map(str::to_owned), attached }))
}

/// How much of the room for policies and tags a session takes, in percent.
pub(super) fn packed_size(policies: Option<&SessionPolicies>) -> u32 {
    let used = policies.map_or(0, |policies| {
        policies.inline.as_ref().map_or(0, String::len)
            + policies.attached.iter().map(String::len).sum::<usize>()
    });
    u32::try_from(used * 100 / (2 * MAX_CHARACTERS)).unwrap_or(100).min(100)
}

pub(super) fn credentials(w: &mut Writer, given: &Credentials) {
    w.element("Credentials", |w| {
        w.text("AccessKeyId", &given.access_key);
        w.text("SecretAccessKey", given.secret.expose());
        w.text("SessionToken", &given.token);
        w.text("Expiration", names::shown(given.until));
    });
}

/// `id` is that of the role.
pub(super) fn assumed_role(w: &mut Writer, id: &str, session: &str, arn: &str) {
    w.element("AssumedRoleUser", |w| {
        w.text("AssumedRoleId", format!("{id}:{session}"));
        w.text("Arn", arn);
    });
}
