//! Calls of the query APIs of IAM and STS: a form that is posted to the address of the service, or the same
//! parameters in a query.
//!
//! Owns how such a call is told from a request of S3, and its authentication. Does not own what the actions
//! do (`iam::query`).
//!
//! Invariants:
//! - the signature of a call covers its whole body, which is read before the sender is known: its size is
//!   bounded, and it counts as memory;
//! - a call that tries to authenticate and fails is refused, never treated as anonymous.

use super::{
    Edge,
    authentication::{Head, session_token},
    body::WireBody,
    encoding, presigned,
    reply::Attended,
    wire,
};
use crate::{
    iam::{
        SessionToken,
        query::{Call, Code, Form, MAX_BODY, QueryError, Service},
    },
    model::Principal,
    s3::{Arrival, ErrorCode, HeaderMapExt, S3Error, Target},
    store::{
        memory::Memory,
        payload::{Announced, Payload},
    },
};
use bytes::Bytes;
use http::{HeaderMap, Method, header, request::Parts};
use std::sync::Arc;

const FORM: &str = "application/x-www-form-urlencoded";

impl Edge {
    /// Whether a request is a call of IAM or STS. No request of S3 is: S3 has no form without a bucket, and
    /// no parameter `Action`.
    pub fn is_call<B>(&self, request: &http::Request<B>) -> bool {
        let is_service = || {
            let host = wire::host(request.uri(), request.headers(), request.version()).unwrap_or_default();
            let (target, _) = self.addresses.locate(host, request.uri().path());
            target == Target::default()
        };
        let names_action = || {
            let mut names = request.uri().query().unwrap_or_default().split('&');
            names.any(|pair| pair.starts_with("Action="))
        };
        let asks = match *request.method() {
            Method::POST => is_form(request.headers()) || names_action(),
            Method::GET => names_action(),
            _ => false,
        };
        asks && is_service()
    }

    /// Reads and authenticates a call.
    pub async fn admit_call<B>(
        &self,
        request: http::Request<B>,
        arrival: Arrival,
        memory: &Arc<Memory>,
    ) -> Result<Call, QueryError>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let (Parts { method, uri, version, headers, mut extensions, .. }, body) = request.into_parts();
        let length = wire::body_length(&headers).map_err(refused)?;
        let announced = Announced { length, ..Announced::default() };
        let attended = extensions.remove::<Attended>();
        let source = WireBody::new(body, None, self.paces.clone(), attended);
        let body = Payload::new(source, announced).within(memory.clone()).collect(MAX_BODY).await;
        let body = body.map_err(|error| refused(error.into()))?;

        let host = wire::host(&uri, &headers, version).map_err(refused)?;
        let path = encoding::decode_path(uri.path()).map_err(refused)?;
        let query = encoding::parse_query(uri.query().unwrap_or_default()).map_err(refused)?;
        let target = Target::default();
        let head = Head {
            method: &method,
            raw_path: uri.path(),
            path: &path,
            target: &target,
            bucket_in_host: false,
            query: &query,
            headers: &headers,
            host,
        };
        let sender = self.authenticator.authenticate_call(head, &body, arrival.at).map_err(refused)?;
        let is_presigned = sender.as_ref().is_some_and(|sender| sender.presigned.is_some());
        let token = session_token(head, is_presigned).map_err(refused)?.map(SessionToken::new);
        let service = sender.as_ref().and_then(|sender| sender.proof.as_ref()).and_then(|proof| {
            Service::ALL.into_iter().find(|service| service.as_str() == proof.key.service())
        });
        let user_agent = headers.text(header::USER_AGENT).ok().flatten().map(str::to_owned);

        let mut pairs = query;
        pairs.retain(|(name, _)| !presigned::is_parameter(name));
        if is_form(&headers) {
            let text = std::str::from_utf8(&body);
            let text = text.map_err(|_| QueryError::new(Code::ValidationError, "The form is not UTF-8"))?;
            pairs.extend(encoding::parse_query(text).map_err(refused)?);
        }
        Ok(Call {
            request_id: arrival.id.0,
            at: arrival.at,
            caller: sender.and_then(|sender| match sender.principal {
                Principal::Anonymous => None,
                Principal::Identity(identity) => Some(identity),
            }),
            token,
            service,
            form: Form::new(pairs)?,
            peer: arrival.peer,
            is_secure: arrival.is_secure,
            user_agent,
        })
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(FORM.as_bytes())
}

/// What IAM and STS answer where S3 would answer this.
fn refused(error: S3Error) -> QueryError {
    let code = match error.code {
        ErrorCode::InvalidAccessKeyId | ErrorCode::InvalidToken => {
            let message = "The security token included in the request is invalid.";
            return QueryError::new(Code::InvalidClientTokenId, message);
        }
        ErrorCode::ExpiredToken => {
            let message = "The security token included in the request is expired";
            return QueryError::new(Code::ExpiredToken, message);
        }
        ErrorCode::SignatureDoesNotMatch
        | ErrorCode::XAmzContentSHA256Mismatch
        | ErrorCode::RequestTimeTooSkewed => Code::SignatureDoesNotMatch,
        ErrorCode::AuthorizationHeaderMalformed
        | ErrorCode::AuthorizationQueryParametersError
        | ErrorCode::InvalidArgument => Code::IncompleteSignature,
        ErrorCode::AccessDenied => Code::AccessDenied,
        ErrorCode::MaxMessageLengthExceeded => Code::RequestEntityTooLarge,
        ErrorCode::RequestTimeout => Code::RequestTimeout,
        ErrorCode::SlowDown => Code::Throttling,
        ErrorCode::NotImplemented => Code::NotImplemented,
        ErrorCode::InternalError => Code::ServiceFailure,
        _ => Code::ValidationError,
    };
    QueryError { source: error.source, ..QueryError::new(code, error.message) }
}
