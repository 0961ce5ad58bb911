//! Random schedules, and what must hold after each run.
//!
//! - No version is lost that somebody wrote and nobody superseded, whenever the run was killed, and whoever
//!   changed something meanwhile: unless versions that lose a conflict are to be overwritten.
//! - A run that came to its end undisturbed leaves both ends alike, and another one right after it does
//!   nothing.
//! - Where the run before it came to its end undisturbed, too, the result is that of the naive model.

use super::{
    meddling::{Meddled, Moments},
    naive::{self, Expected, Rules, Tree},
    world::{Random, World, tree},
};
use causeway::{
    model::Timestamp,
    transfer::{
        End, TransferError, TwoWay, TwoWayOptions,
        events::{Action, Event, Reporter, Summary},
        two_way::{Loser, Policy},
    },
};
use futures_util::FutureExt;
use std::{collections::BTreeSet, path::Path, sync::Arc};
use tempfile::TempDir;
use tokio::sync::{Mutex, mpsc};

type Ends = ([End; 2], Option<TempDir>);

const POLICIES: [Policy; 10] = [
    Policy::Both,
    Policy::Newer,
    Policy::Older,
    Policy::Larger,
    Policy::Smaller,
    Policy::Source,
    Policy::Destination,
    Policy::Skip,
    Policy::Fail,
    Policy::Ask,
];

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// Runs as many schedules as the environment asks for, or else `count`, which fit into the time of CI.
pub fn check(what: &str, count: u64, mut open: impl AsyncFnMut(u64) -> Ends) {
    check_all(what, number("TWO_WAY_SCHEDULES").unwrap_or(count), async |seed, _: &mut ()| open(seed).await);
}

/// The same for storage that takes its time, and that all schedules share.
pub fn check_few<S: Default>(what: &str, count: u64, open: impl AsyncFnMut(u64, &mut S) -> Ends) {
    check_all(what, number("TWO_WAY_SCHEDULES").map_or(count, |asked| (asked / 25).max(count)), open);
}

fn check_all<S: Default>(what: &str, count: u64, mut open: impl AsyncFnMut(u64, &mut S) -> Ends) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let first = number("TWO_WAY_SEED").unwrap_or(1);
    let state = tempfile::tempdir().expect("a folder");
    let mut shared = S::default();
    let (mut runs, mut kills) = (0, 0);
    for seed in first..first + count {
        runtime.block_on(async {
            let (ends, folder) = open(seed, &mut shared).await;
            let mut schedule = Schedule::new(seed, ends, &state.path().join(seed.to_string()));
            let outcome = std::panic::AssertUnwindSafe(schedule.all()).catch_unwind().await;
            if let Err(panic) = outcome {
                eprintln!("TWO_WAY_SEED={seed} over {what}, {:?}:", schedule.options);
                eprintln!("{}", schedule.world.lock().await.log.join("\n"));
                std::panic::resume_unwind(panic);
            }
            (runs, kills) = (runs + schedule.runs, kills + schedule.kills);
            drop(folder);
        });
        let _ = std::fs::remove_dir_all(state.path().join(seed.to_string()));
    }
    eprintln!("{what}: {count} schedules from seed {first} on, {runs} runs, {kills} of them killed");
}

struct Schedule {
    world: Arc<Mutex<World>>,
    ends: [End; 2],
    options: TwoWayOptions,
    folder: std::path::PathBuf,
    /// What both ends had after the last run, if that came to its end undisturbed.
    base: Option<Tree>,
    runs: u64,
    kills: u64,
}

/// How a run ended.
enum Ended {
    Killed,
    Came(Result<Summary, TransferError>, Vec<(Event, bool)>),
}

impl Schedule {
    fn new(seed: u64, ends: [End; 2], folder: &Path) -> Self {
        let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let policy = POLICIES[random.below(POLICIES.len() as u64) as usize];
        let loser = if random.below(4) == 0 { Loser::Overwrite } else { Loser::Keep };
        let options = TwoWayOptions { policy, loser, force: true, ..TwoWayOptions::default() };
        let world = Arc::new(Mutex::new(World::new(ends.clone(), random)));
        Self { world, ends, options, folder: folder.to_owned(), base: Some(Tree::new()), runs: 0, kills: 0 }
    }

    async fn all(&mut self) {
        let rounds = 2 + self.world.lock().await.random.below(4);
        for _ in 0..rounds {
            let edits = self.world.lock().await.random.below(12);
            for _ in 0..edits {
                self.world.lock().await.edit().await;
            }
            let choice = self.world.lock().await.random.below(4);
            match choice {
                0 => self.disturbed(true).await,
                1 => self.disturbed(false).await,
                _ => self.undisturbed().await,
            }
        }
        self.undisturbed().await;
    }

    async fn run(&mut self, moments: Arc<Moments>, dry_run: bool) -> Ended {
        self.runs += 1;
        loop {
            match self.try_run(moments.clone(), dry_run).await {
                // A process that another test starts has a copy of the lock until it executes its program.
                Ended::Came(Err(TransferError::PairInUse { .. }), _) => tokio::task::yield_now().await,
                ended => return ended,
            }
        }
    }

