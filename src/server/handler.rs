//! The life of a request: it gets an id and is counted, the edge admits it, S3 serves it, and it is counted
//! out when its reply was sent.

use super::{
    permit::{Line, RequestPermit},
    record::{Counted, Record, Recorded},
    request_id::RequestIds,
};
use crate::{
    assembly::limits::{Admitted as Admission, LimitsInForce},
    edge::{Admitted, Edge, Refusal, Reply, Site, Visited},
    iam::query::{self, Answer, Code, Queries, QueryError},
    model::Timestamp,
    s3::{self, About, Arrival, ErrorCode, RequestId, Response, S3Error, Service, Target},
    telemetry::metrics::Metrics,
};
use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Either},
};
use http::{HeaderValue, Request, header};
use http_body::Body;
use std::{
    future::ready,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

#[derive(Debug)]
pub(super) struct Handler {
    edge: Edge,
    service: Service,
    queries: Arc<Queries>,
    limits: Arc<LimitsInForce>,
    metrics: Arc<Metrics>,
    ids: RequestIds,
}

impl Handler {
    pub(super) fn new(
        edge: Edge,
        service: Service,
        queries: Arc<Queries>,
        limits: Arc<LimitsInForce>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { edge, service, queries, limits, metrics, ids: RequestIds::new() }
    }

    /// An error refuses the stream. Its client may send the request again, on another connection or later
    /// (RFC 9113, 8.7).
    pub(super) async fn answer<B>(
        &self,
        request: Request<B>,
        line: &Line,
    ) -> Result<http::Response<Recorded>, h2::Error>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let now = Timestamp::now();
        let id = self.ids.next(now);
        let (client, peer) = line.peers.behind(&line.peer, line.address.ip(), request.headers());
        let Some(permit) = RequestPermit::begin(line, client, self.metrics.clone()) else {
            self.metrics.overload.inc();
            return Err(h2::Reason::REFUSED_STREAM.into());
        };
        let mut record =
            Record::begin(&request, id.clone(), line.address, permit.clone(), self.metrics.clone());
        let (head, has_body) = (head_size(&request), !request.body().is_end_stream());
        let mut request = request.map(|body| Counted::new(body, &mut record));
        let site = self.edge.site(&request, line.entrance);
        let page = self.edge.page(&request, site.as_ref());
        let refuse = refusal_of(site.as_ref());
        let reply = Reply::to(&mut request, id.clone()).with(page);
        let is_secure = line.is_secure(request.headers());
        let arrival = Arrival { id: id.clone(), at: now, peer, is_secure, tls: line.tls };
        let asked = Instant::now();
        let mut reserved =
            if permit.enter(line).await { permit.reserve(line, head, has_body).await } else { None };
        let (response, rules) = if reserved.is_none() {
            self.metrics.overload.inc();
            drop(request);
            let rules = reply.page().map(|page| self.service.cors_at_once(page.bucket()));
            (refuse(&About::new(&id, Target::default()), busy(asked.elapsed())), rules)
        } else {
            // A panic costs its own request a 500, and does not end the connection and the other requests on it.
            let serving = pin!(async { self.serve(request, arrival, site, &mut record, &permit).await });
            let response = match AssertUnwindSafe(serving).catch_unwind().await {
                Ok(response) => response,
                Err(_) => {
                    self.metrics.panicked();
                    tracing::error!(request = %id, "serving a request panicked");
                    refuse(&About::new(&id, Target::default()), ErrorCode::InternalError.into())
                }
            };
            let rules = match reply.page() {
                Some(page) => Some(Box::pin(self.service.cors(page.bucket())).await),
                None => None,
            };
            (response, rules)
        };
        let mut response = reply.finish(response, &rules.unwrap_or_default());
        if record.is_unread() && permit.progress().is_none() {
            // The rest of the body cannot be distinguished from the next request. HTTP/2 resets the stream by
            // itself.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            line.activity.leaves_unread();
        }
        if let (false, Some(held), Some(length)) =
            (has_body, &mut reserved, response.body().size_hint().exact())
        {
            RequestPermit::fit(held, length);
        }
        if response.status().is_client_error() || response.status().is_server_error() {
            permit.leave();
        }
        Ok(record.answered(response, reserved))
    }

    /// Answers a call of IAM or STS.
    async fn call<B>(
        &self,
        request: Request<Counted<B>>,
        arrival: Arrival,
        record: &mut Record,
        permit: &RequestPermit,
    ) -> Response
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let id = arrival.id.clone();
        let mut admitted = Admission::default();
        let answer = match self.edge.admit_call(request, arrival, permit.memory()).await {
            Ok(call) => {
                record.called(call.caller.as_ref());
                match self.limits.admit_call(call.caller.as_ref()).await {
                    Ok(turn) => {
                        admitted = turn;
                        self.queries.answer(call).await
                    }
                    Err(_) => {
                        let error = QueryError::new(Code::Throttling, "Rate exceeded");
                        query::refuse(call.service, &id.0, error)
                    }
                }
            }
            Err(error) => {
                self.metrics.unauthenticated(error.code.as_str());
                query::refuse(None, &id.0, error)
            }
        };
        record.answers_call(answer.action, answer.code);
        admitted.reply(reply_to_call(answer, &id))
    }

    /// Answers a request for a page of a website.
    async fn visit<B>(
        &self,
        request: Request<Counted<B>>,
        arrival: Arrival,
        site: Site,
        record: &mut Record,
    ) -> Response {
        let id = arrival.id.clone();
        let visit = match self.edge.visit(request, arrival, site) {
            Ok(Visited::Visit(visit)) => visit,
            Ok(Visited::Preflight(preflight)) => return self.service.preflight(preflight).await,
            Err(Refusal { error, target }) => {
                return s3::error_page(&About::new(&id, target), error, None);
            }
        };
        record.admitted(&visit.request);
        match self.limits.admit(&visit.request).await {
            Ok(admitted) => admitted.reply(self.service.visit(&visit).await),
            Err(error) => s3::error_page(&About::of(&visit.request), error, None),
        }
    }

    /// Begins to serve a request. What is rare is boxed: the future has the size of what most requests need, and
    /// each request pays for the whole size.
    fn serve<'s, B>(
        &'s self,
        request: Request<Counted<B>>,
        arrival: Arrival,
        site: Option<Site>,
        record: &'s mut Record,
        permit: &'s RequestPermit,
    ) -> Either<impl Future<Output = Response> + Send, BoxFuture<'s, Response>>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        if let Some(site) = site {
            return Either::Right(Box::pin(self.visit(request, arrival, site, record)));
        }
        if self.edge.is_call(&request) {
            return Either::Right(Box::pin(self.call(request, arrival, record, permit)));
        }
        let id = arrival.id.clone();
        match self.edge.admit(request, arrival) {
            Ok(Admitted::Request(request)) => Either::Left(self.operate(admitted(request, record, permit))),
            Ok(Admitted::Preflight(preflight)) => Either::Right(Box::pin(self.service.preflight(preflight))),
            Ok(Admitted::Form(form)) => Either::Right(Box::pin(async move {
                match self.edge.open(form).await {
                    Ok(request) => self.operate(admitted(request, record, permit)).await,
                    Err(refusal) => self.refused(&id, refusal),
                }
            })),
            Err(refusal) => Either::Right(Box::pin(ready(self.refused(&id, refusal)))),
        }
    }

    async fn operate(&self, request: s3::Request) -> Response {
        match self.limits.admit(&request).await {
            Ok(admitted) => {
                let response = self.service.handle(admitted.request(request)).await;
                admitted.reply(response)
            }
            Err(error) => About::of(&request).error(error),
        }
    }

    fn refused(&self, id: &RequestId, refusal: Refusal) -> Response {
        if is_authentication(refusal.error.code) {
            self.metrics.unauthenticated(refusal.error.code.as_str());
        }
        About::new(id, refusal.target).error(refusal.error)
    }
}

