//! The settings of one storage by its URL alone, for commands that work on it without a configuration.
//!
//! Owns which settings follow from a URL and from the environment: credentials, addresses and regions come
//! from where the provider's own tools look for them. It reads no configuration of Causeway, and connects to
//! nothing.
//!
//! Invariant: a secret is never taken from the URL, which other users and the history of the shell can see.

mod aws;

use super::{
    error::{ConfigErrors, Origin},
    provider::{ProviderKind, Remote},
    schemes::{self, Folder, Target},
    section::Row,
    settings::Settings,
    tree::{Node, Table},
};
use crate::model::BucketName;
use std::collections::BTreeMap;

/// The name of the one backend and of the one bucket in the settings.
pub const AT_URL: &str = "end";

/// How to look for credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// The profile of AWS's files.
    pub profile: Option<String>,
    /// Send requests without credentials.
    pub anonymous: bool,
}

/// What the path of a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// A folder, or all of a bucket.
    Folder,
    /// One object.
    Object,
}

/// One storage, as settings with one backend and one bucket.
#[derive(Debug)]
pub struct AtUrl {
    pub settings: Settings,
    pub bucket: BucketName,
    /// The key or the prefix in the bucket.
    pub path: String,
}

/// Why a URL leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Settings(#[from] ConfigErrors),
}

/// Settings by their paths, with their values.
type Said = Vec<(&'static str, &'static str, String)>;

/// Returns the settings of the storage at a URL. A folder of files is opened at the path of the URL, or at the
/// folder above it if the path names an object.
pub fn at_url(
    url: &str,
    named: Named,
    search: &Search,
    environment: &BTreeMap<String, String>,
) -> Result<AtUrl, UrlError> {
    let target = schemes::target(url).map_err(UrlError::Refused)?;
    let around = Around { environment, search };
    let (said, path) = match target {
        Target::Directory(_) => return Err(UrlError::Refused("a path is no URL of a storage".to_owned())),
        Target::Remote(remote) => {
            let is_folder = url.ends_with('/') && !remote.prefix.is_empty();
            let path = format!("{}{}", remote.prefix, if is_folder { "/" } else { "" });
            (around.object_store(remote).map_err(UrlError::Refused)?, path)
        }
        Target::Folder(folder) => around.folder(folder, named).map_err(UrlError::Refused)?,
    };
    let mut tree = Table::new();
    for (section, key, value) in said {
        let path = [section, AT_URL, key].map(str::to_owned);
        let set = super::environment::set(&mut tree, &path, Node::text(value, Origin::Flag("the URL")));
        set.map_err(UrlError::Refused)?;
    }
    let bucket = BucketName::parse(AT_URL).map_err(|why| UrlError::Refused(why.to_string()))?;
    Ok(AtUrl { settings: Settings::of_tree(tree, environment)?, bucket, path })
}

/// What is around a URL.
struct Around<'a> {
    environment: &'a BTreeMap<String, String>,
    search: &'a Search,
}

