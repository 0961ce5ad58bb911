//! What each kind of fault does, to which calls, and which calls it leaves alone.

use crate::{
    Bed, UNAVAILABLE,
    client::{self, Dripping, Uploading},
    kind,
};
use causeway::{
    backend::Backend,
    faults::{FaultKind, Plan},
    store::{
        GetRequest, ObjectBody, Selection,
        error::StoreErrorKind,
        operation::{Operation, Operations},
        payload::{Announced, Payload, PayloadError},
    },
};
use futures_util::StreamExt;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test]
async fn without_a_plan_nothing_is_done_to_anybody() {
    let bed = Bed::new(Plan::default()).await;
    bed.put("a", "1").await.expect("is put");
    assert_eq!(bed.get("a").await.expect("is read"), b"1");
    assert_eq!(bed.list().await.expect("is listed"), ["a"]);
    bed.delete("a").await.expect("is deleted");
    let counts = bed.faults.counts();
    assert_eq!((counts.calls(), counts.faults(), counts.calls_of(Operation::Put)), (4, 0, 1));
}

#[tokio::test]
async fn what_is_refused_did_not_happen() {
    for (fault, answer) in [
        (FaultKind::Unavailable, StoreErrorKind::Unavailable),
        (FaultKind::Throttled, StoreErrorKind::Busy),
        (FaultKind::Down, StoreErrorKind::Unavailable),
    ] {
        let bed = Bed::new(Plan::default()).await;
        bed.put("old", "old").await.expect("is put");
        bed.faults.set(Plan::always(fault));
        assert_eq!(kind(bed.put("new", "new").await), Some(answer));
        assert_eq!(kind(bed.delete("old").await), Some(answer));
        assert_eq!(kind(bed.get("old").await), Some(answer));
        assert_eq!(kind(bed.list().await), Some(answer));
        let create = bed.backend.create(&bed.record).await;
        assert_eq!(kind(create), Some(answer), "of a place");
        assert_eq!(bed.content("new").await, None);
        assert_eq!(bed.content("old").await.as_deref(), Some(&b"old"[..]));
        let counts = bed.faults.counts();
        assert_eq!((counts.of(fault), counts.faults()), (5, 5));
        bed.faults.heal();
        assert_eq!(bed.get("old").await.expect("is read"), b"old");
    }
}

#[tokio::test]
async fn what_has_a_lost_reply_happened() {
    let bed = Bed::new(Plan::default()).await;
    bed.put("old", "old").await.expect("is put");
    bed.faults.set(Plan::always(FaultKind::LostReply));
    assert_eq!(kind(bed.put("new", "new").await), UNAVAILABLE);
    assert_eq!(kind(bed.delete("old").await), UNAVAILABLE);
    assert_eq!(kind(bed.get("new").await), UNAVAILABLE);
    assert_eq!(bed.content("new").await.as_deref(), Some(&b"new"[..]));
    assert_eq!(bed.content("old").await, None);
    assert_eq!(bed.faults.counts().done_to(Operation::Delete, FaultKind::LostReply), 1);
}

#[tokio::test(start_paused = true)]
async fn of_objects_deleted_together_each_has_a_fate_of_its_own() {
    for fault in [FaultKind::Unavailable, FaultKind::LostReply, FaultKind::Late] {
        let bed = Bed::new(Plan::default()).await;
        let names: Vec<_> = (0..64).map(|n| format!("key {n:02}")).collect();
        for name in &names {
            bed.put(name, "old").await.expect("is put");
        }
        bed.faults.set(Plan::default().with(fault, 0.5).on(Operations::of(&[Operation::Delete])));
        let requests = names.iter().map(|name| client::deletion(name)).collect();
        let outcomes = bed.faulty.delete_all(requests).await;
        let (mut failed, counts) = (0, bed.faults.counts());
        for (name, outcome) in names.iter().zip(outcomes) {
            failed += u64::from(outcome.is_err());
            let is_there = bed.content(name).await.is_some();
            assert_eq!(is_there, outcome.is_err() && fault != FaultKind::LostReply, "{name}, {fault:?}");
        }
        assert!((1..64).contains(&failed) && counts.of(fault) == failed, "{failed} of 64 met {fault:?}");
        assert_eq!(counts.calls_of(Operation::Delete), 64);
        bed.faults.settled().await;
        let left = client::names(&*bed.real).await.len();
        assert_eq!(left, if fault == FaultKind::Unavailable { failed as usize } else { 0 });
    }
}

#[tokio::test]
async fn an_upload_whose_completion_was_answered_by_nobody_is_complete() {
    let bed = Bed::new(Plan::default()).await;
    let mut upload = Uploading::begin(&*bed.faulty, "a").await;
    upload.part(1, "part").await;
    bed.faults.set(Plan::always(FaultKind::LostReply).on(Operations::of(&[Operation::CompleteUpload])));
    assert_eq!(kind(upload.try_complete(upload.request()).await), UNAVAILABLE);
    assert_eq!(bed.content("a").await.as_deref(), Some(&b"part"[..]));
    bed.faults.heal();
    upload.complete().await;
}

