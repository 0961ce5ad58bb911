//! Faults as data: the kinds of faults, the rate of each, and the operations that they apply to.

use crate::store::operation::{Operation, Operations};
use std::time::Duration;

/// The kinds of faults that a call can meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// The answer is Unavailable at once: the storage is down for all calls.
    Down,
    /// There is no answer until the faults are healed; then the call continues as if nothing had happened.
    Hang,
    /// The answer is Unavailable, and nothing happened.
    Unavailable,
    /// The answer is Busy, and nothing happened.
    Throttled,
    /// The change happened, and the answer is Unavailable.
    LostReply,
    /// The answer is Unavailable, and the change happens some time later. Only for writes of objects.
    Late,
    /// The body of a GET ends with an error in the middle. The body of a PUT or of a part does too, and the
    /// answer is Unavailable.
    TornBody,
    /// A page of a listing as it was when it was last requested. The first request gets the correct page.
    StaleList,
}

type Rate = fn(&Plan) -> f64;

impl FaultKind {
    /// The kinds that an operation can meet, in the order in which they are drawn.
    const CHANCES: [(FaultKind, Rate); 7] = [
        (FaultKind::Hang, |plan| plan.hang),
        (FaultKind::Unavailable, |plan| plan.unavailable),
        (FaultKind::Throttled, |plan| plan.throttled),
        (FaultKind::LostReply, |plan| plan.lost_reply),
        (FaultKind::Late, |plan| plan.late),
        (FaultKind::TornBody, |plan| plan.torn_body),
        (FaultKind::StaleList, |plan| plan.stale_list),
    ];

    fn concerns(self, operation: Operation) -> bool {
        match self {
            // No real storage creates or removes a bucket's location late.
            Self::Late => operation.is_write() && !matches!(operation, Operation::Create | Operation::Remove),
            Self::TornBody => matches!(operation, Operation::Get | Operation::Put | Operation::PutPart),
            Self::StaleList => operation == Operation::List,
            _ => true,
        }
    }
}

/// How a storage fails. Rates are shares of the calls, from 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The operations that fail; all others pass unchanged.
    pub operations: Operations,
    /// The storage knows no conditions of these operations: a PUT, DELETE or CompleteUpload with a condition
    /// is refused as not implemented, although the storage claims to know them until it is probed.
    pub lacks: Operations,
    /// A probe of the storage does not find what it lacks.
    pub hides_lacks: bool,
    /// The time by which every call takes longer.
    pub latency: Duration,
    /// The maximum random time on top of `latency`.
    pub jitter: Duration,
    pub down: bool,
    /// Alternates between up and down, from the moment the plan is set.
    pub flapping: Option<Flapping>,
    /// The share of calls that hang. At 1, bodies in progress pause too.
    pub hang: f64,
    pub unavailable: f64,
    pub throttled: f64,
    pub lost_reply: f64,
    pub late: f64,
    /// The delay of a late write: between once and twice this time.
    pub late_by: Duration,
    pub torn_body: f64,
    pub stale_list: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flapping {
    pub up: Duration,
    pub down: Duration,
}

impl Default for Plan {
    /// Returns a plan without faults.
    fn default() -> Self {
        Self {
            operations: Operations::ALL,
            lacks: Operations::NONE,
            hides_lacks: false,
            latency: Duration::ZERO,
            jitter: Duration::ZERO,
            down: false,
            flapping: None,
            hang: 0.0,
            unavailable: 0.0,
            throttled: 0.0,
            lost_reply: 0.0,
            late: 0.0,
            late_by: Duration::from_secs(1),
            torn_body: 0.0,
            stale_list: 0.0,
        }
    }
}

impl Plan {
    pub fn down() -> Self {
        Self { down: true, ..Self::default() }
    }

    pub fn hanging() -> Self {
        Self { hang: 1.0, ..Self::default() }
    }

    /// Returns a plan in which every call meets this fault.
    pub fn always(kind: FaultKind) -> Self {
        Self::default().with(kind, 1.0)
    }

    pub fn with(mut self, kind: FaultKind, rate: f64) -> Self {
        match kind {
            FaultKind::Down => self.down = rate > 0.0,
            FaultKind::Hang => self.hang = rate,
            FaultKind::Unavailable => self.unavailable = rate,
            FaultKind::Throttled => self.throttled = rate,
            FaultKind::LostReply => self.lost_reply = rate,
            FaultKind::Late => self.late = rate,
            FaultKind::TornBody => self.torn_body = rate,
            FaultKind::StaleList => self.stale_list = rate,
        }
        self
    }

    /// Returns a plan in which the storage has no conditions for these operations, and no other faults.
    pub fn lacking(operations: &[Operation]) -> Self {
        Self { lacks: Operations::of(operations), ..Self::default() }
    }

    /// Limits the plan to these operations.
    pub fn on(self, operations: Operations) -> Self {
        Self { operations, ..self }
    }

