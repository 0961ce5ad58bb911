//! PutPublicAccessBlock.

use crate::{
    buckets::settings::{PublicAccess, PublicAccessBlock},
    s3::{BucketCall, ErrorCode, Response, S3Error, Service, reply, xml},
};
use http::StatusCode;

const MAX_BODY: usize = 16 * 1024;

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let access = read(&call.request.payload.collect(MAX_BODY).await?)?;
    service.buckets().set::<PublicAccessBlock>(&call.bucket, &Some(access)).await?;
    Ok(reply::empty(StatusCode::OK))
}

/// A rule that the document does not name is off.
fn read(body: &[u8]) -> Result<PublicAccess, S3Error> {
    let document = xml::parse(body, "PublicAccessBlockConfiguration")?;
    let mut access = PublicAccess::default();
    for child in &document.children {
        let rule = access.rule_mut(&child.name).ok_or(ErrorCode::MalformedXML)?;
        *rule = match child.text.trim() {
            text if text.eq_ignore_ascii_case("true") => true,
            text if text.eq_ignore_ascii_case("false") => false,
            _ => return Err(ErrorCode::MalformedXML.into()),
        };
    }
    Ok(access)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(rules: &str) -> Result<PublicAccess, ErrorCode> {
        let document = format!("<PublicAccessBlockConfiguration>{rules}</PublicAccessBlockConfiguration>");
        read(document.as_bytes()).map_err(|error| error.code)
    }

    #[test]
    fn a_rule_that_is_not_named_is_off() {
        assert_eq!(parsed(""), Ok(PublicAccess::default()));
        let wanted = PublicAccess { block_public_policy: true, ..PublicAccess::default() };
        let rules = "<BlockPublicPolicy>TRUE</BlockPublicPolicy><BlockPublicAcls>false</BlockPublicAcls>";
        assert_eq!(parsed(rules), Ok(wanted));
    }

    #[test]
    fn a_rule_that_is_not_understood_is_refused() {
        for rules in ["<BlockAll>true</BlockAll>", "<BlockPublicAcls>yes</BlockPublicAcls>"] {
            assert_eq!(parsed(rules), Err(ErrorCode::MalformedXML), "{rules}");
        }
    }
}
