//! Compares both ends, and changes nothing.
//!
//! Objects of the same size are compared by a checksum that both ends have. Where there is none, or where it
//! is asked for, both are read, and compared byte by byte.
//!
//! Invariants: results come in byte order of names. What could not be compared is an error, never "same".

use crate::{
    bytes::same_bytes,
    compare::{Subject, checksums},
    end::End,
    error::TransferError,
    events::{Event, Reporter},
    filter::{Filter, FilterOptions, Scope},
    listing::{Entry, Listing},
    mark::Mark,
    model::Timestamp,
    options::Tuning,
    pace::{Pace, WeekClock},
    pairs::{Pair, Pairs},
    retry::Retry,
    store::error::StoreError,
};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckOptions {
    /// What only the destination has is no difference.
    pub one_way: bool,
    /// Sizes are compared, and nothing else.
    pub size_only: bool,
    /// Objects are read, even if checksums could be compared.
    pub read: bool,
    pub filter: FilterOptions,
}

/// The numbers of names with each mark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CheckSummary {
    pub same: u64,
    pub different: u64,
    pub only_source: u64,
    pub only_destination: u64,
    pub errors: u64,
    /// Objects that had to be read.
    pub read: u64,
    /// Objects of which only the sizes were compared.
    pub sizes_alone: u64,
    pub cancelled: bool,
}

impl CheckSummary {
    pub fn is_success(&self) -> bool {
        let differences = self.different + self.only_source + self.only_destination + self.errors;
        differences == 0 && !self.cancelled
    }
}

pub struct Check {
    pub source: End,
    pub destination: End,
    pub options: CheckOptions,
    pub tuning: Tuning,
    pub reporter: Reporter,
    pub cancel: CancellationToken,
    /// The time from which ages count.
    pub now: Timestamp,
    pub clock: WeekClock,
}

/// How a result was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Known,
    Size,
    Read,
}

impl Check {
    pub fn new(source: End, destination: End, options: CheckOptions, now: Timestamp) -> Self {
        Self {
            source,
            destination,
            options,
            tuning: Tuning::default(),
            reporter: Reporter::default(),
            cancel: CancellationToken::new(),
            now,
            clock: Arc::new(|| 0),
        }
    }

    pub async fn run(self) -> Result<CheckSummary, TransferError> {
        let filter = Filter::new(&self.options.filter, self.now)
            .map_err(|error| TransferError::Options(error.to_string()))?;
        let filter = Arc::new(filter);
        let retry = Arc::new(Retry::new(self.tuning.retry, self.tuning.seed));
        let pace = Pace::new(self.tuning.bandwidth.clone(), self.clock.clone());
        let scope = || Scope::new(filter.clone(), &self.source, &retry);
        let pairs = Pairs::new(
            Listing::begin(self.source.clone(), scope(), retry.clone()),
            Listing::begin(self.destination.clone(), scope(), retry.clone()),
        );
        let pairs = stream::unfold(Some(pairs), async |pairs| {
            let mut pairs = pairs?;
            match pairs.next().await.transpose()? {
                Ok(pair) => Some((Ok(pair), Some(pairs))),
                Err(error) => Some((Err(error), None)),
            }
        });
        let judge = Judge { check: &self, filter: &filter, retry: &retry, pace: &pace };
        let results =
            pairs.map(|pair| async { judge.decide(pair?).await }).buffered(self.tuning.checkers.max(1));
        let mut results = std::pin::pin!(results);
        let mut summary = CheckSummary::default();
        loop {
            let result = tokio::select! {
                biased;
                () = self.cancel.cancelled() => {
                    summary.cancelled = true;
                    return Ok(summary);
                }
                result = results.next() => result,
            };
            let Some(result) = result else { return Ok(summary) };
            let Some((name, found)) = result? else { continue };
            let (mark, reason) = match found {
                Ok((mark, how)) => {
                    summary.read += u64::from(how == How::Read);
                    summary.sizes_alone += u64::from(how == How::Size && mark == Mark::Same);
                    (mark, None)
                }
                Err(error) => (Mark::Error, Some(error.to_string())),
            };
            *match mark {
                Mark::Same => &mut summary.same,
                Mark::Different => &mut summary.different,
                Mark::OnlySource => &mut summary.only_source,
                Mark::OnlyDestination => &mut summary.only_destination,
                Mark::Error => &mut summary.errors,
            } += 1;
            self.reporter.send(Event::Checked { name, mark, reason }).await;
        }
    }
}