/// A request whose sender is known: its body takes its memory from that of its client.
fn admitted(mut request: s3::Request, record: &mut Record, permit: &RequestPermit) -> s3::Request {
    record.admitted(&request);
    request.payload = request.payload.within(permit.memory().clone());
    request
}

/// How errors are shown: as a page to visitors of a website, as a document to clients of S3.
fn refusal_of(site: Option<&Site>) -> fn(&About, S3Error) -> Response {
    match site {
        Some(_) => |about, error| s3::error_page(about, error, None),
        None => About::error,
    }
}

/// The reply to a call of IAM or STS.
fn reply_to_call(answer: Answer, id: &RequestId) -> Response {
    let mut response = http::Response::new(s3::Body::Full(answer.body));
    *response.status_mut() = answer.status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    if let Ok(id) = HeaderValue::try_from(&*id.0) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    if let Some(failure) = answer.failure {
        let error = S3Error { source: Some(failure), ..ErrorCode::InternalError.into() };
        response.extensions_mut().insert(Arc::new(error));
    }
    response
}

/// The approximate memory of a request's head.
fn head_size<B>(request: &Request<B>) -> usize {
    let headers: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    headers + request.uri().path().len() + request.uri().query().map_or(0, str::len)
}

/// It is not known when a place or memory becomes free. A client whose request has waited in vain is asked to
/// wait as long again.
fn busy(waited: Duration) -> S3Error {
    S3Error::from(ErrorCode::SlowDown).retry_after(waited)
}

