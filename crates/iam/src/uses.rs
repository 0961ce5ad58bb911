//! When access keys were last used: noted in memory by each request, and written to the catalog later.
//!
//! Owns the notes and which of them are not written yet. Does not own when they are written: `directory` does.
//!
//! Invariants:
//! - a request that notes its use loads one atomic, and stores to it once a minute at most;
//! - a note never goes back in time;
//! - a key whose [`LastUse`] nobody holds any more is gone, and its use is forgotten.

use crate::{catalog::KeyUse, model::Timestamp};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The services that a request can be signed for. Their names are stored.
const SERVICES: [&str; 3] = ["s3", "iam", "sts"];
/// Seconds between two stores of one key.
const STEP: u64 = 60;

/// The last use of one access key, shared by all that hold the key. Seconds since 1970 are in the upper bits,
/// the number of the service in the lowest eight. Zero: it was never used.
#[derive(Debug, Default)]
pub struct LastUse(AtomicU64);

/// A use of an access key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    pub at: Timestamp,
    pub service: &'static str,
}

impl LastUse {
    /// Notes a request that was signed for a service.
    pub fn note(&self, now: Timestamp, service: &str) {
        let (new, known) = (packed(now, service), self.0.load(Ordering::Relaxed));
        let is_due = new >> 8 >= (known >> 8) + STEP;
        let is_other = new & 0xFF != known & 0xFF && new > known;
        if is_due || is_other {
            self.raise(new);
        }
    }

    fn raise(&self, packed: u64) {
        self.0.fetch_max(packed, Ordering::Relaxed);
    }

    fn packed(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Zero for a service that is not one of ours.
fn packed(at: Timestamp, service: &str) -> u64 {
    let number = SERVICES.iter().position(|known| *known == service);
    let seconds = u64::try_from(at.seconds()).unwrap_or_default();
    number.map_or(0, |number| seconds << 8 | (number as u64 + 1))
}

fn unpacked(packed: u64) -> Option<Used> {
    let number = usize::try_from(packed & 0xFF).ok()?.checked_sub(1)?;
    let seconds = i64::try_from(packed >> 8).ok()?;
    Some(Used { at: Timestamp::from_millis(seconds * 1000), service: SERVICES.get(number)? })
}

/// The last uses of all access keys.
#[derive(Debug, Default)]
pub struct KeyUses {
    known: Mutex<HashMap<Box<str>, Known>>,
}

#[derive(Debug, Default)]
struct Known {
    last: Arc<LastUse>,
    /// What the catalog has.
    written: u64,
}

/// What the catalog does not know yet.
#[derive(Debug, Default)]
pub(crate) struct Unwritten {
    pub(crate) uses: Vec<KeyUse>,
    pub(crate) gone: Vec<String>,
}

impl Unwritten {
    pub(crate) fn is_empty(&self) -> bool {
        self.uses.is_empty() && self.gone.is_empty()
    }
}

impl KeyUses {
    /// The last use of a key, to be held for as long as the key exists.
    pub(crate) fn of(&self, access_key: &str) -> Arc<LastUse> {
        self.known().entry(access_key.into()).or_default().last.clone()
    }

    /// From now on, `last` is the last use of the key.
    pub fn adopt(&self, access_key: &str, last: &Arc<LastUse>) {
        let mut all = self.known();
        let known = all.entry(access_key.into()).or_default();
        last.raise(known.last.packed());
        known.last = last.clone();
    }

    pub fn last(&self, access_key: &str) -> Option<Used> {
        unpacked(self.known().get(access_key)?.last.packed())
    }

    /// Takes over what the catalog has.
    pub(crate) fn load(&self, uses: Vec<KeyUse>) {
        let mut all = self.known();
        for KeyUse { access_key, at, service } in uses {
            let known = all.entry(access_key.into()).or_default();
            known.written = packed(at, &service);
            known.last.raise(known.written);
        }
    }

    pub(crate) fn unwritten(&self) -> Unwritten {
        let mut unwritten = Unwritten::default();
        for (key, known) in self.known().iter() {
            let packed = known.last.packed();
            if is_gone(known) {
                unwritten.gone.push(key.to_string());
            } else if packed != known.written
                && let Some(Used { at, service }) = unpacked(packed)
            {
                let (access_key, service) = (key.to_string(), service.to_owned());
                unwritten.uses.push(KeyUse { access_key, at, service });
            }
        }
        unwritten
    }

    pub(crate) fn written(&self, Unwritten { uses, gone }: &Unwritten) {
        let mut all = self.known();
        for KeyUse { access_key, at, service } in uses {
            if let Some(known) = all.get_mut(access_key.as_str()) {
                known.written = packed(*at, service);
            }
        }
        for key in gone {
            match all.get_mut(key.as_str()) {
                // It came back meanwhile, and the catalog has forgotten it.
                Some(known) if !is_gone(known) => known.written = 0,
                _ => drop(all.remove(key.as_str())),
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Box<str>, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_gone(known: &Known) -> bool {
    Arc::strong_count(&known.last) == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn used(access_key: &str, seconds: i64, service: &str) -> KeyUse {
        KeyUse { access_key: access_key.to_owned(), at: at(seconds), service: service.to_owned() }
    }

    #[test]
    fn a_use_is_noted_once_a_minute_and_never_goes_back() {
        let last = LastUse::default();
        assert_eq!(unpacked(last.packed()), None);
        let noted = |seconds, service| {
            last.note(at(seconds), service);
            unpacked(last.packed()).map(|used| (used.at.seconds(), used.service))
        };
        assert_eq!(noted(1000, "s3"), Some((1000, "s3")));
        assert_eq!(noted(1059, "s3"), Some((1000, "s3")), "a minute is not over");
        assert_eq!(noted(1060, "s3"), Some((1060, "s3")));
        assert_eq!(noted(1061, "iam"), Some((1061, "iam")), "another service counts at once");
        assert_eq!(noted(900, "s3"), Some((1061, "iam")));
        assert_eq!(noted(9000, "ec2"), Some((1061, "iam")));
    }

    #[test]
    fn what_was_written_is_not_written_again_until_the_key_is_used_or_gone() {
        let uses = KeyUses::default();
        uses.load(vec![used("a", 5, "s3"), used("b", 6, "sts")]);
        let (held, never) = (uses.of("a"), uses.of("c"));
        let unwritten = uses.unwritten();
        assert_eq!((unwritten.uses.as_slice(), unwritten.gone.as_slice()), (&[][..], &["b".to_owned()][..]));
        uses.written(&unwritten);
        assert!(uses.unwritten().is_empty() && uses.last("b").is_none() && uses.last("c").is_none());
        held.note(at(70), "iam");
        let unwritten = uses.unwritten();
        assert_eq!(unwritten.uses, [used("a", 70, "iam")]);
        uses.written(&unwritten);
        assert!(uses.unwritten().is_empty());
        // The key is held by another configuration from now on.
        let other = Arc::new(LastUse::default());
        uses.adopt("a", &other);
        drop((held, never));
        assert_eq!(uses.last("a"), Some(Used { at: at(70), service: "iam" }));
        assert_eq!(uses.unwritten().gone, ["c"]);
    }
}
