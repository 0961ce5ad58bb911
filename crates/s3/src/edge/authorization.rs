//! The `Authorization` header.

use super::claim::{ALGORITHM, Algorithm, Claim, Credential, S3};
use crate::s3::{ErrorCode, S3Error};

/// Reads `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`, or the same of SigV4A; every other
/// scheme is refused by its name.
///
/// Public for fuzzing.
pub fn parse(header: &str) -> Result<Claim<'_>, S3Error> {
    parse_for(S3, header)
}

/// Like [`parse`], for other services than S3.
pub(super) fn parse_for<'a>(services: &[&str], header: &'a str) -> Result<Claim<'a>, S3Error> {
    let header = header.trim();
    if header.is_empty() {
        return Err(ErrorCode::AccessDenied.into());
    }
    let (scheme, fields) = header.split_once(' ').unwrap_or((header, ""));
    let algorithm = match (Algorithm::parse(scheme), scheme) {
        (Some(algorithm), _) => algorithm,
        // Where the settings allow this scheme, the request does not reach this line.
        (None, "AWS") => return Err(signature_version_2()),
        // The rest of the header may be a credential of another system: never repeated.
        (None, _) => {
            return Err(S3Error::argument("Authorization", scheme, "Unsupported Authorization Type"));
        }
    };
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for field in fields.split(',') {
        let (name, value) =
            field.trim().split_once('=').ok_or_else(|| malformed("expecting name=value fields"))?;
        let place = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => return Err(malformed("it has an unknown field")),
        };
        if place.replace(value).is_some() {
            return Err(malformed("a field is repeated"));
        }
    }
    let missing = |what: &str| {
        malformed(&format!(
            "the authorization header requires three components: Credential, SignedHeaders, and Signature. {what} is missing"
        ))
    };
    Ok(Claim {
        credential: Credential::parse(credential.ok_or_else(|| missing("Credential"))?, services, algorithm)
            .map_err(malformed)?,
        signed_headers: signed_headers.ok_or_else(|| missing("SignedHeaders"))?,
        signature: signature.ok_or_else(|| missing("Signature"))?,
    })
}

pub(super) fn malformed(why: &str) -> S3Error {
    S3Error::new(
        ErrorCode::AuthorizationHeaderMalformed,
        format!("The authorization header is malformed; {why}."),
    )
}

/// Refused by the settings.
pub(super) fn signature_version_2() -> S3Error {
    let message =
        format!("The authorization mechanism you have provided is not supported. Please use {ALGORITHM}.");
    S3Error::new(ErrorCode::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "AWS4-HMAC-SHA256 Credential=AKID/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=00";

    #[test]
    fn a_header_with_or_without_blanks_and_in_any_order_is_read() {
        let claim = parse(GOOD).expect("parses");
        assert_eq!(
            (claim.credential.access_key, claim.signed_headers, claim.signature),
            ("AKID", "host;x-amz-date", "00")
        );
        assert_eq!(parse(&GOOD.replace(", ", ",")).expect("parses"), claim);
        let other = "AWS4-HMAC-SHA256  Signature=00,SignedHeaders=host;x-amz-date,Credential=AKID/20130524/us-east-1/s3/aws4_request";
        assert_eq!(parse(other).expect("parses"), claim);
        let asymmetric = GOOD.replace("HMAC", "ECDSA-P256").replace("/us-east-1", "");
        let credential = parse(&asymmetric).expect("parses").credential;
        assert_eq!((credential.algorithm, credential.scope), (Algorithm::Ecdsa, "20130524/s3/aws4_request"));
    }

    #[test]
    fn each_fault_has_the_code_of_s3() {
        let code = |header: &str| parse(header).map_err(|error| error.code).err();
        assert_eq!(code(""), Some(ErrorCode::AccessDenied));
        assert_eq!(code("AWS AKID:c2ln"), Some(ErrorCode::InvalidRequest));
        assert_eq!(code("Basic dTpw"), Some(ErrorCode::InvalidArgument));
        assert_eq!(code("garbage"), Some(ErrorCode::InvalidArgument));
        for bad in [
            "AWS4-HMAC-SHA256".to_owned(),
            "AWS4-HMAC-SHA256 x".to_owned(),
            GOOD.replace(", Signature=00", ""),
            GOOD.replace("Signature", "Sig"),
            format!("{GOOD}, Signature=00"),
            GOOD.replace("/s3/", "/ec2/"),
            // A scope of SigV4A has no region.
            GOOD.replace("HMAC", "ECDSA-P256").replace("AKID/", "/"),
        ] {
            assert_eq!(code(&bad), Some(ErrorCode::AuthorizationHeaderMalformed), "{bad}");
        }
    }

    #[test]
    fn a_credential_of_another_scheme_is_not_repeated() {
        let error = parse("Bearer hunter2").expect_err("refused");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
