//! Several objects that are deleted by one request of the storage, on storages with quirks, and under writers
//! of the same keys.

use crate::{
    client::*,
    gateway::{Gateway, new_bucket},
    support::{
        quirks::{Mannered, Quirks},
        upstream::Upstream,
    },
};
use causeway::store::{DeleteRequest, Store, error::StoreErrorKind};
use std::sync::Arc;

async fn bucket(quirks: Quirks) -> (Mannered, Gateway, Arc<dyn Store>) {
    let upstream = Mannered::before(Upstream::causeway().address, quirks);
    let gateway = Gateway::at(upstream.address());
    let store = gateway.bucket("bucket", &new_bucket()).await;
    (upstream, gateway, store)
}

/// How often a probe sends DeleteObjects.
const OF_A_PROBE: usize = 2;

/// How often DeleteObjects and DELETE were sent. A DELETE of the gateway's probe is left out.
fn sent(upstream: &Mannered) -> (usize, usize) {
    let requests = upstream.requests();
    let count = |is: &dyn Fn(&str) -> bool| {
        requests.iter().filter(|request| is(request) && !request.contains(".causeway-")).count()
    };
    (count(&|request| request.ends_with("?delete")), count(&|request| request.starts_with("DELETE ")))
}

/// The outcome of each key, in their order.
async fn outcomes(store: &dyn Store, names: &[&str]) -> Vec<Result<(), StoreErrorKind>> {
    let outcomes = store.delete_all(names.iter().map(|name| deletion(name)).collect()).await;
    outcomes.into_iter().map(|outcome| outcome.map(drop).map_err(kind)).collect()
}

#[tokio::test]
async fn a_storage_without_the_request_is_sent_one_for_each_key() {
    let (upstream, _gateway, store) =
        bucket(Quirks { no_deletes_together: true, ..Default::default() }).await;
    put(&*store, "a", "x").await;
    put(&*store, "b", "x").await;
    assert_eq!(outcomes(&*store, &["a", "b", "never"]).await, [Ok(()); 3]);
    assert_eq!(sent(&upstream), (OF_A_PROBE, 3));
    assert_eq!(outcomes(&*store, &["a", "b"]).await, [Ok(()); 2]);
    assert_eq!(sent(&upstream), (OF_A_PROBE, 5));
    assert_eq!(names(&*store).await, [""; 0]);
}

#[tokio::test]
async fn a_storage_that_says_nothing_of_what_it_removed_is_sent_one_for_each_key() {
    let (upstream, _gateway, store) =
        bucket(Quirks { silent_about: Some(".causeway-"), ..Default::default() }).await;
    assert_eq!(outcomes(&*store, &["a", "b"]).await, [Ok(()); 2]);
    assert_eq!(sent(&upstream), (OF_A_PROBE, 2));
}

#[tokio::test]
async fn each_key_has_the_error_that_the_storage_has_for_it() {
    let (upstream, _gateway, store) = bucket(Quirks::default()).await;
    assert_eq!(outcomes(&*store, &["never", "neither"]).await, [Ok(()); 2]);
    upstream.become_like(Quirks {
        refuses_deletes_of: Some("locked"),
        silent_about: Some("forgotten"),
        ..Default::default()
    });
    let found = outcomes(&*store, &["a", "locked", "b", "forgotten", "c"]).await;
    let (locked, forgotten) = (Err(StoreErrorKind::Internal), Err(StoreErrorKind::Unavailable));
    assert_eq!(found, [Ok(()), locked, Ok(()), forgotten, Ok(())]);
}

/// Deletes objects with and without conditions together, and returns how many requests of each kind that
/// took.
async fn conditional(quirks: Quirks) -> (usize, usize) {
    let (upstream, _gateway, store) = bucket(quirks).await;
    assert_eq!(outcomes(&*store, &["never", "neither"]).await, [Ok(()); 2]);
    let mut requests = Vec::new();
    for name in ["same", "changed", "plain", "other"] {
        let written = put(&*store, name, "x").await;
        let conditions = match name {
            "same" => if_still(&written.etag),
            "changed" => if_still(&etag_of(b"before")),
            _ => Default::default(),
        };
        requests.push(DeleteRequest { conditions, ..deletion(name) });
    }
    let before = sent(&upstream);
    let found: Vec<_> =
        store.delete_all(requests).await.into_iter().map(|found| found.map(drop).map_err(kind)).collect();
    assert_eq!(found, [Ok(()), Err(StoreErrorKind::PreconditionFailed), Ok(()), Ok(())]);
    let after = sent(&upstream);
    assert_eq!(names(&*store).await, ["changed"]);
    (after.0 - before.0, after.1 - before.1)
}

