//! Settings of backends that fail on purpose.

use super::{
    amount::Share,
    error::ConfigErrors,
    section::{Fallback, Reader, Row, Section, section},
    value::Setting,
};
use crate::store::operation::Operations;
use Fallback::{Required, Text, Unset};
use std::time::Duration;

section! {
    /// `type = "faulty"`: another backend that fails on purpose, as often as configured here. It is for
    /// testing what must survive such faults, and never for data that matters. See [faults](guide/faults.md).
    /// Each share is a share of the calls; one call meets at most one fault.
    FaultyBackend {
        /// The backend that holds the objects.
        backend: String = Required,
        /// The seed of the faults: with the same number, the same calls in the same order meet the same
        /// faults.
        seed: usize = Text("1"),
        /// Which operations fail; all others pass unchanged.
        operations: Operations = Text("all"),
        /// The delay of every call.
        latency: Option<Duration> = Unset("none"),
        /// The maximum random delay on top of `latency`.
        jitter: Option<Duration> = Unset("none"),
        /// The answer is 503 ServiceUnavailable, and nothing happened.
        unavailable: Share = Text("0"),
        /// The answer is 503 SlowDown, and nothing happened.
        throttled: Share = Text("0"),
        /// The change happens, and the answer is 503.
        lost_reply: Share = Text("0"),
        /// The answer is 503, and the change happens later; until then, the body is kept in memory. Only for
        /// writes.
        late: Share = Text("0"),
        /// The delay of such a change: between once and twice this time.
        late_by: Duration = Text("1s"),
        /// Bodies break off before their end: those of GETs on their way out, those of PUTs and parts on
        /// their way in.
        torn_body: Share = Text("0"),
        /// A page of a listing is as it was when it was last requested.
        stale_list: Share = Text("0"),
        /// The call is never answered.
        hang: Share = Text("0"),
        /// The backend alternates between up and down: it is up for this time. Needs `down`.
        up: Option<Duration> = Unset("always up"),
        /// It is down for this time: then every call is answered 503 at once. Needs `up`.
        down: Option<Duration> = Unset("never down"),
    }
}
