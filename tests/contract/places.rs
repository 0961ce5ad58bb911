//! The content of a location is reported before a bucket is created there: existing data must not become a
//! client's.

use super::{
    client::{delete, put},
    storage::Storage,
};
use causeway::backend::Found;

pub async fn what_lies_at_a_place_is_told_before_a_bucket_is_made_there(storage: &mut Storage) {
    assert_eq!(storage.found("place").await, Found::Nothing);
    let bucket = storage.bucket("place").await;
    // Where folders exist only as parts of names, a folder without files does not exist.
    assert!(storage.found("place").await <= Found::Empty, "it was made, and has nothing in it");
    put(&*bucket, "deep/inside", "x").await;
    assert_eq!(storage.found("place").await, Found::Something);
    assert_eq!(storage.found("other").await, Found::Nothing);
    delete(&*bucket, "deep/inside").await;
    assert!(storage.remove("place").await, "it is empty");
    assert_eq!(storage.found("place").await, Found::Nothing, "its name is free again");
}
