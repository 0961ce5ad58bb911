//! A body whose last bytes wait for a turn.
//!
//! A storage publishes an object once it has the whole body. So the last frame is held back until the turn
//! (`moving`) was taken: which place is the truth is decided right before publishing, and a slow client holds
//! nobody up.
//!
//! Invariant: at most one frame is held.

use crate::{
    model::Checksum,
    store::payload::{Arrived, BodySource, PayloadError},
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

/// Receives the turn when the body has ended.
pub(super) struct Slot<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Slot<T> {
    pub(super) fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, turn: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(turn);
    }
}

pub(super) struct Gated<T> {
    below: Pin<Box<dyn BodySource>>,
    held: Option<Bytes>,
    has_ended: bool,
    /// `None`: the turn was taken.
    turn: Option<BoxFuture<'static, T>>,
    slot: Slot<T>,
}

impl<T> Gated<T> {
    pub(super) fn new(below: Pin<Box<dyn BodySource>>, turn: BoxFuture<'static, T>, slot: Slot<T>) -> Self {
        Self { below, held: None, has_ended: false, turn: Some(turn), slot }
    }
}

impl<T: Send> BodySource for Gated<T> {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, PayloadError>>> {
        let own = &mut *self;
        while !own.has_ended {
            match ready!(own.below.as_mut().poll_frame(cx)) {
                // An empty frame says nothing; a held one is not given away for it.
                Some(Ok(frame)) if frame.is_empty() => {}
                Some(Ok(frame)) => {
                    if let Some(before) = own.held.replace(frame) {
                        return Poll::Ready(Some(Ok(before)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => own.has_ended = true,
            }
        }
        if let Some(turn) = &mut own.turn {
            let turn = ready!(turn.as_mut().poll(cx));
            own.turn = None;
            own.slot.set(turn);
        }
        Poll::Ready(own.held.take().map(Ok))
    }

    fn trailing_checksum(&self) -> Option<Checksum> {
        self.below.trailing_checksum()
    }

    fn foretold(&self) -> Option<Arrived> {
        self.below.foretold()
    }
}
