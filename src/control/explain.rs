//! Why a request was allowed or denied.

use super::{Done, Reply};
use crate::{model::Timestamp, s3::Decisions};
use tokio::sync::mpsc;

/// Without decisions no server runs: none are kept.
pub(super) async fn explain(
    decisions: Option<&Decisions>,
    request: &str,
    replies: &mpsc::Sender<Reply>,
) -> Result<Done, String> {
    let decisions = decisions.ok_or("decisions are kept by a running server only")?;
    let found = decisions.of(request, Timestamp::now());
    if found.is_empty() {
        return Err(format!(
            "no decision about a request '{request}' is kept: it is not known, it is older than some minutes, or it \
             was refused before anything was decided, such as for its signature"
        ));
    }
    for explained in found {
        if replies.send(Reply::Explained(explained)).await.is_err() {
            break;
        }
    }
    Ok(Done::Explained)
}
