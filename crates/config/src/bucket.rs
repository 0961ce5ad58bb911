//! Settings of one bucket, and who may do what in it.

use super::{
    amount::{ByteRate, Count},
    error::ConfigErrors,
    section::{Fallback, Reader, Row, Section, section},
    tree::{Node, Raw},
    value::{Context, Setting, quote},
};
use Fallback::Unset;

section! {
    /// A bucket that exists from the start.
    Bucket {
        /// The backend that holds it.
        backend: Option<String> = Unset("that of `default`"),
        /// The bucket or container there, on backends that have such.
        remote: Option<String> = Unset("that of the backend, or else the bucket's name"),
        /// Its place on the backend, or in `remote`: a directory, given with or without a `/` at its end.
        /// `""` is all of it.
        prefix: Option<String> = Unset("the bucket's name, or all of a `remote` of its own"),
        /// The identity that owns it, by its access key or its name. A bucket keeps its owner until another
        /// one is named here.
        owner: Option<String> = Unset("the first administrator, or else the first identity"),
        /// What other identities may do in it: `{ alice = "readwrite", bob = "readonly" }`. `readonly` reads
        /// objects, listings, tags and ACLs; `readwrite` also writes and deletes objects and their tags. ACLs
        /// and the bucket itself stay with its owner.
        access: Option<Access> = Unset("nothing but what ACLs let them"),
        /// Bytes a second that clients send to it at most. See [limits](guide/limits.md).
        upload_rate: Option<ByteRate> = Unset("any"),
        /// Bytes a second that clients are sent from it at most.
        download_rate: Option<ByteRate> = Unset("any"),
        /// Requests a second at most. Further ones wait for a second at most, and are answered 503 SlowDown
        /// then.
        request_rate: Option<Count> = Unset("any"),
        /// Maximum number of concurrent requests. Further ones wait for a second at most, and are answered
        /// 503 SlowDown then.
        concurrency: Option<usize> = Unset("any"),
    }
}

impl Bucket {
    /// The prefix as the backend takes it: without slashes at its end.
    pub fn place(&self) -> Option<&str> {
        self.prefix.as_deref().map(|prefix| prefix.trim_end_matches('/'))
    }

    /// The grants: each identity with its rights.
    pub fn grants(&self) -> &[(String, Grant)] {
        self.access.as_ref().map_or(&[], |access| &access.0)
    }
}

/// The rights that an identity is given in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    ReadOnly,
    ReadWrite,
}

impl Grant {
    const NAMES: [(&'static str, Self); 2] = [("readonly", Self::ReadOnly), ("readwrite", Self::ReadWrite)];

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, given)| *given == self).map_or("readonly", |(name, _)| name)
    }
}

/// Identities and their rights, in the order of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access(pub Vec<(String, Grant)>);

impl Setting for Access {
    const KIND: &'static str =
        "a table of identities, each \"readonly\" or \"readwrite\", such as { alice = \"readwrite\" }";

    /// The text form, for the environment: `alice=readwrite,bob=readonly`. Access keys have neither `=` nor
    /// commas.
    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        let given = |text: &str| Grant::NAMES.iter().find(|(name, _)| *name == text).map(|(_, given)| *given);
        let pairs: Option<Vec<(String, Grant)>> = match &node.raw {
            Raw::Text(text) => {
                let pair = |pair: &str| {
                    pair.rsplit_once('=')
                        .and_then(|(name, text)| Some((name.trim().to_owned(), given(text.trim())?)))
                };
                text.split(',').map(pair).collect()
            }
            Raw::Table(entries) => {
                let pair = |(name, node): &(String, Node)| match &node.raw {
                    Raw::Text(text) => Some((name.clone(), given(text)?)),
                    _ => None,
                };
                entries.iter().map(pair).collect()
            }
            _ => None,
        };
        pairs.map(Self).ok_or_else(|| format!("must be {}", Self::KIND))
    }

    fn show(&self) -> Option<String> {
        let pairs: Vec<String> =
            self.0.iter().map(|(name, given)| format!("{} = {}", quote(name), quote(given.name()))).collect();
        Some(format!("{{ {} }}", pairs.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::error::Origin, *};
    use std::{collections::BTreeMap, path::Path};

    fn parse(raw: Raw) -> Result<Access, String> {
        Access::parse(&Node { raw, origin: Origin::Default }, &Context::of(&BTreeMap::new()))
    }

    #[test]
    fn access_is_a_table_or_pairs_and_nobody_is_given_more_than_readwrite() {
        let expected =
            Access(vec![("alice".to_owned(), Grant::ReadWrite), ("bob".to_owned(), Grant::ReadOnly)]);
        assert_eq!(parse(Raw::Text("alice=readwrite, bob=readonly".to_owned())).as_ref(), Ok(&expected));
        let shown = format!("access = {}", expected.show().expect("shown"));
        let mut read = super::super::file::parse(Path::new("c.toml"), &shown).expect("TOML");
        assert_eq!(parse(read.remove(0).1.raw), Ok(expected));
        for wrong in ["", "alice", "alice=admin", "alice=readwrite,"] {
            let why = parse(Raw::Text(wrong.to_owned())).expect_err("refused");
            assert!(why.starts_with("must be a table of identities"), "{why}");
        }
    }
}
