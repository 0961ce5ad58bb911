//! The life of a request: numbered, counted in, admitted by the edge, served by S3, and counted out when its reply is.

use super::{
    idle::Activity,
    record::{Counted, Record, Recorded},
    request_id::RequestIds,
};
use crate::{
    edge::{Edge, Reply},
    model::Timestamp,
    s3::{About, ErrorCode, RequestId, Response, S3Error, Service},
    telemetry::metrics::Metrics,
};
use futures_util::FutureExt;
use http::{HeaderValue, Request, header};
use hyper::body::Incoming;
use std::{net::SocketAddr, panic::AssertUnwindSafe, sync::Arc};

#[derive(Debug)]
pub(super) struct Handler {
    edge: Edge,
    service: Service,
    metrics: Arc<Metrics>,
    ids: RequestIds,
    max_requests: i64,
}

/// What a request knows of the connection that it came on.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) peer: SocketAddr,
    pub(super) activity: Arc<Activity>,
}

impl Handler {
    pub(super) fn new(edge: Edge, service: Service, metrics: Arc<Metrics>, max_requests: usize) -> Self {
        let max_requests = i64::try_from(max_requests).unwrap_or(i64::MAX);
        Self { edge, service, metrics, ids: RequestIds::new(), max_requests }
    }

    pub(super) async fn answer(&self, request: Request<Incoming>, line: &Line) -> http::Response<Recorded> {
        let now = Timestamp::now();
        let id = self.ids.next(now);
        let mut record = Record::begin(&request, id.clone(), line, self.metrics.clone());
        let mut request = request.map(|body| Counted::new(body, &mut record));
        let reply = Reply::to(&mut request, id.clone());
        let response = if self.metrics.in_flight.get() > self.max_requests {
            self.metrics.overload.inc();
            About::new(&id.0, None, None).error(busy())
        } else {
            // A defect costs its own request a 500, not the connection and those that share it.
            match AssertUnwindSafe(self.serve(request, id.clone(), now, &mut record)).catch_unwind().await {
                Ok(response) => response,
                Err(_) => {
                    self.metrics.panicked();
                    tracing::error!(request = %id, "serving a request panicked");
                    About::new(&id.0, None, None).error(ErrorCode::InternalError.into())
                }
            }
        };
        record.answered(reply.finish(response))
    }

    async fn serve(&self, request: Request<Counted>, id: RequestId, now: Timestamp, record: &mut Record) -> Response {
        match self.edge.admit(request, id.clone(), now) {
            Ok(request) => {
                record.admitted(&request);
                self.service.handle(request).await
            }
            Err(refusal) => {
                if is_authentication(refusal.error.code) {
                    self.metrics.unauthenticated(refusal.error.code.as_str());
                }
                About::new(&id.0, refusal.bucket, refusal.key).error(refusal.error)
            }
        }
    }
}

fn busy() -> S3Error {
    S3Error::from(ErrorCode::SlowDown).header(header::RETRY_AFTER, HeaderValue::from_static("1"))
}

fn is_authentication(code: ErrorCode) -> bool {
    use ErrorCode::*;
    matches!(
        code,
        AccessDenied
            | AuthorizationHeaderMalformed
            | AuthorizationQueryParametersError
            | InvalidAccessKeyId
            | InvalidSecurity
            | RequestTimeTooSkewed
            | SignatureDoesNotMatch
    )
}
