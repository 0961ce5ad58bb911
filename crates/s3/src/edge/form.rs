//! Uploads by HTML form (S3 API reference, "POST Object"): from a body of fields and a file to the request
//! that a PUT of the file would be.
//!
//! Owns the order of the steps: the fields are read, the signature of the policy is verified, the policy
//! decides about the fields, and the fields become headers. The file is not read here. What a PUT may ask
//! for, and who may do it, is decided later, by the same code as for a PUT. Invariants:
//! - a form carries its signature in its fields: one that has another signature, in a header or in the query,
//!   is refused;
//! - of the headers of the request itself none describes the object: only fields do;
//! - a form without a signature is anonymous, and has no policy.

mod fields;
mod file;
mod file_end;
mod multipart;
mod parameters;
mod policy;
pub(super) mod signed;

pub use file_end::FileEnd;
pub use multipart::{Delimiter, Field, FileHead, FormError, MAX_FORM, Reader};

use super::{
    Received, Refusal,
    announced::{self, Framing},
    authentication::Authenticator,
    body::{Paces, WireBody},
    presigned, version2, wire,
};
use crate::{
    model::Principal,
    s3::{
        self, Context, ErrorCode, FormReply, FormStatus, HeaderMapExt, Operation, Query, Request, RouteInput,
        S3Error,
    },
    store::payload::{BodySource, Payload},
};
use bytes::Bytes;
use fields::Fields;
use file::FileSource;
use http::{HeaderMap, HeaderName, Method, header};
use policy::{LengthRange, Policy};
use signed::SignedPolicy;
use std::{fmt, future::poll_fn, pin::Pin};

/// Headers of the request that stay: those that say who sends it and whence, and those that are refused later
/// with everything that PostObject does not have.
const KEPT: &[&str] = &[
    "host",
    "origin",
    "referer",
    "user-agent",
    "if-match",
    "if-none-match",
    "x-amz-expected-bucket-owner",
    "x-amz-request-payer",
];

/// A form whose fields were not read yet.
pub struct Form {
    received: Received<Pin<Box<dyn BodySource>>>,
    delimiter: Delimiter,
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form").field("target", &self.received.target).finish_non_exhaustive()
    }
}

/// Whether a request is an upload by form. Others without a sub-resource are refused where they are handled.
pub(super) fn is_meant<B>(received: &Received<B>) -> bool {
    let Received { method, target, query, headers, .. } = received;
    let is_form = || {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        content_type.is_some_and(multipart::is_form)
    };
    let routed = || s3::route(RouteInput { method, target, query, headers, presigned: false });
    *method == Method::POST && is_form() && routed() == Some(Operation::PostObject)
}

impl Form {
    /// Checks what the head says. Nothing of the body is read.
    pub(super) fn receive<B>(received: Received<B>, paces: Paces) -> Result<Self, S3Error>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let Received { arrival, method, target, query, headers, attended, body } = received;
        if headers.contains_key(header::AUTHORIZATION)
            || presigned::is_meant(&query)
            || version2::is_meant(&query)
        {
            return Err(presigned::two_mechanisms());
        }
        refuse_headers_of_objects(&headers)?;
        let length = wire::body_length(&headers)?.ok_or(ErrorCode::MissingContentLength)?;
        // Before and behind the file there may be so much.
        if length > s3::MAX_BODY.saturating_add(2 * MAX_FORM as u64) {
            return Err(S3Error::from(ErrorCode::EntityTooLarge)
                .detail("ProposedSize", length.to_string())
                .detail("MaxSizeAllowed", s3::MAX_BODY.to_string()));
        }
        let content_type = headers.text(header::CONTENT_TYPE)?.unwrap_or_default();
        let delimiter = Delimiter::of(content_type).ok_or_else(|| malformed("its boundary is not valid"))?;
        let body: Pin<Box<dyn BodySource>> = Box::pin(WireBody::new(body, None, paces, attended));
        let received = Received { arrival, method, target, query, headers, attended: None, body };
        Ok(Self { received, delimiter })
    }

    /// Reads the fields. The file becomes the payload of the request.
    #[allow(clippy::result_large_err)] // As of the edge itself.
    pub(super) async fn open(self, authenticator: &Authenticator) -> Result<Request, Refusal> {
        let target = self.received.target.clone();
        self.read(authenticator).await.map_err(|error| Refusal { error, target })
    }

    async fn read(self, authenticator: &Authenticator) -> Result<Request, S3Error> {
        let Received { arrival, method, mut target, query, headers: sent, mut body, .. } = self.received;
        let (fields, begun) = read_fields(&mut body, self.delimiter.clone()).await?;
        let bucket = target.bucket.as_deref().unwrap_or_default();
        let (principal, signature, range) = match SignedPolicy::of(&fields)? {
            None => (Principal::Anonymous, None, LengthRange::ANY),
            Some(signed) => {
                let identity = authenticator.by_form(&signed, arrival.at)?;
                let range = Policy::parse(signed.policy)?.check(&fields, bucket, arrival.at)?;
                (Principal::Identity(identity), Some(signed.signature()), range)
            }
        };
        if let Some(other) = fields.get("bucket").filter(|name| *name != bucket) {
            let message = "The form field bucket names another bucket than the request";
            return Err(S3Error::argument("bucket", other, message));
        }
        let key = fields.required("key", "key")?;
        if key.is_empty() {
            return Err(S3Error::argument("key", "", "User key must have a length greater than 0."));
        }
        target.key = Some(key.to_owned());
        let query = Query::new(query);
        query.refuse_repeated()?;
        let mut headers = fields.headers()?;
        let announced = announced::read(&headers, Framing::Plain(None), None, false)?;
        keep(sent, &mut headers)?;
        let range = LengthRange { most: range.most.min(s3::MAX_BODY), ..range };
        let file = FileSource::new(body, FileEnd::new(self.delimiter), begun, range);
        let context = Context {
            arrival,
            principal,
            presigned: false,
            signature,
            operation: Some(Operation::PostObject),
            gateway: None,
        };
        let (form, payload) = (Some(reply(&fields)), Payload::new(file, announced));
        Ok(Request { context, method, target, query, headers, form, payload })
    }
}

