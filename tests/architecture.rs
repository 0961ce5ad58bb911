//! Tests of the layers. This file has the table of modules; `architecture/drivers.rs` has the table of
//! drivers and of what they share. Between crates the compiler checks the layers, too.

#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/drivers.rs"]
mod drivers;
#[path = "architecture/graphs.rs"]
mod graphs;
#[path = "architecture/imports.rs"]
mod imports;
#[path = "architecture/modules.rs"]
mod modules;
#[path = "architecture/sources.rs"]
mod sources;

use imports::Named;
use sources::{Source, roots, sources};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The top-level modules that each module may use. A row names only rows above it. A new name in a row is a
/// design decision, not a fix for this test.
const LAYERS: &[(&str, &[&str])] = &[
    // Who is allowed what: IAM and bucket policies, without any I/O.
    ("policy", &[]),
    // MD5 of many bodies at once.
    ("digest", &[]),
    // Typed names and values.
    ("model", &["policy"]),
    // The syntax of storage protocols.
    ("xml", &[]),
    // The contract of one bucket's storage, and what its implementations share.
    ("store", &["digest", "model"]),
    // What S3 remembers and storage cannot.
    ("catalog", &["model", "store"]),
    // Users, groups, roles and temporary credentials.
    ("iam", &["policy", "model", "store", "xml", "catalog"]),
    // The contract of backends, and what their drivers share.
    ("backend", &["model", "store", "catalog"]),
    // Copy, sync, move and check between two stores.
    ("transfer", &["model", "store"]),
    // Snapshots of one store in another one.
    ("snapshot", &["model", "store", "transfer"]),
    // The contract of background jobs, and what operators see of them.
    ("work", &["model", "catalog", "backend"]),
    // Drivers, each for one kind of storage.
    ("drivers", &["model", "store", "catalog", "xml", "backend"]),
    // One bucket on several backends: replication.
    ("replicate", &["model", "store", "catalog", "backend", "work"]),
    // A bucket that moves from one backend to another.
    ("migrate", &["model", "store", "catalog", "backend", "work"]),
    // A backend that fails on purpose.
    ("faults", &["model", "store", "catalog", "backend"]),
    // Limits: how much, how fast and how many at once.
    ("limits", &["model", "store", "catalog", "backend"]),
    // Caches: answers of drivers are kept for a while.
    ("cache", &["model", "store", "catalog", "backend"]),
    // Which buckets there are, and the stack of each.
    ("buckets", &["policy", "model", "store", "catalog", "backend", "work"]),
    // Beside the layers. Settings are data, and metrics are names. The types of backends are a table of the
    // drivers, from which settings are made.
    ("config", &["model", "store", "drivers"]),
    ("telemetry", &["model", "store"]),
    // Identities, and who may log in.
    ("access", &["policy", "model", "catalog", "iam", "buckets"]),
    // Background jobs of the server.
    ("jobs", &["model", "store", "catalog", "work", "buckets"]),
    // The meaning of the protocol.
    ("s3", &["policy", "model", "store", "catalog", "buckets", "access", "xml"]),
    // The wire format of the protocol.
    ("edge", &["policy", "model", "store", "iam", "access", "s3"]),
    // Requests of operators.
    ("admin", &["telemetry", "iam", "model"]),
    ("control", &["model", "store", "catalog", "iam", "backend", "work", "buckets", "access", "s3", "xml"]),
    // What is built from the settings: the one place that wires all of it.
    (
        "assembly",
        &[
            "model",
            "store",
            "catalog",
            "backend",
            "work",
            "drivers",
            "replicate",
            "migrate",
            "faults",
            "limits",
            "cache",
            "buckets",
            "config",
            "telemetry",
            "iam",
            "access",
            "jobs",
            "s3",
            "edge",
        ],
    ),
    // What commands do without the running server.
    (
        "operate",
        &[
            "model", "store", "catalog", "iam", "backend", "work", "drivers", "buckets", "config", "access",
            "s3", "control", "assembly",
        ],
    ),
    // Where data is that commands work on, and what they do with it.
    (
        "ends",
        &[
            "model", "store", "catalog", "backend", "drivers", "buckets", "config", "control", "assembly",
            "operate",
        ],
    ),
    ("verbs", &["model", "store", "drivers", "transfer", "snapshot", "ends"]),
    // Sockets, and the life of a request.
    (
        "server",
        &[
            "model",
            "store",
            "catalog",
            "backend",
            "drivers",
            "buckets",
            "config",
            "telemetry",
            "iam",
            "access",
            "jobs",
            "s3",
            "edge",
            "admin",
            "control",
            "assembly",
        ],
    ),
    // The process.
    (
        "cli",
        &[
            "model",
            "store",
            "config",
            "telemetry",
            "assembly",
            "operate",
            "transfer",
            "snapshot",
            "ends",
            "verbs",
            "server",
        ],
    ),
];

