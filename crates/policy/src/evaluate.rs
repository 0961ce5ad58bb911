//! The decision about a request (IAM User Guide, "Policy evaluation logic").
//!
//! A statement that denies wins, wherever it is. Otherwise:
//!
//! | sender | allowed by |
//! |---|---|
//! | anonymous, or a service | the bucket policy |
//! | of the owner's account | an identity policy or the bucket policy |
//! | of another account | an identity policy and the bucket policy |
//!
//! The root of an account needs no identity policy. A permission boundary and policies of a session narrow
//! what identity policies allow. They also narrow what the bucket policy allows, unless it names exactly who
//! sends: a session by its own ARN, or a user who has no policies of a session. A bucket policy that names
//! the owner's account leaves the decision to identity policies.
//!
//! Invariants: what no statement allows is denied; the root of the owner's account can always read and
//! replace the bucket's policy, so that no policy locks everybody out. ACLs are not considered here.

use crate::{
    decision::{At, Decision, Ground, Missing, Source},
    document::Policy,
    principal::Reach,
    request::{PrincipalKind, Request},
    statement::Effect,
};

/// A policy with the name under which a decision shows it.
#[derive(Debug, Clone, Copy)]
pub struct Attached<'p> {
    pub name: &'p str,
    pub policy: &'p Policy,
}

/// All policies that a decision depends on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policies<'p> {
    /// Those of the user and its groups, or of the role.
    pub identity: &'p [Attached<'p>],
    pub boundary: Option<Attached<'p>>,
    /// Those that were given when the session began. `Some` of an empty list is a session that may nothing.
    pub session: Option<&'p [Attached<'p>]>,
    pub bucket: Option<Attached<'p>>,
    /// The account that owns the bucket. `None`: the request is about the sender's own account.
    pub owner: Option<&'p str>,
}

/// The strongest statement that allows the request.
pub(crate) type Allowed<'p> = Option<(Reach, At<'p>)>;

impl<'p> Policies<'p> {
    pub fn decide(&self, request: &Request<'_>) -> Decision<'p> {
        self.decided(request).unwrap_or_else(Decision::Deny)
    }

    /// The error is the statement that denies.
    fn decided(&self, request: &Request<'_>) -> Result<Decision<'p>, At<'p>> {
        let sender = &request.principal;
        let is_ours = match sender.kind {
            PrincipalKind::Anonymous | PrincipalKind::Service => false,
            PrincipalKind::Root | PrincipalKind::User | PrincipalKind::Session => {
                self.owner.is_none_or(|owner| owner == sender.account)
            }
        };
        if is_ours && sender.kind == PrincipalKind::Root && request.action.is_about_the_bucket_policy() {
            return Ok(Decision::Allow(Ground::Owner));
        }
        let is_bounded = self.boundary.is_some();
        let read = |attached: &Attached<'p>, source| scan(attached, source, request, is_bounded);
        let all = |policies: &[Attached<'p>], source| -> Result<Allowed<'p>, At<'p>> {
            let mut allowed = None;
            for attached in policies {
                allowed = allowed.or(read(attached, source)?);
            }
            Ok(allowed)
        };
        // All are read before anything is allowed: a later one may deny.
        let identity = all(self.identity, Source::Identity)?;
        let boundary = self.boundary.map(|attached| read(&attached, Source::Boundary)).transpose()?;
        let session = self.session.map(|policies| all(policies, Source::Session)).transpose()?;
        let bucket = match &self.bucket {
            Some(attached) => read(attached, Source::Bucket)?,
            None => None,
        };
        // `None`: neither boundary nor session leaves it out.
        let narrowed = match (boundary, session) {
            (Some(None), _) => Some(Missing::Boundary),
            (_, Some(None)) => Some(Missing::Session),
            _ => None,
        };
        let is_root = sender.kind == PrincipalKind::Root;
        Ok(if !matches!(sender.kind, PrincipalKind::Root | PrincipalKind::User | PrincipalKind::Session) {
            bucket
                .map_or(Decision::Implicit(Missing::Bucket), |(_, at)| Decision::Allow(Ground::Statement(at)))
        } else if is_ours {
            self.within(is_root, identity, bucket, narrowed)
        } else {
            match (bucket, narrowed) {
                (None, _) => Decision::Implicit(Missing::Bucket),
                (Some(_), _) if identity.is_none() && !is_root => Decision::Implicit(Missing::Identity),
                (Some(_), Some(missing)) => Decision::Implicit(missing),
                (Some((_, bucket)), None) => {
                    Decision::Allow(Ground::Both { identity: identity.map(|(_, at)| at), bucket })
                }
            }
        })
    }

    /// For a sender of the owner's account.
    fn within(
        &self,
        is_root: bool,
        identity: Allowed<'p>,
        bucket: Allowed<'p>,
        narrowed: Option<Missing>,
    ) -> Decision<'p> {
        let bucket = bucket.filter(|(reach, _)| *reach != Reach::Account);
        let names_exactly = |reach| match reach {
            Reach::Itself => true,
            Reach::User => self.session.is_none(),
            Reach::Role | Reach::Everyone | Reach::Account => false,
        };
        match (identity, bucket, narrowed) {
            (_, Some((reach, at)), _) if names_exactly(reach) => Decision::Allow(Ground::Statement(at)),
            (_, _, Some(missing)) if is_root || identity.or(bucket).is_some() => Decision::Implicit(missing),
            (Some((_, at)), _, _) | (None, Some((_, at)), _) => Decision::Allow(Ground::Statement(at)),
            (None, None, _) if is_root => Decision::Allow(Ground::Owner),
            (None, None, _) => Decision::Implicit(Missing::Any),
        }
    }
}

/// What one policy says. The error is the first statement that denies.
pub(crate) fn scan<'p>(
    attached: &Attached<'p>,
    source: Source,
    request: &Request<'_>,
    is_bounded: bool,
) -> Result<Allowed<'p>, At<'p>> {
    let mut allowed: Allowed<'p> = None;
    for (index, statement) in attached.policy.statements().iter().enumerate() {
        let Some(reach) = statement.speaks_of(request, is_bounded) else { continue };
        let at = At { source, policy: attached.name, number: index + 1, sid: statement.sid() };
        match statement.effect() {
            Effect::Deny => return Err(at),
            Effect::Allow if allowed.is_none_or(|(other, _)| reach > other) => allowed = Some((reach, at)),
            Effect::Allow => {}
        }
    }
    Ok(allowed)
}
