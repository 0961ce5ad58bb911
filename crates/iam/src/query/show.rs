//! Users, groups, roles and policies as XML.

use crate::{
    entity::{Group, ManagedPolicy, Role, User},
    model::Timestamp,
    names::{self, Tag},
    provided::Provided,
    xml::Writer,
};

/// How much of an entity is shown: lists leave out tags and boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    Listed,
    Whole,
}

pub(crate) fn user(w: &mut Writer, account: &str, user: &User, detail: Detail) {
    head(w, account, "User", &user.path, &user.name, &user.id, user.created);
    if let Some(accepted) = user.signature_v2 {
        w.text("SignatureV2", accepted.as_str());
    }
    if detail == Detail::Whole {
        boundary(w, user.boundary.as_deref());
        tags(w, &user.tags);
    }
}

pub(crate) fn group(w: &mut Writer, account: &str, group: &Group) {
    head(w, account, "Group", &group.path, &group.name, &group.id, group.created);
}

pub(crate) fn role(w: &mut Writer, account: &str, role: &Role, detail: Detail) {
    head(w, account, "Role", &role.path, &role.name, &role.id, role.created);
    w.text("AssumeRolePolicyDocument", document(&role.trust));
    if let Some(description) = &role.description {
        w.text("Description", description);
    }
    w.number("MaxSessionDuration", role.longest);
    if detail == Detail::Whole {
        boundary(w, role.boundary.as_deref());
        tags(w, &role.tags);
    }
}

/// `kind` is a prefix of element names: `UserName`, `UserId`.
fn head(w: &mut Writer, account: &str, kind: &str, path: &str, name: &str, id: &str, created: Timestamp) {
    w.text("Path", path);
    w.text(&format!("{kind}Name"), name);
    w.text(&format!("{kind}Id"), id);
    w.text("Arn", names::arn(account, &kind.to_ascii_lowercase(), path, name));
    w.text("CreateDate", names::shown(created));
}

fn boundary(w: &mut Writer, arn: Option<&str>) {
    if let Some(arn) = arn {
        w.element("PermissionsBoundary", |w| {
            w.text("PermissionsBoundaryType", "Policy");
            w.text("PermissionsBoundaryArn", arn);
        });
    }
}

pub(crate) fn tags(w: &mut Writer, tags: &[Tag]) {
    if !tags.is_empty() {
        w.element("Tags", |w| {
            for one in tags {
                w.element("member", |w| tag(w, one));
            }
        });
    }
}

pub(crate) fn tag(w: &mut Writer, tag: &Tag) {
    w.text("Key", &tag.key);
    w.text("Value", &tag.value);
}

/// What is shown of a managed policy.
pub(crate) struct Shown<'a> {
    pub(crate) name: &'a str,
    pub(crate) id: &'a str,
    pub(crate) arn: String,
    pub(crate) path: &'a str,
    pub(crate) default: u32,
    pub(crate) description: Option<&'a str>,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) tags: &'a [Tag],
    pub(crate) uses: crate::account::Uses,
}

impl<'a> Shown<'a> {
    pub(crate) fn own(policy: &'a ManagedPolicy, arn: &str, uses: crate::account::Uses) -> Self {
        Self {
            name: &policy.name,
            id: &policy.id,
            arn: arn.to_owned(),
            path: &policy.path,
            default: policy.default,
            description: policy.description.as_deref(),
            created: policy.created,
            updated: policy.updated,
            tags: &policy.tags,
            uses,
        }
    }

    pub(crate) fn provided(policy: &'a Provided, uses: crate::account::Uses) -> Self {
        let beginning = Timestamp::from_millis(0);
        Self {
            name: policy.name,
            id: policy.id,
            arn: policy.arn(),
            path: "/",
            default: 1,
            description: Some(policy.description),
            created: beginning,
            updated: beginning,
            tags: &[],
            uses,
        }
    }

    pub(crate) fn write(&self, w: &mut Writer, detail: Detail) {
        w.text("PolicyName", self.name);
        w.text("PolicyId", self.id);
        w.text("Arn", &self.arn);
        w.text("Path", self.path);
        w.text("DefaultVersionId", version(self.default));
        w.number("AttachmentCount", self.uses.attached as u64);
        w.number("PermissionsBoundaryUsageCount", self.uses.boundaries as u64);
        w.boolean("IsAttachable", true);
        w.text("CreateDate", names::shown(self.created));
        w.text("UpdateDate", names::shown(self.updated));
        if detail == Detail::Whole {
            if let Some(description) = self.description {
                w.text("Description", description);
            }
            tags(w, self.tags);
        }
    }
}

pub(crate) fn version(number: u32) -> String {
    format!("v{number}")
}

/// A policy as IAM shows it: percent-encoded.
pub(crate) fn document(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_percent_encoded() {
        assert_eq!(document("{\"a\": \"é-_.~\"}"), "%7B%22a%22%3A%20%22%C3%A9-_.~%22%7D");
    }
}
