//! Any 1 to 1,024 bytes of UTF-8 are a key, and two different keys never name the same object.

use super::{
    client::*,
    storage::{Stop, Storage},
};
use causeway::store::{ListRequest, Store};
use std::collections::BTreeSet;

/// Keys that are difficult for file systems, URLs, databases and codecs.
pub fn strange() -> BTreeSet<String> {
    let plain = [
        // Path syntax.
        ".",
        "..",
        "/",
        "//",
        "///",
        "a",
        "a/",
        "a//",
        "a/b",
        "a//b",
        "a///b",
        "/a",
        "//a",
        "a/.",
        "a/..",
        "a/./b",
        "a/../b",
        "../a",
        "./a",
        "...",
        "a/.../b",
        "../../../../etc/passwd",
        "/etc/passwd",
        "a\\b",
        "a\\..\\b",
        "C:",
        "C:\\a",
        "CON",
        "nul",
        "aux.txt",
        // Blanks and dots at the edges of a segment.
        " ",
        "  ",
        " a",
        "a ",
        " /",
        "/ ",
        "a / b",
        "a./b",
        "a.",
        ".a",
        "\u{a0}",
        "\u{3000}x",
        "\t",
        "a\tb",
        // Text that looks like an escape sequence.
        "%",
        "%%",
        "%2e",
        "%2E",
        "%2e%2e",
        "%2F",
        "a%2fb",
        "%00",
        "%25",
        "%252e",
        "a%20b",
        "a+b",
        "a b",
        "%zz",
        "%e",
        "~",
        "~0",
        "~1",
        "$",
        "\\x00",
        "=2F",
        "&amp;",
        "a;b",
        "a?b#c",
        "*",
        "?",
        "<>:\"|",
        "-rf",
        "--",
        "'",
        "\"",
        "`",
        "$(x)",
        "{}",
        "!",
        "@",
        "#",
        // Names that the gateway uses itself.
        ".causeway",
        ".causeway/",
        ".causeway/x",
        ".causeway/staging/x",
        "x/.causeway",
        "x/.causeway/y",
        ".Causeway/x",
        ".causeway.tmp",
        "%2ecauseway",
        "%2Ecauseway/x",
        "user.causeway",
        "catalog.sqlite",
        ".git/config",
        "lost+found",
        ".nfs0001",
        ".DS_Store",
        "a.part",
        "a.tmp",
        // Control characters and other special characters.
        "\0",
        "a\0b",
        "a\0",
        "\u{1}",
        "\u{7f}",
        "a\nb",
        "a\r\nb",
        "\u{1b}[0m",
        "\u{85}",
        "\u{feff}",
        "\u{200b}",
        "\u{202e}abc",
        "\u{fffd}",
        "\u{ffff}",
        // One letter in several spellings, and in both cases.
        "é",
        "e\u{301}",
        "Å",
        "A\u{30a}",
        "\u{212b}",
        "ﬁ",
        "fi",
        "İ",
        "i\u{307}",
        "ß",
        "SS",
        "ss",
        "KEY",
        "key",
        "Key",
        "K",
        "\u{212a}",
        "😀",
        "😀/😀",
        "👩‍👩‍👧‍👦",
        "\u{10ffff}",
        "日本語/キー",
        "עברית",
        "ไทย",
        // Keys that are folders of other keys, several levels deep.
        "t",
        "t/",
        "t/u",
        "t/u/",
        "t/u/v",
        "t/u/v/",
        "t//u",
        "t/u//v",
        "t /u",
        "t/ u",
    ];
    let mut keys: BTreeSet<String> = plain.iter().map(|key| (*key).to_owned()).collect();
    keys.extend([
        "x".repeat(1024),
        "ä".repeat(512),
        "😀".repeat(256),
        "%".repeat(1024),
        "/".repeat(1024),
        "\0".repeat(1024),
        ".".repeat(1024),
        " ".repeat(1024),
        format!("{}x", "y/".repeat(511)),
        "y/".repeat(512),
        "../".repeat(341),
        format!("{}/{}", "z".repeat(300), "z".repeat(300)),
    ]);
    for length in [200, 240, 250, 254, 255, 256, 257] {
        keys.insert("s".repeat(length));
        keys.insert(format!("{}/", "s".repeat(length)));
        keys.insert(format!("{}/leaf", "s".repeat(length)));
        keys.insert(format!("%{}", "p".repeat(length - 1)));
    }
    // Segments that are equal up to the maximum length of a file name.
    keys.insert(format!("{}1", "s".repeat(300)));
    keys.insert(format!("{}2", "s".repeat(300)));
    keys
}