fn is_authentication(code: ErrorCode) -> bool {
    use ErrorCode::*;
    matches!(
        code,
        AccessDenied
            | AuthorizationHeaderMalformed
            | AuthorizationQueryParametersError
            | InvalidAccessKeyId
            | RequestTimeTooSkewed
            | SignatureDoesNotMatch
    )
}

#[cfg(test)]
mod tests {
    use super::{
        super::{idle::Activity, peers::Peers, permit::Stop},
        *,
    };
    use crate::{
        buckets::Buckets,
        catalog::sqlite::SqliteCatalog,
        config::{Flag, Settings, Sources},
        edge::{EdgeSettings, Entrance, Keys},
        iam::{Directory, KeyInForce, Refused, oidc::Providers},
        store::Durability,
    };
    use http_body_util::{BodyExt, Full};
    use tokio_util::sync::CancellationToken;

    #[derive(Debug)]
    struct Defective;

    impl Keys for Defective {
        fn find(&self, _: &str, _: Option<&str>, _: Timestamp) -> Result<KeyInForce, Refused> {
            panic!("a defect")
        }
    }

    /// The most bytes that the state of a request takes, beside that of its operation. Without optimizations it is
    /// larger.
    const MOST: usize = 5 << 10;

    /// A connection from this machine.
    fn line(configuration: &Sources, is_secure: bool) -> Line {
        let peers = Peers::new(&Settings::load(configuration).expect("settings").server);
        let stop = Stop { token: CancellationToken::new(), last_patience: Duration::ZERO };
        Line::new(
            ([127, 0, 0, 1], 1).into(),
            Entrance::S3,
            is_secure,
            peers.of([127, 0, 0, 1].into()),
            peers,
            Activity::begin(),
            stop,
        )
    }

    #[test]
    fn a_client_speaks_tls_with_us_or_with_a_trusted_proxy_that_says_so() {
        let proxies =
            Flag { name: "--test", key: "server.trusted_proxies", value: "127.0.0.1/32".to_owned() };
        let trusting = Sources { flags: vec![proxies], ..Sources::default() };
        let mut headers = http::HeaderMap::new();
        headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        assert!(line(&Sources::default(), true).is_secure(&http::HeaderMap::new()));
        assert!(!line(&Sources::default(), false).is_secure(&headers));
        assert!(line(&trusting, false).is_secure(&headers));
        assert!(!line(&trusting, false).is_secure(&http::HeaderMap::new()));
    }

    #[tokio::test]
    async fn a_panic_becomes_an_internal_error_with_an_id_and_is_counted() {
        let dir = tempfile::tempdir().expect("a directory");
        let catalog = Arc::new(SqliteCatalog::open(dir.path(), Durability::Relaxed).expect("a catalog"));
        let directory = Arc::new(Directory::new(catalog.clone(), dir.path()));
        let queries = Arc::new(Queries::new(directory, Providers::default()));
        let buckets = Arc::new(Buckets::new(catalog, Default::default(), "disk".to_owned()));
        let edge = Edge::new(EdgeSettings::default(), Arc::new(Defective));
        let metrics = Arc::<Metrics>::default();
        let spool = s3::Spool::new(dir.path().join("spool"), 1 << 20);
        let service = Service::new(
            buckets,
            s3::Settings {
                region: "r".to_owned(),
                any_region: true,
                object_ownership: crate::model::ObjectOwnership::ObjectWriter,
            },
            spool,
        );
        let handler = Handler::new(edge, service, queries, Arc::default(), metrics.clone());
        let line = line(&Sources::default(), false);
        let now = Timestamp::now().iso8601().replace(['-', ':'], "");
        let (day, time) = (&now[..8], format!("{}Z", &now[..15]));
        let request = Request::get("/bucket/key")
            .header("host", "x")
            .header("x-amz-date", time)
            .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
            .header(
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 Credential=a/{day}/r/s3/aws4_request, \
                     SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={}",
                    "0".repeat(64)
                ),
            )
            .body(Full::new(Bytes::new()))
            .expect("a request");

        let small = Request::get("/bucket/key").body(Full::new(Bytes::new())).expect("a request");
        let size = size_of_val(&handler.answer(small, &line));
        assert!(size <= MOST, "{size} bytes");
        let response = handler.answer(request, &line).await.expect("a reply");
        assert_eq!(response.status(), 500);
        let id = response.headers()["x-amz-request-id"].to_str().expect("ASCII").to_owned();
        let body = response.into_body().collect().await.expect("a body").to_bytes().to_vec();
        let body = String::from_utf8_lossy(&body);
        assert!(body.contains("<Code>InternalError</Code>") && body.contains(&id), "{body}");
        let text = metrics.text();
        assert!(
            text.contains("causeway_panics_total 1") && text.contains("causeway_requests_in_flight 0"),
            "{text}"
        );
    }
}
