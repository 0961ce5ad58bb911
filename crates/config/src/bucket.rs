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
        /// The bucket or container of the storage that holds it, on backends that have buckets or containers.
        remote: Option<String> = Unset("that of the backend, or else the bucket's name"),
        /// The location of the bucket on the backend, or in `remote`: a directory, with or without a `/` at
        /// its end. `""` is the whole backend or `remote`.
        prefix: Option<String> = Unset("the bucket's name, or all of a `remote` of its own"),
        /// The identity that owns the bucket, by its access key or its name. A bucket keeps its owner until
        /// another one is named here.
        owner: Option<String> = Unset("the first administrator, or else the first identity"),
        /// What other identities may do in the bucket: `{ alice = "readwrite", bob = "readonly" }`.
        /// `readonly` reads objects, listings, tags and ACLs; `readwrite` also writes and deletes objects and
        /// their tags. Only the owner changes ACLs and the bucket itself.
        access: Option<Access> = Unset("nothing but what ACLs let them"),
        /// Maximum rate at which clients send to the bucket, in bytes per second. See
        /// [limits](guide/limits.md).
        upload_rate: Option<ByteRate> = Unset("any"),
        /// Maximum rate at which clients are sent bytes from the bucket, in bytes per second.
        download_rate: Option<ByteRate> = Unset("any"),
        /// Maximum number of requests per second. Further ones wait for a second at most, and are then
        /// answered 503 SlowDown.
        request_rate: Option<Count> = Unset("any"),
        /// Maximum number of concurrent requests. Further ones wait for a second at most, and are then
        /// answered 503 SlowDown.
        concurrency: Option<usize> = Unset("any"),
    }
}

impl Bucket {
    /// Returns the prefix in the form that backends use: without slashes at its end.
    pub fn location(&self) -> Option<&str> {
        self.prefix.as_deref().map(|prefix| prefix.trim_end_matches('/'))
    }

    /// Returns the grants: identities, each with its right.
    pub fn grants(&self) -> &[(String, Grant)] {
        self.access.as_ref().map_or(&[], |access| &access.0)
    }
}

/// The right that an identity is given in a bucket.
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

    /// Parses a table, or the text form for the environment: `alice=readwrite,bob=readonly`. Access keys
    /// contain neither `=` nor commas.
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
