//! The layers of `src/lib.rs`, held to: this file is their table. Between crates the compiler sees to it as well.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Which top-level modules each may use, and no more. Bottom first: a row names only rows above it. A new name in a row is a
/// decision, not a repair.
const LAYERS: &[(&str, &[&str])] = &[
    // The vocabulary.
    ("model", &[]),
    // The syntax of storage protocols.
    ("xml", &[]),
    // The contract of one bucket's storage, and what its implementations share.
    ("store", &["model"]),
    // What S3 remembers and storage cannot.
    ("catalog", &["model", "store"]),
    // The contract of backends, and what their drivers share.
    ("backend", &["model", "store", "catalog"]),
    // The contract of background jobs, and what operators see of them.
    ("work", &["model", "catalog", "backend"]),
    // One kind of storage each.
    ("drivers", &["model", "store", "catalog", "xml", "backend"]),
    // One bucket on several backends.
    ("replicate", &["model", "store", "catalog", "backend", "work"]),
    // A backend that fails on purpose.
    ("faults", &["model", "store", "catalog", "backend"]),
    // How much, how fast and how many at once.
    ("limits", &["model", "store", "catalog", "backend"]),
    // What of the drivers' answers is kept for a while.
    ("cache", &["model", "store", "catalog", "backend"]),
    // Which buckets there are, and the stack of each.
    ("buckets", &["model", "store", "catalog", "backend", "work"]),
    // Beside the layers: settings are data, and metrics are names.
    // Types of backends are a table of their driver's, of which settings are made.
    ("config", &["model", "store", "drivers"]),
    ("telemetry", &["model", "store"]),
    // Who may come in.
    ("access", &["model", "catalog"]),
    // What goes on in the background.
    ("jobs", &["model", "store", "catalog", "work", "buckets"]),
    // The protocol's meaning.
    ("s3", &["model", "store", "catalog", "buckets", "xml"]),
    // The protocol's wire.
    ("edge", &["model", "store", "access", "s3"]),
    // What operators ask.
    ("admin", &["telemetry"]),
    ("control", &["model", "store", "catalog", "backend", "work", "buckets", "access", "telemetry"]),
    // Sockets, and the one place that wires all of it.
    (
        "server",
        &[
            "model",
            "store",
            "catalog",
            "backend",
            "work",
            "drivers",
            "replicate",
            "faults",
            "limits",
            "cache",
            "buckets",
            "config",
            "telemetry",
            "access",
            "jobs",
            "s3",
            "edge",
            "admin",
            "control",
        ],
    ),
    // The process.
    ("cli", &["model", "config", "telemetry", "server"]),
];

/// Crates that only these places know, so that leaving one means changing one place.
const KNOWN_ONLY_TO: &[(&str, &[&str])] = &[
    ("rusqlite", &["catalog/sqlite"]),
    ("quick_xml", &["xml"]),
    ("russh", &["drivers/sftp"]),
    ("opendal", &["drivers/opendal"]),
    ("moka", &["cache", "replicate"]),
    ("hyper", &["server", "edge", "admin", "backend/wire"]),
    ("hyper_util", &["server", "edge", "admin", "backend/wire"]),
    ("tokio_rustls", &["server", "drivers/ftp"]),
    ("rustls", &["server", "backend/wire", "drivers/ftp"]),
    ("clap", &["cli"]),
    ("toml", &["config"]),
    ("toml_edit", &["config"]),
    ("tracing_subscriber", &["telemetry"]),
    ("prometheus_client", &["telemetry"]),
    ("crc_fast", &["model"]),
    ("xxhash_rust", &["model"]),
    (
        "rustix",
        &[
            "access/root",
            "drivers/fs",
            "drivers/ftp/connect",
            "backend/space",
            "catalog/sqlite/reserve",
            "cli/prompt",
            "server/data",
            "server/listen",
            "store/error",
            "telemetry/process",
        ],
    ),
];

/// Lines of a file before its tests: one concept fits.
const MAX_LINES: usize = 500;

/// A source file, without its tests.
struct Source {
    /// Relative to `src`, with `/`.
    path: String,
    /// As written.
    text: String,
    /// Without comments and string literals, up to `#[cfg(test)]` before an inline module.
    code: String,
}

impl Source {
    /// `s3` of `s3/ops/get_object.rs`; `lib` of `lib.rs`.
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or(&self.path);
        first.strip_suffix(".rs").unwrap_or(first)
    }

    fn is_in(&self, place: &str) -> bool {
        self.path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
    }
}

/// Folders of source code, and what the paths of their files begin with: a crate of one module is that module.
fn roots() -> Vec<(PathBuf, String)> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut roots = vec![(workspace.join("src"), String::new())];
    for folder in fs::read_dir(workspace.join("crates")).expect("crates") {
        let folder = folder.expect("an entry").path();
        let name = folder.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
        let is_module = LAYERS.iter().any(|(module, _)| *module == name) && !folder.join("src").join(&name).exists();
        roots.push((folder.join("src"), if is_module { format!("{name}/") } else { String::new() }));
    }
    roots
}

fn sources() -> Vec<Source> {
    let sources: Vec<Source> = roots().into_iter().flat_map(|(root, before)| sources_in(root, &before)).collect();
    assert!(sources.len() > 100, "only {} files: is this the source tree?", sources.len());
    sources
}

