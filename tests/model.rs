//! Random operations on every driver, compared with a naive model, with restarts in between.
//!
//! `PROPTEST_CASES=1000 cargo test --test model` runs more cases than CI does. A failure prints the shrunken
//! operations, which become a named test in `model/regressions.rs`.

#[path = "contract/local.rs"]
mod local;
#[path = "model/naive.rs"]
mod naive;
#[path = "model/operation.rs"]
mod operation;
#[path = "model/regressions.rs"]
mod regressions;
#[path = "model/run.rs"]
mod run;
#[path = "contract/storage.rs"]
mod storage;
mod support;

use causeway::store::Durability;
use proptest::{prelude::*, test_runner::TestRunner};
use storage::{Beneath, Driver, Replicas, Server};
use support::files::Quirks;

/// Runs as many cases as the environment asks for, or else `cases`, which fit into the time of CI.
fn check(driver: Driver, cases: u32) {
    let asked = std::env::var_os("PROPTEST_CASES").map(|_| ProptestConfig::default().cases);
    let config = ProptestConfig {
        cases: asked.unwrap_or(cases),
        failure_persistence: None,
        max_shrink_iters: 400,
        ..ProptestConfig::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let result = TestRunner::new(config)
        .run(&prop::collection::vec(operation::random(), 1..40), |operations| {
            runtime.block_on(run::compare(driver, operations)).map_err(TestCaseError::fail)
        });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn memory_does_what_the_model_does() {
    check(Driver::Memory, 100);
}

#[test]
fn strict_local_disk_does_what_the_model_does() {
    check(Driver::Fs(Durability::Strict), 15);
}

#[test]
fn an_object_store_does_what_the_model_does() {
    check(Driver::S3(Server::Causeway), 12);
}

#[test]
fn azure_blob_storage_does_what_the_model_does() {
    check(Driver::Azblob, 12);
}

#[test]
fn files_in_folders_do_what_the_model_does() {
    check(Driver::Tree(Quirks::Sftp), 60);
    check(Driver::Tree(Quirks::Drive), 60);
    check(Driver::Tree(Quirks::Folding), 30);
    check(Driver::Tree(Quirks::Blind), 30);
}

#[test]
fn webdav_does_what_the_model_does() {
    check(Driver::Webdav, 12);
}

#[test]
fn google_drive_does_what_the_model_does() {
    check(Driver::Drive, 24);
}

#[test]
fn onedrive_does_what_the_model_does() {
    check(Driver::Onedrive, 16);
}

#[test]
fn dropbox_does_what_the_model_does() {
    check(Driver::Dropbox, 16);
}

#[test]
fn sftp_does_what_the_model_does() {
    check(Driver::Sftp, 12);
}

#[test]
fn ftp_does_what_the_model_does() {
    check(Driver::Ftp, 8);
}

#[test]
fn google_cloud_storage_does_what_the_model_does() {
    check(Driver::Gcs, 25);
}

#[test]
fn replicas_do_what_the_model_does() {
    check(Driver::Replicated(Replicas::Alike), 20);
    check(Driver::Replicated(Replicas::Unlike), 12);
}

#[test]
fn what_is_cached_does_what_the_model_does() {
    check(Driver::Cached(Beneath::Memory), 100);
    check(Driver::Cached(Beneath::Fs), 15);
    check(Driver::Cached(Beneath::FsBytes), 15);
}

#[test]
fn relaxed_local_disk_does_what_the_model_does() {
    check(Driver::Fs(Durability::Relaxed), 50);
}