struct Judge<'c> {
    check: &'c Check,
    filter: &'c Filter,
    retry: &'c Retry,
    pace: &'c Pace,
}

type Found = (String, Result<(Mark, How), StoreError>);

impl Judge<'_> {
    /// Returns `None` for a name that takes no part.
    async fn decide(&self, pair: Pair) -> Result<Option<Found>, TransferError> {
        let name = pair.name().to_owned();
        let decided = self.judge(pair).await;
        Ok(decided.transpose().map(|decided| (name, decided)))
    }

    async fn judge(&self, pair: Pair) -> Result<Option<(Mark, How)>, StoreError> {
        let check = self.check;
        let (source, destination) = pair.into_entries();
        let source = self.filter.takes(&check.source, source, self.retry).await?;
        let destination = self.filter.takes(&check.destination, destination, self.retry).await?;
        match (source, destination) {
            (None, None) => Ok(None),
            (Some(_), None) => Ok(Some((Mark::OnlySource, How::Known))),
            (None, Some(_)) if check.options.one_way => Ok(None),
            (None, Some(_)) => Ok(Some((Mark::OnlyDestination, How::Known))),
            (Some(source), Some(destination)) => self.compare(&source, &destination).await.map(Some),
        }
    }

    async fn compare(&self, source: &Entry, destination: &Entry) -> Result<(Mark, How), StoreError> {
        let (check, options) = (self.check, &self.check.options);
        let of = |is_same| if is_same { Mark::Same } else { Mark::Different };
        if source.object.size != destination.object.size {
            return Ok((Mark::Different, How::Size));
        }
        if options.size_only {
            return Ok((Mark::Same, How::Size));
        }
        if !options.read {
            let mut from = Subject::new(&check.source, source, self.retry);
            let mut to = Subject::new(&check.destination, destination, self.retry);
            if let Some(is_same) = checksums(&mut from, &mut to).await? {
                return Ok((of(is_same), How::Known));
            }
        }
        let read = || same_bytes(self.pace, (&check.source, source), (&check.destination, destination));
        Ok((of(self.retry.run(read).await?), How::Read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ETag, ObjectAddress};
    use crate::{
        model::ObjectInfo,
        store::{
            self, GetReply, GetRequest, Layer, PutRequest, Store, condition::ReadConditions, payload::Payload,
        },
    };
    use causeway_backend::memory::MemoryStore;
    use tokio::sync::mpsc;

    /// A store without checksums, whose ETags do not depend on the bytes.
    #[derive(Debug, Default)]
    struct Opaque(MemoryStore);

    impl Opaque {
        fn info(info: ObjectInfo) -> ObjectInfo {
            ObjectInfo { checksum: None, etag: ETag::opaque("v-1"), ..info }
        }
    }

    impl Layer for Opaque {
        fn below(&self) -> &dyn Store {
            &self.0
        }

        async fn head(&self, address: ObjectAddress<'_>, _: &ReadConditions) -> store::Result<ObjectInfo> {
            Ok(Self::info(self.0.head(address, &Default::default()).await?))
        }

        async fn get(&self, address: ObjectAddress<'_>, _: GetRequest) -> store::Result<GetReply> {
            let reply = self.0.get(address, GetRequest::default()).await?;
            Ok(GetReply { info: Self::info(reply.info), ..reply })
        }

        async fn list(&self, request: store::ListRequest) -> store::Result<store::ListPage> {
            let mut page = self.0.list(request).await?;
            for entry in &mut page.entries {
                if let store::ListEntry::Object(object) = entry {
                    object.etag = ETag::opaque("v-1");
                }
            }
            Ok(page)
        }
    }

    async fn put(end: &End, objects: &[(&str, &str)]) {
        for (name, text) in objects {
            let (attributes, conditions) = Default::default();
            let payload = Payload::from_bytes(text.to_string());
            let request = PutRequest { attributes, conditions, payload };
            end.store.put(&end.key(name).expect("a key"), request).await.expect("is written");
        }
    }

    async fn combined(source: &End, destination: &End, options: CheckOptions) -> (String, CheckSummary) {
        let mut check = Check::new(source.clone(), destination.clone(), options, Timestamp::from_millis(0));
        let (sender, mut events) = mpsc::channel(1);
        check.reporter = Reporter::new(sender);
        let lines = async {
            let mut lines = String::new();
            while let Some(event) = events.recv().await {
                let Event::Checked { name, mark, .. } = event else { continue };
                lines.push_str(&format!("{} {name}\n", mark.sign()));
            }
            lines
        };
        let (lines, summary) = tokio::join!(lines, check.run());
        (lines, summary.expect("runs"))
    }

    const LEFT: &[(&str, &str)] =
        &[("a", "same"), ("b", "1234"), ("c", "long"), ("d", "only here"), ("f", "")];
    const RIGHT: &[(&str, &str)] =
        &[("a", "same"), ("b", "1235"), ("c", "longer"), ("e", "only there"), ("f", "")];

    #[tokio::test]
    async fn each_name_has_the_sign_of_rclones_combined_report() {
        let plain = End::new(Arc::new(MemoryStore::default()), "x", "a:");
        let other = End::new(Arc::new(MemoryStore::default()), "", "b:");
        let opaque = End::new(Arc::new(Opaque::default()), "", "c:");
        put(&plain, LEFT).await;
        put(&other, RIGHT).await;
        put(&opaque, RIGHT).await;
        let expected = "= a\n* b\n* c\n+ d\n- e\n= f\n";
        let both = CheckOptions::default();
        let (lines, summary) = combined(&plain, &other, both.clone()).await;
        assert_eq!((lines.as_str(), summary.read), (expected, 0));
        assert!(!summary.is_success());
        let (lines, summary) = combined(&plain, &opaque, both.clone()).await;
        assert_eq!((lines.as_str(), summary.read), (expected, 3), "what has no common checksum is read");
        let (lines, summary) = combined(&plain, &other, CheckOptions { read: true, ..both.clone() }).await;
        assert_eq!((lines.as_str(), summary.read), (expected, 3));
        let (lines, _) = combined(&plain, &other, CheckOptions { one_way: true, ..both.clone() }).await;
        assert_eq!(lines, "= a\n* b\n* c\n+ d\n= f\n");
        let (lines, summary) =
            combined(&plain, &other, CheckOptions { size_only: true, ..both.clone() }).await;
        assert_eq!((lines.as_str(), summary.sizes_alone), ("= a\n= b\n* c\n+ d\n- e\n= f\n", 3));
        let (_, summary) = combined(&other, &other.clone(), both).await;
        assert!(summary.is_success() && summary.same == 5);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_an_error_and_no_match() {
        #[derive(Debug)]
        struct Unreadable(Opaque);
        impl Layer for Unreadable {
            fn below(&self) -> &dyn Store {
                &self.0
            }
            async fn get(&self, _: ObjectAddress<'_>, _: GetRequest) -> store::Result<GetReply> {
                Err(store::error::StoreErrorKind::AccessDenied.into())
            }
        }
        let (from, to) = (Arc::new(Unreadable(Opaque::default())), Arc::new(Opaque::default()));
        let (from, to) = (End::new(from, "", "a:"), End::new(to, "", "b:"));
        put(&from, &[("a", "x")]).await;
        put(&to, &[("a", "x")]).await;
        let (lines, summary) = combined(&from, &to, CheckOptions::default()).await;
        assert_eq!((lines.as_str(), summary.errors, summary.same), ("! a\n", 1, 0));
    }
}
