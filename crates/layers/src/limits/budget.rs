//! The monthly budget of a backend and its use, kept in one small file of the data directory.
//!
//! Invariants: months are those of UTC; the file is replaced as a whole. It is written every few seconds and
//! at an orderly stop: a crash loses what was counted since.

use crate::{
    model::Timestamp,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

const WRITTEN_EVERY: Duration = Duration::from_secs(5);

/// The result of requests beyond the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtBudget {
    /// They are answered SlowDown until the month is over.
    Stop,
    /// They are served, but a bucket with another replica uses that one.
    Avoid,
}

/// The maximum use of a backend in one month. An absent field sets no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    pub requests: Option<u64>,
    /// Bytes read from the backend.
    pub download: Option<u64>,
    pub at_budget: AtBudget,
}

/// The used part of a month's budget.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// The month, such as `2026-11`.
    pub month: String,
    pub requests: u64,
    pub download: u64,
}

/// The budget of one backend.
#[derive(Debug)]
pub struct Account {
    budget: Budget,
    state: Mutex<BudgetState>,
}

#[derive(Debug)]
struct BudgetState {
    used: Used,
    /// The end of the month, in milliseconds.
    until: i64,
    /// The backend's own count of requests when it was last read.
    traffic: u64,
}

impl Account {
    fn new(budget: Budget, kept: Option<&Used>, now: Timestamp) -> Self {
        let (month, until) = month(now);
        let used = match kept {
            Some(kept) if kept.month >= month => kept.clone(),
            _ => Used { month, ..Used::default() },
        };
        Self { budget, state: Mutex::new(BudgetState { used, until, traffic: 0 }) }
    }

    /// Counts a request that is about to be made, or refuses it. `traffic` is the backend's own count, which
    /// is more exact: one request here may be several requests of the backend.
    pub(super) fn enter(&self, traffic: Option<u64>, downloads: bool, now: Timestamp) -> Result<()> {
        let mut state = self.state(now);
        let requests = state.look(traffic);
        let requests_over = self.budget.requests.is_some_and(|most| requests >= most);
        let download_over = downloads && self.budget.download.is_some_and(|most| state.used.download >= most);
        if (requests_over || download_over) && self.budget.at_budget == AtBudget::Stop {
            let what = if requests_over { "requests" } else { "downloads" };
            let wait = Duration::from_millis(u64::try_from(state.until - now.millis()).unwrap_or_default());
            return Err(StoreError::new(
                StoreErrorKind::Busy,
                format!("the backend's {what} of this month are used up"),
            )
            .with_retry_after(wait));
        }
        if traffic.is_none() {
            state.used.requests += 1;
        }
        Ok(())
    }

    pub(super) fn downloaded(&self, bytes: usize) {
        self.state(Timestamp::now()).used.download += bytes as u64;
    }

    /// Adopts the backend's own count of requests.
    pub(super) fn look(&self, traffic: Option<u64>) {
        self.state(Timestamp::now()).look(traffic);
    }

    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        let used = &self.state(now).used;
        let over = |most: Option<u64>, used: u64| most.is_some_and(|most| used >= most);
        over(self.budget.requests, used.requests) || over(self.budget.download, used.download)
    }

    pub fn used(&self) -> Used {
        self.state(Timestamp::now()).used.clone()
    }

    fn state(&self, now: Timestamp) -> MutexGuard<'_, BudgetState> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.millis() >= state.until {
            let (month, until) = month(now);
            (state.used, state.until) = (Used { month, ..Used::default() }, until);
        }
        state
    }
}

impl BudgetState {
    fn look(&mut self, traffic: Option<u64>) -> u64 {
        if let Some(traffic) = traffic {
            self.used.requests += traffic.saturating_sub(self.traffic);
            self.traffic = traffic;
        }
        self.used.requests
    }
}

/// Returns the name of the month, and the moment at which it ends.
fn month(now: Timestamp) -> (String, i64) {
    let text = now.iso8601();
    let month = text.get(..7).unwrap_or_default();
    let (year, number) = month.split_once('-').unwrap_or_default();
    let (year, number): (i32, u32) = (year.parse().unwrap_or_default(), number.parse().unwrap_or_default());
    let (year, number) = if number == 12 { (year + 1, 1) } else { (year, number + 1) };
    let end = Timestamp::parse_iso8601(&format!("{year:04}-{number:02}-01T00:00:00Z"));
    (month.to_owned(), end.map_or(i64::MAX, Timestamp::millis))
}

/// The file, and the accounts of its backends.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    kept: BTreeMap<String, Used>,
    accounts: Mutex<BTreeMap<String, Arc<Account>>>,
    written: Mutex<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    version: u32,
    backends: BTreeMap<String, Used>,
}

