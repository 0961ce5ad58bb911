//! A listing has everything in a folder, with the same facts that `stat` reports.

use super::*;
use causeway::backend::Names;
use futures_util::{StreamExt, stream};

pub async fn all_of_a_large_folder_is_listed_once(files: Storage) {
    let mut expected: Vec<String> = (0..1200).map(|n| format!("file-{n:05}")).collect();
    let puts = stream::iter(expected.clone()).map(|name| {
        let files = files.clone();
        async move { drop(put(&files, &format!("large/{name}"), name.as_bytes()).await) }
    });
    puts.buffer_unordered(32).collect::<()>().await;
    files.make_folder("large/folder").await.expect("a folder");
    expected.push("folder".to_owned());
    expected.sort();
    assert_eq!(names(&files, "large").await, expected);
    assert!(
        list(&files, "large")
            .await
            .iter()
            .all(|entry| entry.stat.kind == EntryKind::Folder || entry.stat.size == 10)
    );
    let batches = files.list("large").collect::<Vec<_>>().await.len();
    assert!(batches > 1, "a large folder comes in pieces");
}

pub async fn a_folder_that_is_not_there_is_empty(files: Storage) {
    put(&files, "d/k", b"1").await;
    for folder in ["missing", "d/missing", "d/k", "d/k/below"] {
        assert_eq!(list(&files, folder).await, [], "{folder}");
    }
}

pub async fn a_listing_says_what_looking_says(files: Storage) {
    put(&files, "d/file", b"123").await;
    put(&files, "d/empty", b"").await;
    put(&files, "d/folder/inside", b"1").await;
    let entries = list(&files, "d").await;
    assert_eq!(entries.iter().map(|entry| &*entry.name).collect::<Vec<_>>(), ["empty", "file", "folder"]);
    for Entry { name, stat } in entries {
        let looked = files.stat(&format!("d/{name}")).await.expect("an answer").expect("it is there");
        assert_eq!(looked.kind, stat.kind, "{name}");
        assert!(stat.kind == EntryKind::Folder || looked == stat, "{name}: {looked:?} {stat:?}");
    }
}

pub async fn odd_names_are_names(files: Storage) {
    let long = "x".repeat(255);
    let wide = "ü".repeat(120);
    // Names that every such storage must accept.
    let printable = [
        "a b",
        " lead",
        "trail ",
        "-rf",
        "ünïcode 😀",
        "e\u{301}",
        "%41",
        "a+b&c=d?e#f",
        "'quotes\"",
        "~",
        "$HOME",
        ".hidden",
        "a.b.",
        "semi;colon",
        "[brackets]",
        "star*",
    ];
    let names = match files.service().names {
        Names::Posix => {
            [&printable[..], &["new\nline", "tab\t", "back\\slash", "\u{1}", "\u{7f}", &long, &wide]].concat()
        }
        Names::Printable => [&printable[..], &["back\\slash", &wide]].concat(),
        Names::Trimmed => {
            let trimmed = printable.iter().copied().filter(|name| name.trim() == *name);
            trimmed.chain([&*wide]).collect()
        }
        Names::Unmarked => {
            let unmarked = |name: &&str| !name.contains(['#', ';', '?']);
            [&printable[..], &["back\\slash", &wide]].concat().into_iter().filter(unmarked).collect()
        }
        Names::Lines => {
            let trimmed = printable.iter().copied().filter(|name| name.trim() == *name);
            trimmed.chain(["back\\slash", wide.as_str(), long.as_str()]).collect()
        }
        Names::Dropbox => printable
            .iter()
            .copied()
            .filter(|name| !matches!(*name, "trail " | "e\u{301}"))
            .chain([&*wide])
            .collect(),
        Names::OneDrive | Names::Windows => {
            vec![
                "a b",
                "-rf",
                "ünïcode 😀",
                "%41",
                "a+b&c=d#f",
                "'quote",
                "$HOME",
                ".hidden",
                "semi;colon",
                "[brackets]",
                &wide,
            ]
        }
    };
    for name in &names {
        put(&files, &format!("odd/{name}"), name.as_bytes()).await;
        put(&files, &format!("odd folders/{name}/{name}"), name.as_bytes()).await;
    }
    let mut expected: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    expected.sort();
    assert_eq!(super::names(&files, "odd").await, expected);
    assert_eq!(super::names(&files, "odd folders").await, expected);
    for name in &names {
        assert_eq!(get(&files, &format!("odd/{name}")).await, Some(name.as_bytes().to_vec()), "{name:?}");
        assert_eq!(super::names(&files, &format!("odd folders/{name}")).await, [*name]);
        assert!(files.remove(&format!("odd/{name}")).await.expect("an answer"), "{name:?}");
    }
    assert!(files.remove_folder("odd").await.expect("an answer"));
}
