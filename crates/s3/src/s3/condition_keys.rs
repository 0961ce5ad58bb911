//! The condition keys of a request: what policies may ask about it.
//!
//! Owns where each key of the request and of the resource comes from (Service Authorization Reference,
//! "Condition keys for Amazon S3"). Keys about the sender that do
//! not depend on the request are set by the policy crate.
//!
//! Invariants: nothing here is looked up, so building the keys never waits; the address, the time and TLS are
//! those of the [`Arrival`](super::Arrival), never what a header claims.

use super::{
    action::Action,
    asker::{Asker, BodyFacts},
    context::{Context, SignatureVersion},
    headers,
    operation::Operation,
    region,
    resource::Resource,
};
use crate::{
    buckets::{
        Bucket,
        settings::{Abac, AbacStatus, BucketSettings, Tagging},
    },
    model::{TagSet, Timestamp},
    policy::Context as Keys,
};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// Keys that are headers of S3, under the names of the headers.
const HEADERS: &[(&str, &str)] = &[
    ("x-amz-acl", "s3:x-amz-acl"),
    ("x-amz-bucket-namespace", "s3:x-amz-bucket-namespace"),
    ("x-amz-content-sha256", "s3:x-amz-content-sha256"),
    ("x-amz-grant-full-control", "s3:x-amz-grant-full-control"),
    ("x-amz-grant-read", "s3:x-amz-grant-read"),
    ("x-amz-grant-read-acp", "s3:x-amz-grant-read-acp"),
    ("x-amz-grant-write", "s3:x-amz-grant-write"),
    ("x-amz-grant-write-acp", "s3:x-amz-grant-write-acp"),
    ("x-amz-metadata-directive", "s3:x-amz-metadata-directive"),
    ("x-amz-object-ownership", "s3:x-amz-object-ownership"),
    ("x-amz-server-side-encryption", "s3:x-amz-server-side-encryption"),
    ("x-amz-server-side-encryption-aws-kms-key-id", "s3:x-amz-server-side-encryption-aws-kms-key-id"),
    ("x-amz-server-side-encryption-customer-algorithm", "s3:x-amz-server-side-encryption-customer-algorithm"),
    ("x-amz-storage-class", "s3:x-amz-storage-class"),
    ("x-amz-website-redirect-location", "s3:x-amz-website-redirect-location"),
    ("x-amz-object-lock-legal-hold", "s3:object-lock-legal-hold"),
    ("x-amz-object-lock-mode", "s3:object-lock-mode"),
    ("x-amz-object-lock-retain-until-date", "s3:object-lock-retain-until-date"),
    ("if-match", "s3:if-match"),
    ("if-none-match", "s3:if-none-match"),
    ("user-agent", "aws:useragent"),
    ("referer", "aws:referer"),
];

const MILLISECONDS_OF_A_DAY: i64 = 24 * 60 * 60 * 1000;

/// All keys of a request for one action on one resource.
pub(super) fn keys<'a>(asker: &Asker<'a>, action: Action, resource: Resource<'a>) -> Keys<'a> {
    let mut keys = Keys::new();
    of_arrival(asker.context, &mut keys);
    of_session(asker.context, &mut keys);
    of_region(asker.context, resource, &mut keys);
    of_signature(asker, &mut keys);
    for (header, key) in HEADERS {
        if let Some(value) = asker.header(header) {
            keys.add(*key, value);
        }
    }
    of_copy_source(asker, &mut keys);
    of_listing(asker, action, resource, &mut keys);
    of_lock(asker, &mut keys);
    if let Some(creates) = asker.context.operation.and_then(creates_object) {
        keys.add("s3:objectcreationoperation", if creates { "true" } else { "false" });
    }
    if let BodyFacts::Location(location) = asker.body
        && !location.is_empty()
    {
        keys.add("s3:locationconstraint", location);
    }
    of_request_tags(asker, &mut keys);
    of_resource(resource, &mut keys);
    keys
}

