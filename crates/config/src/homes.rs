//! The location of each backend's buckets, as far as its settings show it. It serves to find two backends on
//! one storage.
//!
//! Only settings are compared. A storage that is reached under two names or by two accounts counts as two.

use super::{
    backend::Backend, bucket::Bucket, object_stores::AzblobBackend, replicated::ReplicatedBackend,
    secret::SecretSetting, settings::Settings,
};
use crate::model::{BucketName, Endpoint, Location};
use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

impl Settings {
    /// Returns the location of each backend's buckets, by the backend's name. Replicated backends are left
    /// out: their buckets are on other backends.
    pub fn homes(&self) -> BTreeMap<String, Location> {
        self.backends.keys().filter_map(|name| Some((name.clone(), self.home(name)?))).collect()
    }

    fn home(&self, name: &str) -> Option<Location> {
        let bottom = self.bottom(name);
        home(bottom, self.backends.get(bottom)?)
    }

    /// Returns the backends that hold a bucket of the configuration, and its location on each. There are
    /// several if its backend is replicated.
    pub fn places_of(&self, name: &BucketName, bucket: &Bucket) -> Vec<(String, String)> {
        let backend = self.backend_of(bucket);
        if let Some(Backend::Replicated(ReplicatedBackend { backends, .. })) =
            self.backends.get(self.bottom(backend))
        {
            let alone =
                |member: &String| Bucket { backend: Some(member.clone()), remote: None, ..bucket.clone() };
            return backends.0.iter().flat_map(|member| self.places_of(name, &alone(member))).collect();
        }
        vec![(backend.to_owned(), self.place_of(name, bucket))]
    }

    pub(super) fn locations_of(&self, name: &BucketName, bucket: &Bucket) -> Vec<Location> {
        let at = |(backend, place): (String, String)| Some(self.home(&backend)?.below(&place));
        self.places_of(name, bucket).into_iter().filter_map(at).collect()
    }
}

fn home(name: &str, backend: &Backend) -> Option<Location> {
    Some(match backend {
        Backend::Fs(fs) => Location::new("file", &settled(&fs.root)),
        Backend::Memory(_) => Location::new(format!("memory {name}"), ""),
        Backend::Null(_) => Location::new(format!("null {name}"), ""),
        Backend::S3(s3) => match &s3.endpoint {
            Some(endpoint) if !endpoint.host().ends_with(".amazonaws.com") => Location::new(at(endpoint), ""),
            // The names of buckets are unique at Amazon, not only in one region.
            _ => Location::new("aws", ""),
        },
        Backend::Gcs(gcs) => Location::new(at(&gcs.endpoint), ""),
        Backend::Azblob(azblob) => Location::new(account(azblob), ""),
        Backend::Sftp(sftp) => folder(
            format!("sftp {}@{}:{}", sftp.user, sftp.host.to_ascii_lowercase(), sftp.port.0),
            &sftp.root,
        ),
        Backend::Ftp(ftp) => {
            folder(format!("ftp {}@{}:{}", ftp.user, ftp.host.to_ascii_lowercase(), ftp.port()), &ftp.root)
        }
        Backend::Webdav(webdav) => {
            Location::new(format!("dav {}", webdav.url.authority().to_ascii_lowercase()), webdav.url.path())
        }
        Backend::Gdrive(gdrive) => {
            let place = match (&gdrive.folder, &gdrive.drive) {
                (Some(folder), _) => format!("folder {folder}"),
                (None, Some(drive)) => format!("drive {drive}"),
                (None, None) => fingerprint(&[
                    secret(&gdrive.refresh_token),
                    secret(&gdrive.service_account),
                    text(&gdrive.subject),
                ]),
            };
            Location::new(format!("gdrive {} {place}", at(&gdrive.endpoint)), &gdrive.root)
        }
        Backend::Onedrive(onedrive) => {
            let place = match &onedrive.drive {
                Some(drive) => format!("drive {drive}"),
                None => fingerprint(&[&onedrive.client_id, secret(&onedrive.refresh_token)]),
            };
            Location::new(format!("onedrive {} {place}", at(&onedrive.endpoint)), &onedrive.root)
        }
        Backend::Dropbox(dropbox) => {
            let account = fingerprint(&[&dropbox.client_id, secret(&dropbox.refresh_token)]);
            Location::new(format!("dropbox {} {account}", at(&dropbox.endpoint)), &dropbox.root)
        }
        Backend::Service(service) => {
            let said: Vec<_> = service.options.iter().map(|(name, given)| (*name, given.text())).collect();
            let said: Vec<&str> = said.iter().flat_map(|(name, text)| [*name, text.expose()]).collect();
            let hosts: Vec<String> =
                service.hosts.iter().map(|(host, endpoint)| format!("{host}={endpoint}")).collect();
            Location::new(
                format!("{} {} {}", service.service.name, hosts.join(","), fingerprint(&said)),
                &service.root,
            )
        }
        Backend::Faulty(_) | Backend::Replicated(_) => return None,
    })
}

/// Returns the absolute path, with links resolved as far as it exists. A root that does not exist yet may
/// later turn out to be the same as another one.
fn settled(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    std::fs::canonicalize(&absolute).unwrap_or(absolute).to_string_lossy().into_owned()
}

/// Returns the same text for every type of backend that reaches the storage: an object store may be
/// configured under several types.
fn at(endpoint: &Endpoint) -> String {
    let authority = endpoint.authority().to_ascii_lowercase();
    let port = if endpoint.scheme() == "https" { ":443" } else { ":80" };
    format!("{}{}", authority.strip_suffix(port).unwrap_or(&authority), endpoint.path())
}

/// Returns the location of a root. Without a `/` at its beginning it is below a folder that only the server
/// knows.
fn folder(server: String, root: &str) -> Location {
    let storage = if root.starts_with('/') { server } else { format!("{server} ~") };
    Location::new(storage, root)
}

fn account(azblob: &AzblobBackend) -> String {
    let host = |account: &str| format!("{account}.blob.core.windows.net");
    if let Some(endpoint) = &azblob.endpoint {
        return at(endpoint);
    }
    let connection = secret(&azblob.connection_string);
    let part =
        |name: &str| connection.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
    match (azblob.account.as_deref().or(part("AccountName")), part("BlobEndpoint").and_then(Endpoint::parse))
    {
        (_, Some(endpoint)) => at(&endpoint),
        (Some(account), None) => host(account),
        (None, None) => format!("azure {}", fingerprint(&[connection])),
    }
}

fn secret(setting: &Option<SecretSetting>) -> &str {
    setting.as_ref().map_or("", |setting| setting.secret.expose())
}

fn text(setting: &Option<String>) -> &str {
    setting.as_deref().unwrap_or_default()
}

/// Returns a hash of credentials: it distinguishes accounts without keeping the credentials.
fn fingerprint(said: &[&str]) -> String {
    let mut hasher = DefaultHasher::new();
    said.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
