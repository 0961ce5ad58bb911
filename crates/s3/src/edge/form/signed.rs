//! Who claims to have signed the policy of a form: by version 4 or version 2 of the signature, in fields.
//!
//! Parsing only; `authentication` decides whether the claim is true. Invariant: a form that has any field of
//! a signature claims to be signed, and is never taken for an anonymous one.

use super::fields::Fields;
use crate::{
    edge::{
        claim::{ALGORITHM, ASYMMETRIC, Algorithm, Credential, S3, SigningTime},
        presigned,
    },
    s3::{S3Error, Signature, SignatureVersion},
};

/// A policy and the claim about its signature, borrowed from the fields.
#[derive(Debug)]
pub(in crate::edge) struct SignedPolicy<'f> {
    /// In base64: this text is what was signed.
    pub(in crate::edge) policy: &'f str,
    pub(in crate::edge) token: Option<&'f str>,
    pub(in crate::edge) by: By<'f>,
}

#[derive(Debug)]
pub(in crate::edge) enum By<'f> {
    Four { credential: Credential<'f>, signature: &'f str },
    Two { access_key: &'f str, signature: &'f str },
}

const VERSION_4: [&str; 4] = ["x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"];
const VERSION_2: [&str; 2] = ["awsaccesskeyid", "signature"];

impl<'f> SignedPolicy<'f> {
    /// `None`: nobody signed the form, and it has no policy.
    pub(super) fn of(fields: &'f Fields) -> Result<Option<Self>, S3Error> {
        let has = |names: &[&str]| names.iter().any(|name| fields.get(name).is_some());
        let token = fields.get("x-amz-security-token");
        let by = match (has(&VERSION_4), has(&VERSION_2)) {
            (true, true) => return Err(presigned::two_mechanisms()),
            (true, false) => Self::by_version4(fields)?,
            (false, true) => By::Two {
                access_key: fields.required("awsaccesskeyid", "AWSAccessKeyId")?,
                signature: fields.required("signature", "Signature")?,
            },
            (false, false) if fields.get("policy").is_none() && token.is_none() => return Ok(None),
            (false, false) => {
                fields.required("x-amz-signature", "X-Amz-Signature")?;
                return Ok(None);
            }
        };
        Ok(Some(Self { policy: fields.required("policy", "Policy")?, token, by }))
    }

    /// What policies see of it. A policy has no time of signing but its own expiration.
    pub(super) fn signature(&self) -> Signature {
        let version = match self.by {
            By::Four { .. } => SignatureVersion::Four,
            By::Two { .. } => SignatureVersion::Two,
        };
        Signature { version, at: None }
    }

    fn by_version4(fields: &'f Fields) -> Result<By<'f>, S3Error> {
        match fields.required("x-amz-algorithm", "X-Amz-Algorithm")? {
            ALGORITHM => {}
            ASYMMETRIC => return Err(S3Error::not_implemented("Signing a form with SigV4A")),
            _ => return Err(presigned::malformed("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"")),
        }
        let credential = fields.required("x-amz-credential", "X-Amz-Credential")?;
        let credential = Credential::parse(credential, S3, Algorithm::Hmac).map_err(|why| {
            presigned::malformed(format!("Error parsing the X-Amz-Credential parameter; {why}."))
        })?;
        let time = SigningTime::parse(fields.required("x-amz-date", "X-Amz-Date")?).ok_or_else(|| {
            presigned::malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
        })?;
        if time.day() != credential.date {
            return Err(presigned::malformed(format!(
                "Invalid credential date \"{}\". This date is not the same as X-Amz-Date: \"{}\".",
                credential.date,
                time.day()
            )));
        }
        Ok(By::Four { credential, signature: fields.required("x-amz-signature", "X-Amz-Signature")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::ErrorCode;

    const FOUR: [(&str, &str); 5] = [
        ("policy", "p"),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-credential", "AKID/20260102/r/s3/aws4_request"),
        ("x-amz-date", "20260102T030405Z"),
        ("x-amz-signature", "s"),
    ];
    const TWO: [(&str, &str); 3] = [("policy", "p"), ("awsaccesskeyid", "AKID"), ("signature", "s")];

    fn code(pairs: &[(&str, &str)]) -> Result<bool, ErrorCode> {
        let fields = Fields::of_pairs(pairs);
        SignedPolicy::of(&fields).map(|signed| signed.is_some()).map_err(|error| error.code)
    }

    #[test]
    fn a_form_is_signed_by_either_version_or_not_at_all() {
        assert_eq!((code(&FOUR), code(&TWO), code(&[("key", "k")])), (Ok(true), Ok(true), Ok(false)));
        assert_eq!(code(&[&FOUR[..], &TWO[1..]].concat()), Err(ErrorCode::InvalidArgument), "both");
    }

    #[test]
    fn a_form_that_lacks_any_field_of_its_signature_is_refused() {
        for all in [&FOUR[..], &TWO[..]] {
            for missing in 0..all.len() {
                let mut some = all.to_vec();
                some.remove(missing);
                assert_eq!(code(&some), Err(ErrorCode::InvalidArgument), "{}", all[missing].0);
            }
        }
        assert_eq!(code(&[("policy", "p")]), Err(ErrorCode::InvalidArgument));
        assert_eq!(code(&[("x-amz-security-token", "t")]), Err(ErrorCode::InvalidArgument));
    }

    #[test]
    fn malformed_claims_are_refused() {
        let with = |name: &str, value: &'static str| {
            code(&FOUR.map(|(known, kept)| (known, if known == name { value } else { kept })))
        };
        let malformed = Err(ErrorCode::AuthorizationQueryParametersError);
        assert_eq!(with("x-amz-algorithm", "AWS4-ECDSA-P256-SHA256"), Err(ErrorCode::NotImplemented));
        assert_eq!(with("x-amz-algorithm", "MD5"), malformed);
        assert_eq!(with("x-amz-credential", "AKID"), malformed);
        assert_eq!(with("x-amz-date", "2026-01-02T03:04:05Z"), malformed);
        assert_eq!(with("x-amz-date", "20260103T030405Z"), malformed);
    }
}
