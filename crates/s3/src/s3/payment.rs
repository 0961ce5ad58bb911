//! Buckets whose requesters pay (S3 User Guide, "Using Requester Pays general purpose buckets").
//!
//! Owns who must say that they pay, and the header of the reply that says that they did. Nobody is billed: an
//! operator reads from the log who sent what.
//!
//! Invariant: the account of the bucket's owner, and administrators, who act as that account, never pay.

use super::{
    body::Response,
    error::{ErrorCode, S3Error},
    request::{HeaderMapExt, Request},
};
use crate::{
    buckets::{Bucket, settings::Payer},
    model::{Principal, Role},
};
use http::{HeaderName, HeaderValue};

const CHARGED: HeaderName = HeaderName::from_static("x-amz-request-charged");

/// Refuses a request to a bucket whose requesters pay, if the sender would have to pay and does not say so,
/// or is nobody.
pub(super) fn check(request: &Request, bucket: &Bucket) -> Result<(), S3Error> {
    match bucket.payer() {
        Payer::BucketOwner => Ok(()),
        Payer::Requester if is_owner(&request.context.principal, bucket) => Ok(()),
        Payer::Requester => match Requester::of(request)? {
            Some(_) => Ok(()),
            None => Err(ErrorCode::AccessDenied.into()),
        },
    }
}

/// A sender that has said that it pays.
#[derive(Debug)]
pub(super) struct Requester(Principal);

impl Requester {
    pub(super) fn of(request: &Request) -> Result<Option<Self>, S3Error> {
        let says = request.headers.amz("x-amz-request-payer")?.is_some_and(|payer| payer == "requester");
        let principal = &request.context.principal;
        Ok((says && principal.identity().is_some()).then(|| Self(principal.clone())))
    }

    /// Says in a reply that the requester was charged, where it was.
    pub(super) fn mark(&self, bucket: &Bucket, response: &mut Response) {
        match bucket.payer() {
            Payer::Requester if !is_owner(&self.0, bucket) => {
                response.headers_mut().insert(CHARGED, HeaderValue::from_static("requester"));
            }
            Payer::Requester | Payer::BucketOwner => {}
        }
    }
}

fn is_owner(principal: &Principal, bucket: &Bucket) -> bool {
    principal
        .identity()
        .is_some_and(|identity| identity.role == Role::Admin || identity.owner.id == bucket.owner().id)
}
