//! Which objects take part by what is known of each: size, age, metadata.
//!
//! Owns no rule: those are the filter's. What the listing says is used first; a HEAD is sent only where a
//! rule needs more.

use crate::{
    compare::Subject,
    end::End,
    filter::Filter,
    listing::Entry,
    retry::Retry,
    store::error::{StoreError, StoreErrorKind},
};

impl Filter {
    /// Returns the entry, if it takes part.
    pub async fn takes(
        &self,
        end: &End,
        entry: Option<Entry>,
        retry: &Retry,
    ) -> Result<Option<Entry>, StoreError> {
        let Some(entry) = entry.filter(|entry| self.keeps_size(entry.object.size)) else { return Ok(None) };
        match self.takes_by_head(&mut Subject::new(end, &entry, retry)).await {
            // It is gone since it was listed.
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => Ok(None),
            takes => Ok(takes?.then_some(entry)),
        }
    }

    async fn takes_by_head(&self, subject: &mut Subject<'_>) -> Result<bool, StoreError> {
        if self.needs_time() && !self.keeps_time(subject.time().await?.timestamp()) {
            return Ok(false);
        }
        Ok(!self.needs_metadata() || self.keeps_metadata(&subject.info().await?.attributes))
    }
}
