//! PutBucketOwnershipControls.

use crate::{
    buckets::settings::OwnershipControls,
    model::ObjectOwnership,
    s3::{BucketCall, ErrorCode, Response, S3Error, Service, acl_rules, reply, xml},
};
use http::StatusCode;

const MAX_BODY: usize = 16 * 1024;

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let ownership = Some(read(&call.request.payload.collect(MAX_BODY).await?)?);
    acl_rules::admit_ownership(ownership, call.bucket.acl())?;
    service.buckets().set::<OwnershipControls>(&call.bucket, &ownership).await?;
    Ok(reply::empty(StatusCode::OK))
}

/// S3 has exactly one rule.
fn read(body: &[u8]) -> Result<ObjectOwnership, S3Error> {
    let document = xml::parse(body, "OwnershipControls")?;
    let [rule] = &document.children[..] else { return Err(ErrorCode::MalformedXML.into()) };
    let ownership = (rule.name == "Rule").then(|| rule.value("ObjectOwnership")).flatten();
    ownership
        .and_then(|text| ObjectOwnership::parse(text.trim()))
        .ok_or_else(|| ErrorCode::MalformedXML.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_one_rule_with_one_ownership() {
        let parsed = |rules: &str| {
            read(format!("<OwnershipControls>{rules}</OwnershipControls>").as_bytes())
                .map_err(|error| error.code)
        };
        let rule = |ownership: &str| format!("<Rule><ObjectOwnership>{ownership}</ObjectOwnership></Rule>");
        for ownership in ObjectOwnership::ALL {
            assert_eq!(parsed(&rule(ownership.as_str())), Ok(ownership));
        }
        for rules in [String::new(), rule("Everybody"), rule("ObjectWriter").repeat(2), "<Else/>".to_owned()]
        {
            assert_eq!(parsed(&rules), Err(ErrorCode::MalformedXML), "{rules}");
        }
    }
}
