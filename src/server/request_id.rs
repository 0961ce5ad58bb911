//! Request ids: 16 hexadecimal digits, unique within a process and sorted by time during its life.

use crate::{model::Timestamp, s3::RequestId};
use std::sync::atomic::{AtomicU32, Ordering};

/// Seconds, then a counter with a random start: ids of two servers, or of two runs of one, hardly ever
/// collide.
#[derive(Debug)]
pub(super) struct RequestIds(AtomicU32);

impl RequestIds {
    pub(super) fn new() -> Self {
        let mut start = [0; 4];
        // Without randomness, ids are still unique within the process.
        let _ = getrandom::fill(&mut start);
        Self(AtomicU32::new(u32::from_ne_bytes(start)))
    }

    pub(super) fn next(&self, now: Timestamp) -> RequestId {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let number = u64::from(self.0.fetch_add(1, Ordering::Relaxed)) | (now.seconds() as u64) << 32;
        let mut text = [0; 16];
        for (at, digit) in text.iter_mut().enumerate() {
            *digit = DIGITS[(number >> (60 - 4 * at)) as usize & 15];
        }
        RequestId(std::str::from_utf8(&text).unwrap_or_default().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_sixteen_digits_and_begin_with_the_second() {
        let ids = RequestIds(AtomicU32::new(u32::MAX));
        let now = Timestamp::from_millis(0x6500_0000 * 1000);
        assert_eq!(&*ids.next(now).0, "65000000FFFFFFFF");
        assert_eq!(&*ids.next(now).0, "6500000000000000");
    }
}
