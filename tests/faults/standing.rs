//! Storage that does not answer, and storage that fails in the middle of an operation.

use crate::{
    Bed, UNAVAILABLE,
    client::{self, Dripping},
    kind,
};
use causeway::{
    faults::{FaultKind, Plan},
    store::{GetRequest, ObjectBody, operation::Operation, payload::Announced},
};
use futures_util::{FutureExt, StreamExt};

#[tokio::test]
async fn what_hangs_goes_on_when_it_is_healed() {
    let bed = Bed::new(Plan::hanging()).await;
    let faults = bed.faults.clone();
    let heal = async {
        faults.seen(|counts| counts.of(FaultKind::Hang) == 3).await;
        assert_eq!(bed.content("a").await, None);
        // A new plan under which calls hang, too, releases no hanging call.
        faults.set(Plan { hang: 0.5, ..Plan::default() });
        tokio::task::yield_now().await;
        assert_eq!(bed.content("a").await, None);
        faults.heal();
    };
    let (put, gone, listed, ()) = tokio::join!(bed.put("a", "1"), bed.delete("x"), bed.list(), heal);
    put.expect("is put");
    gone.expect("is deleted");
    listed.expect("is listed");
    assert_eq!(bed.content("a").await.as_deref(), Some(&b"1"[..]));
}

#[tokio::test]
async fn what_hangs_and_is_given_up_never_happened() {
    let bed = Bed::new(Plan::hanging()).await;
    assert!(bed.put("a", "1").now_or_never().is_none());
    bed.faults.heal();
    assert_eq!(bed.content("a").await, None);
    assert_eq!(bed.list().await.expect("is listed"), [""; 0]);
}

#[tokio::test]
async fn some_hang_and_the_others_do_not() {
    let bed = Bed::new(Plan { hang: 0.3, ..Plan::default() }).await;
    let hung = (0..1000).filter(|_| bed.list().now_or_never().is_none()).count() as u64;
    assert_eq!(hung, bed.faults.counts().of(FaultKind::Hang));
    assert!((200..400).contains(&hung), "{hung}");
}

/// Stores an object that is read in several frames.
async fn framed(bed: &Bed) {
    let (sender, payload) = Dripping::body(Announced::default());
    let put = async { bed.faulty.put(&client::key("a"), client::request(payload)).await.expect("is put") };
    let send = async move {
        for _ in 0..4 {
            sender.send("frame".into()).await;
        }
    };
    tokio::join!(put, send);
}

#[tokio::test]
async fn a_body_on_its_way_stands_still_while_all_hangs() {
    let bed = Bed::new(Plan::default()).await;
    framed(&bed).await;
    let reply = bed.faulty.get(client::key("a").current(), GetRequest::default()).await.expect("begins");
    let ObjectBody::Stream(mut body) = reply.body else { panic!("it came in pieces") };
    assert_eq!(body.next().await.expect("more").expect("a frame"), "frame");
    bed.faults.set(Plan::hanging());
    assert!(body.next().now_or_never().is_none());
    bed.faults.heal();
    let rest: Vec<_> = body.map(|frame| frame.expect("goes on")).collect().await;
    assert_eq!(rest.concat(), b"frameframeframe");
}

#[tokio::test]
async fn a_body_on_its_way_breaks_off_when_the_storage_goes_down() {
    let bed = Bed::new(Plan::default()).await;
    framed(&bed).await;
    let reply = bed.faulty.get(client::key("a").current(), GetRequest::default()).await.expect("begins");
    let ObjectBody::Stream(mut body) = reply.body else { panic!("it came in pieces") };
    assert_eq!(body.next().await.expect("more").expect("a frame"), "frame");
    bed.faults.set(Plan::down());
    assert_eq!(kind(body.next().await.expect("an error")), UNAVAILABLE);
    assert!(body.next().await.is_none());
}

#[tokio::test]
async fn a_put_on_its_way_waits_or_breaks_off_with_its_storage() {
    for (plan, survives) in [(Plan::hanging(), true), (Plan::down(), false)] {
        let bed = Bed::new(Plan::default()).await;
        let (sender, payload) = Dripping::body(Announced::default());
        let key = client::key("a");
        let mut put = Box::pin(bed.faulty.put(&key, client::request(payload)));
        sender.send("one".into()).await;
        assert!(put.as_mut().now_or_never().is_none(), "its body has not come");
        bed.faults.set(plan);
        sender.send("two".into()).await;
        drop(sender);
        if survives {
            assert!(put.as_mut().now_or_never().is_none(), "it hangs");
            bed.faults.heal();
        }
        assert_eq!(put.await.is_ok(), survives);
        assert_eq!(bed.content("a").await, survives.then(|| b"onetwo".to_vec()));
        assert_eq!(bed.faults.counts().calls_of(Operation::Put), 1);
    }
}
