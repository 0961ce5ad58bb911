//! Conditions of writes. An ignored condition is worse than a refused one, so it counts as a failure.

use super::{
    report::{Found, Trouble, failed},
    trial::{Trial, if_absent, if_match},
};
use crate::{
    model::ETag,
    store::{
        Result,
        error::StoreErrorKind::{Conflict, NoSuchKey, PreconditionFailed},
    },
};
use futures_util::future::join_all;

const CREATORS: usize = 8;

/// An ETag that no object has.
fn nobody() -> ETag {
    ETag::from_md5([0; 16])
}

/// Expects that the request is refused because of its condition.
pub(super) fn refused<T>(result: Result<T>, ignored: &str) -> std::result::Result<(), Trouble> {
    match result {
        Err(error) if error.kind() == PreconditionFailed => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => failed(ignored),
    }
}

pub(super) async fn create(trial: &Trial) -> Found {
    const NAME: &str = "create";
    trial.put_if(NAME, "first", if_absent()).await?;
    refused(trial.put_if(NAME, "second", if_absent()).await, "If-None-Match: * replaced an object")?;
    trial.expect(NAME, b"first").await?;
    Ok("If-None-Match: *".to_owned())
}

pub(super) async fn creators(trial: &Trial) -> Found {
    const NAME: &str = "creators";
    let results =
        join_all((0..CREATORS).map(|n| trial.put_if(NAME, format!("creator {n}"), if_absent()))).await;
    let mut winner = None;
    for (n, result) in results.into_iter().enumerate() {
        match result {
            Ok(_) if winner.is_some() => {
                return failed(format!("more than one of {CREATORS} writers created the object"));
            }
            Ok(_) => winner = Some(n),
            Err(error) if matches!(error.kind(), PreconditionFailed | Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let Some(winner) = winner else {
        return failed(format!("none of {CREATORS} writers created the object"));
    };
    trial.expect(NAME, format!("creator {winner}").as_bytes()).await?;
    Ok("and its bytes are there".to_owned())
}

pub(super) async fn swap(trial: &Trial) -> Found {
    const NAME: &str = "swap";
    let first = trial.put(NAME, "first").await?.etag;
    refused(
        trial.put_if(NAME, "wrong", if_match(&nobody())).await,
        "If-Match replaced an object that does not match",
    )?;
    trial.put_if(NAME, "second", if_match(&first)).await?;
    refused(
        trial.put_if(NAME, "late", if_match(&first)).await,
        "If-Match replaced an object that had changed",
    )?;
    trial.expect(NAME, b"second").await?;
    Ok("If-Match".to_owned())
}

pub(super) async fn delete(trial: &Trial) -> Found {
    const NAME: &str = "conditional-delete";
    let etag = trial.put(NAME, "first").await?.etag;
    let key = trial.key(NAME)?;
    refused(
        trial.store.delete(key.current(), &if_match(&nobody())).await,
        "If-Match deleted an object that does not match",
    )?;
    trial.expect(NAME, b"first").await?;
    trial.store.delete(key.current(), &if_match(&etag)).await?;
    match trial.head(NAME).await {
        Err(error) if error.kind() == NoSuchKey => Ok("If-Match".to_owned()),
        Err(error) => Err(error.into()),
        Ok(_) => failed("what was deleted is still there"),
    }
}