impl Ledger {
    /// Opens the file. A missing file is created when there is something to write.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        let kept = match text.as_str() {
            "" => BTreeMap::new(),
            text => match serde_json::from_str(text)? {
                Document { version: 1, backends } => backends,
                Document { version, .. } => {
                    return Err(io::Error::other(format!(
                        "its version is {version}, which is not known here"
                    )));
                }
            },
        };
        Ok(Self { path, kept, accounts: Mutex::default(), written: Mutex::new(text) })
    }

    pub fn account(&self, backend: &str, budget: Budget, now: Timestamp) -> Arc<Account> {
        let account = Arc::new(Account::new(budget, self.kept.get(backend), now));
        lock(&self.accounts).insert(backend.to_owned(), account.clone());
        account
    }

    /// Writes the file if anything changed.
    pub fn flush(&self) -> io::Result<()> {
        let mut written = lock(&self.written);
        let used = |(name, account): (&String, &Arc<Account>)| (name.clone(), account.used());
        let mut backends: BTreeMap<_, _> = lock(&self.accounts).iter().map(used).collect();
        let this = backends.values().map(|used| used.month.clone()).max().unwrap_or_default();
        // A backend that is not configured now may be configured again in the same month.
        for (name, used) in self.kept.iter().filter(|(_, used)| used.month >= this) {
            backends.entry(name.clone()).or_insert_with(|| used.clone());
        }
        backends.retain(|_, used| used.requests > 0 || used.download > 0);
        let is_news = !backends.is_empty();
        let text = serde_json::to_string_pretty(&Document { version: 1, backends })?;
        if *written != text && (is_news || !written.is_empty()) {
            let new = self.path.with_extension("json.new");
            let mut file = File::create(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, &self.path)?;
            *written = text;
        }
        Ok(())
    }

    /// Writes the file regularly, for as long as this future is polled.
    pub async fn keep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(WRITTEN_EVERY).await;
            let ledger = self.clone();
            if let Ok(Err(error)) = tokio::task::spawn_blocking(move || ledger.flush()).await {
                tracing::error!(%error, "what is used of budgets could not be written down");
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_iso8601(text).expect("a time")
    }

    fn budget(requests: Option<u64>, download: Option<u64>, at_budget: AtBudget) -> Budget {
        Budget { requests, download, at_budget }
    }

    #[test]
    fn months_end_with_their_last_millisecond_in_utc() {
        for (now, name, end) in [
            ("2026-11-21T20:00:00Z", "2026-11", "2026-12-01T00:00:00Z"),
            ("2026-12-31T23:59:59.999Z", "2026-12", "2027-01-01T00:00:00Z"),
            ("2028-02-29T12:00:00+02:00", "2028-02", "2028-03-01T00:00:00Z"),
        ] {
            assert_eq!(month(at(now)), (name.to_owned(), at(end).millis()));
        }
    }

    #[test]
    fn a_budget_stops_when_it_is_used_up_and_begins_anew_with_the_month() {
        let (november, december) = (at("2026-11-30T23:59:59Z"), at("2026-12-01T00:00:00Z"));
        let account = Account::new(budget(Some(2), None, AtBudget::Stop), None, november);
        assert!(account.enter(None, false, november).is_ok() && !account.is_over(november));
        assert!(account.enter(None, true, november).is_ok() && account.is_over(november));
        let refused = account.enter(None, false, november).map_err(|error| (error.kind(), error.wait()));
        assert_eq!(
            refused,
            Err((StoreErrorKind::Busy, Some(Duration::from_secs(1)))),
            "until the month is over"
        );
        assert!(!account.is_over(december) && account.enter(None, false, december).is_ok());
    }

    #[test]
    fn downloads_beyond_the_budget_stop_downloads_only() {
        let now = Timestamp::now();
        let account = Account::new(budget(None, Some(10), AtBudget::Stop), None, now);
        account.downloaded(10);
        assert!(account.enter(None, true, now).is_err() && account.enter(None, false, now).is_ok());
    }

    #[test]
    fn who_is_to_be_avoided_serves() {
        let now = Timestamp::now();
        let account = Account::new(budget(Some(1), None, AtBudget::Avoid), None, now);
        for _ in 0..3 {
            account.enter(None, true, now).expect("is served");
        }
        assert!(account.is_over(now));
    }

    #[test]
    fn what_the_backend_counts_itself_is_what_counts() {
        let now = Timestamp::now();
        let account = Account::new(budget(Some(100), None, AtBudget::Stop), None, now);
        account.enter(Some(0), false, now).expect("is served");
        account.enter(Some(60), false, now).expect("is served");
        account.look(Some(99));
        assert_eq!(account.used().requests, 99);
        account.enter(Some(100), false, now).expect_err("is used up");
    }

    #[test]
    fn what_was_used_is_known_after_a_restart_within_its_month() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("budgets.json");
        let all = budget(Some(9), Some(9), AtBudget::Stop);
        let now = Timestamp::now();
        let ledger = Ledger::open(path.clone()).expect("opens");
        let (lake, _other) = (ledger.account("lake", all, now), ledger.account("other", all, now));
        ledger.flush().expect("has nothing to write");
        assert!(!path.exists());
        lake.enter(None, true, now).expect("is served");
        lake.downloaded(7);
        ledger.flush().expect("is written");

        let ledger = Ledger::open(path.clone()).expect("opens");
        ledger.account("other", all, now).downloaded(1);
        ledger.flush().expect("is written");
        let ledger = Ledger::open(path.clone()).expect("opens");
        let lake = ledger.account("lake", all, now).used();
        assert_eq!((lake.requests, lake.download), (1, 7), "it was not configured in between");
        let next = Timestamp::from_millis(month(now).1);
        assert_eq!(Account::new(all, Some(&lake), next).used().requests, 0);

        std::fs::write(&path, "{").expect("is written");
        Ledger::open(path).expect_err("is no such file");
    }
}
