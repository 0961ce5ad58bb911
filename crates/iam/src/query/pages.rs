//! Lists in pages: `Marker`, `MaxItems`, `IsTruncated`.
//!
//! Invariant: a marker is the key of the last item that was listed, so that a page never misses an item that
//! was there all the time.

use super::{error::QueryError, work::Work};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

const DEFAULT: usize = 100;
const MOST: usize = 1000;

impl Work<'_> {
    /// Writes a list. `items` are in the order of their keys, and `show` writes one.
    pub(crate) fn list<K: Into<String>, T>(
        &mut self,
        element: &str,
        items: impl Iterator<Item = (K, T)>,
        show: impl Fn(&mut crate::xml::Writer, T),
    ) -> Result<(), QueryError> {
        let most = self.call.form.number::<usize>("MaxItems")?.unwrap_or(DEFAULT);
        if !(1..=MOST).contains(&most) {
            return Err(QueryError::invalid(format!("MaxItems must be a number from 1 to {MOST}")));
        }
        let after = match self.parameter("Marker") {
            None => None,
            Some(marker) => {
                let key = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|key| String::from_utf8(key).ok());
                Some(key.ok_or_else(|| QueryError::invalid("Invalid Marker"))?)
            }
        };
        let mut last = None;
        let (mut count, mut is_truncated) = (0, false);
        self.out.element(element, |w| {
            for (key, item) in items.map(|(key, item)| (key.into(), item)) {
                if after.as_ref().is_some_and(|after| key <= *after) {
                    continue;
                }
                if count == most {
                    is_truncated = true;
                    break;
                }
                w.element("member", |w| show(w, item));
                last = Some(key);
                count += 1;
            }
        });
        self.out.boolean("IsTruncated", is_truncated);
        if let Some(last) = last.filter(|_| is_truncated) {
            self.out.text("Marker", URL_SAFE_NO_PAD.encode(last));
        }
        Ok(())
    }
}
