//! Settings that backends of every type have: the layers above their drivers.

use super::{
    amount::{ByteRate, Count},
    error::ConfigErrors,
    section::{Fallback, Reader, Row, Section, section},
    value::{AtBudget, Interval, Setting, Size},
};
use Fallback::{Text, Unset};

section! {
    /// These settings are for a backend of any type.
    Layers {
        /// How long its answers are kept: heads of objects, that a key does not exist, and pages of listings.
        /// A write through Causeway is visible at once all the same; changes made outside Causeway may stay
        /// invisible for this long.
        metadata_ttl: Interval = Text("off"),
        /// For how much longer heads and listings are served from what was kept when the storage does not
        /// answer. Only with `metadata_ttl`.
        stale_ttl: Interval = Text("off"),
        /// Keep bytes of its objects where `server` says: `data_cache_memory`, `data_cache_disk`.
        data_cache: bool = Text("false"),
        /// Bytes a second that are written to it at most; bodies take turns. See [limits](guide/limits.md).
        upload_rate: Option<ByteRate> = Unset("any"),
        /// Bytes a second that are read from it at most.
        download_rate: Option<ByteRate> = Unset("any"),
        /// Operations a second at most. Further ones wait for a second at most, and are answered 503 SlowDown
        /// then.
        request_rate: Option<Count> = Unset("any"),
        /// Maximum number of concurrent operations, including bodies that are read. Further ones wait for a
        /// second at most, and are answered 503 SlowDown then.
        concurrency: Option<usize> = Unset("any"),
        /// Requests to it within a month (of UTC) at most.
        monthly_requests: Option<Count> = Unset("any"),
        /// Bytes read from it within a month at most.
        monthly_download: Option<Size> = Unset("any"),
        /// The result of requests beyond those: `stop` answers 503 SlowDown until the month is over, `avoid`
        /// serves them, but buckets that have another replica take that.
        at_budget: AtBudget = Text("stop"),
    }
}

impl Layers {
    /// The layers of a backend that is not configured: none.
    pub(super) const NONE: Self = Self {
        metadata_ttl: Interval(None),
        stale_ttl: Interval(None),
        data_cache: false,
        upload_rate: None,
        download_rate: None,
        request_rate: None,
        concurrency: None,
        monthly_requests: None,
        monthly_download: None,
        at_budget: AtBudget::Stop,
    };
}