/// Crates that only these modules use, so that replacing one changes only these modules.
const KNOWN_ONLY_TO: &[(&str, &[&str])] = &[
    ("rusqlite", &["catalog/sqlite"]),
    ("quick_xml", &["xml"]),
    ("russh", &["drivers/sftp"]),
    ("ldap3", &["assembly/ldap"]),
    ("opendal", &["drivers/opendal"]),
    ("moka", &["cache", "replicate"]),
    ("hyper", &["server", "edge", "admin", "backend/wire"]),
    ("hyper_util", &["server", "edge", "admin", "backend/wire"]),
    ("tokio_rustls", &["server", "drivers/ftp"]),
    ("rustls", &["server", "backend/wire", "drivers/ftp", "assembly/ldap"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("toml", &["config"]),
    ("toml_edit", &["config"]),
    ("tracing_subscriber", &["telemetry"]),
    ("prometheus_client", &["telemetry"]),
    ("crc_fast", &["model"]),
    ("xxhash_rust", &["model"]),
    ("fastcdc", &["snapshot/chunker"]),
    (
        "rustix",
        &[
            "access/root",
            "assembly/data",
            "drivers/fs",
            "drivers/ftp/connect",
            "drivers/local",
            "ends/kept",
            "backend/space",
            "catalog/sqlite/reserve",
            "cli/prompt",
            "server/listen",
            "server/regions",
            "store/error",
            "telemetry/process",
        ],
    ),
];

/// Maximum number of lines of a file, with the tests in it.
const MAX_LINES: usize = 500;

/// The first names of paths that begin with `crate`.
fn of_crate(code: &str) -> BTreeSet<String> {
    let Named { imports, paths } = Named::read(code);
    let paths = imports.into_iter().map(|import| import.path).chain(paths);
    paths.filter(|path| path[0] == "crate").filter_map(|path| path.into_iter().nth(1)).collect()
}

#[test]
fn the_table_lists_every_module_once_and_points_down_only() {
    // A module is in a library of several modules, or is a crate of its own.
    let several = |before: &str| before.is_empty();
    let (libraries, alone): (Vec<_>, Vec<_>) = roots().into_iter().partition(|(_, before)| several(before));
    let texts: Vec<String> = libraries
        .iter()
        .map(|(root, _)| fs::read_to_string(root.join("lib.rs")).expect("a library"))
        .collect();
    let mut declared: BTreeSet<&str> = texts
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    declared.extend(alone.iter().map(|(_, before)| before.trim_end_matches('/')));
    let listed: Vec<&str> = LAYERS.iter().map(|(module, _)| *module).collect();
    assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), declared);
    assert_eq!(listed.len(), declared.len());
    for (at, (module, uses)) in LAYERS.iter().enumerate() {
        for used in *uses {
            assert!(listed[..at].contains(used), "{module} uses {used}, which is not below it");
        }
    }
}

#[test]
fn modules_use_only_what_the_table_lets_them() {
    let allowed: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let (sources, mut wrong) = (sources(), Vec::new());
    for source in sources.iter().filter(|source| !matches!(source.module(), "lib" | "main")) {
        let module = source.module();
        let uses = allowed.get(module).unwrap_or_else(|| panic!("{} is in no layer", source.path));
        for used in of_crate(&source.code) {
            // In a crate of one module, `crate::` leads to its own folders.
            let is_own =
                used == module || sources.iter().any(|source| source.is_in(&format!("{module}/{used}")));
            // A name that is no module is a macro or a re-export of the crate's root.
            if !is_own && allowed.contains_key(used.as_str()) && !uses.contains(&used.as_str()) {
                wrong.push(format!("{}: {module} must not use {used}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_crate_with_a_home_is_used_only_there() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (name, homes) in KNOWN_ONLY_TO {
            let path = format!("{name}::");
            let named = source.code.match_indices(&path).any(|(at, _)| {
                // The path is neither the end of a longer name nor a module of this workspace.
                !source.code[..at]
                    .ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':')
            });
            if named && !homes.iter().any(|home| source.is_in(home)) {
                wrong.push(format!("{}: {name} belongs to {}", source.path, homes.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_file_says_first_what_it_is() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.path)
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn no_file_is_longer_than_one_concept() {
    let long = |source: &Source| {
        let lines = source.text.lines().count();
        (lines > MAX_LINES).then(|| format!("{}: {lines} lines", source.path))
    };
    let long: Vec<_> = sources().iter().filter_map(long).collect();
    assert!(long.is_empty(), "{long:?}");
}

/// The targets of a Makefile, and the targets that each of them depends on.
fn chores(makefile: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let rules = makefile.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()));
    rules
        .filter_map(|line| line.split_once(':'))
        .map(|(target, needed)| (target, needed.split_whitespace().collect()))
        .collect()
}

#[test]
fn every_chore_is_part_of_make_test_or_of_make_test_all() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Makefile");
    let makefile = fs::read_to_string(path).expect("the Makefile");
    let chores = chores(&makefile);
    let mut tested = BTreeSet::from(["test"]);
    while let Some(more) = chores
        .keys()
        .find(|name| !tested.contains(*name) && tested.iter().any(|chore| chores[chore].contains(*name)))
    {
        tested.insert(more);
    }
    let left: BTreeSet<&str> = chores
        .keys()
        .copied()
        .filter(|name| !tested.contains(name) && !matches!(*name, "run" | "ci" | "test-all"))
        .collect();
    let recipe: BTreeSet<&str> =
        makefile.lines().filter_map(|line| line.strip_prefix("\t$(MAKE) ")).collect();
    assert!(
        recipe.is_subset(&left),
        "test-all runs what test does, or nobody knows: {:?}",
        recipe.difference(&left)
    );
    // A target that another one depends on runs with it.
    let with_another = |name: &&&str| recipe.iter().any(|chore| chores[chore].contains(**name));
    let missing: Vec<_> = left.difference(&recipe).filter(|name| !with_another(name)).collect();
    assert!(missing.is_empty(), "neither test nor test-all runs {missing:?}");
    assert!(left.len() > 5 && tested.len() > 3, "{left:?} {tested:?}");
}
