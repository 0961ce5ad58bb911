//! OneDrive: `a` and `A` are one name, and some names are not allowed.

use super::*;
use crate::promises::{draft, get, list, names, own_files, put};
use causeway::{
    backend::tree::files::{OWN, Published},
    store::error::StoreErrorKind,
};

#[tokio::test]
async fn what_is_spelled_otherwise_is_not_what_was_asked_for() {
    let (drive, files) = started();
    drive.place("Photos/Sun.JPG", "theirs");
    for path in ["photos/Sun.JPG", "Photos/sun.jpg", "PHOTOS", "photos/none"] {
        assert_eq!(files.stat(path).await.expect("an answer"), None, "{path}");
        assert!(files.open(path, None).await.expect("an answer").is_none());
        assert_eq!(list(&files, path).await, []);
        assert!(!files.remove(path).await.expect("an answer"));
    }
    assert!(files.remove_folder("photos").await.expect("there is none"));
    assert_eq!(get(&files, "Photos/Sun.JPG").await, Some(b"theirs".to_vec()));
    assert_eq!(names(&files, "Photos").await, ["Sun.JPG"]);
    assert!(files.make_folder("photos").await.is_err());
}

#[tokio::test]
async fn a_draft_whose_name_has_another_spelling_is_told_and_can_have_another() {
    let (drive, files) = started();
    drive.place("Photos/Sun.JPG", "theirs");
    for absent in [false, true] {
        for path in ["Photos/sun.jpg", "photos/other", "photos", "PHOTOS/SUN.JPG", "Photos/SUN.jpg/below"] {
            let Published::Spelled(draft) =
                draft(&files, path, b"ours").await.publish(path, absent).await.expect("an answer")
            else {
                panic!("{path}: it is spelled otherwise")
            };
            assert!(matches!(draft.publish(".cw~fescaped", false).await, Ok(Published::As(_))));
        }
    }
    assert_eq!(own_files(&files).await, [""; 0]);
    let theirs = ("Photos/Sun.JPG".to_owned(), b"theirs".to_vec());
    assert_eq!(drive.all(), [(".cw~fescaped".to_owned(), b"ours".to_vec()), theirs]);
}

#[tokio::test]
async fn the_root_may_be_spelled_as_its_operator_likes() {
    let drive = FakeOnedrive::start();
    drive.place("Objects Of/Everybody/d/k", "theirs");
    let files: Storage = Arc::new(crate::onedrive_library(&drive));
    assert_eq!(get(&files, "d/k").await, Some(b"theirs".to_vec()));
    put(&files, "d/new", b"ours").await;
    assert_eq!(
        drive.all().iter().map(|(path, _)| &**path).collect::<Vec<_>>(),
        ["Objects Of/Everybody/d/k", "Objects Of/Everybody/d/new"]
    );
}

#[tokio::test]
async fn paths_that_are_too_long_are_refused_before_a_byte_is_sent() {
    let (drive, files) = started();
    let path = ["x".repeat(199), "y".repeat(200)].join("/");
    put(&files, &path, b"1").await;
    assert_eq!(get(&files, &path).await, Some(b"1".to_vec()));
    let path = format!("{path}z");
    drive.take_requests();
    let Err(error) = files.create(&crate::promises::name(), &path, Some(1)).await else {
        panic!("it is too long")
    };
    assert_eq!(error.kind(), StoreErrorKind::KeyTooLong);
    assert_eq!(files.stat(&path).await.expect("an answer"), None);
    assert_eq!(list(&files, &path).await, []);
    assert_eq!(drive.take_requests(), [""; 0]);
    assert_eq!(names(&files, "").await, [OWN.to_owned(), "x".repeat(199)]);
}
