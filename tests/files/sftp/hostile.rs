//! Hostile SFTP servers.

use super::*;
use causeway::store::error::StoreErrorKind;
use futures_util::TryStreamExt;
use std::{path::Path, process::Command, time::Duration};

#[tokio::test]
async fn a_folder_without_end_is_an_error() {
    // sshd starts programs with its own PATH.
    let python =
        Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().expect("python3");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/endless_sftp.py");
    let server =
        Sshd::speaking(&format!("{} {}", String::from_utf8_lossy(&python.stdout).trim(), script.display()));
    let files: Storage = Arc::new(server.files());
    let listing = async {
        let mut entries = files.list("");
        while let Some(entries) = entries.try_next().await? {
            assert!(entries.len() <= 2);
        }
        Ok::<(), causeway::store::error::StoreError>(())
    };
    let listed =
        tokio::time::timeout(Duration::from_secs(60), listing).await.expect("a listing comes to an end");
    let error = listed.expect_err("it never ends");
    assert!(!error.is_temporary() && error.kind() != StoreErrorKind::NoSuchKey, "{error}");
    assert!(error.to_string().contains("the same place"), "{error}");
}
