//! Renders the table of services as a page for operators: `docs/guide/services.md`.

use super::services::{Evidence, Identity, Renaming, Service, Space, Writing, services};
use crate::backend::codec::Names;
use std::fmt::Write;

const INTRODUCTION: &str = "# Services through OpenDAL

<!-- Made from crates/file-drivers/src/opendal/services; `CAUSEWAY_BLESS=1 cargo test --test files page` writes it again. -->

These types of `[backend.NAME]` are served by the drivers of [Apache OpenDAL](https://opendal.apache.org) 0.59.5, behind guards of our
own. They hold files in folders, and the catalog keeps what S3 adds to them, as with SFTP: see [buckets](backends.md#sftp).

```toml
[backend.archive]
type = \"b2\"
bucket = \"my-bucket\"
bucket_id = \"4a48fe8875c6214145260818\"
application_key_id = \"004a48fe8875c62000000000a\"
application_key = { env = \"B2_KEY\" }
root = \"objects\"                       # buckets are folders in it
```

Besides its own options each takes `root`, `timeout`, `connect_timeout`, `attempts`, `max_requests`, `rate`, `ca_file` and `hosts`: see
[configuration](../configuration.md). Secrets are best given as `{ env = \"…\" }` or `{ file = \"…\" }`.

What is written waits in the spool (`server.spool`, with `server.spool_size` for files on their way besides that for parts of
uploads) until it was verified, and then goes there in one upload. Conditions such as `If-None-Match: *` hold among the clients of
this gateway; what others write at the same moment is not seen.

Providers limit requests in ways of their own, mostly by account and plan: `rate` keeps below such a limit, and what is answered with
429 or 503 is asked again a few times, and then answered 503 SlowDown.

How to read the table:

- **tried**: what the suites of tests ran against. *a fake* is a server of ours, made from the public documents of the service; what
  the real one does besides is not known. *never run* is configurable and nothing more: the server warns at start, and the
  default binary is built without it (`cargo build --release --features service-NAME`, or `--features never-run` for all of these).
- **a file is known by**: how a change by others is noticed, and a file that changes while it is read. By *time*, changes within the
  precision are not; by *size*, changes that keep it.
- **names**: other keys are escaped. *no blanks at an end*: nor control characters and `\\`. *as on Windows*: none of `\" * : < > ? \\ |`
  either.

";

pub fn page() -> String {
    let mut text = INTRODUCTION.to_owned();
    text += "| type | tried | writes | a file is known by | times | largest file | names | a rename is | listings |\n";
    text += "|---|---|---|---|---|---|---|---|---|\n";
    let mut rows: Vec<&Service> = services().collect();
    rows.sort_by_key(|service| (service.evidence == Evidence::Never, service.is_read_only(), service.name));
    for row in &rows {
        let _ = writeln!(
            text,
            "| [`{name}`](#{name}) | {} | {} | {} | {} | {} | {}{} | {} | {} |",
            tried(row.evidence),
            writes(row),
            known_by(row.identity),
            precision(row.precision),
            size(row.max_size),
            names(row.names),
            if row.folds_names { ", `a` is `A`" } else { "" },
            renames(row),
            if row.is_sorted { "sorted" } else { "in any order" },
            name = row.name,
        );
    }
    for row in rows {
        let _ = write!(text, "\n## {}\n\n{}", row.name, row.about);
        if let Writing::Never(why) = row.writing {
            let _ = write!(text, " Read only: {why}.");
        }
        if row.evidence == Evidence::Never {
            text += " Configurable, never run.";
        }
        if !row.notes.is_empty() {
            let _ = write!(text, "\n{}", row.notes);
        }
        text += match row.space {
            Space::Flat | Space::FlatByListing => {
                "\nFolders are prefixes; an empty one has an object `.cw~folder`."
            }
            Space::Folders | Space::FoldersByName => "",
        };
        text += "\n\n| option | is | what it does |\n|---|---|---|\n";
        for option in row.options {
            let kind = match (option.is_secret, option.is_required) {
                (true, true) => "secret, required",
                (true, false) => "secret",
                (false, true) => "required",
                (false, false) => "optional",
            };
            let _ = writeln!(text, "| `{}` | {kind} | {} |", option.name, option.help);
        }
    }
    text
}

fn tried(evidence: Evidence) -> String {
    match evidence {
        Evidence::Server(server) => server.to_owned(),
        Evidence::Fake => "a fake".to_owned(),
        Evidence::Never => "never run".to_owned(),
    }
}

fn writes(row: &Service) -> &'static str {
    match (row.writing, row.upload.is_streamed, row.upload.parts_above) {
        (Writing::Never(_), ..) => "no",
        (_, true, None) => "one request",
        (_, false, None) => "one request, from memory",
        (_, true, Some(_)) => "one request, or parts",
        (_, false, Some(_)) => "parts",
    }
}

fn known_by(identity: Identity) -> &'static str {
    match identity {
        Identity::Tag | Identity::TagAside => "a hash or version",
        Identity::Time => "time and size",
        Identity::Size => "size",
    }
}

fn precision(millis: i64) -> String {
    if millis % 1000 == 0 { format!("{} s", millis / 1000) } else { format!("{millis} ms") }
}

fn size(bytes: u64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20)];
    let unit = units.iter().find(|(_, shift)| bytes >= 1 << shift && bytes.is_multiple_of(1 << shift));
    unit.map_or_else(|| format!("{bytes} bytes"), |(unit, shift)| format!("{} {unit}", bytes >> shift))
}

fn names(names: Names) -> &'static str {
    match names {
        Names::Posix => "any",
        Names::Printable => "no control characters",
        Names::Trimmed => "no blanks at an end",
        Names::Unmarked => "none of `#`, `;` and `?`",
        Names::Lines => "what goes into a line",
        Names::Windows => "as on Windows",
        Names::OneDrive => "as on OneDrive",
        Names::Dropbox => "as on Dropbox",
    }
}

fn renames(row: &Service) -> &'static str {
    match (row.is_read_only(), row.renaming) {
        (true, _) => "-",
        (_, Renaming::Native) => "a rename",
        (_, Renaming::Copied) => "a copy there",
        (_, Renaming::Rewritten) => "a copy through here",
    }
}