fn of_arrival<'a>(context: &'a Context, keys: &mut Keys<'a>) {
    let arrival = &context.arrival;
    keys.add("aws:currenttime", arrival.at.iso8601());
    keys.add("aws:epochtime", arrival.at.seconds().to_string());
    keys.add("aws:securetransport", if arrival.is_secure { "true" } else { "false" });
    if let Some(version) = arrival.tls {
        keys.add("s3:tlsversion", version.as_str());
    }
    keys.add("aws:sourceip", arrival.peer.to_string());
    // No service of AWS asks for somebody else here.
    keys.add("aws:viaawsservice", "false");
}

/// Temporary credentials. There is no second factor.
fn of_session(context: &Context, keys: &mut Keys<'_>) {
    if let Some(issued) = context.principal.identity().and_then(|identity| identity.issued) {
        keys.add("aws:tokenissuetime", issued.iso8601());
        keys.add("aws:multifactorauthpresent", "false");
    }
}

/// The region that is asked: that of the bucket, or of the server. What a client signs for chooses nothing.
fn of_region(context: &Context, resource: Resource<'_>, keys: &mut Keys<'_>) {
    let Some(gateway) = &context.gateway else { return };
    let location = resource.bucket().map(Bucket::location).unwrap_or_default();
    keys.add("aws:requestedregion", region::of(&location, &gateway.region).to_owned());
}

fn of_signature<'a>(asker: &Asker<'a>, keys: &mut Keys<'a>) {
    let context = asker.context;
    let Some(signature) = &context.signature else { return };
    let way = match context.operation {
        Some(Operation::PostObject) => "POST",
        _ if context.presigned => "REST-QUERY-STRING",
        _ => "REST-HEADER",
    };
    keys.add("s3:authtype", way);
    match signature.version {
        SignatureVersion::Two => keys.add("s3:signatureversion", "AWS"),
        version @ (SignatureVersion::Four | SignatureVersion::FourAsymmetric) => {
            let is_asymmetric = version == SignatureVersion::FourAsymmetric;
            let name = if is_asymmetric { "AWS4-ECDSA-P256-SHA256" } else { "AWS4-HMAC-SHA256" };
            keys.add("s3:signatureversion", name);
            // The query of a presigned URL signs no payload, unless it says otherwise.
            if context.presigned && asker.header("x-amz-content-sha256").is_none() {
                keys.add("s3:x-amz-content-sha256", "UNSIGNED-PAYLOAD");
            }
        }
    }
    if let Some(at) = signature.at {
        let age = context.arrival.at.millis().saturating_sub(at.millis()).max(0);
        keys.add("s3:signatureage", age.to_string());
    }
}

/// The source of a copy, decoded, so that a policy cannot be passed by another way to write the same name.
/// Policies write it with or without a slash in front: both are values of the key.
fn of_copy_source<'a>(asker: &Asker<'a>, keys: &mut Keys<'a>) {
    let Some(header) = asker.header("x-amz-copy-source") else { return };
    let path = header.split_once("?versionId=").map_or(header, |(path, _)| path).replace('+', " ");
    let path = percent_decode_str(&path).decode_utf8_lossy().into_owned();
    let path = path.strip_prefix('/').unwrap_or(&path);
    keys.add("s3:x-amz-copy-source", path.to_owned());
    keys.add("s3:x-amz-copy-source", format!("/{path}"));
}

fn of_listing<'a>(asker: &Asker<'a>, action: Action, resource: Resource<'a>, keys: &mut Keys<'a>) {
    match (action, resource) {
        (Action::ListBucket | Action::ListBucketVersions, Resource::Bucket(_)) => {
            for (parameter, key) in
                [("prefix", "s3:prefix"), ("delimiter", "s3:delimiter"), ("max-keys", "s3:max-keys")]
            {
                if let Some(value) = asker.query.get(parameter) {
                    keys.add(key, value);
                }
            }
        }
        (_, Resource::Lookup(_, key)) => keys.add("s3:prefix", key.as_str()),
        _ => {}
    }
}

fn of_lock<'a>(asker: &Asker<'a>, keys: &mut Keys<'a>) {
    let until = asker.header("x-amz-object-lock-retain-until-date").and_then(Timestamp::parse_iso8601);
    if let Some(until) = until {
        let left = until.millis().saturating_sub(asker.context.arrival.at.millis());
        let days =
            left.div_euclid(MILLISECONDS_OF_A_DAY) + i64::from(left.rem_euclid(MILLISECONDS_OF_A_DAY) > 0);
        keys.add("s3:object-lock-remaining-retention-days", days.to_string());
    }
}

