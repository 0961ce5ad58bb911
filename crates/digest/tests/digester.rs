//! The digester under concurrency: every caller gets the right digest, whoever goes away or panics.

use bytes::Bytes;
use causeway_digest::{Digester, Digesting, Engine, Lost, Md5, Turn};
use md5::Digest;
use proptest::{collection::vec, prelude::*};
use std::{
    pin::pin,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

const CASES: u32 = if cfg!(miri) { 2 } else { 64 };
/// Length of a piece that takes several rounds.
const LONG: usize = if cfg!(miri) { 17_000 } else { 200_000 };
/// More than there are lanes.
const OTHERS: usize = if cfg!(miri) { 18 } else { 40 };

fn of(bytes: &[u8]) -> [u8; 16] {
    md5::Md5::digest(bytes).into()
}

/// Waits on this thread.
fn wait(digesting: Digesting) -> Result<Md5, Lost> {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut digesting = pin!(digesting);
    loop {
        match digesting.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending => thread::park(),
        }
    }
}

fn body(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(31) ^ seed.wrapping_mul(97)) as u8).collect()
}

fn submit(digester: &Digester, bytes: &[u8]) -> (Turn, Digesting) {
    digester.submit(Md5::new(), vec![Bytes::copy_from_slice(bytes)])
}

/// Bytes whose owner panics, or tells when they are dropped.
struct Owned<F: FnMut()>(Vec<u8>, F);

impl<F: FnMut()> AsRef<[u8]> for Owned<F> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<F: FnMut()> Drop for Owned<F> {
    fn drop(&mut self) {
        self.1();
    }
}

/// A piece that holds whoever digests it after its first bytes, until the test lets it go on.
fn held() -> (Vec<Bytes>, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (reached, is_reached) = mpsc::channel();
    let (go, may_go) = mpsc::channel();
    let stop = move || {
        let _ = reached.send(());
        let _ = may_go.recv();
    };
    (vec![Bytes::from_owner(Owned(vec![7; 10], stop)), Bytes::from_static(b"rest")], is_reached, go)
}

#[test]
fn a_lone_body_is_digested_by_its_own_thread_when_its_turn_is_taken() {
    let digester = Digester::new(Engine::fastest(), 1);
    let here = thread::current().id();
    let (told, digested_by) = mpsc::channel();
    let owned = Owned(body(1, LONG), move || told.send(thread::current().id()).expect("the test listens"));
    let (turn, digesting) = digester.submit(Md5::new(), vec![Bytes::from_owner(owned)]);
    turn.take();
    assert_eq!(digested_by.try_recv(), Ok(here));
    assert_eq!(wait(digesting).expect("done").finish(), of(&body(1, LONG)));
}

#[test]
fn bodies_that_arrive_meanwhile_are_digested_too_though_their_turn_comes_to_nothing() {
    let digester = Digester::new(Engine::fastest(), 1);
    let (pieces, reached, go) = held();
    let (turn, first) = digester.submit(Md5::new(), pieces);
    thread::scope(|scope| {
        scope.spawn(move || turn.take());
        reached.recv().expect("the first is digested");
        let length = |n: usize| if cfg!(miri) { 200 + n } else { LONG + n };
        let others: Vec<_> = (0..OTHERS).map(|n| (n, submit(&digester, &body(n, length(n))))).collect();
        let others: Vec<_> = others
            .into_iter()
            .map(|(n, (turn, digesting))| {
                turn.take();
                (n, digesting)
            })
            .collect();
        go.send(()).expect("it waits");
        for (n, digesting) in others {
            assert_eq!(wait(digesting).expect("done").finish(), of(&body(n, length(n))), "{n}");
        }
    });
    assert_eq!(wait(first).expect("done").finish(), of(&[&[7; 10][..], b"rest"].concat()));
}

#[test]
fn a_second_leader_takes_a_batch_that_is_full_while_the_first_one_is_held() {
    let digester = Digester::new(Engine::fastest(), 2);
    let (pieces, reached, go) = held();
    let (turn, first) = digester.submit(Md5::new(), pieces);
    thread::scope(|scope| {
        scope.spawn(move || turn.take());
        reached.recv().expect("the first is digested");
        let others: Vec<_> = (0..16).map(|n| submit(&digester, &body(n, 1000))).collect();
        for (n, (turn, digesting)) in others.into_iter().enumerate() {
            turn.take();
            assert_eq!(wait(digesting).expect("done").finish(), of(&body(n, 1000)));
        }
        go.send(()).expect("it waits");
    });
    assert!(wait(first).is_ok());
}

