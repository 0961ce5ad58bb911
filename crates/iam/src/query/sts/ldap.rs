//! AssumeRoleWithLDAPIdentity, as MinIO has it: temporary credentials for a user of the LDAP directory, with
//! the policies of its groups. The request is not signed: the password is the proof.

use super::given;
use crate::{
    query::{
        error::{Code, QueryError},
        work::Work,
    },
    session::{Claims, Holder, PersonSession},
};

const DEFAULT: u32 = 3600;

pub(in crate::query) fn assume(work: &mut Work<'_>) -> Result<(), QueryError> {
    let (Some(person), Some(groups)) = (work.person, work.directory.ldap()) else {
        return Err(QueryError::new(Code::AccessDenied, "There is no LDAP directory"));
    };
    let account = work.state.account(groups.account());
    if groups.of(account, &person.groups).next().is_none() {
        tracing::debug!(request = %work.call.request_id, user = person.name, "a user of the LDAP directory has no group that gives access");
        return Err(QueryError::new(Code::AccessDenied, "No group of the user gives access here"));
    }
    let asked = work.call.form.number::<u32>("DurationSeconds")?;
    if asked.is_some_and(|asked| asked > groups.longest()) {
        let message = format!("DurationSeconds must be at most {}", groups.longest());
        return Err(QueryError::invalid(message));
    }
    let seconds = given::duration(work, DEFAULT.min(groups.longest()), groups.longest())?;
    let policies = given::policies(work, account)?;
    let holder =
        Holder::Person(PersonSession { name: person.name.clone(), groups: person.groups.clone(), policies });
    let key = work.directory.key()?;
    let credentials = Claims::begin(&key, groups.account(), holder, work.now(), seconds)?;
    given::credentials(&mut work.out, &credentials);
    Ok(())
}
