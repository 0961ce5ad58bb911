//! Finds the provider of an object store by the URL of a bucket. The known providers are data: a table of
//! their hosts.

use crate::model::Endpoint;

/// A bucket or container, and its location, as far as its URL shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remote {
    /// The known provider. A backend for it has this name, unless the operator names it.
    pub(super) provider: Option<&'static str>,
    pub(super) kind: ProviderKind,
    /// `None`: the endpoint is the default of the backend's type.
    pub(super) endpoint: Option<Endpoint>,
    /// The region, if the host names it.
    pub(super) region: Option<String>,
    /// The account of Azure, if the host names it.
    pub(super) account: Option<String>,
    /// The name of the bucket or container.
    pub(super) name: String,
    /// The prefix, without slashes around it.
    pub(super) prefix: String,
}

/// A type of backend that has buckets or containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProviderKind {
    S3,
    Gcs,
    Azblob,
}

impl ProviderKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gcs",
            Self::Azblob => "azblob",
        }
    }
}

/// The pattern of a provider's hosts. `{bucket}` stands for one label or more, and is only at the beginning;
/// `{region}` and `{account}` stand for one label.
struct Host {
    pattern: &'static str,
    provider: &'static str,
    kind: ProviderKind,
    /// The region, if the pattern has none.
    region: Option<&'static str>,
    /// The endpoint follows from region or account, so the backend need not name it.
    implied: bool,
}

const fn host(pattern: &'static str, provider: &'static str, region: Option<&'static str>) -> Host {
    Host { pattern, provider, kind: ProviderKind::S3, region, implied: false }
}

const fn implied(
    pattern: &'static str,
    provider: &'static str,
    kind: ProviderKind,
    region: Option<&'static str>,
) -> Host {
    Host { pattern, provider, kind, region, implied: true }
}

/// The first pattern that matches is used.
const HOSTS: &[Host] = &[
    implied("s3.amazonaws.com", "aws", ProviderKind::S3, Some("us-east-1")),
    implied("s3.{region}.amazonaws.com", "aws", ProviderKind::S3, None),
    implied("{bucket}.s3.amazonaws.com", "aws", ProviderKind::S3, Some("us-east-1")),
    implied("{bucket}.s3.{region}.amazonaws.com", "aws", ProviderKind::S3, None),
    implied("storage.googleapis.com", "gcs", ProviderKind::Gcs, None),
    implied("{bucket}.storage.googleapis.com", "gcs", ProviderKind::Gcs, None),
    implied("{account}.blob.core.windows.net", "azure", ProviderKind::Azblob, None),
    host("{account}.r2.cloudflarestorage.com", "r2", Some("auto")),
    host("{account}.eu.r2.cloudflarestorage.com", "r2", Some("auto")),
    host("{account}.fedramp.r2.cloudflarestorage.com", "r2", Some("auto")),
    host("s3.wasabisys.com", "wasabi", Some("us-east-1")),
    host("s3.{region}.wasabisys.com", "wasabi", None),
    host("{bucket}.s3.{region}.wasabisys.com", "wasabi", None),
    host("s3.{region}.backblazeb2.com", "b2", None),
    host("{bucket}.s3.{region}.backblazeb2.com", "b2", None),
    host("{region}.digitaloceanspaces.com", "spaces", None),
    host("{bucket}.{region}.digitaloceanspaces.com", "spaces", None),
];

/// The parts of a host that its pattern names.
#[derive(Debug, Default)]
struct Named {
    bucket: Option<String>,
    region: Option<String>,
    account: Option<String>,
}

impl Host {
    fn matched(&self, host: &str) -> Option<Named> {
        let mut named = Named::default();
        let mut labels: Vec<&str> = host.split('.').collect();
        for pattern in self.pattern.rsplit('.') {
            if pattern == "{bucket}" {
                named.bucket = (!labels.is_empty()).then(|| labels.join("."));
                return named.bucket.is_some().then_some(named);
            }
            let label = labels.pop()?;
            match pattern {
                "{region}" => named.region = Some(label.to_owned()),
                "{account}" => named.account = Some(label.to_owned()),
                same if same == label => {}
                _ => return None,
            }
        }
        labels.is_empty().then_some(named)
    }
}

/// Parses `s3://BUCKET/PREFIX`. `rest` is what follows the slashes.
pub(super) fn short(provider: &'static str, kind: ProviderKind, rest: &str) -> Result<Remote, String> {
    let (name, prefix) = split(rest);
    remote(Remote {
        provider: Some(provider),
        kind,
        endpoint: None,
        region: None,
        account: None,
        name,
        prefix,
    })
}

fn split(path: &str) -> (String, String) {
    let (name, prefix) = path.split_once('/').unwrap_or((path, ""));
    (name.to_owned(), prefix.trim_matches('/').to_owned())
}

fn remote(remote: Remote) -> Result<Remote, String> {
    if remote.name.is_empty() {
        let what = if remote.kind == ProviderKind::Azblob { "container" } else { "bucket" };
        return Err(format!("the URL names no {what}: it comes first in the path"));
    }
    Ok(remote)
}