fn sources_in(root: PathBuf, before: &str) -> Vec<Source> {
    let (mut folders, mut sources) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<PathBuf> = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
        entries.sort();
        for path in entries {
            let is_test = path.file_stem().is_some_and(|name| name == "tests");
            if is_test {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("UTF-8");
                let below = path.strip_prefix(&root).expect("below the root").to_str().expect("UTF-8").replace('\\', "/");
                sources.push(Source { path: format!("{before}{below}"), code: code(before_tests(&text)), text });
            }
        }
    }
    sources
}

fn before_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod ").map_or(text, |at| &text[..at])
}

/// Characters that would seem to begin a string.
const QUOTES: [&str; 3] = ["'\"'", r#"'\"'"#, r"'\\'"];

/// Code without comments and without what is in quotes. Good for code that rustfmt has seen, not for all of Rust.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let raw = ["r#\"", "br#\""].into_iter().find(|start| rest.starts_with(start));
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(start) = raw {
            rest[start.len()..].find("\"#").map_or(rest.len(), |at| start.len() + at + 2)
        } else if let Some(quote) = QUOTES.into_iter().find(|quote| rest.starts_with(quote)) {
            quote.len()
        } else if first == '"' {
            end_of_string(rest)
        } else {
            out.push(first);
            first.len_utf8()
        };
        rest = &rest[skipped..];
    }
    out
}

/// The length of the string literal that `text` begins with.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The top-level modules that `crate::a::…` and `crate::{a, b::c}` name.
fn used(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, path) in code.match_indices("crate::") {
        // `pub(in crate::s3)` is no use, and `mycrate::` is another word.
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_') || code[..at].ends_with("in ") {
            continue;
        }
        let rest = &code[at + path.len()..];
        match rest.strip_prefix('{') {
            Some(group) => used.extend(heads(group)),
            None => used.extend(head(rest)),
        }
    }
    used
}

fn head(path: &str) -> Option<String> {
    let end = path.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(path.len());
    (end > 0).then(|| path[..end].to_owned())
}

/// The first names of the items of a group, up to the brace that closes it.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut item, mut heads) = (0usize, 0usize, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                heads.extend(head(group[item..at].trim_start()));
                item = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    heads
}

#[test]
fn the_table_lists_every_module_once_and_points_down_only() {
    // Modules lie in crates of several, or are crates.
    let several = |before: &str| before.is_empty();
    let (libraries, alone): (Vec<_>, Vec<_>) = roots().into_iter().partition(|(_, before)| several(before));
    let texts: Vec<String> = libraries.iter().map(|(root, _)| fs::read_to_string(root.join("lib.rs")).expect("a library")).collect();
    let mut declared: BTreeSet<&str> =
        texts.iter().flat_map(|text| text.lines()).filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
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
        for used in used(&source.code) {
            // In a crate of one module, `crate::` leads to its own folders.
            let is_own = used == module || sources.iter().any(|source| source.is_in(&format!("{module}/{used}")));
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
                // Neither the end of a longer name nor a module of ours.
                !source.code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':')
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
    let silent: Vec<_> = sources().into_iter().filter(|source| !source.text.starts_with("//! ")).map(|source| source.path).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn no_file_is_longer_than_one_concept() {
    let long = |source: &Source| {
        let lines = before_tests(&source.text).lines().count();
        (lines > MAX_LINES).then(|| format!("{}: {lines} lines before its tests", source.path))
    };
    let long: Vec<_> = sources().iter().filter_map(long).collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn the_reader_of_imports_sees_what_the_compiler_sees() {
    let text = r#"
        use crate::model::Key;
        pub(crate) use crate::{
            store::{self, error::{A, B}, payload},
            catalog,
        };
        // use crate::admin;
        fn f() -> crate::backend::X { let s = "crate::cli \" crate::server"; let c = '"'; crate::jobs::go(s) }
        pub(in crate::s3) struct Y;
        use mycrate::edge;
    "#;
    let expected = ["backend", "catalog", "jobs", "model", "store"];
    assert_eq!(used(&code(text)), expected.into_iter().map(str::to_owned).collect());
}

/// The targets of a Makefile, and what each needs first.
fn chores(makefile: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let rules = makefile.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()));
    rules.filter_map(|line| line.split_once(':')).map(|(target, needed)| (target, needed.split_whitespace().collect())).collect()
}

#[test]
fn every_chore_is_part_of_make_test_or_of_make_test_all() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Makefile");
    let makefile = fs::read_to_string(path).expect("the Makefile");
    let chores = chores(&makefile);
    let mut tested = BTreeSet::from(["test"]);
    while let Some(more) = chores.keys().find(|name| !tested.contains(*name) && tested.iter().any(|chore| chores[chore].contains(*name))) {
        tested.insert(more);
    }
    let left: BTreeSet<&str> =
        chores.keys().copied().filter(|name| !tested.contains(name) && !matches!(*name, "run" | "ci" | "test-all")).collect();
    let recipe = makefile.lines().filter_map(|line| line.strip_prefix("\t$(MAKE) "));
    assert_eq!(recipe.collect::<BTreeSet<_>>(), left, "test-all runs what test does not");
    assert!(left.len() > 5 && tested.len() > 3, "{left:?} {tested:?}");
}
