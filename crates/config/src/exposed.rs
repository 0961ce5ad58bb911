//! Checks whether other users can read the secrets that a configuration file holds as plain text.

use super::{
    file,
    settings::holds_secret,
    tree::{Raw, Table},
};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

const OTHERS: u32 = 0o007;

/// Returns a warning for an operator if they can. A file that cannot be read was refused before.
pub fn exposed(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    if mode & OTHERS == 0 {
        return None;
    }
    let secret = plain_secret(&file::parse(path, &fs::read_to_string(path).ok()?).ok()?)?;
    Some(format!(
        "every user of this machine can read {} (mode {mode:04o}), which holds a secret ({secret}) as plain text: take that right away, \
         seal it ('causeway config seal'), or name a variable or a file that holds it",
        path.display()
    ))
}

/// Returns the key of the first secret in plain text.
fn plain_secret(tree: &Table) -> Option<String> {
    fn search(path: &str, raw: &Raw) -> Option<String> {
        match raw {
            Raw::Text(_) => holds_secret(path).then(|| path.to_owned()),
            Raw::Table(table) => {
                table.iter().find_map(|(name, node)| search(&format!("{path}.{name}"), &node.raw))
            }
            Raw::List(items) => {
                items.iter().enumerate().find_map(|(n, node)| search(&format!("{path}[{n}]"), &node.raw))
            }
            _ => None,
        }
    }
    tree.iter().find_map(|(name, node)| search(name, &node.raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_plain_where_it_stands_as_text() {
        let plain = |text: &str| plain_secret(&file::parse(Path::new("c.toml"), text).expect("parses"));
        assert_eq!(
            plain("[backend.lake]\ntype = 's3'\nsecret_key = 's'").as_deref(),
            Some("backend.lake.secret_key")
        );
        let list = "[[identity]]\naccess_key = 'a'\nsecret_key = { env = 'A' }\n[[identity]]\naccess_key = 'b'\nsecret_key = 's'";
        assert_eq!(plain(list).as_deref(), Some("identity[1].secret_key"));
        for text in [
            "[[identity]]\nsecret_key = { file = 'f' }",
            "[backend.lake]\nsecret_key = { sealed = 'v1:x' }",
            "[server]\ndata = 'd'",
        ] {
            assert_eq!(plain(text), None, "{text}");
        }
    }
}
