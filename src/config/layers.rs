//! Settings that backends of every type have: what is stacked upon their drivers.

use super::{
    error::ConfigError,
    section::{Fallback, Reader, Row, Section, section},
    value::{Interval, Setting},
};
use Fallback::Text;

section! {
    /// Of a backend of any type.
    Layers {
        /// How long what it answered is kept: heads of objects, that there is no such key, and pages of listings. What is written
        /// through Causeway is seen at once all the same; what others write beside it may go unseen for this long.
        metadata_ttl: Interval = Text("off"),
        /// For how much longer heads and listings are served from what was kept when the storage does not answer. Only with
        /// `metadata_ttl`.
        stale_ttl: Interval = Text("off"),
        /// Keep bytes of its objects where `server` says: `data_cache_memory`, `data_cache_disk`.
        data_cache: bool = Text("false"),
    }
}