/// Parses `https://HOST/BUCKET/PREFIX`. A URL may hold a password, so errors do not repeat it.
pub(super) fn endpoint(url: &str) -> Result<Remote, String> {
    let whole = Endpoint::parse(url).ok_or(
        "the URL must be like https://HOST/BUCKET or https://HOST/BUCKET/PREFIX, without user and query",
    )?;
    let path = whole.path().trim_start_matches('/');
    let host = whole.host().to_ascii_lowercase();
    let known = HOSTS.iter().find_map(|row| Some((row, row.matched(&host)?)));
    let (provider, kind) =
        known.as_ref().map_or((None, ProviderKind::S3), |(row, _)| (Some(row.provider), row.kind));
    let (row, named) = known.map_or((None, Named::default()), |(row, named)| (Some(row), named));
    // If the host names the bucket, the whole path is the prefix.
    let authority = named
        .bucket
        .as_ref()
        .and_then(|bucket| whole.authority().get(bucket.len() + 1..))
        .unwrap_or(whole.authority());
    let (name, prefix) = match &named.bucket {
        Some(bucket) => (bucket.clone(), path.trim_matches('/').to_owned()),
        None => split(path),
    };
    let endpoint = if row.is_some_and(|row| row.implied) {
        None
    } else {
        Endpoint::parse(&format!("{}://{authority}", whole.scheme()))
    };
    let region = named.region.or_else(|| row.and_then(|row| row.region).map(str::to_owned));
    let account = named.account.filter(|_| kind == ProviderKind::Azblob);
    remote(Remote { provider, kind, endpoint, region, account, name, prefix })
}

#[cfg(test)]
mod tests {
    use super::super::schemes::{Target, target};

    /// Returns type, provider, endpoint, region, bucket and prefix in one line.
    fn shown(url: &str) -> String {
        match target(url) {
            Ok(Target::Directory(_) | Target::Folder(_)) => panic!("{url} is on an object store"),
            Ok(Target::Remote(it)) => {
                let said = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
                let endpoint = said(it.endpoint.map(|endpoint| endpoint.to_string()));
                let at = said(it.region.or(it.account));
                format!(
                    "{} {} {endpoint} {at} {} {:?}",
                    it.kind.as_str(),
                    it.provider.unwrap_or("?"),
                    it.name,
                    it.prefix
                )
            }
            Err(why) => why,
        }
    }

    #[test]
    fn providers_are_told_by_their_urls() {
        for (url, expected) in [
            ("s3://photos", "s3 aws - - photos \"\""),
            ("s3://photos/2024/summer/", "s3 aws - - photos \"2024/summer\""),
            ("gs://photos/a", "gcs gcs - - photos \"a\""),
            ("az://photos/a", "azblob azure - - photos \"a\""),
            ("https://s3.amazonaws.com/photos", "s3 aws - us-east-1 photos \"\""),
            ("https://s3.eu-west-3.amazonaws.com/photos/a", "s3 aws - eu-west-3 photos \"a\""),
            ("https://my.photos.s3.eu-west-3.amazonaws.com/a", "s3 aws - eu-west-3 my.photos \"a\""),
            ("https://my.photos.s3.amazonaws.com", "s3 aws - us-east-1 my.photos \"\""),
            (
                "https://0123.r2.cloudflarestorage.com/photos",
                "s3 r2 https://0123.r2.cloudflarestorage.com auto photos \"\"",
            ),
            (
                "https://0123.eu.r2.cloudflarestorage.com/photos",
                "s3 r2 https://0123.eu.r2.cloudflarestorage.com auto photos \"\"",
            ),
            ("https://s3.wasabisys.com/photos", "s3 wasabi https://s3.wasabisys.com us-east-1 photos \"\""),
            (
                "https://s3.eu-central-1.wasabisys.com/photos",
                "s3 wasabi https://s3.eu-central-1.wasabisys.com eu-central-1 photos \"\"",
            ),
            (
                "https://s3.us-west-004.backblazeb2.com/photos",
                "s3 b2 https://s3.us-west-004.backblazeb2.com us-west-004 photos \"\"",
            ),
            (
                "https://ams3.digitaloceanspaces.com/photos/a",
                "s3 spaces https://ams3.digitaloceanspaces.com ams3 photos \"a\"",
            ),
            (
                "https://photos.ams3.digitaloceanspaces.com/a",
                "s3 spaces https://ams3.digitaloceanspaces.com ams3 photos \"a\"",
            ),
            ("https://storage.googleapis.com/photos", "gcs gcs - - photos \"\""),
            ("https://my.photos.storage.googleapis.com/a/b", "gcs gcs - - my.photos \"a/b\""),
            ("https://acme.blob.core.windows.net/photos/a", "azblob azure - acme photos \"a\""),
            ("https://minio.example.com:9000/photos/a", "s3 ? https://minio.example.com:9000 - photos \"a\""),
            ("http://127.0.0.1:9000/photos", "s3 ? http://127.0.0.1:9000 - photos \"\""),
        ] {
            assert_eq!(shown(url), expected, "{url}");
        }
    }

    #[test]
    fn urls_that_mean_nothing_are_refused_without_being_repeated() {
        for (url, words) in [
            ("s3://", "names no bucket"),
            ("az:///a", "names no container"),
            ("https://minio.example.com", "names no bucket"),
            ("https://acme.blob.core.windows.net/", "names no container"),
            ("https://user:hunter2@minio.example.com/photos", "without user"),
            ("https://minio.example.com/photos?key=hunter2", "without user and query"),
        ] {
            let said = shown(url);
            assert!(said.contains(words) && !said.contains("hunter2"), "{url}: {said}");
        }
    }
}
