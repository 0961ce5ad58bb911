//! Finds the type of a storage by the URL of a bucket. The schemes and the forms of their URLs are data, in
//! one table. A type without a row there is written as its name with a colon.
//!
//! Invariants: text that looks like a URL or like `user@host:` is never taken for a path; an error never
//! repeats what could be a password.

use super::{
    backend::BACKEND_TYPES,
    provider::{self, ProviderKind, Remote},
    section::Row,
    services,
};
use crate::{
    drivers::opendal::{service, services},
    model::Endpoint,
};
use std::path::PathBuf;

/// What a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Directory(PathBuf),
    /// A bucket or container of an object store.
    Remote(Remote),
    /// A folder of a file storage, or the location on a type that has no scheme of its own.
    Folder(Folder),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folder {
    /// The type of the backend.
    pub(super) kind: &'static str,
    /// The settings of that type that the URL contains.
    pub(super) said: Vec<(&'static str, String)>,
    /// The folder itself. It begins with a `/` if it is an absolute path on a server that also has a folder
    /// for the user.
    pub(super) path: String,
}

/// How the parts of a URL become settings.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// The form `file:///srv/photos`.
    Directory,
    /// The form `s3://BUCKET/PREFIX`, at the provider's own address.
    Bucket(&'static str, ProviderKind),
    /// The form `https://HOST/BUCKET/PREFIX`.
    Endpoint,
    /// The form `sftp://USER@HOST:PORT/FOLDER`, with settings that follow from the scheme.
    Server(&'static str, &'static [(&'static str, &'static str)]),
    /// The form `davs://USER@HOST/FOLDER`: the setting `url` is the same URL with the scheme of HTTP.
    Dav(&'static str),
}

struct Scheme {
    name: &'static str,
    form: Form,
    /// The form of such a URL, as errors show it.
    like: &'static str,
}

const fn scheme(name: &'static str, form: Form, like: &'static str) -> Scheme {
    Scheme { name, form, like }
}

const SCHEMES: &[Scheme] = &[
    scheme("file", Form::Directory, "file:///FOLDER"),
    scheme("s3", Form::Bucket("aws", ProviderKind::S3), "s3://BUCKET/PREFIX"),
    scheme("gs", Form::Bucket("gcs", ProviderKind::Gcs), "gs://BUCKET/PREFIX"),
    scheme("az", Form::Bucket("azure", ProviderKind::Azblob), "az://CONTAINER/PREFIX"),
    scheme("https", Form::Endpoint, "https://HOST/BUCKET/PREFIX"),
    scheme("http", Form::Endpoint, "http://HOST/BUCKET/PREFIX"),
    scheme("sftp", Form::Server("sftp", &[]), "sftp://USER@HOST/FOLDER"),
    scheme("ftps", Form::Server("ftp", &[("tls", "explicit")]), "ftps://USER@HOST/FOLDER"),
    scheme("ftp", Form::Server("ftp", &[("tls", "none")]), "ftp://USER@HOST/FOLDER"),
    scheme("davs", Form::Dav("https"), "davs://USER@HOST/FOLDER"),
    scheme("dav", Form::Dav("http"), "dav://USER@HOST/FOLDER"),
];

/// Types of backends whose scheme has another name, each with that scheme.
const OTHERWISE: &[(&str, &str)] = &[("fs", "file"), ("gcs", "gs"), ("azblob", "az"), ("webdav", "davs")];

/// The port of FTP on which a connection begins with TLS.
const IMPLICIT_TLS: &str = "990";

/// Returns the keys of a type of backend, and the name of that type.
pub(super) fn keys_of(kind: &str) -> Option<(&'static str, Vec<Row>)> {
    let built_in = BACKEND_TYPES.iter().find(|row| row.name == kind).map(|row| (row.name, row.rows.to_vec()));
    built_in.or_else(|| service(kind).map(|service| (service.name, services::rows(service))))
}

/// Returns what a URL names, or why it is wrong. A URL may hold a password, so errors do not repeat it.
pub(super) fn target(url: &str) -> Result<Target, String> {
    if url.is_empty() {
        return Err("the URL is empty".to_owned());
    }
    let Some((before, rest)) = url.split_once(':').filter(|(before, _)| !before.contains('/')) else {
        return Ok(Target::Directory(url.into()));
    };
    if before.contains('@') {
        return Err(of_ssh(before, rest));
    }
    let name = before.to_ascii_lowercase();
    if let Some(scheme) = SCHEMES.iter().find(|scheme| scheme.name == name) {
        let Some(rest) = rest.strip_prefix("//") else {
            return Err(format!("the URL lacks '//': write {}", scheme.like));
        };
        return scheme.target(url, rest);
    }
    if let Some((kind, other)) = OTHERWISE.iter().find(|(kind, _)| *kind == name) {
        let like = SCHEMES.iter().find(|scheme| scheme.name == *other).map_or(*other, |scheme| scheme.like);
        return Err(format!("a backend of type '{kind}' is reached by {like}"));
    }
    match keys_of(&name) {
        Some((kind, rows)) => by_type(kind, &rows, rest.strip_prefix("//").unwrap_or(rest)),
        None => Err(unknown(before, rest)),
    }
}

/// Returns the error for `user@host:folder`, the form of `scp`: it names the right URL.
fn of_ssh(before: &str, rest: &str) -> String {
    let folder = if rest.starts_with('/') { rest.to_owned() } else { format!("/~/{rest}") };
    format!(
        "'{before}:' looks like a folder on another machine, and such are reached by SFTP: write sftp://{before}{folder}. \
         For a local directory of that name write ./ before it"
    )
}

fn unknown(before: &str, rest: &str) -> String {
    let all: Vec<&str> = SCHEMES.iter().map(|scheme| scheme.like).collect();
    let has_scheme = |name: &str| {
        SCHEMES.iter().any(|scheme| scheme.name == name) || OTHERWISE.iter().any(|(kind, _)| *kind == name)
    };
    let types = BACKEND_TYPES.iter().map(|row| row.name).chain(services().map(|service| service.name));
    let types: Vec<String> =
        types.filter(|name| !has_scheme(name)).map(|name| format!("{name}:FOLDER")).collect();
    // The text may be `host:folder`, the form of `scp` without a user.
    let ssh = if rest.starts_with('/') && !rest.starts_with("//") && !before.is_empty() {
        format!(" For a folder of a machine of that name write sftp://USER@{before}{rest}.")
    } else {
        String::new()
    };
    format!(
        "'{before}' is no kind of storage known here.{ssh} For a local directory of that name write ./ before it. Kinds of storage are: {}, {}",
        all.join(", "),
        types.join(", ")
    )
}

fn by_type(kind: &'static str, rows: &[Row], folder: &str) -> Result<Target, String> {
    let path = folder.trim_matches('/').to_owned();
    if !path.is_empty() && !rows.iter().any(|row| row.name == "root") {
        return Err(format!(
            "a backend of type '{kind}' has no folders: write '{kind}:', and its settings by --set KEY=VALUE"
        ));
    }
    plain(&path)?;
    Ok(Target::Folder(Folder { kind, said: Vec::new(), path }))
}

impl Scheme {
    fn target(&self, url: &str, rest: &str) -> Result<Target, String> {
        match self.form {
            Form::Directory if rest.starts_with('/') => Ok(Target::Directory(rest.into())),
            Form::Directory => Err("a file URL begins with file:///".to_owned()),
            Form::Bucket(provider, kind) => provider::short(provider, kind, rest).map(Target::Remote),
            Form::Endpoint => provider::endpoint(url).map(Target::Remote),
            Form::Server(kind, follows) => self.server(kind, follows, rest),
            Form::Dav(scheme) => self.dav(scheme, rest),
        }
    }

    fn server(
        &self,
        kind: &'static str,
        follows: &[(&'static str, &str)],
        rest: &str,
    ) -> Result<Target, String> {
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (user, authority) = self.user(authority)?;
        let (host, port) =
            host_and_port(authority).ok_or_else(|| format!("the URL must be like {}", self.like))?;
        let path = decoded(path)?;
        let path = match path.strip_prefix("/~") {
            Some(below) if below.is_empty() || below.starts_with('/') => below.trim_matches('/').to_owned(),
            _ if path.is_empty() => String::new(),
            _ => format!("/{}", path.trim_matches('/')),
        };
        plain(&path)?;
        let mut said = vec![("host", host.to_owned())];
        said.extend(port.map(|port| ("port", port.to_owned())));
        said.extend(user.map(|user| ("user", user)));
        let implicit = kind == "ftp" && self.name == "ftps" && port == Some(IMPLICIT_TLS);
        said.extend(
            follows.iter().map(|(key, value)| (*key, if implicit { "implicit" } else { *value }.to_owned())),
        );
        Ok(Target::Folder(Folder { kind, said, path }))
    }

    fn dav(&self, scheme: &str, rest: &str) -> Result<Target, String> {
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (user, authority) = self.user(authority)?;
        let url = Endpoint::parse(&format!("{scheme}://{authority}{path}"));
        let url = url.ok_or_else(|| format!("the URL must be like {}, without a query", self.like))?;
        let mut said = vec![("url", url.to_string())];
        said.extend(user.map(|user| ("user", user)));
        Ok(Target::Folder(Folder { kind: "webdav", said, path: url.path().to_owned() }))
    }

    /// Returns the user before a host. A password is refused: it would be in the history of the shell.
    fn user<'a>(&self, authority: &'a str) -> Result<(Option<String>, &'a str), String> {
        match authority.rsplit_once('@') {
            None => Ok((None, authority)),
            Some((user, _)) if user.contains(':') => Err(format!(
                "the URL holds a password, which other users and the history of the shell can see: write {}, and give the password by \
                 --secret-env password=VARIABLE or --secret-file password=FILE",
                self.like
            )),
            Some(("", _)) => Err(format!("the URL names no user before '@': write {}", self.like)),
            Some((user, host)) => Ok((Some(decoded(user)?), host)),
        }
    }
}

/// Parses `nas.local`, `192.0.2.7:2222` or `[2001:db8::1]:2222`. An IPv6 address is returned without its
/// brackets.
fn host_and_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    (!host.is_empty() && host.chars().all(is_name) && port.is_none_or(is_port)).then_some((host, port))
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
    decoded
        .map(|text| text.into_owned())
        .map_err(|_| "the URL is not UTF-8 once its percent signs are decoded".to_owned())
}

/// Refuses path segments such as `..`, which would lead to another folder than it seems.
fn plain(path: &str) -> Result<(), String> {
    if path.contains('\0') || path.split('/').any(|name| matches!(name, "." | "..")) {
        return Err("the folder of a URL must not have '.' or '..' in it".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns type, settings and folder in one line.
    fn shown(url: &str) -> String {
        match target(url) {
            Ok(Target::Directory(path)) => format!("fs {}", path.display()),
            Ok(Target::Remote(remote)) => format!("{} {}", remote.kind.as_str(), remote.name),
            Ok(Target::Folder(folder)) => {
                let said: Vec<String> =
                    folder.said.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("{} {} {:?}", folder.kind, said.join(" "), folder.path)
            }
            Err(why) => why,
        }
    }

    #[test]
    fn each_scheme_leads_to_its_type_and_settings() {
        for (url, expected) in [
            ("/srv/photos", "fs /srv/photos"),
            ("photos", "fs photos"),
            ("./a:b", "fs ./a:b"),
            ("deep/a:b", "fs deep/a:b"),
            ("file:///srv/photos", "fs /srv/photos"),
            ("s3://photos/a", "s3 photos"),
            ("https://minio.example.com/photos", "s3 photos"),
            ("sftp://me@nas.local/srv/photos", "sftp host=nas.local user=me \"/srv/photos\""),
            ("SFTP://me@nas.local:2222/srv/photos/", "sftp host=nas.local port=2222 user=me \"/srv/photos\""),
            ("sftp://me@[2001:db8::1]:2222/~/photos", "sftp host=2001:db8::1 port=2222 user=me \"photos\""),
            ("sftp://nas.local", "sftp host=nas.local \"\""),
            ("sftp://a%40b@nas/with%20blank", "sftp host=nas user=a@b \"/with blank\""),
            ("ftp://me@host/pub", "ftp host=host user=me tls=none \"/pub\""),
            ("ftps://me@host/pub", "ftp host=host user=me tls=explicit \"/pub\""),
            ("ftps://me@host:990/pub", "ftp host=host port=990 user=me tls=implicit \"/pub\""),
            (
                "davs://me@cloud.example.com/dav/me",
                "webdav url=https://cloud.example.com/dav/me user=me \"/dav/me\"",
            ),
            ("dav://127.0.0.1:8080/x/", "webdav url=http://127.0.0.1:8080/x \"/x\""),
            ("gdrive:objects/photos", "gdrive  \"objects/photos\""),
            ("gdrive://objects/photos/", "gdrive  \"objects/photos\""),
            ("onedrive:", "onedrive  \"\""),
            ("dropbox:photos", "dropbox  \"photos\""),
            ("b2:photos", "b2  \"photos\""),
            ("memory:", "memory  \"\""),
            ("null:", "null  \"\""),
        ] {
            assert_eq!(shown(url), expected, "{url}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused_with_what_to_write_and_without_passwords() {
        for (url, words) in [
            ("", "empty"),
            ("root@nas.local:/srv", "write sftp://root@nas.local/srv"),
            ("root@nas.local:photos", "write sftp://root@nas.local/~/photos"),
            ("nas.local:/srv", "write sftp://USER@nas.local/srv"),
            ("s3:photos", "write s3://BUCKET/PREFIX"),
            ("smb://nas/photos", "'smb' is no kind of storage known here"),
            ("c:\\photos", "write ./ before it"),
            (":photos", "is no kind of storage"),
            ("webdav:photos", "is reached by davs://USER@HOST/FOLDER"),
            ("memory:photos", "has no folders"),
            ("file://photos", "file:///"),
            ("sftp://me:hunter2@nas/srv", "--secret-env password=VARIABLE"),
            ("davs://me:hunter2@cloud/x", "--secret-env password=VARIABLE"),
            ("davs://cloud/x?token=hunter2", "without a query"),
            ("sftp:///srv", "must be like sftp://USER@HOST/FOLDER"),
            ("sftp://nas:port/srv", "must be like"),
            ("sftp://@nas/srv", "names no user"),
            ("sftp://nas/../etc", "'..'"),
            ("gdrive:a/../b", "'..'"),
            ("ftp://user:hunter2@example.com/photos", "--secret-file password=FILE"),
        ] {
            let said = shown(url);
            assert!(said.contains(words) && !said.contains("hunter2"), "{url}: {said}");
        }
    }

    #[test]
    fn every_type_of_backend_can_be_reached_or_says_how() {
        let names = BACKEND_TYPES.iter().map(|row| row.name).chain(services().map(|service| service.name));
        for name in names {
            let said = shown(&format!("{name}:"));
            assert!(!said.contains("is no kind of storage"), "{name}: {said}");
        }
    }

    proptest! {
        /// Text with a colon in its first segment is never a local path, whatever precedes the colon.
        #[test]
        fn a_colon_in_the_first_segment_is_never_a_path(before in "[^/:]{0,12}", rest in ".{0,24}") {
            let is_path = matches!(target(&format!("{before}:{rest}")), Ok(Target::Directory(_)));
            prop_assert!(!is_path || before.eq_ignore_ascii_case("file"));
        }

        #[test]
        fn a_path_that_begins_with_a_dot_or_a_slash_is_a_path(rest in ".{0,24}") {
            for start in ["/", "./"] {
                let path = format!("{start}{rest}");
                prop_assert_eq!(target(&path), Ok(Target::Directory(path.clone().into())));
            }
        }
    }
}
