//! Managed policies that every account has, under the names by which tools attach them.
//!
//! Their texts are those of the services that a gateway has: S3, IAM and STS. They cannot be changed.

use crate::policy::{NamedPolicy, Policy};
use std::sync::{Arc, LazyLock};

const PREFIX: &str = "arn:aws:iam::aws:policy/";

/// A policy that every account has.
#[derive(Debug)]
pub(crate) struct Provided {
    pub(crate) name: &'static str,
    pub(crate) id: &'static str,
    pub(crate) description: &'static str,
    pub(crate) text: &'static str,
}

pub(crate) const ALL: &[Provided] = &[
    Provided {
        name: "AdministratorAccess",
        id: "ANPAADMINISTRATORACC",
        description: "Allows everything.",
        text: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    },
    Provided {
        name: "AmazonS3FullAccess",
        id: "ANPAAMAZONSTHREEFULL",
        description: "Allows everything in S3.",
        text: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","s3-object-lambda:*"],"Resource":"*"}]}"#,
    },
    Provided {
        name: "AmazonS3ReadOnlyAccess",
        id: "ANPAAMAZONSTHREEREAD",
        description: "Allows reading and listing in S3.",
        text: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*","s3:Describe*","s3-object-lambda:Get*","s3-object-lambda:List*"],"Resource":"*"}]}"#,
    },
    Provided {
        name: "IAMFullAccess",
        id: "ANPAIAMFULLACCESSXXX",
        description: "Allows everything in IAM.",
        text: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*"}]}"#,
    },
    Provided {
        name: "IAMReadOnlyAccess",
        id: "ANPAIAMREADONLYACCES",
        description: "Allows reading and listing in IAM.",
        text: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:Get*","iam:List*"],"Resource":"*"}]}"#,
    },
    Provided {
        name: "PowerUserAccess",
        id: "ANPAPOWERUSERACCESSX",
        description: "Allows everything but IAM.",
        text: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},{"Effect":"Allow","Action":["iam:ListRoles"],"Resource":"*"}]}"#,
    },
    Provided {
        name: "ReadOnlyAccess",
        id: "ANPAREADONLYACCESSXX",
        description: "Allows reading and listing everything.",
        text: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*","s3:Describe*","iam:Get*","iam:List*","sts:Get*"],"Resource":"*"}]}"#,
    },
];

static COMPILED: LazyLock<Vec<(String, Option<NamedPolicy>)>> = LazyLock::new(|| {
    let compiled = |provided: &Provided| {
        let policy = Policy::identity(provided.text).ok().map(Arc::new);
        let named = policy.map(|policy| NamedPolicy { name: provided.arn().into(), policy });
        (provided.arn(), named)
    };
    ALL.iter().map(compiled).collect()
});

impl Provided {
    pub(crate) fn arn(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }
}

/// Whether an ARN is that of a policy which no account owns.
pub(crate) fn is_provided(arn: &str) -> bool {
    arn.starts_with(PREFIX)
}

pub(crate) fn find(arn: &str) -> Option<&'static Provided> {
    ALL.iter().find(|provided| arn.strip_prefix(PREFIX) == Some(provided.name))
}

pub(crate) fn compiled(arn: &str) -> Option<NamedPolicy> {
    COMPILED.iter().find(|(known, _)| known == arn).and_then(|(_, policy)| policy.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provided_policy_is_one_and_has_an_id_of_its_own() {
        for provided in ALL {
            let named = compiled(&provided.arn()).expect(provided.name);
            assert_eq!(&*named.name, provided.arn());
            assert_eq!(find(&provided.arn()).map(|found| found.name), Some(provided.name));
            assert_eq!(provided.id.len(), 20, "{}", provided.name);
            assert_eq!(ALL.iter().filter(|other| other.id == provided.id).count(), 1);
        }
        assert!(compiled("arn:aws:iam::aws:policy/Other").is_none());
    }
}
