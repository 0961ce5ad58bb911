//! Files that use each other in a circle cannot be read one after the other, nor be moved apart. No circles
//! exist.

use super::modules::{self, Uses};
use std::collections::{BTreeMap, BTreeSet};

/// Circles that still exist, each with its files sorted by name. Rows may only be removed from this table.
const CIRCLES_LEFT: &[&[&str]] = &[];

/// Groups of modules in which each module leads to all others of the group.
fn circles(uses: &Uses) -> Vec<Vec<&str>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in uses.keys() {
        next.entry(from).or_default().push(to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        next.keys().map(|from| (*from, reached(from, &next))).collect();
    let leads = |from: &str, to: &str| reached.get(from).is_some_and(|reached| reached.contains(to));
    let in_circles = next.keys().copied().filter(|module| leads(module, module));
    let circle = |module: &str| {
        in_circles.clone().filter(|other| leads(module, other) && leads(other, module)).collect::<Vec<_>>()
    };
    in_circles.clone().map(circle).collect::<BTreeSet<_>>().into_iter().collect()
}

fn reached<'m>(from: &'m str, next: &BTreeMap<&'m str, Vec<&'m str>>) -> BTreeSet<&'m str> {
    let (mut reached, mut pending) = (BTreeSet::new(), vec![from]);
    while let Some(module) = pending.pop() {
        for to in next.get(module).into_iter().flatten() {
            if reached.insert(*to) {
                pending.push(to);
            }
        }
    }
    reached
}

/// The files of a circle, and the names that make it, as text.
fn told(circle: &[&str], uses: &Uses) -> String {
    let is_part = |module: &String| circle.contains(&module.as_str());
    let edges = uses.iter().filter(|((from, to), _)| is_part(from) && is_part(to));
    let edges = edges.map(|((from, to), names)| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        format!("    {from} uses {to}: {}", names.join(", "))
    });
    format!("{}:\n{}", circle.join(", "), edges.collect::<Vec<_>>().join("\n"))
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let uses = modules::uses();
    let circles = circles(uses);
    let new: Vec<String> = circles
        .iter()
        .filter(|circle| !CIRCLES_LEFT.contains(&circle.as_slice()))
        .map(|circle| told(circle, uses))
        .collect();
    assert!(new.is_empty(), "move what is shared into a file below both:\n{}", new.join("\n"));
    let gone: Vec<_> =
        CIRCLES_LEFT.iter().filter(|row| !circles.iter().any(|circle| circle == *row)).collect();
    assert!(gone.is_empty(), "no circles any more, so remove the rows: {gone:?}");
}

#[test]
fn circles_are_found_whole_and_apart() {
    let uses: Uses =
        [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("e", "d"), ("f", "a"), ("e", "g")]
            .map(|(from, to)| ((from.to_owned(), to.to_owned()), BTreeSet::from([format!("super::{to}")])))
            .into();
    assert_eq!(circles(&uses), [vec!["a", "b", "c"], vec!["d", "e"]]);
    assert_eq!(told(&["d", "e"], &uses), "d, e:\n    d uses e: super::e\n    e uses d: super::d");
}
