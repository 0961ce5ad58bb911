//! Which of the forms of an end an argument is, by its text alone.
//!
//! `.`, `..`, and what begins with `./`, `../`, `/`, `~/` or `file:` is a local path. What has `://` in it is a
//! URL. `NAME:PATH` is a path of a backend of the configuration. Everything else is `BUCKET/KEY`.

use super::Failure;
use crate::model::BucketName;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndName {
    Local(LocalPath),
    Bucket { bucket: BucketName, path: String },
    Backend { backend: String, path: String },
    Url(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPath {
    pub path: PathBuf,
    /// It was written with a `/` at its end, or is one of `.` and `..`.
    pub is_folder: bool,
}

impl EndName {
    /// `home` is where `~` leads.
    pub fn parse(text: &str, home: Option<PathBuf>) -> Result<Self, Failure> {
        if text.is_empty() {
            return Err(Failure::senseless("an end is empty: name a path, a bucket, a backend or a URL"));
        }
        if let Some(path) = local(text, home)? {
            let is_folder = text.ends_with('/') || matches!(text.rsplit('/').next(), Some("." | ".." | "~"));
            return Ok(Self::Local(LocalPath { path, is_folder }));
        }
        if text.contains("://") {
            return Ok(Self::Url(text.to_owned()));
        }
        if let Some((backend, path)) = text.split_once(':').filter(|(name, _)| !name.contains('/')) {
            let path = path.trim_start_matches('/').to_owned();
            return Ok(Self::Backend { backend: backend.to_owned(), path });
        }
        let (bucket, path) = text.split_once('/').unwrap_or((text, ""));
        match BucketName::parse(bucket) {
            Ok(bucket) => Ok(Self::Bucket { bucket, path: path.to_owned() }),
            Err(why) => Err(Failure::senseless(format!(
                "'{text}' is taken for a bucket, and '{bucket}' is no name of one: {why}. For a local path write ./{text}"
            ))),
        }
    }
}

/// Returns the path, if the text is one.
fn local(text: &str, home: Option<PathBuf>) -> Result<Option<PathBuf>, Failure> {
    if let Some(rest) = text.strip_prefix("file:") {
        return match rest.strip_prefix("//") {
            Some(path) if path.starts_with('/') => Ok(Some(path.into())),
            Some(_) => Err(Failure::senseless("a file URL begins with file:/// or is file:PATH")),
            None if rest.is_empty() => Err(Failure::senseless("a file URL names no path")),
            None => Ok(Some(rest.into())),
        };
    }
    if text == "~" || text.starts_with("~/") {
        let home = home.ok_or_else(|| Failure::senseless("there is no home directory that ~ could mean"))?;
        let below = text.trim_start_matches(['~', '/']);
        return Ok(Some(if below.is_empty() { home } else { home.join(below) }));
    }
    let is_local =
        text.starts_with('/') || matches!(text.split('/').next(), Some("." | "..")) || text.starts_with('~');
    Ok(is_local.then(|| text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match EndName::parse(text, Some("/home/me".into())) {
            Ok(EndName::Local(LocalPath { path, is_folder })) => {
                format!("local {} {is_folder}", path.display())
            }
            Ok(EndName::Bucket { bucket, path }) => format!("bucket {bucket} {path:?}"),
            Ok(EndName::Backend { backend, path }) => format!("backend {backend} {path:?}"),
            Ok(EndName::Url(url)) => format!("url {url}"),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn every_form_is_told_by_its_text() {
        for (text, expected) in [
            (".", "local . true"),
            ("..", "local .. true"),
            ("./photos", "local ./photos false"),
            ("../photos/", "local ../photos/ true"),
            ("./a:b", "local ./a:b false"),
            ("/srv/photos", "local /srv/photos false"),
            ("~", "local /home/me true"),
            ("~/photos", "local /home/me/photos false"),
            ("~odd", "local ~odd false"),
            ("file:photos", "local photos false"),
            ("file:///srv/photos", "local /srv/photos false"),
            ("photos", "bucket photos \"\""),
            ("photos/", "bucket photos \"\""),
            ("photos/2024/a:b.jpg", "bucket photos \"2024/a:b.jpg\""),
            ("disk:", "backend disk \"\""),
            ("disk:photos/a", "backend disk \"photos/a\""),
            ("disk:/photos", "backend disk \"photos\""),
            ("s3://photos/2024", "url s3://photos/2024"),
            ("sftp://me@nas:2222/srv", "url sftp://me@nas:2222/srv"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_has_no_meaning_is_refused_with_what_to_write() {
        for (text, words) in [
            ("", "an end is empty"),
            ("Photos/a.jpg", "For a local path write ./Photos/a.jpg"),
            ("a", "no name of one"),
            ("file:", "names no path"),
            ("file://photos", "file:///"),
        ] {
            assert!(shown(text).contains(words), "{text}: {}", shown(text));
        }
    }
}
