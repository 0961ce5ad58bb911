//! What a new backend needs beside its URL, for whoever asks a person.
//!
//! Owns no check: `add` refuses what is missing or wrong.

use super::super::{
    provider::ProviderKind,
    schemes::{self, Target},
    section::{Fallback, Row},
};

/// What a new backend needs beside its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    /// An access key with its secret; without them they are looked for where the provider's own tools do.
    AccessKey,
    /// An account of Azure, unless the URL names it, with its key.
    Account {
        is_named: bool,
    },
    /// A file with the JSON of a Google account; without it, it is looked for where Google's own tools do.
    GoogleAccount,
    /// Keys of its section.
    Keys(Vec<Need>),
}

/// A key of a section that the URL does not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    pub key: &'static str,
    /// One sentence.
    pub help: String,
    pub is_secret: bool,
    pub is_required: bool,
}

/// The error says what is wrong with the URL.
pub fn needs(url: &str) -> Result<Needs, String> {
    Ok(match schemes::target(url)? {
        Target::Directory(_) => Needs::Nothing,
        Target::Remote(remote) => match remote.kind {
            ProviderKind::S3 => Needs::AccessKey,
            ProviderKind::Gcs => Needs::GoogleAccount,
            ProviderKind::Azblob => Needs::Account { is_named: remote.account.is_some() },
        },
        Target::Folder(folder) => {
            let rows = schemes::keys_of(folder.kind).map(|(_, rows)| rows).unwrap_or_default();
            let is_said = |row: &Row| folder.said.iter().any(|(key, _)| *key == row.name);
            let all: Vec<Need> = rows.iter().filter(|row| !is_said(row)).filter_map(need).collect();
            if all.is_empty() { Needs::Nothing } else { Needs::Keys(all) }
        }
    })
}

/// `None`: the key has a default that is good for a beginning.
fn need(row: &Row) -> Option<Need> {
    let (is_secret, is_required) =
        (super::folder::is_secret(row), matches!(row.fallback, Fallback::Required));
    let help = row.help.trim();
    let help = help.split_once(". ").map_or(help, |(first, _)| first).trim_end_matches('.').to_owned();
    (is_secret || is_required).then_some(Need { key: row.name, help, is_secret, is_required })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(url: &str) -> Vec<(&'static str, bool, bool)> {
        match needs(url).expect(url) {
            Needs::Keys(all) => all.iter().map(|need| (need.key, need.is_secret, need.is_required)).collect(),
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn a_url_tells_what_its_backend_still_needs() {
        for (url, expected) in [
            ("/srv/photos", Needs::Nothing),
            ("memory:", Needs::Nothing),
            ("s3://photos", Needs::AccessKey),
            ("https://minio.example.com/photos", Needs::AccessKey),
            ("gs://photos", Needs::GoogleAccount),
            ("az://photos", Needs::Account { is_named: false }),
            ("https://acme.blob.core.windows.net/photos", Needs::Account { is_named: true }),
        ] {
            assert_eq!(needs(url), Ok(expected), "{url}");
        }
        assert!(needs("smb://nas/photos").is_err());
        assert_eq!(
            keys("sftp://nas/srv"),
            [
                ("user", false, true),
                ("password", true, false),
                ("private_key", true, false),
                ("passphrase", true, false)
            ]
        );
        assert_eq!(keys("ftps://me@nas/srv"), [("password", true, false)]);
    }

    #[test]
    fn help_is_one_sentence() {
        let Ok(Needs::Keys(all)) = needs("ftps://me@nas/srv") else { panic!("keys") };
        assert_eq!(all[0].help, "The user's password");
    }
}
