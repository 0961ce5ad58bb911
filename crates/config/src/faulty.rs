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
    /// `type = "faulty"`: another backend that fails on purpose, as often as is said here, for trying out
    /// what must live with that: never for data that matters. See [faults](guide/faults.md). Each share is
    /// one of calls, and a call meets one fault at most.
    FaultyBackend {
        /// The backend that holds the objects.
        backend: String = Required,
        /// Which calls meet what: the same number means the same to the same calls in the same order.
        seed: usize = Text("1"),
        /// Which operations fail; all others go through untouched.
        operations: Operations = Text("all"),
        /// The time by which every call takes longer.
        latency: Option<Duration> = Unset("none"),
        /// The maximum random time on top of that.
        jitter: Option<Duration> = Unset("none"),
        /// The answer is 503 ServiceUnavailable, and nothing happened.
        unavailable: Share = Text("0"),
        /// The answer is 503 SlowDown, and nothing happened.
        throttled: Share = Text("0"),
        /// The change happens, and the answer is 503.
        lost_reply: Share = Text("0"),
        /// The answer is 503, and the change happens later. Bodies wait in memory meanwhile. Writes only.
        late: Share = Text("0"),
        /// How much later: from once to twice this.
        late_by: Duration = Text("1s"),
        /// Bodies end amid their bytes: of GETs on their way out, of PUTs and parts on their way in.
        torn_body: Share = Text("0"),
        /// A page of a listing is as it was when it was last asked for.
        stale_list: Share = Text("0"),
        /// No answer, ever.
        hang: Share = Text("0"),
        /// In turns up for this time,
        up: Option<Duration> = Unset("always up"),
        /// and down for this: then every call is answered 503 at once. Needs `up`.
        down: Option<Duration> = Unset("never down"),
    }
}
