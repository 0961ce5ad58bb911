//! GetSessionToken: temporary credentials of a user, or of an account. They may do what their holder may,
//! except in IAM.

use super::given;
use crate::{
    names::fold,
    policy::MemberKind,
    query::{
        authorize,
        error::{Code, QueryError},
        work::Work,
    },
    random::TEMPORARY,
    session::{Claims, Holder},
};

const HOUR: u32 = 3600;

pub(in crate::query) fn get(work: &mut Work<'_>) -> Result<(), QueryError> {
    let caller = work.caller()?;
    let key = caller.access_key.as_str().to_owned();
    if key.starts_with(TEMPORARY) {
        let message = "Cannot call GetSessionToken with session credentials";
        return Err(QueryError::new(Code::AccessDenied, message));
    }
    let (holder, default, longest) = match caller.member.as_deref() {
        None => (Holder::Account { key }, HOUR, HOUR),
        Some(member) => match member.kind {
            MemberKind::User => {
                let (name, id) = (fold(&member.name), member.id.to_string());
                (Holder::User { name, id, key }, 12 * HOUR, 36 * HOUR)
            }
            MemberKind::Session => {
                return Err(authorize::denied(work, "sts:GetSessionToken", "*"));
            }
        },
    };
    let seconds = given::duration(work, default, longest)?;
    let key = work.directory.key()?;
    let credentials = Claims::begin(&key, &caller.owner.id, holder, work.now(), seconds)?;
    given::credentials(&mut work.out, &credentials);
    Ok(())
}