async fn assert_holds(store: &dyn Store, keys: &BTreeSet<String>) {
    assert_eq!(
        walk(store, ListRequest { limit: 50, ..Default::default() })
            .await
            .iter()
            .map(|e| e.name())
            .collect::<Vec<_>>(),
        keys.iter().collect::<Vec<_>>()
    );
    for key in keys {
        assert_eq!(read(store, key).await, content(key), "{key:?}");
    }
}

/// Returns different content for each key.
fn content(key: &str) -> Vec<u8> {
    format!("the object {key:?}").into_bytes()
}

pub async fn strange_keys_are_keys_like_any_other(storage: &mut Storage) {
    let mut keys: BTreeSet<String> = strange().into_iter().filter(|key| storage.has_room_for(key)).collect();
    {
        let store = &*storage.bucket("bucket").await;
        for key in &keys {
            assert_absent_quick(store, key).await;
            put(store, key, content(key)).await;
        }
        assert_holds(store, &keys).await;
    }
    if storage.is_durable() {
        // After a kill, a driver has to decode the keys from the names in the storage.
        storage.restart(Stop::Killed).await;
        assert_holds(&*storage.bucket("bucket").await, &keys).await;
    }
    let store = &*storage.bucket("bucket").await;
    // Every other key is deleted, and nothing else disappears with it.
    let (mut nth, mut gone) = (0, Vec::new());
    keys.retain(|key| {
        nth += 1;
        let stays = nth % 2 == 0;
        if !stays {
            gone.push(key.clone());
        }
        stays
    });
    for key in &gone {
        delete(store, key).await;
        assert_absent_quick(store, key).await;
    }
    assert_holds(store, &keys).await;
    for key in &keys {
        delete(store, key).await;
    }
    assert_eq!(names(store).await, Vec::<String>::new());
}

async fn assert_absent_quick(store: &dyn Store, name: &str) {
    let result = store.head(key(name).current(), &Default::default()).await;
    assert_eq!(refused(result), causeway::store::error::StoreErrorKind::NoSuchKey, "{name:?}");
}

pub async fn strange_keys_stay_apart_when_they_come_in_any_order(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    // In byte order a folder comes before the keys in it; here it also comes after them.
    let family = ["a", "a/", "a//", "a/b", "a/b/", "a/b/c", "a//b", "a/./b", "a/../b", "a%2Fb", "a/\0"];
    for order in 0..family.len() {
        let turned = |at: usize| family[(at * 3 + order) % family.len()];
        for at in 0..family.len() {
            put(store, turned(at), content(turned(at))).await;
        }
        assert_holds(store, &family.iter().map(|key| (*key).to_owned()).collect()).await;
        let mut left: BTreeSet<String> = family.iter().map(|key| (*key).to_owned()).collect();
        for at in 0..family.len() {
            delete(store, turned(at + 2)).await;
            left.remove(turned(at + 2));
            assert_holds(store, &left).await;
        }
    }
}

pub async fn neighbours_come_and_go_without_disturbing_each_other(storage: &Storage) {
    let bucket = storage.bucket("bucket").await;
    let tasks: Vec<_> = ["d", "d/", "d/e", "d/e/f", "d/e/g", "d//e", "d/e/", "d/h/i/j/k"]
        .into_iter()
        .map(|name| {
            let store = bucket.clone();
            tokio::spawn(async move {
                for n in 0..12 {
                    let body = format!("{name} {n}");
                    put(&*store, name, body.clone()).await;
                    assert_eq!(read(&*store, name).await, body.as_bytes(), "{name}");
                    delete(&*store, name).await;
                    assert_absent_quick(&*store, name).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    assert_eq!(names(&*bucket).await, Vec::<String>::new());
}

pub async fn uploads_to_strange_keys_end_as_any_other(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let keys =
        ["..", "a//b", "x/", "/", "a\0b", ".causeway/x", "\u{1}", &"/".repeat(1024), &"x".repeat(1024)];
    let keys: Vec<&str> = keys.into_iter().filter(|key| storage.has_room_for(key)).collect();
    for &name in &keys {
        let mut upload = Uploading::begin(store, name).await;
        upload.part(1, content(name)).await;
        upload.complete().await;
        assert_eq!(read(store, name).await, content(name), "{name:?}");
    }
    let mut sorted: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    sorted.sort();
    assert_eq!(names(store).await, sorted);
}

pub async fn a_name_of_any_length_goes_beside_a_folder_of_that_name(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    for length in 245..260 {
        let (name, below) = ("n".repeat(length), format!("{}/below", "n".repeat(length)));
        for order in [[&name, &below], [&below, &name]] {
            for key in order {
                put(store, key, content(key)).await;
            }
            assert_holds(store, &[name.clone(), below.clone()].into()).await;
            for key in order {
                delete(store, key).await;
            }
            assert_eq!(names(store).await, Vec::<String>::new());
        }
    }
}
