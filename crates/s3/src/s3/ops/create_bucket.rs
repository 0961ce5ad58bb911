//! CreateBucket.

use crate::{
    buckets::{Bucket, BucketError, CreateBucket, settings::OwnershipControls},
    model::{Acl, BucketName, CannedAcl, ObjectOwnership},
    s3::{
        ErrorCode, HeaderMapExt, Operation, Request, Response, S3Error, Service, ServiceCall, acl_rules,
        asker::{Asker, BodyFacts},
        gate::{self, Addressed},
        headers, identification, region, reply, xml,
    },
};
use http::{HeaderMap, HeaderValue, StatusCode, header};

const MAX_CONFIGURATION_BYTES: usize = 64 * 1024;

pub(in crate::s3) async fn handle(service: &Service, call: ServiceCall) -> Result<Response, S3Error> {
    let Request { context, target, query, headers, payload, .. } = call.request;
    let owner = context.principal.identity().ok_or(ErrorCode::AccessDenied)?.owner.clone();
    let text = target.bucket.unwrap_or_default();
    let name = BucketName::parse(&text)
        .map_err(|error| S3Error::from(ErrorCode::InvalidBucketName).with_source(error))?;
    // A bucket that has such a name already is created again as any other.
    if name.is_reserved() && matches!(service.buckets().get(&name).await, Err(BucketError::NoSuchBucket)) {
        return Err(ErrorCode::InvalidBucketName.into());
    }
    let ownership = stored(ownership(&headers)?, service.settings().object_ownership);
    let acl = acl(&headers)?;
    acl_rules::admit_known(&acl, &owner, &**service.accounts())?;
    acl_rules::admit_ownership(ownership, &acl, &owner)?;
    acl_rules::admit_public(&acl, service.buckets().public_access_of(&owner.id))?;
    let location = location(&payload.collect(MAX_CONFIGURATION_BYTES).await?)?;
    // Policies may decide about the location, which was unknown until now.
    let asker = Asker::new(&context, &query, &headers).knowing(BodyFacts::Location(&location));
    gate::admit(&asker, Operation::CreateBucket, Addressed::new_bucket(name.as_str()))?;
    region::check(&location, service.settings())?;
    let create = CreateBucket { name: name.clone(), owner, acl, ownership, location: location.clone() };
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
    let same = region == region::of(&wanted.location, default_region)
        && bucket.acl() == wanted.acl
        && *bucket.settings().get::<OwnershipControls>() == wanted.ownership;
    if same && region == region::CLASSIC { Ok(()) } else { Err(ErrorCode::BucketAlreadyOwnedByYou.into()) }
}

/// S3 API reference: the two canned ACLs that speak of a bucket's owner are ignored on buckets.
fn acl(headers: &HeaderMap) -> Result<Acl, S3Error> {
    Ok(match headers::acl(headers)? {
        None | Some(Acl::Canned(CannedAcl::BucketOwnerRead | CannedAcl::BucketOwnerFullControl)) => {
            Acl::default()
        }
        Some(acl) => acl,
    })
}

fn ownership(headers: &HeaderMap) -> Result<Option<ObjectOwnership>, S3Error> {
    let parse = |text: &str| {
        ObjectOwnership::parse(text).ok_or_else(|| {
            S3Error::argument("x-amz-object-ownership", text, "Invalid x-amz-object-ownership header")
        })
    };
    headers.amz("x-amz-object-ownership")?.map(parse).transpose()
}

/// The ownership that is written down. The default of S3's older buckets is not.
fn stored(asked: Option<ObjectOwnership>, default: ObjectOwnership) -> Option<ObjectOwnership> {
    asked.or(Some(default).filter(|default| *default != ObjectOwnership::ObjectWriter))
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
    fn an_ownership_is_written_down_unless_it_is_the_default_of_older_buckets() {
        let read = |value| {
            ownership(&request(&[("x-amz-object-ownership", value)]).headers).map_err(|error| error.code)
        };
        assert_eq!(read("BucketOwnerEnforced"), Ok(Some(ObjectOwnership::BucketOwnerEnforced)));
        assert_eq!(read("Everyone"), Err(ErrorCode::InvalidArgument));
        let (writer, enforced) = (ObjectOwnership::ObjectWriter, ObjectOwnership::BucketOwnerEnforced);
        for (asked, default, expected) in [
            (None, writer, None),
            (None, enforced, Some(enforced)),
            (Some(writer), writer, Some(writer)),
            (Some(writer), enforced, Some(writer)),
        ] {
            assert_eq!(stored(asked, default), expected);
        }
    }

    #[test]
    fn acls_that_speak_of_the_bucket_owner_mean_nothing_to_a_bucket() {
        let read = |value| acl(&request(&[("x-amz-acl", value)]).headers).map_err(|error| error.code);
        assert_eq!(read("bucket-owner-full-control"), Ok(CannedAcl::Private.into()));
        assert_eq!(read("public-read"), Ok(CannedAcl::PublicRead.into()));
        assert_eq!(read("nonsense"), Err(ErrorCode::InvalidArgument));
    }
}
