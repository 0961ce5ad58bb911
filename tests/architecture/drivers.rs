//! The table of the modules in `drivers` and `backend`: a driver uses what drivers share, and never another
//! driver.

use super::{
    modules::{self, Uses},
    sources::sources,
};
use std::collections::{BTreeMap, BTreeSet};

/// The shared modules of `backend` that each module of `backend` and each driver may use. A row names only
/// rows above it. The contract itself, in `backend/lib.rs`, may be used by all.
const SHARED: &[(&str, &[&str])] = &[
    ("backend/changes", &[]),
    ("backend/codec", &[]),
    ("backend/contact", &[]),
    ("backend/found", &[]),
    ("backend/locks", &[]),
    ("backend/names", &[]),
    ("backend/pages", &[]),
    ("backend/location", &[]),
    ("backend/progress", &[]),
    ("backend/opened", &["backend/progress"]),
    ("backend/readiness", &[]),
    ("backend/replication", &[]),
    ("backend/migration", &["backend/opened"]),
    ("backend/slots", &[]),
    ("backend/space", &[]),
    ("backend/spread", &[]),
    ("backend/traffic", &["backend/contact"]),
    ("backend/unreadable", &[]),
    ("backend/uploads", &[]),
    ("backend/memory", &["backend/found", "backend/opened", "backend/uploads"]),
    ("backend/watches", &[]),
    ("backend/claims", &["backend/watches"]),
    (
        "backend/tree",
        &[
            "backend/changes",
            "backend/codec",
            "backend/found",
            "backend/locks",
            "backend/pages",
            "backend/progress",
            "backend/opened",
            "backend/readiness",
            "backend/slots",
            "backend/traffic",
            "backend/unreadable",
            "backend/uploads",
            "backend/watches",
        ],
    ),
    ("backend/wire", &["backend/spread", "backend/traffic"]),
    ("backend/oauth", &["backend/spread", "backend/traffic", "backend/wire"]),
    (
        "drivers/azblob",
        &[
            "backend/found",
            "backend/locks",
            "backend/names",
            "backend/pages",
            "backend/location",
            "backend/opened",
            "backend/traffic",
            "backend/uploads",
            "backend/wire",
        ],
    ),
    (
        "drivers/dropbox",
        &[
            "backend/codec",
            "backend/pages",
            "backend/traffic",
            "backend/claims",
            "backend/tree",
            "backend/wire",
            "backend/oauth",
        ],
    ),
    (
        "drivers/fs",
        &[
            "backend/changes",
            "backend/codec",
            "backend/found",
            "backend/locks",
            "backend/progress",
            "backend/opened",
            "backend/readiness",
            "backend/slots",
            "backend/space",
            "backend/unreadable",
            "backend/uploads",
        ],
    ),
    ("drivers/local", &["backend/locks", "backend/uploads"]),
    (
        "drivers/ftp",
        &[
            "backend/codec",
            "backend/locks",
            "backend/pages",
            "backend/traffic",
            "backend/tree",
            "backend/wire",
        ],
    ),
    (
        "drivers/gdrive",
        &[
            "backend/codec",
            "backend/locks",
            "backend/pages",
            "backend/traffic",
            "backend/claims",
            "backend/tree",
            "backend/wire",
            "backend/oauth",
        ],
    ),
    ("drivers/null", &["backend/opened", "backend/uploads"]),
    (
        "drivers/onedrive",
        &[
            "backend/codec",
            "backend/pages",
            "backend/traffic",
            "backend/claims",
            "backend/tree",
            "backend/wire",
            "backend/oauth",
        ],
    ),
    (
        "drivers/opendal",
        &[
            "backend/codec",
            "backend/locks",
            "backend/pages",
            "backend/traffic",
            "backend/tree",
            "backend/wire",
        ],
    ),
    (
        "drivers/s3",
        &[
            "backend/found",
            "backend/locks",
            "backend/pages",
            "backend/location",
            "backend/opened",
            "backend/traffic",
            "backend/uploads",
            "backend/wire",
        ],
    ),
    ("drivers/sftp", &["backend/codec", "backend/pages", "backend/traffic", "backend/tree", "backend/wire"]),
    (
        "drivers/webdav",
        &[
            "backend/codec",
            "backend/pages",
            "backend/traffic",
            "backend/watches",
            "backend/claims",
            "backend/tree",
            "backend/wire",
        ],
    ),
];

/// For each module of `backend` and each driver: the modules of these two folders that it uses.
pub fn within(uses: &Uses) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut within: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in
        uses.keys().filter_map(|(from, to)| Some((room(from)?, room(to)?))).filter(|(from, to)| from != to)
    {
        within.entry(from).or_default().insert(to);
    }
    within
}

/// Returns `drivers/s3` for `drivers/s3/store`.
fn room(place: &str) -> Option<&str> {
    let (folder, below) =
        place.split_once('/').filter(|(folder, _)| matches!(*folder, "drivers" | "backend"))?;
    let name = below.split('/').next()?;
    Some(&place[..folder.len() + 1 + name.len()])
}

#[test]
fn the_table_of_drivers_points_down_only_and_no_row_names_a_driver() {
    let sources = sources();
    let places: BTreeSet<&str> =
        sources.iter().filter_map(|source| room(source.path.trim_end_matches(".rs"))).collect();
    let rooms: BTreeSet<&str> = places.into_iter().filter(|room| !room.ends_with("/lib")).collect();
    let listed: Vec<&str> = SHARED.iter().map(|(room, _)| *room).collect();
    assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), rooms);
    assert_eq!(listed.len(), rooms.len());
    for (at, (room, uses)) in SHARED.iter().enumerate() {
        for used in *uses {
            assert!(used.starts_with("backend/"), "{room} uses {used}: a driver stands alone");
            assert!(listed[..at].contains(used), "{room} uses {used}, which is not below it");
        }
    }
}

#[test]
fn drivers_and_what_they_share_use_what_the_table_says() {
    let within = within(modules::uses());
    let mut wrong = Vec::new();
    for (room, listed) in SHARED {
        let (listed, used) =
            (listed.iter().copied().collect(), within.get(room).cloned().unwrap_or_default());
        wrong.extend(used.difference(&listed).map(|used| format!("{room} must not use {used}")));
        wrong.extend(
            listed
                .difference(&used)
                .map(|unused| format!("{room} does not use {unused} any more: take it out of the row")),
        );
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
