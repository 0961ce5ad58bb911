//! The operations that a client may send.

use crate::storage::Stop;
use causeway::model::ByteRange;
use proptest::{option, prelude::*, sample::select};

#[derive(Debug, Clone)]
pub enum Operation {
    Put {
        key: String,
        body: Body,
        attributes: u8,
        condition: Condition,
    },
    Get {
        key: String,
        range: Option<ByteRange>,
    },
    Delete {
        key: String,
        condition: Condition,
    },
    /// `attributes` replaces those of the source.
    Copy {
        from: String,
        to: String,
        attributes: Option<u8>,
        condition: Condition,
    },
    Tag {
        key: String,
        tags: u8,
    },
    Share {
        key: String,
        public: bool,
    },
    List {
        prefix: String,
        delimiter: Option<String>,
        after: Option<String>,
        limit: usize,
    },
    Begin {
        key: String,
        attributes: u8,
    },
    /// Uploads are numbered in the order in which they began, whether they have ended or not.
    Part {
        upload: usize,
        number: u16,
        body: Body,
    },
    CopyPart {
        upload: usize,
        number: u16,
        from: String,
        range: Option<(u64, u64)>,
    },
    /// Leaves out the parts whose position is set in `without`.
    Complete {
        upload: usize,
        without: u8,
        condition: Condition,
    },
    Abort {
        upload: usize,
    },
    ListParts {
        upload: usize,
        after: u16,
        limit: usize,
    },
    ListUploads {
        prefix: String,
        delimiter: Option<String>,
        limit: usize,
    },
    /// A whole upload of several parts, sent in the given order.
    Upload {
        key: String,
        parts: Vec<(u16, Body)>,
        condition: Condition,
    },
    Restart(Stop),
}

/// A body: its bytes are derived from the seed and the length.
#[derive(Debug, Clone, Copy)]
pub struct Body {
    pub seed: u8,
    pub len: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    None,
    Absent,
    /// The ETag that the key has now.
    Current,
    /// An ETag that no object has.
    Other,
}

pub const LARGE: usize = 5 << 20;

/// The keys are few, so that operations meet. Each key is a folder, a neighbour or a lookalike of another.
const KEYS: [&str; 24] = [
    "a",
    "a/",
    "a/b",
    "a/b/",
    "a/b/c",
    "a//b",
    "a/.",
    "a/..",
    "/a",
    "..",
    "b",
    "b/c/d/e/f",
    "b/c/d",
    "%2e",
    "a%2Fb",
    ".causeway/x",
    "a\0b",
    "é",
    "e\u{301}",
    " ",
    "a ",
    "z/1",
    "z/2",
    "z/3",
];

impl Operation {
    /// The key that the operation creates.
    pub fn writes(&self) -> Option<&str> {
        match self {
            Self::Put { key, .. }
            | Self::Copy { to: key, .. }
            | Self::Begin { key, .. }
            | Self::Upload { key, .. } => Some(key),
            _ => None,
        }
    }
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => select(&KEYS[..]).prop_map(str::to_owned),
        2 => "[ab/.%é]{1,6}",
        1 => (select(vec!["s", "/", "x/", "ä", "%"]), 120usize..500).prop_map(|(piece, times)| piece.repeat(times)),
        // Names around the maximum length of a file name.
        2 => (248usize..258, select(vec!["", "/", "/x"])).prop_map(|(times, end)| "l".repeat(times) + end),
    ]
}

fn body() -> impl Strategy<Value = Body> {
    let len = prop_oneof![2 => Just(0), 6 => 1usize..40, 3 => 1000usize..70_000, 1 => 250_000usize..400_000];
    (any::<u8>(), len).prop_map(|(seed, len)| Body { seed, len })
}

/// Now and then a part is large enough to precede others.
fn part() -> impl Strategy<Value = Body> {
    let len = prop_oneof![60 => 0usize..3000, 1 => Just(LARGE), 1 => LARGE..LARGE + 100];
    (any::<u8>(), len).prop_map(|(seed, len)| Body { seed, len })
}