/// The fields before the file, and the bytes of the file that arrived with them.
async fn read_fields(
    body: &mut Pin<Box<dyn BodySource>>,
    delimiter: Delimiter,
) -> Result<(Fields, Bytes), S3Error> {
    let mut reader = Reader::new(delimiter);
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let mut frame = frame?;
        if let Some(head) = reader.push(&mut frame)? {
            return Ok((Fields::new(reader.fields(), &head.filename)?, frame));
        }
    }
    Err(malformed("it ends before its file"))
}

/// A header that speaks of the object would do nothing: a field has to say it, where the policy covers it.
fn refuse_headers_of_objects(headers: &HeaderMap) -> Result<(), S3Error> {
    let is_refused = |name: &str| {
        let describes = matches!(name, "content-encoding" | "content-md5") || name.starts_with("x-amz-");
        describes && !KEPT.contains(&name)
    };
    match headers.keys().map(HeaderName::as_str).find(|name| is_refused(name)) {
        Some(name) => Err(S3Error::unsupported_header(name)),
        None => Ok(()),
    }
}

/// Adds the headers of the request itself to those that the fields stand for.
fn keep(sent: HeaderMap, headers: &mut HeaderMap) -> Result<(), S3Error> {
    for name in KEPT {
        let name = HeaderName::from_static(name);
        for value in sent.get_all(&name) {
            match headers.get(&name) {
                Some(said) if said != value => {
                    let message = format!("The form field {name} and the header of that name differ");
                    return Err(S3Error::new(ErrorCode::InvalidRequest, message));
                }
                Some(_) => {}
                None => {
                    headers.insert(&name, value.clone());
                }
            }
        }
    }
    Ok(())
}

/// What the form asks of the reply. S3 takes an address that is none, and a status that it does not have, as
/// not said.
fn reply(fields: &Fields) -> FormReply {
    let redirect = fields.get("success_action_redirect").or_else(|| fields.get("redirect"));
    let is_address = |text: &&str| {
        let uri = text.parse::<http::Uri>();
        uri.is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some())
    };
    let status = match fields.get("success_action_status") {
        Some("200") => FormStatus::Ok,
        Some("201") => FormStatus::Created,
        _ => FormStatus::NoContent,
    };
    FormReply { redirect: redirect.filter(is_address).map(str::to_owned), status }
}

impl From<FormError> for S3Error {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Malformed(why) => malformed(why),
            FormError::TooLong => Self::from(ErrorCode::MaxPostPreDataLengthExceededError)
                .detail("MaxPostPreDataLengthBytes", MAX_FORM.to_string()),
            FormError::NoFile => {
                Self::argument("file", "0", "POST requires exactly one file upload per request.")
            }
        }
    }
}

fn malformed(why: &str) -> S3Error {
    let message = format!("{} The form cannot be read: {why}.", ErrorCode::MalformedPOSTRequest.message());
    S3Error::new(ErrorCode::MalformedPOSTRequest, message)
}