#[tokio::test]
async fn a_torn_get_yields_some_right_bytes_and_then_an_error() {
    let bytes = client::bytes(1, 100_000);
    for frames in [1, 10] {
        for seed in 0..20 {
            let bed = Bed::seeded(seed, Plan::default()).await;
            let sent: Vec<_> =
                bytes.chunks(bytes.len() / frames).map(|frame| Ok(frame.to_vec().into())).collect();
            let payload = Payload::from_stream(futures_util::stream::iter(sent), Announced::default());
            bed.faulty.put(&client::key("a"), client::request(payload)).await.expect("is put");
            bed.faults.set(Plan::always(FaultKind::TornBody));
            let reply =
                bed.faulty.get(client::key("a").current(), GetRequest::default()).await.expect("begins");
            let ObjectBody::Stream(mut body) = reply.body else { panic!("a torn body comes in pieces") };
            let mut came = Vec::new();
            let error = loop {
                match body.next().await.expect("an error before the end") {
                    Ok(frame) => came.extend_from_slice(&frame),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), StoreErrorKind::Unavailable);
            assert!(
                !came.is_empty() && came.len() < bytes.len() && bytes.starts_with(&came),
                "{} bytes",
                came.len()
            );
            assert_eq!(bed.content("a").await.as_deref(), Some(&bytes[..]));
        }
    }
}

#[tokio::test]
async fn a_torn_put_leaves_what_was_there() {
    let bed = Bed::new(Plan::default()).await;
    bed.put("a", "old").await.expect("is put");
    let mut upload = Uploading::begin(&*bed.faulty, "b").await;
    upload.part(1, "old").await;
    bed.faults.set(Plan::always(FaultKind::TornBody));
    for body in ["", "x", "a longer one"] {
        assert_eq!(kind(bed.put("a", body).await), UNAVAILABLE, "{body:?}");
        let unannounced =
            Payload::from_stream(futures_util::stream::iter([Ok(body.into())]), Announced::default());
        assert_eq!(
            kind(bed.faulty.put(&client::key("a"), client::request(unannounced)).await),
            UNAVAILABLE,
            "{body:?}"
        );
        let part =
            bed.faulty.put_part(&upload.key, &upload.id, client::number(1), Payload::from_bytes(body)).await;
        assert_eq!(kind(part), UNAVAILABLE, "{body:?}");
    }
    // A request without a body cannot be torn.
    bed.delete("c").await.expect("is deleted");
    upload.complete().await;
    assert_eq!(bed.content("a").await.as_deref(), Some(&b"old"[..]));
    assert_eq!(bed.content("b").await.as_deref(), Some(&b"old"[..]));
}

#[tokio::test]
async fn a_body_that_fails_by_itself_keeps_its_error() {
    let bed = Bed::new(Plan::default()).await;
    let (sender, payload) = Dripping::body(Announced::default());
    let put = async { bed.faulty.put(&client::key("a"), client::request(payload)).await };
    let (put, ()) = tokio::join!(put, sender.fail(PayloadError::SignatureMismatch));
    assert_eq!(client::payload_refused(put), PayloadError::SignatureMismatch);
}

#[tokio::test(start_paused = true)]
async fn what_is_late_happens_after_what_came_behind_it() {
    let bed = Bed::new(Plan::default()).await;
    bed.put("gone", "gone").await.expect("is put");
    bed.faults.set(Plan::always(FaultKind::Late));
    assert_eq!(kind(bed.put("a", "first").await), UNAVAILABLE);
    assert_eq!(kind(bed.delete("gone").await), UNAVAILABLE);
    bed.faults.heal();
    assert_eq!(bed.content("a").await, None);
    bed.put("a", "second").await.expect("is put");
    assert_eq!(bed.get("a").await.expect("is read"), b"second");
    assert_eq!(bed.get("gone").await.expect("is read"), b"gone");
    let begun = Instant::now();
    bed.faults.settled().await;
    let took = begun.elapsed();
    assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&took), "{took:?}");
    assert_eq!(bed.get("a").await.expect("is read"), b"first");
    assert_eq!(bed.content("gone").await, None);
}

