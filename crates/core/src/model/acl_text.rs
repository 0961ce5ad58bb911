//! The stored form of an ACL: one text, which every storage keeps.
//!
//! A canned ACL is its name. Explicit grants are `grants:` and a list: `grants:full=42b0…,read=@everyone`.
//! Releases that know canned ACLs only refuse such a text, or keep the object to its owner; none takes it for
//! more than it says.
//!
//! Invariants: names are a stored format, so they never change; the text is plain ASCII without blanks, so
//! that it needs no escapes in a header; what is not understood is an error, never left out.

use super::{
    CannedAcl, CanonicalId,
    acl::{Acl, AclGrants, MAX_GRANTS},
    acl_grant::{AclGrant, AclPermission, Grantee},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::borrow::Cow;

const GRANTS: &str = "grants:";

const PERMISSIONS: [(AclPermission, &str); 5] = [
    (AclPermission::FullControl, "full"),
    (AclPermission::Read, "read"),
    (AclPermission::Write, "write"),
    (AclPermission::ReadAcp, "read-acp"),
    (AclPermission::WriteAcp, "write-acp"),
];

const GROUPS: [(Grantee, &str); 3] = [
    (Grantee::AllUsers, "@everyone"),
    (Grantee::AuthenticatedUsers, "@authenticated"),
    (Grantee::LogDelivery, "@log-delivery"),
];

impl Acl {
    pub fn text(&self) -> Cow<'static, str> {
        match self {
            Self::Canned(canned) => Cow::Borrowed(canned.as_str()),
            Self::Granted(grants) => {
                let grants: Vec<_> = grants.as_slice().iter().map(written).collect();
                Cow::Owned(format!("{GRANTS}{}", grants.join(",")))
            }
        }
    }

    /// `None`: this is no ACL that this release knows.
    pub fn parse(text: &str) -> Option<Self> {
        let Some(list) = text.strip_prefix(GRANTS) else { return CannedAcl::parse(text).map(Self::Canned) };
        let items = list.split(',').filter(|_| !list.is_empty());
        let grants = items.take(MAX_GRANTS + 1).map(grant).collect::<Option<Vec<_>>>()?;
        AclGrants::new(grants).ok().map(Self::Granted)
    }
}

fn written(grant: &AclGrant) -> String {
    let permission = PERMISSIONS.iter().find(|(permission, _)| *permission == grant.permission);
    let group = GROUPS.iter().find(|(group, _)| *group == grant.grantee);
    let grantee = match &grant.grantee {
        Grantee::Account(id) => id.as_str(),
        Grantee::AllUsers | Grantee::AuthenticatedUsers | Grantee::LogDelivery => {
            group.map_or("", |(_, name)| name)
        }
    };
    format!("{}={grantee}", permission.map_or("", |(_, name)| name))
}

fn grant(text: &str) -> Option<AclGrant> {
    let (permission, grantee) = text.split_once('=')?;
    let (permission, _) = PERMISSIONS.into_iter().find(|(_, name)| *name == permission)?;
    let group = GROUPS.into_iter().find(|(_, name)| *name == grantee).map(|(group, _)| group);
    let grantee = group.or_else(|| CanonicalId::parse(grantee).map(Grantee::Account))?;
    Some(AclGrant { grantee, permission })
}

impl Serialize for Acl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for Acl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("an ACL that this release does not know"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_acl() -> impl Strategy<Value = Acl> {
        let grantee = prop_oneof![
            "[0-9a-f]{64}".prop_map(|id| Grantee::Account(CanonicalId::parse(&id).expect("an id"))),
            prop::sample::select(GROUPS.map(|(group, _)| group).to_vec()),
        ];
        let permission = prop::sample::select(AclPermission::ALL.to_vec());
        let grant = (grantee, permission).prop_map(|(grantee, permission)| AclGrant { grantee, permission });
        let canned = prop::sample::select(vec![CannedAcl::Private, CannedAcl::PublicRead]);
        prop_oneof![
            canned.prop_map(Acl::Canned),
            prop::collection::vec(grant, 0..=MAX_GRANTS)
                .prop_map(|grants| Acl::Granted(AclGrants::new(grants).expect("few grants"))),
        ]
    }

    proptest! {
        #[test]
        fn every_acl_comes_back_from_its_text_which_is_plain(acl in any_acl()) {
            let text = acl.text();
            prop_assert!(text.bytes().all(|byte| (b'!'..=b'~').contains(&byte) && byte != b'"'));
            prop_assert!(text.len() <= 8 * 1024);
            let json = serde_json::to_string(&acl).expect("a text");
            prop_assert_eq!(&json, &format!("\"{text}\""));
            prop_assert_eq!(serde_json::from_str::<Acl>(&json).expect("an ACL"), acl.clone());
            prop_assert_eq!(Acl::parse(&text), Some(acl));
        }

        #[test]
        fn no_text_is_an_acl_that_would_be_written_otherwise_but_for_grants_given_twice(text in "grants:[a-z=,@-]{0,40}") {
            if let Some(Acl::Granted(grants)) = Acl::parse(&text) {
                let given = text.strip_prefix(GRANTS).expect("a list").split(',');
                let written: Vec<_> = grants.as_slice().iter().map(written).collect();
                prop_assert!(given.filter(|item| !item.is_empty()).all(|item| written.iter().any(|w| w == item)));
            }
        }
    }

    #[test]
    fn the_stored_texts_never_change() {
        let id = CanonicalId::parse("42b0").expect("an id");
        let grants = PERMISSIONS.into_iter().zip([
            Grantee::Account(id.clone()),
            Grantee::AllUsers,
            Grantee::AuthenticatedUsers,
            Grantee::LogDelivery,
            Grantee::Account(id),
        ]);
        let grants = grants.map(|((permission, _), grantee)| AclGrant { grantee, permission });
        let acl = Acl::Granted(AclGrants::new(grants).expect("few grants"));
        let text =
            "grants:full=42b0,read=@everyone,write=@authenticated,read-acp=@log-delivery,write-acp=42b0";
        assert_eq!(acl.text(), text);
        assert_eq!(Acl::parse("public-read"), Some(CannedAcl::PublicRead.into()));
        assert_eq!(Acl::parse("grants:"), Some(Acl::Granted(AclGrants::new([]).expect("none"))));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let many = format!("grants:{}", ["read=a"; 101].join(","));
        for text in [
            "",
            "everybody",
            "grants",
            "grants:read",
            "grants:read=",
            "grants:list=a",
            "grants:read=a,",
            "grants:read=@all",
            &many,
        ] {
            assert_eq!(Acl::parse(text), None, "{text}");
        }
    }
}
