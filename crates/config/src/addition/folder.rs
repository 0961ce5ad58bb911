//! Adds a bucket that is a folder of a file storage: on a backend that reaches the folder already, or on a
//! new one whose root is the folder. Also handles the settings of a new backend that the URL does not
//! contain.

use super::{
    super::{
        backend::Backend,
        edit::{Draft, EditError, refuse},
        error::nearest,
        layers::Layers,
        schemes::{self, Folder},
        secret::SecretSetting,
        section::{Fallback, Row, Section},
        value::Setting,
    },
    Addition, Keys, Said, Site, free_name,
};
use crate::model::{BucketName, Location};

pub(super) fn site(
    draft: &Draft,
    addition: &Addition,
    bucket: &BucketName,
    folder: &Folder,
) -> Result<Site, EditError> {
    if addition.has_credentials() {
        return refuse(format!(
            "flags for object stores say nothing to a backend of type '{}': its settings are given by --set KEY=VALUE, --secret-env \
             KEY=VARIABLE and --secret-file KEY=FILE",
            folder.kind
        ));
    }
    let place = |way: String| vec![("prefix", way)];
    if let Some((name, known)) =
        addition.backend.as_ref().and_then(|name| draft.settings.backends.get_key_value(name))
    {
        return match way(known, folder) {
            Some(way) => Ok(Site { backend: name.clone(), new: None, place: place(way) }),
            None => refuse(format!(
                "backend '{name}' is {} at {}, which is not where the URL leads",
                known.type_name(),
                known.location()
            )),
        };
    }
    // Only some types name a server in the URL. Drives and services differ by their credentials, which the
    // URL lacks.
    let is_told = !folder.said.is_empty() && !addition.has_settings() && addition.backend.is_none();
    let reached = draft
        .settings
        .backends
        .iter()
        .filter(|_| is_told)
        .find_map(|(name, known)| Some((name, way(known, folder)?)));
    if let Some((name, way)) = reached {
        return Ok(Site { backend: name.clone(), new: None, place: place(way) });
    }
    let mut said: Keys = vec![("type", Said::Plain(folder.kind.to_owned()))];
    said.extend(folder.said.iter().map(|(key, value)| {
        let number = if *key == "port" { value.parse().ok() } else { None };
        (*key, number.map_or_else(|| Said::Plain(value.clone()), Said::Number))
    }));
    let has_root =
        schemes::keys_of(folder.kind).is_some_and(|(_, rows)| rows.iter().any(|row| row.name == "root"));
    said.extend((has_root && !folder.path.is_empty()).then(|| ("root", Said::Plain(folder.path.clone()))));
    let place = if has_root || folder.kind == "webdav" { place(String::new()) } else { Vec::new() };
    Ok(Site { backend: free_name(draft, addition, bucket.as_str()), new: Some(said), place })
}

/// Returns the path from the root of a backend to a folder, if the backend reaches that folder.
fn way(known: &Backend, folder: &Folder) -> Option<String> {
    if known.type_name() != folder.kind {
        return None;
    }
    let said = |key: &str| folder.said.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str());
    let is_host = |host: &str| said("host").is_some_and(|said| said.eq_ignore_ascii_case(host));
    let is_port =
        |port: u16, default: u16| said("port").map_or(default.to_string(), str::to_owned) == port.to_string();
    let is_user = |user: &str| said("user").is_none_or(|said| said == user);
    let (is_same, root) = match known {
        Backend::Sftp(sftp) => {
            (is_host(&sftp.host) && is_port(sftp.port.0, 22) && is_user(&sftp.user), sftp.root.as_str())
        }
        Backend::Ftp(ftp) => {
            let tls = known.show().into_iter().find(|(key, _)| *key == "tls").and_then(|(_, value)| value);
            let is_tls = tls.is_some_and(|tls| Some(tls.trim_matches('"')) == said("tls"));
            (is_host(&ftp.host) && is_port(ftp.port(), 21) && is_user(&ftp.user) && is_tls, ftp.root.as_str())
        }
        Backend::Webdav(webdav) => {
            let server = format!("{}://{}", webdav.url.scheme(), webdav.url.authority());
            let is_server = said("url").is_some_and(|url| {
                url.strip_prefix(&server).is_some_and(|path| path.is_empty() || path.starts_with('/'))
            });
            (is_server && is_user(webdav.user.as_deref().unwrap_or_default()), webdav.url.path())
        }
        Backend::Gdrive(gdrive) => (true, gdrive.root.trim_matches('/')),
        Backend::Onedrive(onedrive) => (true, onedrive.root.trim_matches('/')),
        Backend::Dropbox(dropbox) => (true, dropbox.root.trim_matches('/')),
        Backend::Service(service) => (true, service.root.trim_matches('/')),
        _ => (false, ""),
    };
    // A folder that does not begin with '/' is below a folder that only the server knows.
    let at = |path: &str| Location::new(if path.starts_with('/') { "/" } else { "~" }, path);
    let way = if is_same { at(root).way_to(&at(&folder.path)).map(str::to_owned) } else { None };
    // A WebDAV URL has an encoded path, and the prefix of a bucket is plain text.
    let is_encoded = matches!(known, Backend::Webdav(_));
    way.map(|way| {
        if is_encoded {
            percent_encoding::percent_decode_str(&way).decode_utf8_lossy().into_owned()
        } else {
            way
        }
    })
}