#[tokio::test(start_paused = true)]
async fn reads_are_never_late() {
    let bed = Bed::new(Plan::default()).await;
    bed.put("a", "1").await.expect("is put");
    bed.faults.set(Plan::always(FaultKind::Late));
    assert_eq!(bed.get("a").await.expect("is read"), b"1");
    assert_eq!(bed.list().await.expect("is listed"), ["a"]);
    assert_eq!(bed.faults.counts().faults(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_late_write_keeps_its_condition_until_it_happens() {
    let bed = Bed::new(Plan::always(FaultKind::Late)).await;
    let put = client::put_if(&*bed.faulty, "a", "late", client::if_absent()).await;
    assert_eq!(kind(put), UNAVAILABLE);
    bed.faults.heal();
    bed.put("a", "prompt").await.expect("is put");
    bed.faults.settled().await;
    assert_eq!(bed.content("a").await.as_deref(), Some(&b"prompt"[..]));
}

#[tokio::test]
async fn a_stale_list_is_what_was_listed_before() {
    let bed = Bed::new(Plan::default()).await;
    bed.put("a", "1").await.expect("is put");
    assert_eq!(bed.list().await.expect("is listed"), ["a"]);
    bed.put("b", "2").await.expect("is put");
    bed.delete("a").await.expect("is deleted");
    bed.faults.set(Plan::always(FaultKind::StaleList));
    assert_eq!(bed.list().await.expect("is listed"), ["a"]);
    let other = client::names(&*bed.faulty).await;
    assert_eq!(other, ["b"], "what was never asked for before is right");
    assert_eq!(bed.get("b").await.expect("is read"), b"2");
    bed.faults.heal();
    assert_eq!(bed.list().await.expect("is listed"), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn every_call_takes_its_latency_and_some_jitter() {
    let (latency, jitter) = (Duration::from_millis(50), Duration::from_millis(20));
    let bed = Bed::new(Plan { latency, jitter, ..Plan::default() }).await;
    let mut seen = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        bed.list().await.expect("is listed");
        seen.push(begun.elapsed());
    }
    // Timers have a resolution of one millisecond.
    assert!(
        seen.iter().all(|took| (latency..=latency + jitter + Duration::from_millis(1)).contains(took)),
        "{seen:?}"
    );
    assert!(seen.iter().any(|took| *took != seen[0]));
}

#[tokio::test(start_paused = true)]
async fn flapping_is_up_and_down_by_the_clock() {
    let flapping = causeway::faults::Flapping { up: Duration::from_secs(10), down: Duration::from_secs(5) };
    let bed = Bed::new(Plan { flapping: Some(flapping), ..Plan::default() }).await;
    let begun = Instant::now();
    for (at, is_up) in [(0, true), (9, true), (11, false), (14, false), (16, true), (24, true), (26, false)] {
        tokio::time::advance(Duration::from_secs(at) - begun.elapsed()).await;
        assert_eq!(bed.list().await.is_ok(), is_up, "after {at} s");
    }
}

#[tokio::test]
async fn only_the_operations_of_the_plan_are_touched() {
    let bed = Bed::new(Plan::down().on(Operations::WRITES)).await;
    assert_eq!(kind(bed.put("a", "1").await), UNAVAILABLE);
    assert_eq!(bed.list().await.expect("is listed"), [""; 0]);
    bed.faults.set(Plan::down().on(Operations::READS.and(Operations::of(&[Operation::Delete]))));
    bed.put("a", "1").await.expect("is put");
    assert_eq!(kind(bed.get("a").await), UNAVAILABLE);
    assert_eq!(kind(bed.delete("a").await), UNAVAILABLE);
}

#[tokio::test]
async fn a_copy_within_the_same_faults_is_one_call_and_from_others_is_read_through_theirs() {
    let (here, there) = (Bed::new(Plan::default()).await, Bed::new(Plan::default()).await);
    here.put("a", "1").await.expect("is put");
    there.put("a", "2").await.expect("is put");
    client::copy(&*here.faulty, "b", &here.shared(), "a").await.expect("is copied");
    assert_eq!(
        (here.faults.counts().calls_of(Operation::Copy), here.faults.counts().calls_of(Operation::Get)),
        (1, 0)
    );
    client::copy(&*here.faulty, "c", &there.shared(), "a").await.expect("is copied");
    assert_eq!(there.faults.counts().calls_of(Operation::Get), 1);
    there.faults.set(Plan::down());
    assert_eq!(kind(client::copy(&*here.faulty, "d", &there.shared(), "a").await), UNAVAILABLE);
    assert_eq!(here.content("b").await.as_deref(), Some(&b"1"[..]));
    assert_eq!(here.content("c").await.as_deref(), Some(&b"2"[..]));
}

#[tokio::test]
async fn a_range_is_torn_within_itself() {
    let bed = Bed::new(Plan::default()).await;
    bed.put("a", client::bytes(1, 1000)).await.expect("is put");
    bed.faults.set(Plan::always(FaultKind::TornBody));
    let selection = Selection::Range(causeway::model::ByteRange::FromTo(100, 199));
    let reply = bed
        .faulty
        .get(client::key("a").current(), GetRequest { selection, ..Default::default() })
        .await
        .expect("begins");
    assert_eq!(reply.span.len(), 100);
    let ObjectBody::Stream(body) = reply.body else { panic!("a torn body comes in pieces") };
    let frames: Vec<_> = body.collect().await;
    let came: usize = frames.iter().flatten().map(|frame| frame.len()).sum();
    assert!((1..100).contains(&came) && frames.last().expect("an end").is_err());
}