impl Around<'_> {
    fn variable(&self, names: &[&str]) -> Option<String> {
        let set = |name: &&str| self.environment.get(*name).filter(|value| !value.is_empty());
        names.iter().find_map(set).cloned()
    }

    fn object_store(&self, remote: Remote) -> Result<Said, String> {
        let mut said = vec![
            ("backend", "type", remote.kind.as_str().to_owned()),
            ("bucket", "backend", AT_URL.to_owned()),
            ("bucket", "remote", remote.name.clone()),
            ("bucket", "prefix", String::new()),
        ];
        let keys = match remote.kind {
            ProviderKind::S3 => self.s3(&remote)?,
            ProviderKind::Gcs => self.gcs(&remote),
            ProviderKind::Azblob => self.azblob(&remote)?,
        };
        said.extend(keys.into_iter().map(|(key, value)| ("backend", key, value)));
        if self.search.anonymous && remote.kind != ProviderKind::Azblob {
            said.push(("backend", "anonymous", "true".to_owned()));
        }
        Ok(said)
    }

    fn s3(&self, remote: &Remote) -> Result<Vec<(&'static str, String)>, String> {
        let profile = aws::profile(self.environment, self.search.profile.as_deref())?;
        // An address in the URL is not changed by the environment.
        let endpoint = remote.endpoint.as_ref().map(ToString::to_string).or_else(|| {
            let is_told = remote.region.is_some();
            let told = || self.variable(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]);
            if is_told { None } else { told().or(profile.endpoint) }
        });
        let region = remote
            .region
            .clone()
            .or_else(|| self.variable(&["AWS_REGION", "AWS_DEFAULT_REGION"]))
            .or(profile.region);
        let mut keys = Vec::new();
        keys.extend(endpoint.map(|endpoint| ("endpoint", endpoint)));
        keys.extend(region.map(|region| ("region", region)));
        keys.extend(self.search.profile.clone().map(|profile| ("profile", profile)));
        keys.extend(self.variable(&["AWS_CA_BUNDLE"]).map(|file| ("ca_file", file)));
        Ok(keys)
    }

    fn gcs(&self, remote: &Remote) -> Vec<(&'static str, String)> {
        let emulator = || {
            let host = self.variable(&["STORAGE_EMULATOR_HOST"])?;
            Some(if host.contains("://") { host } else { format!("http://{host}") })
        };
        let endpoint = remote.endpoint.as_ref().map(ToString::to_string).or_else(emulator);
        endpoint.map(|endpoint| ("endpoint", endpoint)).into_iter().collect()
    }

    fn azblob(&self, remote: &Remote) -> Result<Vec<(&'static str, String)>, String> {
        let told = self.variable(&["AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"]);
        if remote.account.is_none()
            && let Some(connection) = self.variable(&["AZURE_STORAGE_CONNECTION_STRING"])
        {
            return Ok(vec![("connection_string", connection)]);
        }
        let account = remote.account.clone().or(told).ok_or(
            "the URL names no account of Azure: set AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCOUNT, \
             or write https://ACCOUNT.blob.core.windows.net/CONTAINER",
        )?;
        let mut keys = vec![("account", account)];
        keys.extend(
            self.variable(&["AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY"])
                .map(|key| ("account_key", key)),
        );
        keys.extend(self.variable(&["AZURE_STORAGE_SAS_TOKEN"]).map(|sas| ("sas", sas)));
        Ok(keys)
    }

    /// Returns the settings of files in folders, and the path below the folder that is opened.
    fn folder(&self, folder: Folder, named: Named) -> Result<(Said, String), String> {
        let Some((kind, rows)) = schemes::keys_of(folder.kind) else {
            return Err(format!("'{}' is no kind of storage known here", folder.kind));
        };
        if folder.said.is_empty() {
            return Err(format!(
                "a storage of type '{kind}' needs more settings than a URL tells: write them in the configuration as \
                 [backend.NAME], and then NAME:PATH instead"
            ));
        }
        let (root, path) = match (named, folder.path.rsplit_once('/')) {
            (Named::Folder, _) => (folder.path.as_str(), String::new()),
            (Named::Object, Some((above, name))) => {
                (if above.is_empty() { "/" } else { above }, name.to_owned())
            }
            (Named::Object, None) => ("", folder.path.clone()),
        };
        let has = |name: &str| rows.iter().any(|row: &Row| row.name == name);
        let mut said: Said = vec![
            ("backend", "type", kind.to_owned()),
            ("bucket", "backend", AT_URL.to_owned()),
            ("bucket", "prefix", String::new()),
        ];
        let is_told = |key: &str| folder.said.iter().any(|(name, _)| *name == key);
        if has("user") && !is_told("user") && kind != "webdav" {
            let user = self.variable(&["USER", "LOGNAME"]);
            let user = user.ok_or("the URL names no user, and neither USER nor LOGNAME is set")?;
            said.push(("backend", "user", user));
        }
        if kind == "webdav" && named == Named::Object {
            return Err(
                "an object of a WebDAV server is reached by a backend of the configuration".to_owned()
            );
        }
        let keys = folder.said.iter().map(|(key, value)| ("backend", *key, value.clone()));
        said.extend(keys);
        if has("root") && !root.is_empty() {
            said.push(("backend", "root", root.to_owned()));
        }
        if kind == "sftp" && self.variable(&["SSH_AUTH_SOCK"]).is_none() {
            said.extend(self.ssh_key().map(|file| ("backend", "private_key", file)));
        }
        Ok((said, path))
    }

    /// Returns the first private key of the user that is there and that no passphrase protects.
    fn ssh_key(&self) -> Option<String> {
        let folder = std::path::Path::new(self.environment.get("HOME")?).join(".ssh");
        let read = |name: &&str| std::fs::read_to_string(folder.join(name)).ok();
        ["id_ed25519", "id_ecdsa", "id_rsa"].iter().find_map(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// Returns the address of the storage, the location in it, and the path, or the error.
    fn shown(url: &str, named: Named, variables: &[(&str, &str)]) -> String {
        match at_url(url, named, &Search::default(), &environment(variables)) {
            Ok(AtUrl { settings, bucket, path }) => {
                format!("{} {path:?}", settings.location_of(&bucket, &settings.buckets[&bucket]))
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_url_and_the_environment_say_where_the_storage_is() {
        let at = |url: &str, variables: &[(&str, &str)]| shown(url, Named::Folder, variables);
        let local = ("AWS_ENDPOINT_URL", "http://127.0.0.1:9000");
        assert_eq!(at("s3://photos/2024/", &[local]), "http://127.0.0.1:9000/photos \"2024/\"");
        assert_eq!(
            at("s3://photos", &[local, ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9009")]),
            "http://127.0.0.1:9009/photos \"\""
        );
        assert_eq!(at("http://h:1/photos/a", &[local]), "http://h:1/photos \"a\"");
        assert_eq!(
            at("gs://photos/a", &[("STORAGE_EMULATOR_HOST", "127.0.0.1:4443")]),
            "http://127.0.0.1:4443/photos \"a\""
        );
        assert!(at("az://photos", &[]).contains("AZURE_STORAGE_CONNECTION_STRING"));
        assert!(
            at("az://photos/x", &[("AZURE_STORAGE_ACCOUNT", "acme"), ("AZURE_STORAGE_KEY", "a2V5")])
                .ends_with("\"x\"")
        );
        assert!(at("gdrive:photos", &[]).contains("[backend.NAME]"));
        assert!(at("sftp://nas/srv", &[]).contains("names no user"));
    }

    #[test]
    fn a_folder_is_opened_at_its_path_and_an_object_in_the_folder_above_it() {
        let user = [("USER", "me")];
        for (url, named, expected) in [
            ("sftp://nas/srv/photos", Named::Folder, "sftp://me@nas/srv/photos \"\""),
            ("sftp://nas/srv/photos/a.jpg", Named::Object, "sftp://me@nas/srv/photos \"a.jpg\""),
            ("sftp://you@nas/a.jpg", Named::Object, "sftp://you@nas/ \"a.jpg\""),
            ("sftp://nas/~/a.jpg", Named::Object, "sftp://me@nas \"a.jpg\""),
        ] {
            assert_eq!(shown(url, named, &user), expected, "{url}");
        }
    }
}
