//! Background jobs and the state of each.

use super::{Done, Reply};
use crate::{
    buckets::Buckets,
    model::{BucketName, Chain},
    work::{Listed, Wanted, kind::KINDS},
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// Maximum number of jobs that are shown; further ones are only counted.
const MOST: usize = 1000;

/// Which jobs an operator wants to see.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobsQuery {
    pub job: Option<String>,
    pub bucket: Option<String>,
}

pub(super) async fn jobs(
    buckets: &Buckets,
    query: JobsQuery,
    replies: &mpsc::Sender<Reply>,
) -> Result<Done, String> {
    let JobsQuery { job, bucket } = query;
    if let Some(job) = job.as_deref().filter(|job| KINDS.iter().all(|kind| kind.name != *job)) {
        let known: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        return Err(format!("there is no job '{job}'; there are {}", known.join(", ")));
    }
    let bucket = match bucket {
        Some(name) => Some(known(buckets, &name).await?),
        None => None,
    };
    let Listed { jobs, left_out } = buckets.workers().list(&Wanted { job, bucket }, MOST);
    for job in jobs {
        if replies.send(Reply::Job(job)).await.is_err() {
            break;
        }
    }
    Ok(Done::Jobs { left_out })
}

/// Finds a bucket that exists. The bucket need not be open, and its storage need not be reachable.
async fn known(buckets: &Buckets, name: &str) -> Result<BucketName, String> {
    let parsed = BucketName::parse(name).map_err(|error| format!("bucket '{name}': {error}"))?;
    match buckets.catalog().bucket(&parsed).await {
        Ok(Some(_)) => Ok(parsed),
        Ok(None) => Err(format!("bucket '{name}': no such bucket")),
        Err(error) => Err(format!("bucket '{name}': {}", Chain(&error))),
    }
}
