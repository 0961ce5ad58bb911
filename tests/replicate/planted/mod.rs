//! Checks that the bugs that `run` beside this file plants still fit into the code: the lines of each change
//! are found exactly once.

use std::{fs, path::Path};

/// One change in a file: the lines that must exist, and whether the change adds or removes any.
struct Hunk {
    lines: Vec<String>,
    changes: bool,
}

/// The hunks of a unified diff, each with its file.
fn hunks(patch: &str) -> Vec<(String, Hunk)> {
    let mut hunks: Vec<(String, Hunk)> = Vec::new();
    let mut file = String::new();
    let mut is_inside = false;
    for line in patch.lines() {
        if let Some(name) = line.strip_prefix("+++ b/") {
            (file, is_inside) = (name.to_owned(), false);
        } else if line.starts_with("@@ ") {
            hunks.push((file.clone(), Hunk { lines: Vec::new(), changes: false }));
            is_inside = true;
        } else if line.starts_with("diff ") || line.starts_with("--- a/") {
            is_inside = false;
        } else if let (true, Some((_, hunk))) = (is_inside, hunks.last_mut()) {
            hunk.changes |= line.starts_with(['+', '-']);
            if !line.starts_with('+') {
                hunk.lines.push(line.get(1..).unwrap_or_default().to_owned());
            }
        }
    }
    hunks
}

/// How often these lines occur in sequence in a text.
fn places(text: &str, lines: &[String]) -> usize {
    let text: Vec<&str> = text.lines().collect();
    text.windows(lines.len())
        .filter(|window| window.iter().zip(lines).all(|(there, wanted)| there == wanted))
        .count()
}

#[test]
fn ten_planted_bugs_still_fit_into_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/replicate/planted");
    let files = fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path());
    let mut patches: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|ending| ending == "patch")).collect();
    patches.sort();
    assert!(patches.len() >= 10, "{patches:?}");
    for patch in patches {
        let hunks = hunks(&fs::read_to_string(&patch).expect("a patch"));
        assert!(!hunks.is_empty(), "{patch:?} changes nothing");
        for (file, hunk) in hunks {
            assert!(
                hunk.changes && file.starts_with("crates/layers/src/"),
                "{patch:?} changes nothing of {file}"
            );
            let text = fs::read_to_string(root.join(&file))
                .unwrap_or_else(|error| panic!("{patch:?} is about {file}: {error}"));
            assert_eq!(
                places(&text, &hunk.lines),
                1,
                "{patch:?} does not fit into {file} any more: write it anew"
            );
        }
    }
}
