//! Exports what only the catalog knows, row by row: the buckets, what their storage cannot keep of its objects,
//! and the identities and members that were added at run time, with their secrets sealed.
//!
//! Uploads in progress are left out: their parts are not where a copy of the catalog would find them. While a
//! server runs, each row is as it was at some moment of the export; a file that has changed since is detected
//! by its fingerprint.

use super::{
    Reply,
    rows::{BucketRow, End, IdentityRow, MemberRow, ObjectLine, Row},
};
use crate::{
    backend::migration::DOCUMENT,
    catalog::{BucketsQuery, Catalog, Result, WhichObjects},
    model::BucketName,
};
use tokio::sync::mpsc;

const PAGE: usize = 512;

/// Ends early if the receiver is gone.
pub(super) async fn export(catalog: &dyn Catalog, replies: &mpsc::Sender<Reply>) -> Result<()> {
    let take = async |row| replies.send(Reply::Row(row)).await.is_ok();
    let mut counted = End::default();
    let mut after: Option<BucketName> = None;
    loop {
        let query = BucketsQuery {
            after: after.as_ref().map(ToString::to_string),
            limit: PAGE,
            ..Default::default()
        };
        let page = catalog.buckets(query).await?;
        after = page.buckets.last().map(|record| record.bucket.name.clone());
        for record in page.buckets {
            let name = record.bucket.name.clone();
            counted.buckets += 1;
            let mut documents = catalog.documents(record.id).await?.unwrap_or_default();
            // It is about rows that are not exported. The bucket is where the catalog says that it is.
            documents.all.retain(|document| document.kind != DOCUMENT);
            if !take(Row::Bucket(BucketRow::new(record.bucket, documents))).await {
                return Ok(());
            }
            let mut after = None;
            loop {
                let rows = catalog.objects(record.id, after.take(), PAGE, WhichObjects::All).await?;
                let Some(last) = rows.last() else { break };
                after = Some(last.key.clone());
                for row in rows {
                    counted.objects += 1;
                    if !take(Row::Object(ObjectLine::new(name.clone(), row))).await {
                        return Ok(());
                    }
                }
            }
        }
        if !page.truncated || after.is_none() {
            break;
        }
    }
    for record in catalog.identities().await?.all {
        counted.identities += 1;
        if !take(Row::Identity(IdentityRow::new(record.identity))).await {
            return Ok(());
        }
    }
    for document in catalog.iam().await?.all {
        counted.members += 1;
        if !take(Row::Member(MemberRow::new(document.key, document.body))).await {
            return Ok(());
        }
    }
    take(Row::End(counted)).await;
    Ok(())
}