/// Whether an operation makes a whole object. `None`: it makes neither an object nor a part of one.
fn creates_object(operation: Operation) -> Option<bool> {
    match operation {
        Operation::PutObject
        | Operation::CopyObject
        | Operation::CompleteMultipartUpload
        | Operation::PostObject => Some(true),
        Operation::CreateMultipartUpload | Operation::UploadPart | Operation::UploadPartCopy => Some(false),
        _ => None,
    }
}

/// A malformed header gives no keys: the handler refuses it.
fn of_request_tags<'a>(asker: &Asker<'a>, keys: &mut Keys<'a>) {
    let header = asker.context.operation.is_some_and(|operation| {
        operation.facts().also.iter().any(|also| also.action == Action::PutObjectTagging)
    });
    match asker.body {
        BodyFacts::Tags(tags) => add_request_tags(tags, keys),
        BodyFacts::BucketTags(tags) => {
            for tag in tags.iter() {
                keys.add(format!("aws:requesttag/{}", tag.key), tag.value.clone());
                keys.add("aws:tagkeys", tag.key.clone());
            }
        }
        BodyFacts::Unread if asker.context.operation == Some(Operation::UntagResource) => {
            for key in asker.query.all("tagKeys") {
                keys.add("aws:tagkeys", key);
            }
        }
        BodyFacts::Unread | BodyFacts::Location(_) if header => {
            if let Ok(Some(tags)) = headers::tags(asker.headers) {
                add_request_tags(&tags, keys);
            }
        }
        BodyFacts::Unread | BodyFacts::Location(_) => {}
    }
}

fn add_request_tags(tags: &TagSet, keys: &mut Keys<'_>) {
    for tag in tags.iter() {
        keys.add(format!("s3:requestobjecttag/{}", tag.key), tag.value.clone());
        keys.add("s3:requestobjecttagkeys", tag.key.clone());
    }
}

/// The tags of a bucket, where access control by tags is on.
fn of_bucket_tags(settings: &BucketSettings, keys: &mut Keys<'_>) {
    if *settings.get::<Abac>() == AbacStatus::Enabled {
        for tag in settings.get::<Tagging>().iter() {
            keys.add(format!("aws:resourcetag/{}", tag.key), tag.value.clone());
            keys.add(format!("s3:buckettag/{}", tag.key), tag.value.clone());
        }
    }
}

fn of_resource<'a>(resource: Resource<'a>, keys: &mut Keys<'a>) {
    let account = match resource {
        Resource::Account(id) => Some(id),
        _ => resource.bucket().map(Bucket::account),
    };
    if let Some(account) = account {
        keys.add("aws:resourceaccount", account);
        keys.add("s3:resourceaccount", account);
    }
    if let Some(bucket) = resource.bucket() {
        of_bucket_tags(&bucket.settings(), keys);
    }
    if let Some(version) = resource.address().and_then(|address| address.version) {
        keys.add("s3:versionid", version.as_str());
    }
    if let Resource::Opened(_, _, info) = resource {
        for tag in info.attributes.tags.iter() {
            keys.add(format!("s3:existingobjecttag/{}", tag.key), Cow::Borrowed(tag.value.as_str()));
        }
    }
}

#[cfg(test)]
mod tests {
    /// Keys about the sender, which the policy crate sets.
    const OF_THE_SENDER: &[&str] = &[
        "aws:federatedprovider",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalisawsservice",
        "aws:principaltag/",
        "aws:principaltype",
        "aws:userid",
        "aws:username",
    ];

    #[test]
    fn every_key_of_the_table_that_has_values_gets_them_here_or_is_about_the_sender() {
        let source = include_str!("condition_keys.rs");
        let (code, _) = source.split_once("#[cfg(test)]").expect("tests");
        for key in crate::policy::valued_keys().filter(|key| !OF_THE_SENDER.contains(key)) {
            assert!(code.contains(&format!("\"{key}")), "{key} has no value");
        }
    }
}