/// Adds the settings that were given besides the URL to those of a new backend, and refuses one that lacks a
/// required setting.
pub(super) fn complete(draft: &Draft, addition: &Addition, said: &mut Keys) -> Result<(), EditError> {
    let Some(kind) = said.iter().find_map(|(key, value)| {
        if let ("type", Said::Plain(kind)) = (*key, value) { Some(kind.clone()) } else { None }
    }) else {
        return Ok(());
    };
    let Some((kind, rows)) = schemes::keys_of(&kind) else { return Ok(()) };
    let known = || rows.iter().chain(Layers::ROWS);
    let row = |key: &str, said: &Keys| match known().find(|row| row.name == key) {
        Some(row) if said.iter().any(|(name, _)| *name == key) => {
            refuse(format!("{} is said twice: by the URL or another flag, too", row.name))
        }
        Some(row) => Ok(*row),
        None => {
            let near = nearest(key, known().map(|row| row.name))
                .map(|near| format!("; did you mean '{near}'?"))
                .unwrap_or_default();
            refuse(format!("a backend of type '{kind}' has no setting '{key}'{near}"))
        }
    };
    for (key, value) in &addition.settings {
        let row = row(key, said)?;
        if is_secret(&row) {
            return refuse(format!(
                "{key} is a secret: give it by --secret-env {key}=VARIABLE or --secret-file {key}=FILE"
            ));
        }
        said.push((row.name, Said::Plain(value.clone())));
    }
    for (key, source) in &addition.secrets {
        let row = row(key, said)?;
        if !is_secret(&row) {
            return refuse(format!("{key} is no secret: give it by --set {key}=VALUE"));
        }
        said.push((row.name, Said::Secret(source.read(draft)?)));
    }
    let is_said = |row: &Row| said.iter().any(|(name, _)| *name == row.name);
    let missing: Vec<String> = rows
        .iter()
        .filter(|row| matches!(row.fallback, Fallback::Required) && !is_said(row))
        .map(flag)
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        refuse(format!("a backend of type '{kind}' needs more than its URL tells: {}", missing.join(", ")))
    }
}

pub(super) fn is_secret(row: &Row) -> bool {
    row.kind == SecretSetting::KIND
}

/// Returns the command-line flag of a setting.
fn flag(row: &Row) -> String {
    let name = row.name;
    if is_secret(row) { format!("--secret-env {name}=VARIABLE") } else { format!("--set {name}=VALUE") }
}

/// Returns whether a person still has to authorize the backend.
pub(super) fn awaits_authorization(backend: &Backend) -> bool {
    match backend {
        Backend::Gdrive(gdrive) => gdrive.refresh_token.is_none() && gdrive.service_account.is_none(),
        Backend::Onedrive(onedrive) => onedrive.refresh_token.is_none() && onedrive.client_secret.is_none(),
        Backend::Dropbox(dropbox) => dropbox.refresh_token.is_none(),
        _ => false,
    }
}
