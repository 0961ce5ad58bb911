//! What is to be done where both ends have changed an object, or one has changed and the other one deleted
//! it.
//!
//! Owns the decision alone: nothing is changed here.
//!
//! Invariant: a version gets the name of no other object. A name that has the very bytes of the version is
//! its own: an earlier run was killed after it had made it.

use super::{
    both::Both,
    options::{Loser, Policy},
    question::{Answer, Question},
    same::same_content,
    step::Outcome,
};
use crate::{
    end::Side,
    listing::Entry,
    store::error::{StoreError, StoreErrorKind},
};
use std::cmp::Ordering;

/// Names that are tried for a version before it fails.
const MOST_NAMES: u32 = 1000;

pub(crate) async fn resolve(
    both: &Both,
    name: &str,
    (source, destination): (Option<&Entry>, Option<&Entry>),
) -> Result<Outcome, StoreError> {
    let winner = match both.options.policy {
        Policy::Skip | Policy::Fail => return Ok(Outcome::Left),
        Policy::Source => Some(Side::Source),
        Policy::Destination => Some(Side::Destination),
        Policy::Ask => match ask(both, name, (source, destination)).await? {
            Answer::Skip => return Ok(Outcome::Left),
            Answer::Source => Some(Side::Source),
            Answer::Destination => Some(Side::Destination),
            Answer::Both => None,
        },
        policy => match (source, destination) {
            (Some(source), Some(destination)) => compared(both, policy, source, destination).await?,
            _ => None,
        },
    };
    let winner = match (source, destination) {
        (Some(_), Some(_)) => winner,
        // Both cannot be kept where only one is there.
        (has_source, _) => {
            winner.or(Some(if has_source.is_some() { Side::Source } else { Side::Destination }))
        }
    };
    match (winner, source, destination) {
        (None, Some(of_source), Some(of_destination)) => {
            let (source, next) = free(both, name, (Side::Source, of_source), 1).await?;
            let (destination, _) = free(both, name, (Side::Destination, of_destination), next).await?;
            Ok(Outcome::Both { source, destination })
        }
        (None, ..) => Ok(Outcome::Left),
        (Some(side), ..) => {
            let loser = if side == Side::Source { destination } else { source };
            let keep = match loser.filter(|_| both.options.loser == Loser::Keep) {
                Some(loser) => Some(free(both, name, (side.other(), loser), 1).await?.0),
                None => None,
            };
            Ok(Outcome::Wins { side, keep })
        }
    }
}

/// Returns the side whose version wins. `None`: they are alike in what counts.
async fn compared(
    both: &Both,
    policy: Policy,
    source: &Entry,
    destination: &Entry,
) -> Result<Option<Side>, StoreError> {
    let order = match policy {
        Policy::Newer | Policy::Older => {
            let of_source = both.subject(Side::Source, source).time().await?;
            let of_destination = both.subject(Side::Destination, destination).time().await?;
            of_source.cmp(&of_destination)
        }
        Policy::Larger | Policy::Smaller => source.object.size.cmp(&destination.object.size),
        _ => Ordering::Equal,
    };
    let order = if matches!(policy, Policy::Older | Policy::Smaller) { order.reverse() } else { order };
    Ok(match order {
        Ordering::Greater => Some(Side::Source),
        Ordering::Less => Some(Side::Destination),
        Ordering::Equal => None,
    })
}

async fn ask(
    both: &Both,
    name: &str,
    (source, destination): (Option<&Entry>, Option<&Entry>),
) -> Result<Answer, StoreError> {
    let Some(ask) = &both.ask else { return Ok(Answer::Skip) };
    let of = async |side, entry: Option<&Entry>| match entry {
        Some(entry) => Ok(Some((entry.object.size, both.subject(side, entry).time().await?))),
        None => Ok::<_, StoreError>(None),
    };
    let source = of(Side::Source, source).await?;
    let destination = of(Side::Destination, destination).await?;
    let _turn = both.asking.lock().await;
    Ok(ask(Question { name: name.to_owned(), source, destination }).await)
}

/// Returns a new name for a version, with at least this number, and the number behind it.
async fn free(
    both: &Both,
    name: &str,
    (side, entry): (Side, &Entry),
    first: u32,
) -> Result<(String, u32), StoreError> {
    for number in first..first + MOST_NAMES {
        let candidate = format!("{name}.{}{number}", both.options.suffix);
        let mut fits = true;
        for at in [side, side.other()] {
            let Some(info) = both.head(at, &candidate).await? else { continue };
            let end = both.end(at);
            let key = end.key(&candidate).map_err(|_| StoreErrorKind::KeyTooLong)?;
            let found = Entry::of_info(end, key, info).ok_or(StoreErrorKind::Internal)?;
            let (mut own, mut other) = (both.subject(side, entry), both.subject(at, &found));
            fits &= same_content(&both.pace, &mut own, &mut other).await?;
        }
        if fits {
            return Ok((candidate, number + 1));
        }
    }
    let why = format!("{MOST_NAMES} versions of it are kept already: remove some of them");
    Err(StoreError::new(StoreErrorKind::PreconditionFailed, why))
}