    async fn try_run(&mut self, moments: Arc<Moments>, dry_run: bool) -> Ended {
        let ends = self.ends.clone().map(|mut end| {
            end.store = Arc::new(Meddled { below: end.store.clone(), moments: moments.clone() });
            end
        });
        let [source, destination] = ends;
        let options = TwoWayOptions { dry_run, ..self.options.clone() };
        let mut run =
            TwoWay::new(source, destination, options, self.folder.clone(), Timestamp::from_millis(0));
        run.ask = Some(Arc::new(|question| std::future::ready(naive::answer(&question.name)).boxed()));
        let (sender, mut events) = mpsc::channel(8);
        run.reporter = Reporter::new(sender);
        let heard = async {
            let mut heard = Vec::new();
            while let Some(event) = events.recv().await {
                heard.push((event, dry_run));
            }
            heard
        };
        tokio::select! {
            (summary, heard) = async { tokio::join!(run.run(), heard) } => Ended::Came(summary, heard),
            () = moments.killed.notified() => {
                self.kills += 1;
                Ended::Killed
            }
        }
    }

    async fn trees(&self) -> [Tree; 2] {
        [tree(&self.ends[0]).await, tree(&self.ends[1]).await]
    }

    /// The run is killed, or somebody changes something during it.
    async fn disturbed(&mut self, kills: bool) {
        let call = 1 + self.world.lock().await.random.below(40);
        let (kill, edit) = if kills { (call, 0) } else { (0, call) };
        let world = Some(self.world.clone());
        let moments = Arc::new(Moments { kill, edit, world, ..Moments::default() });
        let what = if kills { "killed" } else { "edited" };
        self.world.lock().await.log.push(format!("run, {what} at call {call}"));
        let ended = self.run(moments, false).await;
        if let Ended::Came(Err(error), _) = &ended {
            assert!(matches!(error, TransferError::Conflicts { .. }), "{error:?}");
        }
        self.base = None;
        self.nothing_is_lost().await;
    }

    async fn nothing_is_lost(&self) {
        let [source, destination] = self.trees().await;
        let mut world = self.world.lock().await;
        let there: BTreeSet<u64> = source.values().chain(destination.values()).copied().collect();
        world.log.push(format!("now {source:?} and {destination:?}"));
        if self.options.loser == Loser::Keep {
            let lost: Vec<u64> =
                world.sizes.keys().filter(|version| !there.contains(version)).copied().collect();
            let lost: Vec<u64> =
                lost.into_iter().filter(|version| !world.superseded.contains(version)).collect();
            assert!(lost.is_empty(), "these versions are lost: {lost:?}");
        }
    }

    async fn undisturbed(&mut self) {
        let before = self.trees().await;
        self.world.lock().await.log.push("run".to_owned());
        let plans = self.world.lock().await.random.below(3) == 0;
        let planned = if plans { Some(self.run(Arc::default(), true).await) } else { None };
        let ended = self.run(Arc::default(), false).await;
        let Ended::Came(result, heard) = ended else { panic!("nobody kills it") };
        self.nothing_is_lost().await;
        let after = self.trees().await;
        if let Some(Ended::Came(Ok(_), planned)) = planned {
            assert_eq!(said(planned), said(heard), "a dry run says what is done");
        }
        let base = self.base.take();
        if let Some(base) = &base {
            self.as_the_model_says(base, &before, &after, &result).await;
        }
        let summary = match result {
            Ok(summary) => summary,
            Err(TransferError::Conflicts { .. }) => {
                assert_eq!(after, before, "a run that is refused changes nothing");
                return;
            }
            Err(error) => panic!("{error:?}"),
        };
        assert_eq!(summary.counts.failed, 0, "{summary:?}");
        // What a killed run has kept of a conflict, and somebody has renamed since, may be in the way of a
        // step.
        if base.is_none() && summary.counts.left > 0 {
            return Box::pin(self.undisturbed()).await;
        }
        assert_eq!(summary.counts.left, 0, "{summary:?}");
        let skips = matches!(self.options.policy, Policy::Skip | Policy::Ask);
        if skips && summary.counts.conflicts > 0 {
            return;
        }
        assert_eq!(after[0], after[1], "both ends are alike");
        let Ended::Came(again, heard) = self.run(Arc::default(), false).await else {
            panic!("nobody kills it")
        };
        assert_eq!(said(heard), [], "{again:?}");
        let [source, _] = after;
        self.base = Some(source);
    }

    async fn as_the_model_says(
        &self,
        base: &Tree,
        before: &[Tree; 2],
        after: &[Tree; 2],
        result: &Result<Summary, TransferError>,
    ) {
        let world = self.world.lock().await;
        let rules = Rules { policy: self.options.policy, loser: self.options.loser, sizes: &world.sizes };
        let Expected { tree, left, conflicts } = naive::expected(base, &before[0], &before[1], &rules);
        let Some(tree) = tree else {
            assert!(
                matches!(result, Err(TransferError::Conflicts { count }) if *count == conflicts),
                "{result:?}"
            );
            return;
        };
        let summary = result.as_ref().expect("it runs");
        assert_eq!(summary.counts.conflicts, conflicts);
        for (before, after) in before.iter().zip(after) {
            let mut expected = tree.clone();
            for name in &left {
                expected.extend(before.get(name).map(|version| (name.clone(), *version)));
            }
            assert_eq!(*after, expected, "from {base:?}");
        }
    }
}

/// What a run did, or would do.
fn said(events: Vec<(Event, bool)>) -> Vec<(String, Action, String)> {
    let mut said: Vec<_> = events
        .into_iter()
        .filter_map(|(event, dry)| match event {
            Event::Planned(deed) if dry => Some(deed),
            Event::Done(deed) if !dry => Some(deed),
            Event::Failed(failure) => panic!("{failure:?}"),
            _ => None,
        })
        .map(|deed| (deed.name, deed.action, format!("{:?} {:?}", deed.end, deed.from)))
        .collect();
    said.sort();
    said
}
