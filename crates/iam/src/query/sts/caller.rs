//! GetCallerIdentity: needs no permission.

use crate::{
    policy::MemberKind,
    query::{authorize, error::QueryError, work::Work},
};

pub(in crate::query) fn identity(work: &mut Work<'_>) -> Result<(), QueryError> {
    let caller = work.caller()?;
    let user_id = match caller.member.as_deref() {
        None => work.account_id.to_string(),
        Some(member) => match member.kind {
            MemberKind::User => member.id.to_string(),
            MemberKind::Session => format!("{}:{}", member.id, member.name),
        },
    };
    let account = work.account_id.clone();
    work.out.text("Arn", authorize::arn(caller));
    work.out.text("UserId", user_id);
    work.out.text("Account", &*account);
    Ok(())
}