#[tokio::test]
async fn a_condition_is_kept_with_those_of_others_or_by_a_request_of_its_own() {
    assert_eq!(conditional(Quirks::default()).await, (1, 0));
    assert_eq!(
        conditional(Quirks { no_conditional_deletes_together: true, ..Default::default() }).await,
        (1, 2)
    );
}

#[tokio::test]
async fn a_request_whose_answer_was_lost_is_an_error_of_each_key_and_is_not_sent_again() {
    let (upstream, _gateway, store) = bucket(Quirks::default()).await;
    put(&*store, "gone", "x").await;
    assert_eq!(outcomes(&*store, &["never", "neither"]).await, [Ok(()); 2]);
    upstream.become_like(Quirks { loses_answers: true, ..Default::default() });
    let before = sent(&upstream);
    assert_eq!(outcomes(&*store, &["gone", "never"]).await, [Err(StoreErrorKind::Unavailable); 2]);
    assert_eq!(sent(&upstream), (before.0 + 1, before.1), "others may have written the keys meanwhile");
    upstream.become_like(Quirks::default());
    assert_absent(&*store, "gone").await;
}

#[tokio::test]
async fn what_a_storage_refuses_before_it_began_is_sent_again() {
    let (upstream, _gateway, store) = bucket(Quirks::default()).await;
    assert_eq!(outcomes(&*store, &["never", "neither"]).await, [Ok(()); 2]);
    upstream.become_like(Quirks { away_from: Some(0), ..Default::default() });
    assert_eq!(outcomes(&*store, &["a", "b"]).await, [Err(StoreErrorKind::Unavailable); 2]);
    upstream.become_like(Quirks::default());
    assert_eq!(outcomes(&*store, &["a", "b"]).await, [Ok(()); 2]);
}

/// Deletes objects with odd names together, and one that does not exist.
async fn odd_names_on(upstream: &'static Upstream) {
    let gateway = Gateway::before(upstream);
    let store = gateway.bucket("bucket", &new_bucket()).await;
    let odd = ["plain", "a & b", "<c>", "\"quoted\" 'd'", "é/ü", "+ %20"];
    for name in odd {
        put(&*store, name, "x").await;
    }
    put(&*store, "kept", "x").await;
    assert_eq!(outcomes(&*store, &[&odd[..], &["never"]].concat()).await, [Ok(()); 7]);
    assert_eq!(names(&*store).await, ["kept"]);
}

#[tokio::test]
async fn odd_names_are_those_of_the_same_objects_on_moto() {
    odd_names_on(Upstream::moto()).await;
}

#[tokio::test]
async fn odd_names_are_those_of_the_same_objects_on_rclone() {
    odd_names_on(Upstream::rclone()).await;
}

/// Each writer writes its own keys, deletes all of them together with those of the others, and writes them
/// again. The harness for consistency does more of this, on storage of other makers.
#[tokio::test(flavor = "multi_thread")]
async fn writers_and_deleters_of_the_same_keys_leave_whole_objects_or_none() {
    let gateway = Gateway::before(Upstream::causeway());
    let store = gateway.bucket("bucket", &new_bucket()).await;
    let names_there: Vec<String> = (0..20).map(|n| format!("key & {n}")).collect();
    let work = (0..4usize).map(|writer| {
        let (store, names_there) = (store.clone(), names_there.clone());
        tokio::spawn(async move {
            for round in 0..5 {
                for name in names_there.iter().skip(writer).step_by(4) {
                    put(&*store, name, format!("{writer} in {round}")).await;
                }
                let all = names_there.iter().map(|name| deletion(name)).collect();
                for outcome in store.delete_all(all).await {
                    outcome.expect("is removed");
                }
            }
            for name in names_there.iter().skip(writer).step_by(4) {
                put(&*store, name, format!("last of {writer}")).await;
            }
        })
    });
    for done in work.collect::<Vec<_>>() {
        done.await.expect("no panic");
    }
    // Whether a last PUT came before or after another one's deletion is open; what is there is whole.
    for (at, name) in names_there.iter().enumerate() {
        if let Ok((_, bytes)) = get(&*store, name, Default::default()).await {
            assert_eq!(bytes, format!("last of {}", at % 4).into_bytes(), "{name}");
        }
    }
    let all = names_there.iter().map(|name| deletion(name)).collect();
    assert!(store.delete_all(all).await.iter().all(Result::is_ok));
    assert_eq!(names(&*store).await, [""; 0]);
}
