//! CreateBucket.

use crate::{
    buckets::{Bucket, BucketError, CreateBucket},
    model::{BucketName, CannedAcl},
    s3::{
        ErrorCode, HeaderMapExt, Response, S3Error, Service, ServiceCall, headers, identification, region,
        reply, xml,
    },
};
use http::{HeaderMap, HeaderValue, StatusCode, header};

const MAX_CONFIGURATION_BYTES: usize = 64 * 1024;

pub(in crate::s3) async fn handle(service: &Service, call: ServiceCall) -> Result<Response, S3Error> {
    let request = call.request;
    let owner = request.context.principal.identity().ok_or(ErrorCode::AccessDenied)?.owner.clone();
    let text = request.target.bucket.unwrap_or_default();
    let name = BucketName::parse(&text)
        .map_err(|error| S3Error::from(ErrorCode::InvalidBucketName).with_source(error))?;
    // A bucket that has such a name already is created again as any other.
    if name.is_reserved() && matches!(service.buckets().get(&name).await, Err(BucketError::NoSuchBucket)) {
        return Err(ErrorCode::InvalidBucketName.into());
    }
    ownership(&request.headers)?;
    let acl = acl(&request.headers)?;
    let location = location(&request.payload.collect(MAX_CONFIGURATION_BYTES).await?)?;
    region::check(&location, service.settings())?;
    let create = CreateBucket { name: name.clone(), owner, acl, location };
    match service.buckets().create(create.clone()).await {
        Ok(_) => {}
        Err(BucketError::Exists(bucket)) => exists(&bucket, &create, &service.settings().region)?,
        Err(error) => return Err(error.into()),
    }
    let mut response = reply::empty(StatusCode::OK);
    if let Ok(location) = HeaderValue::try_from(format!("/{name}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response.headers_mut().extend(identification::headers(
        &name,
        &create.location,
        &service.settings().region,
    ));
    Ok(response)
}

/// Creating one's own bucket again succeeds in the classic region of S3, and there only. S3 then resets the
/// bucket's ACL: we succeed where nothing would change, and refuse where something would.
fn exists(bucket: &Bucket, wanted: &CreateBucket, default_region: &str) -> Result<(), S3Error> {
    if bucket.owner().id != wanted.owner.id {
        return Err(ErrorCode::BucketAlreadyExists.into());
    }
    let location = bucket.location();
    let region = region::of(&location, default_region);
    let same = region == region::of(&wanted.location, default_region) && bucket.acl() == wanted.acl;
    if same && region == region::CLASSIC { Ok(()) } else { Err(ErrorCode::BucketAlreadyOwnedByYou.into()) }
}

/// S3 API reference: the two canned ACLs that speak of a bucket's owner are ignored on buckets.
fn acl(headers: &HeaderMap) -> Result<CannedAcl, S3Error> {
    Ok(match headers::canned_acl(headers)? {
        None | Some(CannedAcl::BucketOwnerRead | CannedAcl::BucketOwnerFullControl) => CannedAcl::Private,
        Some(acl) => acl,
    })
}

/// Every object here belongs to the owner of its bucket, and ACLs are honoured. That is what
/// `BucketOwnerPreferred` promises, and `ObjectWriter` where the writer is the owner. `BucketOwnerEnforced`
/// promises that ACLs are off for good, which we do not enforce.
fn ownership(headers: &HeaderMap) -> Result<(), S3Error> {
    match headers.amz("x-amz-object-ownership")? {
        None | Some("BucketOwnerPreferred" | "ObjectWriter") => Ok(()),
        Some("BucketOwnerEnforced") => {
            Err(S3Error::not_implemented("Object ownership 'BucketOwnerEnforced'"))
        }
        Some(other) => {
            Err(S3Error::argument("x-amz-object-ownership", other, "Invalid x-amz-object-ownership header"))
        }
    }
}

/// The location in a CreateBucketConfiguration, if there is a document at all.
fn location(body: &[u8]) -> Result<String, S3Error> {
    if body.is_empty() {
        return Ok(String::new());
    }
    let configuration = xml::parse(body, "CreateBucketConfiguration")?;
    if let Some(other) = configuration.children.iter().find(|child| child.name != "LocationConstraint") {
        return match other.name.as_str() {
            // Directory buckets and tags of buckets.
            "Location" | "Bucket" | "Tags" => {
                Err(S3Error::not_implemented(format_args!("{} of a new bucket", other.name)))
            }
            _ => Err(ErrorCode::MalformedXML.into()),
        };
    }
    Ok(region::parse(configuration.value("LocationConstraint").unwrap_or_default().trim())?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::tests::request;

    #[test]
    fn a_location_is_read_from_the_document() {
        let document =
            |inner: &str| format!("<CreateBucketConfiguration>{inner}</CreateBucketConfiguration>");
        let read = |body: &str| location(body.as_bytes()).map_err(|error| error.code);
        assert_eq!(read(""), Ok(String::new()));
        assert_eq!(read(&document("")), Ok(String::new()));
        assert_eq!(
            read(&document("<LocationConstraint>eu-west-3</LocationConstraint>")),
            Ok("eu-west-3".into())
        );
        assert_eq!(
            read(&document("<LocationConstraint>a b</LocationConstraint>")),
            Err(ErrorCode::InvalidLocationConstraint)
        );
        assert_eq!(read(&document("<Tags><Tag/></Tags>")), Err(ErrorCode::NotImplemented));
        assert_eq!(read(&document("<Else/>")), Err(ErrorCode::MalformedXML));
        assert_eq!(read("location=eu"), Err(ErrorCode::MalformedXML));
    }

    #[test]
    fn an_ownership_we_cannot_enforce_is_refused() {
        let read = |value| {
            ownership(&request(&[("x-amz-object-ownership", value)]).headers).map_err(|error| error.code)
        };
        assert_eq!(read("BucketOwnerPreferred"), Ok(()));
        assert_eq!(read("ObjectWriter"), Ok(()));
        assert_eq!(read("BucketOwnerEnforced"), Err(ErrorCode::NotImplemented));
        assert_eq!(read("Everyone"), Err(ErrorCode::InvalidArgument));
    }

    #[test]
    fn acls_that_speak_of_the_bucket_owner_mean_nothing_to_a_bucket() {
        let read = |value| acl(&request(&[("x-amz-acl", value)]).headers).map_err(|error| error.code);
        assert_eq!(read("bucket-owner-full-control"), Ok(CannedAcl::Private));
        assert_eq!(read("public-read"), Ok(CannedAcl::PublicRead));
        assert_eq!(read("nonsense"), Err(ErrorCode::InvalidArgument));
    }
}