/// Mostly one part, because uploads of several parts cost 5 MiB for each.
fn parts() -> impl Strategy<Value = Vec<(u16, Body)>> {
    prop_oneof![2 => (number(), part()).prop_map(|part| vec![part]), 1 => large_parts()]
}

fn large_parts() -> impl Strategy<Value = Vec<(u16, Body)>> {
    let large = prop_oneof![3 => Just(LARGE), 1 => LARGE..LARGE + 5000].boxed();
    let front = prop::collection::btree_map(1u16..40, (any::<u8>(), large), 1..3);
    (front, 40u16..=10_000, any::<u8>(), 0usize..90_000).prop_flat_map(|(front, last, seed, len)| {
        let mut parts: Vec<_> =
            front.into_iter().map(|(number, (seed, len))| (number, Body { seed, len })).collect();
        parts.push((last, Body { seed, len }));
        Just(parts).prop_shuffle()
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        6 => Just(Condition::None),
        1 => Just(Condition::Absent),
        1 => Just(Condition::Current),
        1 => Just(Condition::Other),
    ]
}

fn range() -> impl Strategy<Value = ByteRange> {
    let place = || prop_oneof![3 => 0u64..50, 2 => 0u64..80_000, 1 => LARGE as u64 - 3..LARGE as u64 + 9];
    prop_oneof![
        (place(), place()).prop_map(|(a, b)| ByteRange::FromTo(a.min(b), a.max(b))),
        place().prop_map(ByteRange::From),
        place().prop_map(ByteRange::Suffix),
    ]
}

fn delimiter() -> impl Strategy<Value = Option<String>> {
    option::of(select(vec!["/", "a", "//", "/b", "é"]).prop_map(str::to_owned))
}

fn prefix() -> impl Strategy<Value = String> {
    prop_oneof![2 => Just(String::new()), 3 => "[ab/z]{1,3}", 1 => key()]
}

fn number() -> impl Strategy<Value = u16> {
    prop_oneof![4 => 1u16..5, 1 => 1u16..=10_000]
}

fn upload() -> impl Strategy<Value = usize> {
    0usize..4
}

pub fn random() -> impl Strategy<Value = Operation> {
    use Operation::*;
    prop_oneof![
        14 => (key(), body(), 0u8..6, condition()).prop_map(|(key, body, attributes, condition)| Put { key, body, attributes, condition }),
        6 => (key(), option::of(range())).prop_map(|(key, range)| Get { key, range }),
        7 => (key(), condition()).prop_map(|(key, condition)| Delete { key, condition }),
        5 => (key(), key(), option::of(0u8..6), condition())
            .prop_map(|(from, to, attributes, condition)| Copy { from, to, attributes, condition }),
        3 => (key(), 0u8..6).prop_map(|(key, tags)| Tag { key, tags }),
        1 => (key(), proptest::bool::ANY).prop_map(|(key, public)| Share { key, public }),
        6 => (prefix(), delimiter(), option::of(key()), 0usize..6)
            .prop_map(|(prefix, delimiter, after, limit)| List { prefix, delimiter, after, limit }),
        4 => (key(), 0u8..6).prop_map(|(key, attributes)| Begin { key, attributes }),
        9 => (upload(), number(), part()).prop_map(|(upload, number, body)| Part { upload, number, body }),
        2 => (upload(), number(), key(), option::of((0u64..50, 0u64..50)))
            .prop_map(|(upload, number, from, range)| CopyPart { upload, number, from, range: range.map(|(a, b)| (a.min(b), a.max(b))) }),
        5 => (upload(), prop_oneof![5 => Just(0), 1 => 1u8..8], condition())
            .prop_map(|(upload, without, condition)| Complete { upload, without, condition }),
        1 => upload().prop_map(|upload| Abort { upload }),
        1 => (upload(), 0u16..6, 0usize..4).prop_map(|(upload, after, limit)| ListParts { upload, after, limit }),
        2 => (prefix(), delimiter(), 0usize..4).prop_map(|(prefix, delimiter, limit)| ListUploads { prefix, delimiter, limit }),
        1 => (key(), parts(), condition()).prop_map(|(key, parts, condition)| Upload { key, parts, condition }),
        2 => select(vec![Stop::Orderly, Stop::Killed]).prop_map(Restart),
    ]
}
