//! The decision about taking on a role (IAM User Guide, "Policy evaluation logic", and STS API reference,
//! "AssumeRole").
//!
//! A trust policy is more than the policy of a bucket: without it nobody takes on the role, whatever identity
//! policies allow. Invariant: a role is never taken on by a sender that its trust policy does not name.

use crate::{
    decision::{Decision, Ground, Missing, Source},
    evaluate::{Attached, Policies, scan},
    request::Request,
};

impl<'p> Policies<'p> {
    /// Whether a user, a session or an account may take on a role. `bucket` is the trust policy of the role,
    /// and `owner` the account of the role.
    ///
    /// A trust policy that names the account of the sender leaves the decision to identity policies. Between
    /// two accounts, both have to allow it.
    pub fn decide_trust(&self, request: &Request<'_>) -> Decision<'p> {
        let Some(trust) = &self.bucket else { return Decision::Implicit(Missing::Bucket) };
        match scan(trust, Source::Bucket, request, self.boundary.is_some()) {
            Err(at) => Decision::Deny(at),
            Ok(None) => Decision::Implicit(Missing::Bucket),
            Ok(Some(_)) => self.decide(request),
        }
    }
}

/// Whether somebody whom a provider vouches for may take on a role. There is no identity policy: the trust
/// policy alone decides.
pub fn decide_federated<'p>(trust: &Attached<'p>, request: &Request<'_>) -> Decision<'p> {
    match scan(trust, Source::Bucket, request, false) {
        Err(at) => Decision::Deny(at),
        Ok(None) => Decision::Implicit(Missing::Bucket),
        Ok(Some((_, at))) => Decision::Allow(Ground::Statement(at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Action, Context, Policy, Principal, PrincipalKind};

    const ROLE: &str = "arn:aws:iam::111111111111:role/reader";

    fn sender(kind: PrincipalKind, account: &'static str) -> Principal<'static> {
        let (arn, id, name) = match kind {
            PrincipalKind::User => ("arn:aws:iam::111111111111:user/bob", "AIDAEXAMPLEEXAMPLE", "bob"),
            _ => ("", "", ""),
        };
        Principal { kind, account, arn, id, name, ..Principal::ANONYMOUS }
    }

    fn allowed(trust: &str, identity: Option<&str>, sender: Principal<'_>) -> bool {
        let trust = Policy::trust(trust).expect("a trust policy");
        let identity = identity.map(|text| Policy::identity(text).expect("an identity policy"));
        let identity: Vec<_> = identity.iter().map(|policy| Attached { name: "identity", policy }).collect();
        let action = Action::new("sts:AssumeRole");
        let request = Request::new(sender, &action, ROLE, Context::new());
        let policies = Policies {
            identity: &identity,
            bucket: Some(Attached { name: "trust", policy: &trust }),
            owner: Some("111111111111"),
            ..Policies::default()
        };
        policies.decide_trust(&request).is_allowed()
    }

    fn trust(principal: &str) -> String {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}]}}"#
        )
    }

    const MAY: &str = r#"{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}}"#;
    const MAY_NOT: &str = r#"{"Statement":{"Effect":"Deny","Action":"sts:*","Resource":"*"}}"#;

    #[test]
    fn an_identity_policy_alone_takes_on_no_role() {
        let bob = sender(PrincipalKind::User, "111111111111");
        let other = trust(r#"{"AWS":"arn:aws:iam::111111111111:user/alice"}"#);
        assert!(!allowed(&other, Some(MAY), bob));
        assert!(!allowed(&other, Some(MAY), sender(PrincipalKind::Root, "111111111111")));
    }

    #[test]
    fn a_trust_policy_that_names_the_account_leaves_it_to_identity_policies() {
        let bob = sender(PrincipalKind::User, "111111111111");
        let account = trust(r#"{"AWS":"111111111111"}"#);
        assert!(!allowed(&account, None, bob));
        assert!(allowed(&account, Some(MAY), bob));
        assert!(allowed(&account, None, sender(PrincipalKind::Root, "111111111111")));
        let himself = trust(r#"{"AWS":"arn:aws:iam::111111111111:user/bob"}"#);
        assert!(allowed(&himself, None, bob));
        assert!(!allowed(&himself, Some(MAY_NOT), bob));
    }

    #[test]
    fn between_two_accounts_both_have_to_allow_it() {
        let theirs = trust(r#"{"AWS":"222222222222"}"#);
        let stranger = |account| Principal {
            arn: "arn:aws:iam::222222222222:user/eve",
            ..sender(PrincipalKind::User, account)
        };
        assert!(!allowed(&theirs, None, stranger("222222222222")));
        assert!(allowed(&theirs, Some(MAY), stranger("222222222222")));
        assert!(!allowed(&theirs, Some(MAY), stranger("333333333333")));
    }

    #[test]
    fn whoever_a_named_provider_vouches_for_is_let_in_under_its_conditions() {
        let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
            "Principal":{"Federated":"arn:aws:iam::111111111111:oidc-provider/id.example"},
            "Action":"sts:AssumeRoleWithWebIdentity",
            "Condition":{"StringEquals":{"id.example:sub":"bob"}}}]}"#;
        let policy = Policy::trust(text).expect("a trust policy");
        let action = Action::new("sts:AssumeRoleWithWebIdentity");
        let decide = |provider, subject| {
            let mut context = Context::new();
            context.add("id.example:sub", subject);
            let sender = Principal { kind: PrincipalKind::Session, provider, ..Principal::ANONYMOUS };
            let request = Request::new(sender, &action, ROLE, context);
            decide_federated(&Attached { name: "trust", policy: &policy }, &request).is_allowed()
        };
        let ours = "arn:aws:iam::111111111111:oidc-provider/id.example";
        assert!(decide(ours, "bob"));
        assert!(!decide(ours, "eve"));
        assert!(!decide("arn:aws:iam::111111111111:oidc-provider/other.example", "bob"));
    }

    #[test]
    fn a_trust_policy_names_principals_and_no_resource() {
        for text in [
            r#"{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole"}}"#,
            r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}}"#,
        ] {
            assert!(Policy::trust(text).is_err(), "{text}");
        }
    }
}
