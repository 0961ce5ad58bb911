//! The principals that a bucket policy names: parsing, and whether a sender is one of them.
//!
//! Invariants:
//! - a sender is named as a whole, never by a part of a name;
//! - after `pin`, a name counts only for the user or role that had it when the policy was written.

use crate::request::{Principal, PrincipalKind};

/// Whom a name stands for, beside its text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pin {
    /// Whoever has the name.
    Open,
    /// The one with this id.
    To(Box<str>),
    /// Nobody: the one that was meant does not exist.
    Gone,
}

#[derive(Debug, Clone)]
enum Named {
    Account(Box<str>),
    Canonical(Box<str>),
    /// A user or a role.
    Entity(Box<str>, Pin),
    Session(Box<str>),
    Id(Box<str>),
    Service(Box<str>),
    Federated(Box<str>),
}

#[derive(Debug, Clone)]
pub(crate) struct Principals {
    everyone: bool,
    named: Vec<Named>,
}

/// How a statement names the sender. Later ones need less of other policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// The statement names the account of the sender, which leaves the decision to its identity policies.
    Account,
    /// The statement names everybody.
    Everyone,
    /// By its role.
    Role,
    /// By its user.
    User,
    /// By its session, or in a policy of its own.
    Itself,
}

impl Principals {
    pub(crate) fn everyone() -> Self {
        Self { everyone: true, named: Vec::new() }
    }

    pub(crate) fn none() -> Self {
        Self { everyone: false, named: Vec::new() }
    }

    /// Adds one value of `{"AWS": …}`, `{"Service": …}` and so on.
    pub(crate) fn add(&mut self, kind: &str, value: &str) -> Result<(), String> {
        let is_plain = !value.is_empty() && !value.contains(['*', '?']);
        match (kind, value) {
            ("AWS", "*") => self.everyone = true,
            ("AWS", _) => {
                let named = aws(value).ok_or_else(|| {
                    format!("{value:?} names no principal: use \"*\", an account, an id, or the whole ARN")
                })?;
                self.named.push(named);
            }
            (_, _) if !is_plain => return Err(format!("{value:?} must be one name, without wildcards")),
            ("Service", _) => self.named.push(Named::Service(value.into())),
            ("Federated", _) => self.named.push(Named::Federated(value.into())),
            ("CanonicalUser", _) => self.named.push(Named::Canonical(value.into())),
            _ => return Err(format!("{kind:?} is no kind of principal")),
        }
        Ok(())
    }

    pub(crate) fn has_everyone(&self) -> bool {
        self.everyone
    }

    /// The ARNs of users and roles.
    pub(crate) fn entities(&self) -> impl Iterator<Item = &str> {
        self.named.iter().filter_map(|named| match named {
            Named::Entity(arn, _) => Some(&**arn),
            _ => None,
        })
    }

    pub(crate) fn pin(&mut self, id: &impl Fn(&str) -> Option<String>) {
        for named in &mut self.named {
            if let Named::Entity(arn, pin) = named {
                *pin = id(arn).map_or(Pin::Gone, |id| Pin::To(id.into()));
            }
        }
    }

    /// How the sender is named. `None`: not at all.
    pub(crate) fn reach(&self, sender: &Principal<'_>) -> Option<Reach> {
        let named = self.named.iter().filter_map(|named| reach(named, sender)).max();
        named.max(self.everyone.then_some(Reach::Everyone))
    }

    /// Whether a `NotPrincipal` of these leaves the sender out. Everything that the sender is has to be
    /// named: its account, the role of a session, and itself.
    pub(crate) fn spares(&self, sender: &Principal<'_>) -> bool {
        if self.everyone {
            return true;
        }
        let has = |wanted: Reach| self.named.iter().any(|named| reach(named, sender) == Some(wanted));
        match sender.kind {
            PrincipalKind::Anonymous => false,
            PrincipalKind::Service => has(Reach::Itself),
            PrincipalKind::Root => has(Reach::Account),
            PrincipalKind::User => has(Reach::Account) && has(Reach::User),
            // A federated user has no role.
            PrincipalKind::Session => {
                has(Reach::Account) && has(Reach::Itself) && (sender.role_arn.is_empty() || has(Reach::Role))
            }
        }
    }
}

