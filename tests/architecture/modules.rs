//! Finds which file owns the names that another file uses.
//!
//! A module is a file, or a folder with its main file (`mod.rs`, `lib.rs`). Its place is its path in the
//! crates, which all see one another's modules under the same names: `drivers/s3/store`.

use super::{
    imports::{Import, Named, Names},
    sources::{Source, sources},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

/// Maximum length of a chain of re-exports.
const LONGEST_CHAIN: usize = 8;

/// The modules of all crates, and the paths that each names.
pub struct Modules {
    named: BTreeMap<Names, Named>,
    /// The modules that are crates of their own. There, `crate` leads to the crate itself, and from there to
    /// the modules of the crates below.
    alone: BTreeSet<String>,
}

/// Maps a module and a module that it uses to the paths by which it is used.
pub type Uses = BTreeMap<(String, String), BTreeSet<String>>;

/// The uses in the source tree, which is read once.
pub fn uses() -> &'static Uses {
    static USES: LazyLock<Uses> = LazyLock::new(|| Modules::of(&sources()).uses());
    &USES
}

impl Modules {
    pub fn of(sources: &[Source]) -> Self {
        let alone = sources
            .iter()
            .filter_map(|source| source.path.strip_suffix("/lib.rs"))
            .map(str::to_owned)
            .collect();
        let mut named: BTreeMap<Names, Named> = BTreeMap::new();
        // The roots of programs, and of libraries of several modules, have no names of their own.
        for (source, place) in
            sources.iter().map(|source| (source, place(&source.path))).filter(|(_, place)| !place.is_empty())
        {
            // A module whose parts are crates has several roots.
            let Named { imports, paths } = Named::read(&source.code);
            let named = named.entry(place).or_default();
            named.imports.extend(imports);
            named.paths.extend(paths);
        }
        Self { named, alone }
    }

    /// Every use of a module by another that is neither a folder around it nor a file in it.
    pub fn uses(&self) -> Uses {
        let mut uses = Uses::new();
        for (from, named) in &self.named {
            let imported = named.imports.iter().map(|import| &import.path);
            for path in imported.chain(&named.paths) {
                let Some(to) = self.owner(path, from, 0) else { continue };
                if !from.starts_with(&to) && !to.starts_with(from) {
                    uses.entry((from.join("/"), to.join("/"))).or_default().insert(path.join("::"));
                }
            }
        }
        uses
    }

    /// The module that owns what a path names, for a path in the module `at`. `None` if no module of the
    /// workspace owns it.
    fn owner(&self, path: &[String], at: &Names, chain: usize) -> Option<Names> {
        let path = self.absolute(path, at, chain)?;
        let length = (1..=path.len()).rev().find(|length| self.named.contains_key(&path[..*length]))?;
        let (module, rest) = (path[..length].to_vec(), &path[length..]);
        if let Some(name) = rest.first()
            && module != *at
            && let Some(import) = self.import(&module, name)
            && let Some(owner) = self.owner(&[&import.path[..], &rest[1..]].concat(), &module, chain + 1)
        {
            return Some(owner);
        }
        Some(module)
    }

    /// The full path from the top. `None` for a path that begins with a name defined in the file itself, or
    /// with another crate.
    fn absolute(&self, path: &[String], at: &Names, chain: usize) -> Option<Names> {
        let (first, mut rest) = path.split_first()?;
        let mut base = match first.as_str() {
            _ if chain > LONGEST_CHAIN => return None,
            "crate" => {
                let own = &at[..1];
                let is_above =
                    rest.first().is_some_and(|name| self.named.contains_key(std::slice::from_ref(name)));
                let is_own = rest
                    .first()
                    .is_some_and(|name| self.named.contains_key(&[own, std::slice::from_ref(name)].concat()));
                if self.alone.contains(&own[0]) && (is_own || !is_above) {
                    own.to_vec()
                } else {
                    Names::new()
                }
            }
            "self" => at.clone(),
            "super" => {
                let mut base = at.clone();
                base.pop();
                while let Some(deeper) = rest.strip_prefix(&["super".to_owned()]) {
                    base.pop();
                    rest = deeper;
                }
                base
            }
            name => {
                let child = [&at[..], std::slice::from_ref(first)].concat();
                if self.named.contains_key(&child) {
                    child
                } else {
                    let import = self.import(at, name).filter(|import| import.path[..] != *path)?;
                    self.absolute(&import.path, at, chain + 1)?
                }
            }
        };
        base.extend_from_slice(rest);
        Some(base)
    }

    fn import(&self, module: &Names, name: &str) -> Option<&Import> {
        self.named[module].imports.iter().find(|import| import.name == name)
    }
}

/// Returns `["drivers", "s3"]` for `drivers/s3/mod.rs`, and nothing for `lib.rs` and `main.rs`.
fn place(path: &str) -> Names {
    let mut place: Names = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    let is_root = place.len() == 1 && matches!(place[0].as_str(), "lib" | "main");
    let stands_for_folder =
        place.len() > 1 && place.last().is_some_and(|name| matches!(name.as_str(), "mod" | "lib"));
    if is_root || stands_for_folder {
        place.pop();
    }
    place
}

#[test]
fn a_name_is_followed_to_the_file_that_owns_it() {
    let files = [
        ("model/mod.rs", "pub use key::Key; mod key;"),
        ("model/key.rs", "pub struct Key;"),
        ("backend/lib.rs", "pub use wire::Wire; use causeway_core::model;"),
        (
            "backend/wire/mod.rs",
            "mod reply; pub use reply::{Reply as Answer, Wire}; use crate::names; fn f() { names::of() }",
        ),
        ("backend/wire/reply.rs", "use super::{super::names::Name, send}; use crate::model::Key;"),
        (
            "backend/names.rs",
            "use crate::wire::Answer; fn f() { crate::Wire::new(); self::g(); std::mem::drop(1) }",
        ),
        ("drivers/lib.rs", ""),
        (
            "drivers/s3/store.rs",
            "use crate::{backend::wire::{self, Wire}, s3}; fn f() { wire::reply::g(); s3::store::h() }",
        ),
        ("drivers/s3/mod.rs", "mod store; use crate::fs; fn f() { store::g() }"),
        ("drivers/fs.rs", "use crate::drivers::s3::store;"),
    ];
    let source = |(path, code): (&str, &str)| Source {
        path: path.to_owned(),
        text: String::new(),
        code: code.to_owned(),
    };
    let uses = Modules::of(&files.map(source)).uses();
    let uses: Vec<String> = uses.keys().map(|(from, to)| format!("{from} {to}")).collect();
    let expected = [
        "backend/names backend/wire/reply",
        "backend/wire backend/names",
        "backend/wire/reply backend/names",
        "backend/wire/reply model/key",
        "drivers/fs drivers/s3/store",
        "drivers/s3 drivers/fs",
        "drivers/s3/store backend/wire",
        "drivers/s3/store backend/wire/reply",
    ];
    assert_eq!(uses, expected);
}
