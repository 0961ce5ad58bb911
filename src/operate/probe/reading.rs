//! What any use of a storage needs.

use super::{
    report::{Found, failed},
    trial::Trial,
};
use crate::{
    model::ByteRange,
    store::{ListEntry, ListRequest, Selection, condition::WriteConditions, error::StoreErrorKind},
};

const NAME: &str = "object";
const BYTES: &[u8] = b"0123456789 Causeway was here and goes away again 0123456789";

pub(super) async fn list(trial: &Trial) -> Found {
    // Lists the whole bucket, not only our prefix: clients will do so.
    trial.store.list(ListRequest { limit: 1, ..Default::default() }).await?;
    Ok("the storage answers".to_owned())
}

pub(super) async fn write(trial: &Trial) -> Found {
    trial.put(NAME, BYTES).await?;
    Ok(format!("{} bytes", BYTES.len()))
}

pub(super) async fn read(trial: &Trial) -> Found {
    trial.expect(NAME, BYTES).await?;
    let size = trial.head(NAME).await?.size;
    if size != BYTES.len() as u64 {
        return failed(format!("HEAD says {size} bytes, and there are {}", BYTES.len()));
    }
    Ok("the same bytes".to_owned())
}

pub(super) async fn read_range(trial: &Trial) -> Found {
    for (range, expected) in [
        (ByteRange::FromTo(3, 9), &BYTES[3..=9]),
        (ByteRange::From(50), &BYTES[50..]),
        (ByteRange::Suffix(4), &BYTES[BYTES.len() - 4..]),
    ] {
        let read = trial.get(NAME, Selection::Range(range)).await?;
        if read != expected {
            return failed(format!("{range:?} gave {} bytes, or others than were written", read.len()));
        }
    }
    Ok("exactly its bytes".to_owned())
}

pub(super) async fn listed(trial: &Trial) -> Found {
    let info = trial.head(NAME).await?;
    let page = trial
        .store
        .list(ListRequest { prefix: trial.prefix.clone(), limit: 10, ..Default::default() })
        .await?;
    match page.entries.as_slice() {
        [ListEntry::Object(object)] if object.key == trial.key(NAME)? => {
            match (object.size == info.size, object.etag == info.etag) {
                (true, true) => Ok("at once, with size and ETag".to_owned()),
                (false, _) => failed("the listing shows another size than HEAD"),
                (_, false) => failed("the listing shows another ETag than HEAD"),
            }
        }
        [] => failed("what was written is not listed"),
        _ => failed("the listing shows something else"),
    }
}

pub(super) async fn overwrite(trial: &Trial) -> Found {
    let first = trial.head(NAME).await?.etag;
    let second = trial.put(NAME, "something else").await?.etag;
    trial.expect(NAME, b"something else").await?;
    if first == second {
        failed("other bytes have the same ETag")
    } else {
        Ok("the new bytes at once".to_owned())
    }
}

pub(super) async fn delete(trial: &Trial) -> Found {
    let key = trial.key(NAME)?;
    trial.store.delete(key.current(), &WriteConditions::default()).await?;
    match trial.head(NAME).await {
        Err(error) if error.kind() == StoreErrorKind::NoSuchKey => {}
        Err(error) => return Err(error.into()),
        Ok(_) => return failed("what was deleted is still there"),
    }
    if trial.names(NAME, None, 10).await?.is_empty() {
        Ok("gone at once".to_owned())
    } else {
        failed("what was deleted is still listed")
    }
}
