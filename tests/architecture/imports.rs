//! Reads which paths a file of source code names: in `use` trees, and in the code itself.
//!
//! Does not own which file a path leads to (`modules`). It reads code that rustfmt has formatted, not all of
//! Rust.

/// The names of a path, from left to right.
pub type Names = Vec<String>;

/// One name that a `use` declaration brings into a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The name by which the file knows the item; `*` means everything in the path.
    pub name: String,
    pub path: Names,
}

/// The paths that a file names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Named {
    pub imports: Vec<Import>,
    /// Paths of at least two names outside of `use` declarations.
    pub paths: Vec<Names>,
}

impl Named {
    /// Reads code without comments and string literals.
    pub fn read(code: &str) -> Self {
        let mut named = Self::default();
        let mut rest = code;
        while let Some(at) = declaration(rest) {
            named.paths.extend(paths(&rest[..at]));
            let end = rest[at..].find(';').map_or(rest.len(), |end| at + end);
            tree(&rest[at + "use".len()..end], &[], &mut named.imports);
            rest = &rest[end..];
        }
        named.paths.extend(paths(rest));
        named
    }
}

/// Where the next `use` declaration begins.
fn declaration(code: &str) -> Option<usize> {
    let is_keyword = |at: usize| {
        let after = code[at + "use".len()..].chars().next();
        !code[..at].ends_with(is_of_name) && after.is_some_and(char::is_whitespace)
    };
    code.match_indices("use").map(|(at, _)| at).find(|at| is_keyword(*at))
}

fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Collects the imports of a `use` tree whose path begins with `before`.
fn tree(text: &str, before: &[String], imports: &mut Vec<Import>) {
    let text = text.trim();
    if let Some((head, group)) = text.split_once('{') {
        let before = joined(before, head);
        let group = group.rsplit_once('}').map_or(group, |(group, _)| group);
        items(group)
            .into_iter()
            .filter(|item| !item.trim().is_empty())
            .for_each(|item| tree(item, &before, imports));
        return;
    }
    let (path, alias) =
        text.split_once(" as ").map_or((text, None), |(path, alias)| (path, Some(alias.trim())));
    let mut path = joined(before, path);
    let is_glob = path.last().is_some_and(|name| name == "*");
    // `a::{self}` is `a`, but `use self::a` is a path that begins with `self`.
    if is_glob || (path.len() > 1 && path.last().is_some_and(|name| name == "self")) {
        path.pop();
    }
    let own = if is_glob { Some("*") } else { path.last().map(String::as_str) };
    if let Some(name) = alias.or(own).map(str::to_owned) {
        imports.push(Import { name, path });
    }
}

fn joined(before: &[String], path: &str) -> Names {
    let names = path.split("::").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
    before.iter().cloned().chain(names).collect()
}

/// Splits a group into its items, each with its nested groups.
fn items(group: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut items) = (0usize, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                items.push(&group[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    items.push(&group[begin..]);
    items
}

fn paths(code: &str) -> Vec<Names> {
    let (mut paths, mut at) = (Vec::new(), 0);
    while let Some(found) = code[at..].find("::") {
        let middle = at + found;
        let begin = code[..middle].rfind(|c| !is_of_name(c)).map_or(0, |before| before + 1);
        let end = end_of_path(code, middle);
        // What follows `>::` or `$crate` is no path of this file, and `pub(in crate::a)` is not a use.
        let before = &code[..begin];
        let is_path = begin < middle && !before.ends_with(['$', ':']) && !before.ends_with("pub(in ");
        let names = joined(&[], &code[begin..end]);
        if is_path && names.len() > 1 {
            paths.push(names);
        }
        at = end.max(middle + "::".len());
    }
    paths
}

/// Returns where the path ends whose first `::` is at `middle`.
fn end_of_path(code: &str, middle: usize) -> usize {
    let mut end = middle;
    while let Some(rest) = code[end..].strip_prefix("::") {
        let length = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
        if length == 0 {
            break;
        }
        end += "::".len() + length;
    }
    end
}

#[test]
fn the_reader_of_imports_sees_what_the_compiler_sees() {
    let text = r#"
        use crate::model::Key;
        pub(crate) use crate::{
            store::{self, error::{A, B as C}, payload},
            catalog,
        };
        // use crate::admin;
        fn f() -> crate::backend::X { let s = "crate::cli \" crate::server"; let c = '"'; crate::jobs::go(s) }
        pub(in crate::s3) struct Y;
        use mycrate::edge;
        use super::{*, d::e as _};
        fn g() -> impl Sized + use<'_> { used::<u8>(); super::h::i::<Vec<u8>>(); Z::new() }
    "#;
    let named = Named::read(&super::sources::code(text));
    let imports: Vec<String> =
        named.imports.iter().map(|import| format!("{}={}", import.name, import.path.join("::"))).collect();
    let expected = [
        "Key=crate::model::Key",
        "store=crate::store",
        "A=crate::store::error::A",
        "C=crate::store::error::B",
        "payload=crate::store::payload",
        "catalog=crate::catalog",
        "edge=mycrate::edge",
        "*=super",
        "_=super::d::e",
    ];
    assert_eq!(imports, expected);
    let paths: Vec<String> = named.paths.iter().map(|path| path.join("::")).collect();
    assert_eq!(paths, ["crate::backend::X", "crate::jobs::go", "super::h::i", "Z::new"]);
}
