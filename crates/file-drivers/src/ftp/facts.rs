//! The lines of MLST and MLSD, RFC 3659: `type=file;size=1024;modify=20071029155301;unique=8g2; name`.

use super::reply::time;
use crate::backend::tree::files::{EntryKind, Stat};

/// An entry at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteEntry {
    pub(super) stat: Stat,
    /// The identity of the file, if the server reports it: it distinguishes two files that had one name one
    /// after the other. It may be compared with a recent value, but must not be stored: servers renumber
    /// files.
    pub(super) unique: Option<String>,
}

impl RemoteEntry {
    pub(super) fn is_file(&self) -> bool {
        self.stat.kind == EntryKind::File
    }

    pub(super) fn is_folder(&self) -> bool {
        self.stat.kind == EntryKind::Folder
    }

    pub(super) fn of(kind: EntryKind, size: u64) -> Self {
        Self { stat: Stat { kind, size, modified: None, tag: None, md5: None }, unique: None }
    }
}

/// Returns the facts and the name after them, which may begin with spaces. `None`: the line is not in this
/// format.
pub(super) fn line(line: &[u8]) -> Option<(RemoteEntry, &[u8])> {
    let end = line.iter().position(|c| *c == b' ')?;
    let (facts, name) = (&line[..end], &line[end + 1..]);
    Some((seen(std::str::from_utf8(facts).ok()?)?, name))
}

/// Parses the facts of an entry. A file without a size cannot be served, so the result is `None`.
pub(super) fn seen(facts: &str) -> Option<RemoteEntry> {
    let fact = |wanted: &str| {
        let mut facts = facts.split(';').filter_map(|fact| fact.split_once('='));
        facts.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    };
    let kind = match fact("type")?.to_ascii_lowercase().as_str() {
        "file" => EntryKind::File,
        "dir" | "cdir" | "pdir" => EntryKind::Folder,
        _ => EntryKind::Other,
    };
    let size = match (kind, fact("size").map(str::parse)) {
        (EntryKind::File, Some(Ok(size))) => size,
        (EntryKind::File, _) => return None,
        _ => 0,
    };
    let modified = fact("modify").filter(|_| kind == EntryKind::File).and_then(time);
    let stat = Stat { kind, size, modified, tag: None, md5: None };
    Some(RemoteEntry { stat, unique: fact("unique").map(str::to_owned) })
}

/// Returns whether a line of MLSD describes the folder itself or its parent.
pub(super) fn is_itself(facts: &[u8]) -> bool {
    let lower = facts.to_ascii_lowercase();
    [&b"type=cdir;"[..], b"type=pdir;"]
        .iter()
        .any(|kind| lower.windows(kind.len()).any(|window| window == *kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn facts_come_in_any_order_and_spelling() {
        let (seen, name) =
            line(b"Size=10;modify=20071029155301;perm=r;TYPE=File;Unique=a; a;b =c").expect("a line");
        assert_eq!((seen.stat.kind, seen.stat.size, name), (EntryKind::File, 10, &b"a;b =c"[..]));
        assert_eq!(seen.stat.modified.map(|time| time.seconds()), Some(1_193_673_181));
        assert_eq!(seen.unique.as_deref(), Some("a"));
        assert_eq!(line(b"type=dir;  lead").map(|(_, name)| name), Some(&b" lead"[..]));
        assert_eq!(
            line(b"type=OS.unix=slink:/etc; x").map(|(seen, _)| seen.stat.kind),
            Some(EntryKind::Other)
        );
        for wrong in [
            &b"type=file; no size"[..],
            b"size=1; no type",
            b"type=file;size=x; y",
            b"type=dir;",
            b"",
            b"type=file;size=-1; x",
        ] {
            assert_eq!(line(wrong), None);
        }
        assert!(is_itself(b"Type=cdir;size=0;") && is_itself(b"a=b;type=PDIR;") && !is_itself(b"type=dir;"));
    }

    proptest! {
        #[test]
        fn what_a_server_writes_is_what_is_read(size: u64, name in "[^\r\n\0]{1,40}", is_folder: bool) {
            let kind = if is_folder { "dir" } else { "file" };
            let text = format!("type={kind};size={size};modify=20200101000000;unix.mode=0644; {name}");
            let (seen, found) = line(text.as_bytes()).expect("a line");
            prop_assert_eq!(found, name.as_bytes());
            prop_assert_eq!(seen.is_folder(), is_folder);
            prop_assert!(is_folder || seen.stat.size == size);
        }

        #[test]
        fn nothing_that_servers_may_say_is_a_panic(text: Vec<u8>) {
            let _ = (line(&text), is_itself(&text));
        }
    }
}
