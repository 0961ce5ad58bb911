//! ListBuckets: an identity sees the buckets that it owns or is given, an admin sees all.

use crate::{
    buckets::{
        BucketError,
        settings::{self, BucketSettings, DocumentKind},
    },
    catalog::{BucketRecord, BucketsQuery},
    model::Role,
    s3::{
        ErrorCode, Query, Response, S3Error, Service, ServiceCall, acl, identification, listing, region,
        reply,
    },
};

/// The largest page, and the page of a request that names no limit.
const MAX_BUCKETS: usize = 10_000;

pub(in crate::s3) async fn handle(service: &Service, call: ServiceCall) -> Result<Response, S3Error> {
    let query = &call.request.query;
    let identity = call.request.context.principal.identity().ok_or(ErrorCode::AccessDenied)?;
    let limit = limit(query)?;
    let prefix = query.get("prefix").unwrap_or_default();
    let wanted_region = query.get("bucket-region").filter(|region| !region.is_empty());
    let mut question = BucketsQuery {
        owner: (identity.role != Role::Admin).then(|| identity.owner.id.to_string()),
        besides: service.buckets().given_to(&identity.owner),
        prefix: prefix.to_owned(),
        after: query.get("continuation-token").map(listing::read_token).transpose()?.flatten(),
        limit,
        documents: vec![settings::Location::NAME],
        ..Default::default()
    };
    let mut buckets = Vec::new();
    // The catalog does not know of regions: pages are read until one is full of those asked for.
    let truncated = loop {
        question.limit = limit - buckets.len();
        let page = service.buckets().list(question.clone()).await?;
        question.after = page.buckets.last().map(|record| record.bucket.name.to_string());
        for record in page.buckets {
            let region = region_of(&record, &service.settings().region)?;
            if wanted_region.is_none_or(|wanted| wanted == region) {
                buckets.push((record, region));
            }
        }
        if !page.truncated || buckets.len() == limit {
            break page.truncated;
        }
    };
    Ok(reply::document("ListAllMyBucketsResult", |w| {
        w.element("Owner", |w| acl::identify(w, &identity.owner));
        w.element("Buckets", |w| {
            for (record, region) in &buckets {
                w.element("Bucket", |w| {
                    w.text("Name", record.bucket.name.as_str());
                    w.text("CreationDate", record.bucket.created.iso8601());
                    w.text("BucketRegion", region);
                    w.text("BucketArn", identification::arn(&record.bucket.name));
                });
            }
        });
        if let Some(last) = question.after.filter(|_| truncated) {
            w.text("ContinuationToken", listing::token(&last));
        }
        if !prefix.is_empty() {
            w.text("Prefix", prefix);
        }
    }))
}

fn region_of(record: &BucketRecord, default: &str) -> Result<String, S3Error> {
    let settings = BucketSettings::parse(&record.documents).map_err(BucketError::from)?;
    Ok(region::of(settings.get::<settings::Location>(), default).to_owned())
}

fn limit(query: &Query) -> Result<usize, S3Error> {
    match query.number::<usize>("max-buckets")? {
        None => Ok(MAX_BUCKETS),
        Some(limit) if (1..=MAX_BUCKETS).contains(&limit) => Ok(limit),
        Some(limit) => {
            let message = format!("Argument max-buckets must be an integer between 1 and {MAX_BUCKETS}");
            Err(S3Error::argument("max-buckets", limit.to_string(), message))
        }
    }
}