/// A value of `{"AWS": …}` other than `*`.
fn aws(value: &str) -> Option<Named> {
    if value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Named::Account(value.into()));
    }
    let is_id = value.len() >= 16 && value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if is_id && ["AIDA", "AROA"].iter().any(|kind| value.starts_with(kind)) {
        return Some(Named::Id(value.into()));
    }
    let mut parts = value.splitn(6, ':');
    let (Some("arn"), Some(partition), Some(service), Some(""), Some(account), Some(entity)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let is_account = !account.is_empty()
        && account.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if partition != "aws" || !is_account || entity.contains(['*', '?', ':']) {
        return None;
    }
    let mut names = entity.split('/');
    let (kind, rest) = (names.next()?, names.collect::<Vec<_>>());
    let is_named = !rest.is_empty() && rest.iter().all(|name| !name.is_empty());
    match (service, kind) {
        ("iam", "root") if rest.is_empty() => Some(Named::Account(account.into())),
        ("iam", "user" | "role") if is_named => Some(Named::Entity(value.into(), Pin::Open)),
        ("sts", "assumed-role") if is_named && rest.len() == 2 => Some(Named::Session(value.into())),
        ("sts", "federated-user") if is_named && rest.len() == 1 => Some(Named::Session(value.into())),
        _ => None,
    }
}

fn reach(named: &Named, sender: &Principal<'_>) -> Option<Reach> {
    use PrincipalKind::{Anonymous, Root, Service, Session, User};
    let is_of_account = matches!(sender.kind, Root | User | Session);
    let (is, reach) = match (named, sender.kind) {
        (_, Anonymous) => return None,
        (Named::Account(account), _) => (is_of_account && **account == *sender.account, Reach::Account),
        (Named::Canonical(id), _) => (is_of_account && **id == *sender.canonical_id, Reach::Account),
        (Named::Entity(arn, pin), User) => (**arn == *sender.arn && is_pinned(pin, sender), Reach::User),
        (Named::Entity(arn, pin), Session) => {
            (**arn == *sender.role_arn && is_pinned(pin, sender), Reach::Role)
        }
        (Named::Session(arn), Session) => (**arn == *sender.arn, Reach::Itself),
        (Named::Id(id), User) => (**id == *sender.id, Reach::User),
        (Named::Id(id), Session) => (**id == *sender.id, Reach::Role),
        (Named::Service(name), Service) => (**name == *sender.arn, Reach::Itself),
        (Named::Federated(provider), Session) => (**provider == *sender.provider, Reach::Everyone),
        (
            Named::Entity(..) | Named::Session(_) | Named::Id(_) | Named::Service(_) | Named::Federated(_),
            _,
        ) => {
            return None;
        }
    };
    is.then_some(reach)
}

fn is_pinned(pin: &Pin, sender: &Principal<'_>) -> bool {
    match pin {
        Pin::Open => true,
        Pin::To(id) => **id == *sender.id,
        Pin::Gone => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: Principal<'static> = Principal {
        kind: PrincipalKind::Session,
        account: "111111111111",
        arn: "arn:aws:sts::111111111111:federated-user/bob",
        id: "111111111111",
        name: "bob",
        ..Principal::ANONYMOUS
    };

    fn named(values: &[&str]) -> Principals {
        let mut principals = Principals::none();
        values.iter().for_each(|value| principals.add("AWS", value).expect("a principal"));
        principals
    }

    #[test]
    fn a_federated_user_is_named_by_itself_and_by_its_account() {
        assert_eq!(named(&[BOB.arn]).reach(&BOB), Some(Reach::Itself));
        assert_eq!(named(&["111111111111"]).reach(&BOB), Some(Reach::Account));
        for other in [
            "arn:aws:sts::111111111111:federated-user/eve",
            "arn:aws:sts::222222222222:federated-user/bob",
            "arn:aws:iam::111111111111:user/bob",
        ] {
            assert_eq!(named(&[other]).reach(&BOB), None, "{other}");
        }
        assert!(Principals::none().add("AWS", "arn:aws:sts::111111111111:federated-user/a/b").is_err());
    }

    #[test]
    fn a_federated_user_is_spared_by_name_and_account_for_it_has_no_role() {
        assert!(named(&[BOB.arn, "111111111111"]).spares(&BOB));
        assert!(!named(&[BOB.arn]).spares(&BOB) && !named(&["111111111111"]).spares(&BOB));
        let of_role = Principal { role_arn: "arn:aws:iam::111111111111:role/r", ..BOB };
        assert!(!named(&[BOB.arn, "111111111111"]).spares(&of_role));
    }
}
