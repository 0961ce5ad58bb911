//! The settings as text: all of them for `docs/configuration.md`, and those in effect for `causeway config
//! check`.

use super::{
    backend::BACKEND_TYPES,
    bucket::Bucket,
    cors::Cors,
    layers::Layers,
    ldap::{Ldap, LdapGroup},
    oidc::{Oidc, OidcAllowed},
    section::{Fallback, Row, Section},
    services,
    settings::{Defaults, Identity, Server, Settings},
    sign_in::{SignIn, SignInRole},
    website::Website,
};
use std::fmt::Write;

const INTRODUCTION: &str = r#"# Configuration

<!-- Made from crates/config/src; `CAUSEWAY_BLESS=1 cargo test --test server reference` writes it again. -->

Causeway runs without any configuration. What it can be told, it takes from these sources, each overriding the ones before:

1. the defaults below;
2. the TOML file named by `--config` or `CAUSEWAY_CONFIG`, or else `causeway.toml` in the current directory, if there is one;
3. the environment: `CAUSEWAY__SECTION__KEY`, as `CAUSEWAY__SERVER__LISTEN=0.0.0.0:9000`;
4. the flags of `causeway serve`.

In the environment, backends and buckets of the file are named in any case, with `_` for `-` and `.`
(`CAUSEWAY__BACKEND__DISK__ROOT=/srv`; names that the file does not have are taken in lower case), entries of a list have
numbers from 0 (`CAUSEWAY__IDENTITY__0__ACCESS_KEY=alice`), and lists of values are separated by commas. A key that is not
listed here is an error in any of them, and so is a variable such as `CAUSEWAY_LISTEN`, which lacks its section.
`causeway config check --config FILE` says all that is wrong at once, or prints what is in effect.

`CAUSEWAY_ROOT_USER` and `CAUSEWAY_ROOT_PASSWORD` (or `MINIO_ROOT_USER` and `MINIO_ROOT_PASSWORD`) make an identity that may do
everything.

Times are numbers with a unit: `500ms`, `30s`, `10m`, `12h`, `7d`. Sizes too: `64KiB`, `10MiB`, `1GB`. Relative paths begin at the
directory that Causeway was started in.

