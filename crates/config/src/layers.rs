//! Settings that backends of every type have: the layers above their drivers.

use super::{
    amount::{ByteRate, Count},
    choice::AtBudget,
    error::ConfigErrors,
    section::{Fallback, Reader, Row, Section, section},
    unit::{Interval, Size},
    value::Setting,
};
use Fallback::{Text, Unset};

section! {
    /// These settings apply to backends of every type.
    Layers {
        /// How long answers of the backend are kept: heads of objects, the answer that a key does not exist,
        /// and pages of listings. A write through Causeway is still visible at once; changes made outside
        /// Causeway may stay invisible for this long.
        metadata_ttl: Interval = Text("off"),
        /// How much longer kept heads and listings are served when the storage does not answer. Only with
        /// `metadata_ttl`.
        stale_ttl: Interval = Text("off"),
        /// Whether bytes of objects are cached: see `data_cache_memory` and `data_cache_disk` of `server`.
        data_cache: bool = Text("false"),
        /// Maximum rate of writing to the backend, in bytes per second; bodies take turns. See
        /// [limits](guide/limits.md).
        upload_rate: Option<ByteRate> = Unset("any"),
        /// Maximum rate of reading from the backend, in bytes per second.
        download_rate: Option<ByteRate> = Unset("any"),
        /// Maximum number of operations per second. Further ones wait for a second at most, and are then
        /// answered 503 SlowDown.
        request_rate: Option<Count> = Unset("any"),
        /// Maximum number of concurrent operations, including bodies that are read. Further ones wait for a
        /// second at most, and are then answered 503 SlowDown.
        concurrency: Option<usize> = Unset("any"),
        /// Maximum number of requests to the backend within a month (of UTC).
        monthly_requests: Option<Count> = Unset("any"),
        /// Maximum number of bytes read from the backend within a month.
        monthly_download: Option<Size> = Unset("any"),
        /// What happens to requests beyond the monthly limits: `stop` answers 503 SlowDown until the month is
        /// over; `avoid` serves them, but buckets that have another replica use that one.
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
