//! What a two-way run must do, by the simplest means: three maps from names to contents.

use causeway::transfer::two_way::{Answer, Loser, Policy};
use std::collections::{BTreeMap, BTreeSet, hash_map::DefaultHasher};
use std::hash::{Hash, Hasher};

/// What is under a name: the number of the version. Later versions have larger numbers, and later own times.
pub type Tree = BTreeMap<String, u64>;

pub struct Rules<'s> {
    pub policy: Policy,
    pub loser: Loser,
    /// The sizes of versions.
    pub sizes: &'s BTreeMap<u64, usize>,
}

/// What both ends have after a run, or `None`: a conflict keeps the run from doing anything.
pub struct Expected {
    /// The names that both ends have alike afterwards.
    pub tree: Option<Tree>,
    /// Names about which nothing is done.
    pub left: BTreeSet<String>,
    pub conflicts: u64,
}

/// The answer that somebody gives who is asked about a name.
pub fn answer(name: &str) -> Answer {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    [Answer::Source, Answer::Destination, Answer::Both, Answer::Skip][(hasher.finish() % 4) as usize]
}

#[derive(Clone, Copy, PartialEq)]
enum Winner {
    Source,
    Destination,
    Both,
    Nobody,
}

pub fn expected(base: &Tree, source: &Tree, destination: &Tree, rules: &Rules<'_>) -> Expected {
    let names: BTreeSet<&String> = base.keys().chain(source.keys()).chain(destination.keys()).collect();
    let (mut tree, mut kept, mut left, mut conflicts) = (Tree::new(), Tree::new(), BTreeSet::new(), 0);
    for name in names {
        let (b, s, d) = (base.get(name).copied(), source.get(name).copied(), destination.get(name).copied());
        let agreed = match (s == b, d == b) {
            (true, _) => Some(d),
            (_, true) => Some(s),
            _ if s == d => Some(s),
            _ => None,
        };
        if let Some(version) = agreed {
            tree.extend(version.map(|version| (name.clone(), version)));
            continue;
        }
        conflicts += 1;
        let winner = winner(name, s, d, rules);
        let free = |version: u64, from: u32| {
            (from..)
                .map(|number| (format!("{name}.conflict{number}"), number + 1))
                .find(|(candidate, _)| {
                    let fits = |tree: &Tree| tree.get(candidate).is_none_or(|found| *found == version);
                    fits(source) && fits(destination)
                })
                .expect("a name")
        };
        let (won, lost) = match winner {
            Winner::Nobody => {
                left.insert(name.clone());
                continue;
            }
            Winner::Both => {
                let (s, d) = (s.expect("is there"), d.expect("is there"));
                let (first, next) = free(s, 1);
                kept.insert(first, s);
                kept.insert(free(d, next).0, d);
                continue;
            }
            Winner::Source => (s, d),
            Winner::Destination => (d, s),
        };
        if let (Some(lost), Loser::Keep) = (lost, rules.loser) {
            kept.insert(free(lost, 1).0, lost);
        }
        tree.extend(won.map(|won| (name.clone(), won)));
    }
    tree.extend(kept);
    let refused = rules.policy == Policy::Fail && conflicts > 0;
    Expected { tree: (!refused).then_some(tree), left, conflicts }
}

fn winner(name: &str, source: Option<u64>, destination: Option<u64>, rules: &Rules<'_>) -> Winner {
    let sides = |source_wins: Option<bool>| match source_wins {
        Some(true) => Winner::Source,
        Some(false) => Winner::Destination,
        None => Winner::Both,
    };
    let wanted = match rules.policy {
        Policy::Skip | Policy::Fail => Winner::Nobody,
        Policy::Source => Winner::Source,
        Policy::Destination => Winner::Destination,
        Policy::Both => Winner::Both,
        Policy::Ask => match answer(name) {
            Answer::Source => Winner::Source,
            Answer::Destination => Winner::Destination,
            Answer::Both => Winner::Both,
            Answer::Skip => Winner::Nobody,
        },
        policy => match (source, destination) {
            (Some(s), Some(d)) => {
                let (larger, smaller) = (rules.sizes[&s], rules.sizes[&d]);
                match policy {
                    Policy::Newer => sides(Some(s > d)),
                    Policy::Older => sides(Some(s < d)),
                    Policy::Larger => sides((larger != smaller).then_some(larger > smaller)),
                    _ => sides((larger != smaller).then_some(larger < smaller)),
                }
            }
            _ => Winner::Both,
        },
    };
    match (wanted, source, destination) {
        (Winner::Both, Some(_), None) => Winner::Source,
        (Winner::Both, None, Some(_)) => Winner::Destination,
        (wanted, ..) => wanted,
    }
}
