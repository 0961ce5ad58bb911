//! AssumeRoleWithWebIdentity: temporary credentials of a role, for whoever an OpenID Connect provider of the
//! configuration vouches for. The request is not signed.

use super::{
    given,
    role::{Found, of_trust, refused},
};
use crate::{
    member, names,
    policy::{Action, Attached, Principal, PrincipalKind, Request, decide_federated},
    query::{error::QueryError, work::Work},
    session::{Claims, Holder, RoleSession},
};

const ASSUME: &str = "sts:AssumeRoleWithWebIdentity";
const DEFAULT: u32 = 3600;

pub(in crate::query) fn assume(work: &mut Work<'_>) -> Result<(), QueryError> {
    let name = given::session_name(work)?;
    let vouched = work.vouched.ok_or_else(|| refused(ASSUME))?;
    let found = Found::find(work)?.ok_or_else(|| refused(ASSUME))?;
    let provider = vouched.arn(found.account_id);
    let principal = Principal { kind: PrincipalKind::Session, provider: &provider, ..Principal::ANONYMOUS };
    let mut context = of_trust(work, name);
    for (claim, value) in vouched.condition_keys() {
        context.add(claim, value);
    }
    let action = Action::new(ASSUME);
    let request = Request::new(principal, &action, found.arn, context);
    let trust = Attached { name: "the trust policy of the role", policy: &found.role.trust };
    let decision = decide_federated(&trust, &request);
    if !decision.is_allowed() {
        tracing::debug!(request = %work.call.request_id, subject = vouched.subject, role = found.arn, %decision, "a role was denied");
        return Err(refused(ASSUME));
    }
    let longest = found.role.data.longest;
    let seconds = given::duration(work, DEFAULT.min(longest), longest)?;
    let policies = given::policies(work, found.account)?;
    let packed = given::packed_size(policies.as_ref());
    let holder = Holder::Role(RoleSession {
        role: names::fold(&found.role.data.name),
        id: found.role.data.id.clone(),
        name: name.to_owned(),
        policies,
        tags: Vec::new(),
        transitive: Vec::new(),
        provider: provider.clone(),
    });
    let key = work.directory.key()?;
    let credentials = Claims::begin(&key, found.canonical_id, holder, work.now(), seconds)?;
    work.out.text("SubjectFromWebIdentityToken", &vouched.subject);
    work.out.text("Audience", &vouched.audience);
    work.out.text("Provider", &provider);
    given::credentials(&mut work.out, &credentials);
    let session = member::session_arn(found.account_id, &found.role.data.name, name);
    given::assumed_role(&mut work.out, &found.role.data.id, name, &session);
    work.out.number("PackedPolicySize", packed);
    Ok(())
}
