//! The file of a form as the source of a payload.
//!
//! Owns the length range of the policy, which holds while bytes arrive. Invariants:
//! - the stream ends only after the whole form was received, and the file is as long as its policy allows:
//!   nothing is published before;
//! - of a file that is too long, no byte beyond the limit is passed on.

use super::{file_end::FileEnd, policy::LengthRange};
use crate::store::payload::{BodySource, PayloadError};
use bytes::Bytes;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

pub(super) struct FileSource {
    form: Pin<Box<dyn BodySource>>,
    end: FileEnd,
    /// Of the form, not yet looked at.
    frame: Bytes,
    range: LengthRange,
    length: u64,
    /// After an error there is only that error.
    failed: Option<PayloadError>,
}

impl FileSource {
    /// `begun` are bytes of the file that arrived with the fields.
    pub(super) fn new(
        form: Pin<Box<dyn BodySource>>,
        end: FileEnd,
        begun: Bytes,
        range: LengthRange,
    ) -> Self {
        Self { form, end, frame: begun, range, length: 0, failed: None }
    }

    /// Counts a piece of the file.
    fn count(&mut self, piece: &Bytes) -> Result<(), PayloadError> {
        self.length += piece.len() as u64;
        if self.length > self.range.most {
            return Err(PayloadError::FileTooLarge { length: self.length, most: self.range.most });
        }
        Ok(())
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        loop {
            match self.end.take(&mut self.frame) {
                Ok(Some(piece)) => return Poll::Ready(Some(self.count(&piece).map(|()| piece))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            match ready!(self.form.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => self.frame = frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(self.finish().err().map(Err)),
            }
        }
    }

    fn finish(&self) -> Result<(), PayloadError> {
        self.end.finish()?;
        if self.length < self.range.least {
            return Err(PayloadError::FileTooSmall { length: self.length, least: self.range.least });
        }
        Ok(())
    }
}

impl BodySource for FileSource {
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        let this = self.get_mut();
        if let Some(error) = this.failed {
            return Poll::Ready(Some(Err(error)));
        }
        let next = ready!(this.poll_piece(cx));
        this.failed = next.as_ref().and_then(|piece| piece.as_ref().err().copied());
        Poll::Ready(next)
    }
}