    /// Returns whether the storage is down at the time `after`, counted from the moment at which the plan was
    /// set.
    pub(super) fn is_down(&self, operation: Operation, after: Duration) -> bool {
        let is_off = |Flapping { up, down }: Flapping| {
            let period = (up + down).as_nanos().max(1);
            after.as_nanos() % period >= up.as_nanos()
        };
        self.operations.contains(operation) && (self.down || self.flapping.is_some_and(is_off))
    }

    /// Returns whether calls that hang continue to hang.
    pub(super) fn hangs(&self) -> bool {
        self.hang > 0.0
    }

    pub(super) fn stands_still(&self, operation: Operation) -> bool {
        self.operations.contains(operation) && self.hang >= 1.0
    }

    /// Decides the fate of a call, unless the storage is down. Returns the fault and the extra delay.
    pub(super) fn fate(&self, operation: Operation, draws: Draws) -> (Option<FaultKind>, Duration) {
        if !self.operations.contains(operation) {
            return (None, Duration::ZERO);
        }
        let met = |(kind, rate): &(FaultKind, Rate)| {
            kind.concerns(operation) && draws.share(*kind as u64) < rate(self)
        };
        let kind = FaultKind::CHANCES.iter().find(|chance| met(chance)).map(|(kind, _)| *kind);
        (kind, self.latency + draws.part_of(self.jitter, JITTER))
    }
}

/// Numbers of the draws for a call, besides those of the kinds.
const JITTER: u64 = 100;
pub(super) const LATENESS: u64 = 101;
pub(super) const TEAR: u64 = 102;

/// The random draws of one call: they depend on the seed and the call's number only, so that no rate changes
/// the fate of another call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draws {
    pub(super) seed: u64,
    pub(super) call: u64,
}

impl Draws {
    /// Returns a number from 0 up to but not including 1.
    pub(super) fn share(self, what: u64) -> f64 {
        // Three rounds of SplitMix64: adjacent inputs give unrelated outputs.
        let bits = mix(mix(mix(self.seed) ^ self.call) ^ what);
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(super) fn part_of(self, whole: Duration, what: u64) -> Duration {
        whole.mul_f64(self.share(what))
    }

    /// Chooses where `len` bytes are cut: before the last byte, and after the first one if there are two.
    pub(super) fn cut(self, len: u64) -> u64 {
        let inner = len.saturating_sub(1);
        if inner == 0 { 0 } else { 1 + (self.share(TEAR) * (inner as f64)) as u64 % inner }
    }
}

fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws() -> impl Iterator<Item = Draws> {
        (0..100_000).map(|call| Draws { seed: 7, call })
    }

    #[test]
    fn a_rate_is_the_share_of_calls_that_meet_it() {
        let plan = Plan { unavailable: 0.05, lost_reply: 0.2, ..Plan::default() };
        let of = |kind| draws().filter(|draws| plan.fate(Operation::Put, *draws).0 == Some(kind)).count();
        assert!((4_700..5_300).contains(&of(FaultKind::Unavailable)));
        // A call that is unavailable has no reply to lose.
        assert!((18_500..19_500).contains(&of(FaultKind::LostReply)));
        assert_eq!(of(FaultKind::Late), 0);
    }

    #[test]
    fn one_rate_does_not_change_what_another_meets() {
        let alone = Plan { torn_body: 0.1, ..Plan::default() };
        let beside = Plan { stale_list: 0.9, late: 0.9, ..alone.clone() };
        assert!(draws().all(|draws| alone.fate(Operation::Get, draws) == beside.fate(Operation::Get, draws)));
    }

    #[test]
    fn nothing_and_always_are_exact() {
        assert!(draws().all(|draws| Plan::default().fate(Operation::List, draws) == (None, Duration::ZERO)));
        let always = Plan::always(FaultKind::StaleList);
        assert!(draws().all(|draws| always.fate(Operation::List, draws).0 == Some(FaultKind::StaleList)));
    }

    #[test]
    fn jitter_comes_on_top_of_latency() {
        let plan =
            Plan { latency: Duration::from_millis(50), jitter: Duration::from_millis(20), ..Plan::default() };
        let waits: Vec<_> = draws().map(|draws| plan.fate(Operation::Head, draws).1.as_millis()).collect();
        assert_eq!((waits.iter().min(), waits.iter().max()), (Some(&50), Some(&69)));
    }

    #[test]
    fn a_cut_leaves_some_bytes_and_takes_some() {
        for len in 2..50 {
            assert!(draws().take(500).all(|draws| (1..len).contains(&draws.cut(len))), "{len}");
        }
        assert_eq!(draws().map(|draws| draws.cut(1) + draws.cut(0)).max(), Some(0));
    }

    #[test]
    fn flapping_is_up_first() {
        let flapping = Some(Flapping { up: Duration::from_secs(3), down: Duration::from_secs(2) });
        let plan = Plan { flapping, ..Plan::default() };
        let shown: String = (0..11)
            .map(|second| if plan.is_down(Operation::Get, Duration::from_secs(second)) { '_' } else { '^' })
            .collect();
        assert_eq!(shown, "^^^__^^^__^");
    }
}
