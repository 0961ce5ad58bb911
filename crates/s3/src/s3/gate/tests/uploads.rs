//! Uploads in parts: the permission is on the key, and the id of an upload gives none.

use super::fixture::*;
use crate::{
    model::{Principal, Role},
    s3::Operation,
};

/// An upload that alice began on a key.
async fn begun(fixture: &Fixture, key: &str) -> String {
    let alice = account("alice", Role::ReadWrite);
    let (status, body) = fixture.reply(on_key(ask(Operation::CreateMultipartUpload, &alice), key)).await;
    assert_eq!(status, 200, "{body}");
    let (_, rest) = body.split_once("<UploadId>").expect("an id");
    rest.split_once("</UploadId>").expect("an id").0.to_owned()
}

#[tokio::test]
async fn the_id_of_an_upload_gives_no_right_on_its_key() {
    let fixture = Fixture::new().await;
    let upload = begun(&fixture, "theirs").await;
    let own = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::bucket/own/*"}}"#;
    let who = member(user("alice", own));
    for (operation, more) in [
        (Operation::UploadPart, Some(("partNumber", "1"))),
        (Operation::ListParts, None),
        (Operation::CompleteMultipartUpload, None),
        (Operation::AbortMultipartUpload, None),
    ] {
        let pairs: Vec<_> = [("uploadId", &*upload)].into_iter().chain(more).collect();
        let asked = |key| with_query(on_key(ask(operation, &who), key), &pairs);
        assert_eq!(fixture.status(asked("theirs")).await, 403, "{operation:?}");
        // On a key of its own the id names nothing, or the document is malformed before that matters.
        assert!(matches!(fixture.status(asked("own/key")).await, 400 | 404), "{operation:?}");
    }
    let alice = account("alice", Role::ReadWrite);
    let parts = with_query(on_key(ask(Operation::ListParts, &alice), "theirs"), &[("uploadId", &upload)]);
    assert_eq!(fixture.status(parts).await, 200, "it is still there");
}

#[tokio::test]
async fn uploads_are_listed_and_aborted_by_actions_of_their_own() {
    let fixture = Fixture::new().await;
    let upload = begun(&fixture, "key").await;
    fixture
        .policy(&statement("Allow", r#""*""#, r#"["s3:PutObject","s3:ListBucket"]"#, EVERYTHING, ""))
        .await;
    let nobody = Principal::Anonymous;
    let asked = |operation| with_query(ask(operation, &nobody), &[("uploadId", &*upload)]);
    assert_eq!(fixture.status(ask(Operation::ListMultipartUploads, &nobody)).await, 403);
    assert_eq!(fixture.status(asked(Operation::ListParts)).await, 403);
    assert_eq!(fixture.status(asked(Operation::AbortMultipartUpload)).await, 403);
    let part =
        with_query(ask(Operation::UploadPart, &nobody), &[("uploadId", &*upload), ("partNumber", "1")]);
    assert_eq!(fixture.status(part).await, 200);
}
