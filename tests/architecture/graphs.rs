//! The graphs of modules in `docs/architecture.md`, made from the imports.

use super::{
    drivers::within,
    modules::{self, Uses},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Maps each module to the modules that it uses.
type Graph<'m> = BTreeMap<&'m str, BTreeSet<&'m str>>;

/// The graph of the top-level modules.
fn of_the_top(uses: &Uses) -> Graph<'_> {
    let top = |place: &'_ str| place.split('/').next().map_or(0, str::len);
    let mut graph = Graph::new();
    for (from, to) in
        uses.keys().map(|(from, to)| (&from[..top(from)], &to[..top(to)])).filter(|(from, to)| from != to)
    {
        graph.entry(from).or_default().insert(to);
    }
    graph
}

/// The graph without redundant arrows: if a path leads from `a` to `c` through `b`, the arrow from `a` to `c`
/// is left out.
fn reduced<'m>(graph: &Graph<'m>) -> Graph<'m> {
    let follows =
        |from: &str, to: &str| graph[from].iter().any(|middle| *middle != to && leads(graph, middle, to));
    let keep = |from: &&'m str, all: &BTreeSet<&'m str>| {
        (*from, all.iter().copied().filter(|to| !follows(from, to)).collect())
    };
    graph.iter().map(|(from, all)| keep(from, all)).collect()
}

fn leads(graph: &Graph, from: &str, to: &str) -> bool {
    graph
        .get(from)
        .is_some_and(|next| next.contains(to) || next.iter().any(|middle| leads(graph, middle, to)))
}

fn mermaid(graph: &Graph) -> String {
    let mut text = "```mermaid\nflowchart TD\n".to_owned();
    for (from, all) in reduced(graph) {
        let all: Vec<&str> = all.into_iter().collect();
        text += &format!("    {from} --> {}\n", all.join(" & "));
    }
    text + "```\n"
}

/// Replaces the text between the mark and the next end mark of the document.
fn with_block(document: &str, mark: &str, text: &str) -> String {
    let begin = format!("<!-- {mark}: generated -->\n");
    let (before, rest) = document
        .split_once(&begin)
        .unwrap_or_else(|| panic!("the document has no line '{}'", begin.trim_end()));
    let (_, after) = rest.split_once("<!-- end -->").expect("an end behind the mark");
    format!("{before}{begin}{text}<!-- end -->{after}")
}

#[test]
fn the_graphs_of_the_documentation_are_those_of_the_imports() {
    let uses = modules::uses();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    let actual = fs::read_to_string(&path).expect("the document");
    let words = "An arrow that follows from others is left out. The whole table is";
    let top = format!("{words} `LAYERS` in `tests/architecture.rs`.\n\n{}", mermaid(&of_the_top(uses)));
    let backend =
        format!("{words} `SHARED` in `tests/architecture/drivers.rs`.\n\n{}", mermaid(&within(uses)));
    let expected = with_block(&actual, "graph of modules", &top);
    let expected = with_block(&expected, "graph of backend", &backend);
    if std::env::var_os("CAUSEWAY_BLESS").is_some() {
        fs::write(&path, &expected).expect("written");
        return;
    }
    assert!(
        actual == expected,
        "docs/architecture.md is out of date: CAUSEWAY_BLESS=1 cargo test --test architecture graphs"
    );
}

#[test]
fn an_arrow_that_follows_from_others_is_left_out() {
    let graph = Graph::from([("a", ["b", "c", "d"].into()), ("b", ["c"].into()), ("c", ["d"].into())]);
    assert_eq!(mermaid(&graph), "```mermaid\nflowchart TD\n    a --> b\n    b --> c\n    c --> d\n```\n");
}

#[test]
fn a_block_is_written_between_its_mark_and_the_next_end() {
    let document = "a\n<!-- x: generated -->\nold\n<!-- end -->\nb\n<!-- end -->\n";
    assert_eq!(
        with_block(document, "x", "new\n"),
        "a\n<!-- x: generated -->\nnew\n<!-- end -->\nb\n<!-- end -->\n"
    );
}
