//! Who is limited to what, as configured: backends by a layer upon them; identities and buckets here, where a request has been
//! authenticated and before anything of it is done.
//!
//! A request that is refused afterwards has taken its turn all the same: asking is what is limited.

use super::{data::DataDirectory, error::StartError};
use crate::{
    backend::Backend,
    config::{self, Settings},
    limits::{Account, AtBudget, Budget, Ledger, LimitedBackend, Limiter, Limits, Slot},
    model::Timestamp,
    s3::{Body, Request, Response, S3Error},
    store::ByteStream,
    telemetry::limits::Limited,
};
use std::{collections::HashMap, sync::Arc};

/// Every limit there is, by name.
#[derive(Debug, Default)]
pub(super) struct LimitsInForce {
    backends: Vec<(String, Arc<Limiter>, Option<Arc<Account>>)>,
    buckets: HashMap<String, Arc<Limiter>>,
    /// By access key.
    identities: HashMap<String, Arc<Limiter>>,
    ledger: Option<Arc<Ledger>>,
}

impl LimitsInForce {
    pub(super) fn of(settings: &Settings) -> Self {
        let limiter =
            |upload: Option<config::ByteRate>, download: Option<config::ByteRate>, requests: Option<config::Count>, concurrency| {
                let limits = Limits {
                    upload: upload.map(|rate| rate.0),
                    download: download.map(|rate| rate.0),
                    requests: requests.map(|rate| rate.0),
                    concurrency,
                };
                (limits != Limits::default()).then(|| Limiter::new(limits))
            };
        let buckets = settings.buckets.iter().filter_map(|(name, bucket)| {
            let limiter = limiter(bucket.upload_rate, bucket.download_rate, bucket.request_rate, bucket.concurrency)?;
            Some((name.as_str().to_owned(), limiter))
        });
        let identities = settings.identities.iter().filter_map(|identity| {
            let limiter = limiter(identity.upload_rate, identity.download_rate, identity.request_rate, identity.concurrency)?;
            Some((identity.access_key.as_str().to_owned(), limiter))
        });
        Self { buckets: buckets.collect(), identities: identities.collect(), ..Self::default() }
    }

    /// A backend behind the limits that are set upon it, if any are.
    pub(super) fn upon(
        &mut self,
        name: &str,
        backend: Arc<dyn Backend>,
        layers: Option<&config::Layers>,
        data: &DataDirectory,
    ) -> Result<Arc<dyn Backend>, StartError> {
        let Some(layers) = layers else { return Ok(backend) };
        let limits = Limits {
            upload: layers.upload_rate.map(|rate| rate.0),
            download: layers.download_rate.map(|rate| rate.0),
            requests: layers.request_rate.map(|rate| rate.0),
            concurrency: layers.concurrency,
        };
        let at_budget = match layers.at_budget {
            config::AtBudget::Stop => AtBudget::Stop,
            config::AtBudget::Avoid => AtBudget::Avoid,
        };
        let (requests, download) = (layers.monthly_requests.map(|count| count.0), layers.monthly_download.map(|size| size.0));
        let has_budget = requests.is_some() || download.is_some();
        if limits == Limits::default() && !has_budget {
            return Ok(backend);
        }
        let limiter = Limiter::new(limits);
        let budget = match has_budget {
            true => {
                let ledger = self.ledger(data)?;
                Some((ledger.account(name, Budget { requests, download, at_budget }, Timestamp::now()), ledger))
            }
            false => None,
        };
        self.backends.push((name.to_owned(), limiter.clone(), budget.as_ref().map(|(account, _)| account.clone())));
        Ok(Arc::new(LimitedBackend::new(backend, limiter, budget)))
    }

    fn ledger(&mut self, data: &DataDirectory) -> Result<Arc<Ledger>, StartError> {
        if let Some(ledger) = &self.ledger {
            return Ok(ledger.clone());
        }
        let path = data.own().join("budgets.json");
        let words = format!("what is used of budgets ({})", path.display());
        let ledger = Arc::new(Ledger::open(path).map_err(|error| StartError::because(words, error))?);
        self.ledger = Some(ledger.clone());
        Ok(ledger)
    }

    /// Where what is used of budgets is kept.
    pub(super) fn kept(&self) -> Option<Arc<Ledger>> {
        self.ledger.clone()
    }

    /// Once it is a request's turn.
    pub(super) async fn admit(&self, request: &Request) -> Result<Admitted, S3Error> {
        let identity = request.principal.identity().and_then(|identity| self.identities.get(identity.access_key.as_str()));
        let bucket = request.target.bucket.as_deref().and_then(|name| self.buckets.get(name));
        let mut admitted = Admitted::default();
        for limiter in [identity, bucket].into_iter().flatten() {
            admitted.0.push((limiter.clone(), limiter.admit().await?));
        }
        Ok(admitted)
    }

    /// For the metrics.
    pub(super) fn read(&self) -> Vec<Limited> {
        let limited = |scope, name: &str, limiter: &Limiter, account: Option<&Arc<Account>>| {
            let throttled = limiter.throttled();
            let used = account.map(|account| account.used());
            let (refused, waited) = (throttled.refused, throttled.waited);
            Limited { scope, name: name.to_owned(), refused, waited, used: used.map(|used| (used.requests, used.download)) }
        };
        let backends = self.backends.iter().map(|(name, limiter, account)| limited("backend", name, limiter, account.as_ref()));
        let buckets = self.buckets.iter().map(|(name, limiter)| limited("bucket", name, limiter, None));
        let identities = self.identities.iter().map(|(name, limiter)| limited("identity", name, limiter, None));
        backends.chain(buckets).chain(identities).collect()
    }
}

/// The limits of one request that was let in.
#[derive(Debug, Default)]
pub(super) struct Admitted(Vec<(Arc<Limiter>, Slot)>);

impl Admitted {
    /// The request, its body at the pace it may have.
    pub(super) fn request(&self, request: Request) -> Request {
        self.0.iter().fold(request, |request, (limiter, _)| Request { payload: limiter.upload(request.payload), ..request })
    }

    /// The reply, at the pace it may have. The request is in work until its last byte.
    pub(super) fn reply(self, response: Response) -> Response {
        if self.0.is_empty() {
            return response;
        }
        response.map(|body| {
            let (stream, length): (ByteStream, _) = match body {
                Body::Empty => return Body::Empty,
                Body::Full(bytes) if bytes.is_empty() => return Body::Empty,
                Body::Full(bytes) => {
                    let length = Some(bytes.len() as u64);
                    (Box::pin(futures_util::stream::iter([Ok(bytes)])), length)
                }
                Body::Stream { stream, length } => (stream, length),
            };
            let limited = |stream, (limiter, slot): (Arc<Limiter>, Slot)| limiter.download(stream, slot);
            Body::Stream { stream: self.0.into_iter().fold(stream, limited), length }
        })
    }
}
