//! Checks whether the password of the root user is easy to guess.

use super::settings::{Root, Settings};

/// Default passwords of MinIO and of examples.
const KNOWN: &[&str] = &["minioadmin", "minio123", "password", "changeme", "causeway"];
/// MinIO refuses shorter passwords.
const SHORTEST: usize = 8;

impl Settings {
    /// Returns a warning for an operator if it is, without the password. Generated passwords, and secrets of
    /// identities, are not checked.
    pub fn weak_root_password(&self) -> Option<String> {
        let why = weakness(self.root.as_ref()?)?;
        Some(format!(
            "the password of the root user '{}' {why}: whoever reaches the server can guess it and do everything. Set another one in \
             CAUSEWAY_ROOT_PASSWORD (or MINIO_ROOT_PASSWORD), for example the output of 'openssl rand -base64 24'",
            self.root.as_ref()?.access_key
        ))
    }
}

fn weakness(root: &Root) -> Option<String> {
    let password = root.secret_key.expose();
    if KNOWN.iter().any(|known| known.eq_ignore_ascii_case(password)) {
        Some("is a well-known default".to_owned())
    } else if password == root.access_key.as_str() {
        Some("is the name of the user".to_owned())
    } else if password.chars().count() < SHORTEST {
        Some(format!("is shorter than {SHORTEST} characters"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccessKey, Secret};

    #[test]
    fn defaults_the_name_of_the_user_and_short_ones_are_weak() {
        let weak = |password: &str| {
            weakness(&Root { access_key: AccessKey("operator".into()), secret_key: Secret::new(password) })
        };
        assert_eq!(weak("minioadmin").as_deref(), Some("is a well-known default"));
        assert_eq!(weak("Password").as_deref(), Some("is a well-known default"));
        assert_eq!(weak("operator").as_deref(), Some("is the name of the user"));
        assert_eq!(weak("s3cr3t!").as_deref(), Some("is shorter than 8 characters"));
        assert_eq!(weak("long-enough"), None);
    }
}