A secret is its text, or better the place where it is: `{ env = "VARIABLE" }` or `{ file = "path" }` (the newline at the
file's end is no part of it). In the environment that is `CAUSEWAY__IDENTITY__0__SECRET_KEY__FILE=path`.

Or it is sealed: `{ sealed = "v1:…" }`, as `causeway bucket add` writes it and `causeway config seal --key backend.NAME.secret_key`
prints it. That is AES-256-GCM, bound to the key's own name: rename a backend, or move an identity, and its secrets must be
sealed again. The key that opens it is 32 bytes in base64: `CAUSEWAY_SEAL_KEY`, or the file that `CAUSEWAY_SEAL_KEY_FILE` names,
or else the file `FILE.seal-key` beside the configuration `FILE`, which is made when the first secret is sealed (mode 0600). A key
beside the configuration keeps secrets out of copies of the configuration, not from those who may read both: keep it elsewhere
where that matters. Keyrings of desktops are not used: servers have no session that would unlock one.

## Changing it while the server runs

SIGHUP (`systemctl reload causeway`, `kill -HUP`) makes `causeway serve` read all of it again: the same file, the files that hold
secrets, and the environment and flags that it was started with. Run `causeway config check` before: it finds what can be told without
the server.

**All of it or nothing.** If anything is wrong (a key, a file that is missing, a certificate, a backend that cannot be opened, a bucket
that would move or share a location), every problem is in the log, nothing is changed, and the server goes on as it was.

| what was changed | takes effect |
| --- | --- |
| identities: added, removed, another secret, name, policy, expiry or limits | at the next request; requests in work end as they began |
| a removed identity | its next request is answered 403 InvalidAccessKeyId; its buckets stay its own |
| new buckets | at once, with what lies there already |
| `owner`, `access` and limits of buckets | at the next request |
| a bucket that is no longer named | its `access` and limits are gone; the bucket stays, as it does after a restart |
| new backends, with their limits and caches, and `[default]` | at once |
| the certificate: another file, or another content | at the next connection |
| `[[cors]]` | at the next request |
| `[[oidc]]`, `[[oidc_allowed]]`, `[ldap]`, `[[ldap_group]]`, `[sign_in]`, `[[sign_in_role]]` | at the next start |
| `server.log_level` | at once |
| secrets in files (`{ file = "path" }`) of identities | at the next request |
| everything else of `[server]`: addresses, the data directory, sizes, times, regions | at the next start |
| `[website]` | at the next start |
| sizes and places of a cache that no backend has used so far | with the first backend that uses it |
| backends that were changed or removed; their secrets, limits and caches are part of them | at the next start |
| new buckets on a backend that lies elsewhere since it was changed | at the next start |
| directories that appear in the root of a backend | at the next start, or by `causeway bucket adopt` |
| the environment of the process: `CAUSEWAY_ROOT_USER`, `{ env = "VARIABLE" }` | at the next start |

What waits for the next start is named in the log by its setting, and keeps its value until then. A replicated backend can be given
replicas (`causeway replicate add`) on the backends that were there when it was opened. Another secret of a backend takes a restart;
requests in work then have `drain_timeout` to end.

`causeway_config_reloads_total{result="ok|failed"}` counts readings. `causeway_config_last_reload_successful` is 0 while the newest
configuration is wrong, `causeway_config_last_reload_success_timestamp_seconds` says when the one in force was read, and
`causeway_config_settings_waiting` counts settings that wait for the next start.
"#;

const EXAMPLE: &str = r#"
## Example

```toml
[server]
listen = ["0.0.0.0:9000", "[::]:9000"]
domain = "s3.example.com"

[[identity]]
access_key = "alice"
secret_key = { env = "ALICE_SECRET" }
policy = "readwrite"

[[identity]]
access_key = "bob"
secret_key = { file = "/etc/causeway/bob" }
policy = "readonly"

[backend.disk]
type = "fs"
root = "/srv/objects"

[bucket.photos]
backend = "disk"
prefix = "photos/"
owner = "alice"
access = { bob = "readonly" }

[default]
backend = "disk"
```
"#;

/// Returns the text of `docs/configuration.md`.
pub fn reference() -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut section = |heading: &str, about: &str, rows: &[Row]| {
        let _ = write!(text, "\n## `{heading}`\n\n{}\n", about.trim());
        if !rows.is_empty() {
            text += "\n| key | is | default | what it does |\n| --- | --- | --- | --- |\n";
        }
        for row in rows {
            let default = match row.fallback {
                Fallback::Text(value) => format!("`{value}`"),
                Fallback::Unset(words) => words.to_owned(),
                Fallback::Required => "required".to_owned(),
            };
            let _ = writeln!(text, "| `{}` | {} | {default} | {} |", row.name, row.kind, row.help.trim());
        }
    };
    section("[server]", Server::ABOUT, Server::ROWS);
    section("[website]", Website::ABOUT, Website::ROWS);
    section("[[identity]]", Identity::ABOUT, Identity::ROWS);
    section("[[oidc]]", Oidc::ABOUT, Oidc::ROWS);
    section("[[oidc_allowed]]", OidcAllowed::ABOUT, OidcAllowed::ROWS);
    section("[ldap]", Ldap::ABOUT, Ldap::ROWS);
    section("[[ldap_group]]", LdapGroup::ABOUT, LdapGroup::ROWS);
    section("[sign_in]", SignIn::ABOUT, SignIn::ROWS);
    section("[[sign_in_role]]", SignInRole::ABOUT, SignInRole::ROWS);
    section("[[cors]]", Cors::ABOUT, Cors::ROWS);
    for backend in BACKEND_TYPES {
        section("[backend.NAME]", backend.about, backend.rows);
    }
    section("[backend.NAME]", services::ABOUT, services::COMMON);
    section("[backend.NAME]", Layers::ABOUT, Layers::ROWS);
    section("[bucket.NAME]", Bucket::ABOUT, Bucket::ROWS);
    section("[default]", Defaults::ABOUT, Defaults::ROWS);
    text + EXAMPLE
}

impl Settings {
    /// Returns the settings as TOML, with secrets hidden.
    pub fn show(&self) -> String {
        let mut text = String::new();
        let mut section = |heading: String, values: Vec<(&'static str, Option<String>)>| {
            let _ = writeln!(text, "{}{heading}", if text.is_empty() { "" } else { "\n" });
            for (key, value) in values.into_iter().filter_map(|(key, value)| Some((key, value?))) {
                let _ = writeln!(text, "{key} = {value}");
            }
        };
        section("[server]".to_owned(), self.server.show());
        if self.website != (Website { listen: None, domain: None }) {
            section("[website]".to_owned(), self.website.show());
        }
        for identity in &self.identities {
            section("[[identity]]".to_owned(), identity.show());
        }
        for provider in &self.oidc {
            section("[[oidc]]".to_owned(), provider.show());
        }
        for allowed in &self.oidc_allowed {
            section("[[oidc_allowed]]".to_owned(), allowed.show());
        }
        if let Some(ldap) = &self.ldap {
            section("[ldap]".to_owned(), ldap.show());
        }
        for group in &self.ldap_groups {
            section("[[ldap_group]]".to_owned(), group.show());
        }
        if let Some(sign_in) = &self.sign_in {
            section("[sign_in]".to_owned(), sign_in.show());
        }
        for role in &self.sign_in_roles {
            section("[[sign_in_role]]".to_owned(), role.show());
        }
        for rule in &self.cors {
            section("[[cors]]".to_owned(), rule.show());
        }
        for (name, backend) in &self.backends {
            let mut values = vec![("type", Some(super::value::quote(backend.type_name())))];
            values.extend(backend.show());
            values.extend(self.layers.get(name).map(Section::show).unwrap_or_default());
            section(format!("[backend.{name}]"), values);
        }
        for (name, bucket) in &self.buckets {
            section(format!("[bucket.{}]", super::value::quote(name.as_str())), bucket.show());
        }
        section("[default]".to_owned(), self.default.show());
        if let Some(root) = &self.root {
            let _ = writeln!(text, "\n# root user from the environment: {}", root.access_key);
        }
        text
    }
}