#[test]
fn a_turn_that_is_dropped_gives_the_piece_up() {
    let digester = Digester::new(Engine::fastest(), 1);
    let dropped = Arc::new(AtomicUsize::new(0));
    let counted = dropped.clone();
    let owned = Owned(vec![1; 100], move || {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let (turn, digesting) = digester.submit(Md5::new(), vec![Bytes::from_owner(owned)]);
    drop(turn);
    assert_eq!(dropped.load(Ordering::Relaxed), 1, "its bytes are released");
    assert_eq!(wait(digesting).err(), Some(Lost));
    let (turn, digesting) = submit(&digester, b"abc");
    turn.take();
    assert_eq!(wait(digesting).expect("done").finish(), of(b"abc"));
}

#[test]
fn a_caller_that_went_away_costs_nothing_and_holds_nobody_up() {
    let digester = Digester::new(Engine::fastest(), 1);
    let (turn, digesting) = submit(&digester, &body(1, LONG));
    drop(digesting);
    turn.take();
    let (pieces, reached, go) = held();
    let (turn, first) = digester.submit(Md5::new(), pieces);
    thread::scope(|scope| {
        scope.spawn(move || turn.take());
        reached.recv().expect("the first is digested");
        let (gone, nobody) = submit(&digester, &body(2, LONG));
        let (late, digesting) = submit(&digester, &body(3, LONG));
        gone.take();
        late.take();
        drop(nobody);
        go.send(()).expect("it waits");
        assert_eq!(wait(digesting).expect("done").finish(), of(&body(3, LONG)));
    });
    assert!(wait(first).is_ok());
}

#[test]
fn bytes_that_panic_when_they_are_released_fail_their_own_body_alone() {
    let digester = Digester::new(Engine::fastest(), 1);
    let (pieces, reached, go) = held();
    let (turn, first) = digester.submit(Md5::new(), pieces);
    thread::scope(|scope| {
        scope.spawn(move || turn.take());
        reached.recv().expect("the first is digested");
        let bad = Bytes::from_owner(Owned(body(1, 500), || panic!("an owner panics")));
        let (bad_turn, bad) = digester.submit(Md5::new(), vec![bad]);
        let (good_turn, good) = submit(&digester, &body(2, LONG));
        bad_turn.take();
        good_turn.take();
        go.send(()).expect("it waits");
        assert_eq!(wait(good).expect("done").finish(), of(&body(2, LONG)));
        assert_eq!(wait(bad).err(), Some(Lost));
    });
    assert!(wait(first).is_ok());
    let (turn, digesting) = submit(&digester, b"after it");
    turn.take();
    assert_eq!(wait(digesting).expect("done").finish(), of(b"after it"));
}

#[test]
fn a_waker_that_panics_stops_nobody() {
    struct Bad;
    impl Wake for Bad {
        fn wake(self: Arc<Self>) {
            panic!("a waker panics");
        }
    }
    let digester = Digester::new(Engine::fastest(), 1);
    let (bad_turn, bad) = submit(&digester, b"bad");
    let mut bad = pin!(bad);
    assert!(bad.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::new(Bad)))).is_pending());
    let (good_turn, good) = submit(&digester, b"good");
    bad_turn.take();
    good_turn.take();
    assert_eq!(wait(good).expect("done").finish(), of(b"good"));
}

#[test]
fn pieces_that_wait_when_the_digester_is_dropped_are_digested() {
    let digester = Digester::new(Engine::fastest(), 1);
    let (turn, digesting) = submit(&digester, &body(1, LONG));
    drop(digester);
    turn.take();
    assert_eq!(wait(digesting).expect("done").finish(), of(&body(1, LONG)));
}

#[test]
fn a_body_in_many_pieces_beside_others_has_its_digest() {
    let digester = Digester::new(Engine::fastest(), 2);
    let clients = if cfg!(miri) { 4 } else { 20 };
    let begin = Barrier::new(clients);
    thread::scope(|scope| {
        for client in 0..clients {
            let (digester, begin) = (&digester, &begin);
            scope.spawn(move || {
                begin.wait();
                let whole = body(client, if cfg!(miri) { 2_000 } else { 300_000 } + client);
                let mut md5 = Md5::new();
                for batch in whole.chunks(whole.len() / 7 + client) {
                    let pieces = batch.chunks(1 + 97 * client).map(Bytes::copy_from_slice).collect();
                    let (turn, digesting) = digester.submit(md5, pieces);
                    if client % 5 == 4 {
                        // A request that is dropped in the middle, before or after its turn.
                        drop(digesting);
                        if client % 2 == 0 {
                            turn.take();
                        }
                        return;
                    }
                    turn.take();
                    md5 = wait(digesting).expect("done");
                }
                assert_eq!(md5.finish(), of(&whole), "{client}");
            });
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_is_submitted_together_gets_its_own_digest(
        bodies in vec(vec(vec(any::<u8>(), 0..300), 0..5), 1..if cfg!(miri) { 8 } else { 40 }),
        most in 1usize..4,
    ) {
        for engine in Engine::all() {
            let digester = Digester::new(engine, most);
            let all: Vec<_> = bodies
                .iter()
                .map(|body| digester.submit(Md5::new(), body.iter().cloned().map(Bytes::from).collect()))
                .collect();
            let (turns, digesting): (Vec<_>, Vec<_>) = all.into_iter().unzip();
            turns.into_iter().for_each(Turn::take);
            for (digesting, body) in digesting.into_iter().zip(&bodies) {
                prop_assert_eq!(wait(digesting).expect("done").finish(), of(&body.concat()));
            }
        }
    }
}
