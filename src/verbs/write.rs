//! One object from a stream of unknown length.
//!
//! A store that must be told the length first gets a short body at once, and a longer one in parts. Any other
//! store gets the stream as it is.

use super::{
    body::{Body, Described, gather},
    upload,
};
use crate::{
    ends::{Failure, Place},
    model::ObjectKey,
    store::{
        PutRequest, Written,
        payload::{Announced, Payload, PayloadError},
    },
};
use futures_util::StreamExt;
use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Writes the object that was named, and returns its size with what the store answered.
pub async fn write(place: &Place, mut body: Body, described: Described) -> Result<(u64, Written), Failure> {
    let key = place.key()?;
    let failed = |error| Failure::of_store(format_args!("writing '{}'", place.label), &error);
    if !place.store.capabilities().needs_length {
        return stream(place, &key, body, described).await;
    }
    let (first, is_whole) = gather(&mut body, upload::PART).await?;
    if !is_whole {
        return upload::write(place, &key, first, body, described).await;
    }
    let size = first.len() as u64;
    let Described { attributes, conditions } = described;
    let request = PutRequest { attributes, conditions, payload: Payload::from_bytes(first) };
    Ok((size, place.store.put(&key, request).await.map_err(failed)?))
}

/// Gives the store the stream as it is.
async fn stream(
    place: &Place,
    key: &ObjectKey,
    body: Body,
    described: Described,
) -> Result<(u64, Written), Failure> {
    let (counted, unread) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(None::<io::Error>)));
    let (counting, noting) = (counted.clone(), unread.clone());
    let frames = body.map(move |frame| match frame {
        Ok(frame) => {
            counting.fetch_add(frame.len() as u64, Ordering::Relaxed);
            Ok(frame)
        }
        Err(error) => {
            *noting.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            Err(PayloadError::Source)
        }
    });
    let payload = Payload::from_stream(frames, Announced::default());
    let Described { attributes, conditions } = described;
    let put = place.store.put(key, PutRequest { attributes, conditions, payload }).await;
    // What the input said is why the store failed.
    if let Some(error) = unread.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(Failure::failed(format!("reading the input: {error}")));
    }
    let written =
        put.map_err(|error| Failure::of_store(format_args!("writing '{}'", place.label), &error))?;
    Ok((counted.load(Ordering::Relaxed), written))
}
