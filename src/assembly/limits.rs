//! Which limits apply to whom, as configured: on backends they are a layer; on identities and buckets they
//! apply here, after a request was authenticated and before any of it is done.
//!
//! A request that is refused later has still used its turn: requests are limited, not successes.

use super::{data::DataDirectory, error::StartError};
use crate::{
    backend::Backend,
    config::{self, Settings},
    limits::{Account, AtBudget, Budget, Ledger, LimitedBackend, Limiter, Limits, Slot},
    model::{AccessKey, Identity, Timestamp, canonical_id},
    s3::{Body, Request, Response, S3Error},
    store::ByteStream,
    telemetry::limits::Limited,
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// All limits, by name.
#[derive(Debug, Default)]
pub(crate) struct LimitsInForce {
    backends: Mutex<Vec<OfBackend>>,
    /// Replaced as a whole when the configuration is read again.
    clients: RwLock<Arc<OfClients>>,
    ledger: OnceLock<Arc<Ledger>>,
    is_ledger_kept: AtomicBool,
}

/// The limits upon one backend.
#[derive(Debug)]
pub(crate) struct OfBackend {
    name: String,
    limiter: Arc<Limiter>,
    account: Option<Arc<Account>>,
}

#[derive(Debug, Default)]
struct OfClients {
    buckets: Limiters,
    /// By access key.
    identities: Limiters,
    /// The same by the canonical id of the account: they apply to its users and sessions, too.
    accounts: HashMap<Arc<str>, Arc<Limiter>>,
}

/// Each with its settings, so that a limiter whose settings stay keeps its counts.
type Limiters = HashMap<String, (Limits, Arc<Limiter>)>;

impl OfClients {
    fn of(settings: &Settings, before: &Self) -> Self {
        let limits = |upload: Option<config::ByteRate>,
                      download: Option<config::ByteRate>,
                      requests: Option<config::Count>,
                      concurrency| {
            let (upload, download) = (upload.map(|rate| rate.0), download.map(|rate| rate.0));
            Limits { upload, download, requests: requests.map(|rate| rate.0), concurrency }
        };
        let buckets = settings.buckets.iter().map(|(name, bucket)| {
            (
                name.as_str(),
                limits(bucket.upload_rate, bucket.download_rate, bucket.request_rate, bucket.concurrency),
            )
        });
        let identities = settings.identities.iter().map(|identity| {
            let limits = limits(
                identity.upload_rate,
                identity.download_rate,
                identity.request_rate,
                identity.concurrency,
            );
            (identity.access_key.as_str(), limits)
        });
        let identities = limiters(identities, &before.identities);
        let account = |(access_key, (_, limiter)): (&String, &(Limits, Arc<Limiter>))| {
            (canonical_id(&AccessKey(access_key.as_str().into())), limiter.clone())
        };
        let accounts = identities.iter().map(account).collect();
        Self { buckets: limiters(buckets, &before.buckets), identities, accounts }
    }
}

impl OfClients {
    /// The limiter of the account that an identity is, or is of.
    fn of_account(&self, identity: Option<&Arc<Identity>>) -> Option<&Arc<Limiter>> {
        self.accounts.get(&identity?.owner.id)
    }
}

async fn admit(limiters: [Option<&Arc<Limiter>>; 2]) -> Result<Admitted, S3Error> {
    let mut admitted = Admitted::default();
    for limiter in limiters.into_iter().flatten() {
        // Boxed: few requests have a limit.
        admitted.0.push((limiter.clone(), Box::pin(limiter.admit()).await?));
    }
    Ok(admitted)
}

fn limiters<'n>(wanted: impl Iterator<Item = (&'n str, Limits)>, before: &Limiters) -> Limiters {
    let limiter = |(name, limits): (&str, Limits)| {
        let limiter = match before.get(name) {
            Some((same, limiter)) if *same == limits => limiter.clone(),
            _ => Limiter::new(limits),
        };
        (name.to_owned(), (limits, limiter))
    };
    wanted.filter(|(_, limits)| *limits != Limits::default()).map(limiter).collect()
}

impl LimitsInForce {
    pub(crate) fn of(settings: &Settings) -> Self {
        let clients = RwLock::new(Arc::new(OfClients::of(settings, &OfClients::default())));
        Self { clients, ..Self::default() }
    }

    /// Replaces the limits of identities and buckets, from the next request on.
    pub(crate) fn replace(&self, settings: &Settings) {
        let clients = OfClients::of(settings, &self.clients());
        *self.clients.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(clients);
    }

    fn clients(&self) -> Arc<OfClients> {
        self.clients.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a backend behind its limits, if it has any.
    pub(crate) fn upon(
        &self,
        name: &str,
        backend: Arc<dyn Backend>,
        layers: Option<&config::Layers>,
        data: &DataDirectory,
    ) -> Result<(Arc<dyn Backend>, Option<OfBackend>), StartError> {
        let Some(layers) = layers else { return Ok((backend, None)) };
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
        let (requests, download) =
            (layers.monthly_requests.map(|count| count.0), layers.monthly_download.map(|size| size.0));
        let has_budget = requests.is_some() || download.is_some();
        if limits == Limits::default() && !has_budget {
            return Ok((backend, None));
        }
        let limiter = Limiter::new(limits);
        let budget = if has_budget {
            let ledger = self.ledger(data)?;
            Some((ledger.account(name, Budget { requests, download, at_budget }, Timestamp::now()), ledger))
        } else {
            None
        };
        let account = budget.as_ref().map(|(account, _)| account.clone());
        let limited = LimitedBackend::new(backend, limiter.clone(), budget);
        Ok((Arc::new(limited), Some(OfBackend { name: name.to_owned(), limiter, account })))
    }

    /// Adds backends that are used from now on.
    pub(crate) fn add(&self, backends: impl IntoIterator<Item = OfBackend>) {
        self.backends.lock().unwrap_or_else(PoisonError::into_inner).extend(backends);
    }

    fn ledger(&self, data: &DataDirectory) -> Result<Arc<Ledger>, StartError> {
        if let Some(ledger) = self.ledger.get() {
            return Ok(ledger.clone());
        }
        let path = data.own().join("budgets.json");
        let words = format!("what is used of budgets ({})", path.display());
        let ledger = Arc::new(Ledger::open(path).map_err(|error| StartError::because(words, error))?);
        Ok(self.ledger.get_or_init(|| ledger).clone())
    }

    /// Where the use of budgets is stored. Returned once, to the task that writes it from then on.
    pub(crate) fn to_be_kept(&self) -> Option<Arc<Ledger>> {
        let ledger = self.ledger.get()?;
        (!self.is_ledger_kept.swap(true, Ordering::Relaxed)).then(|| ledger.clone())
    }

    /// Waits for the request's turn.
    pub(crate) async fn admit(&self, request: &Request) -> Result<Admitted, S3Error> {
        let clients = self.clients();
        let account = clients.of_account(request.context.principal.identity());
        let bucket = request.target.bucket.as_deref().and_then(|name| clients.buckets.get(name));
        admit([account, bucket.map(|(_, limiter)| limiter)]).await
    }

    /// Waits for the turn of a call of IAM or STS, which is about no bucket.
    pub(crate) async fn admit_call(&self, caller: Option<&Arc<Identity>>) -> Result<Admitted, S3Error> {
        let clients = self.clients();
        admit([clients.of_account(caller), None]).await
    }

    /// For the metrics.
    pub(crate) fn read(&self) -> Vec<Limited> {
        let limited = |scope, name: &str, limiter: &Limiter, account: Option<&Arc<Account>>| {
            let throttled = limiter.throttled();
            let used = account.map(|account| account.used());
            let (refused, waited) = (throttled.refused, throttled.waited);
            Limited {
                scope,
                name: name.to_owned(),
                refused,
                waited,
                used: used.map(|used| (used.requests, used.download)),
            }
        };
        let clients = self.clients();
        let backends = self.backends.lock().unwrap_or_else(PoisonError::into_inner);
        let backends = backends
            .iter()
            .map(|OfBackend { name, limiter, account }| limited("backend", name, limiter, account.as_ref()));
        let buckets =
            clients.buckets.iter().map(|(name, (_, limiter))| limited("bucket", name, limiter, None));
        let identities =
            clients.identities.iter().map(|(name, (_, limiter))| limited("identity", name, limiter, None));
        backends.chain(buckets).chain(identities).collect()
    }
}

/// The limits of one admitted request.
#[derive(Debug, Default)]
pub(crate) struct Admitted(Vec<(Arc<Limiter>, Slot)>);

impl Admitted {
    /// The request, with its body at the permitted rate.
    pub(crate) fn request(&self, request: Request) -> Request {
        self.0.iter().fold(request, |request, (limiter, _)| Request {
            payload: limiter.upload(request.payload),
            ..request
        })
    }

    /// The reply, at the permitted rate. The request is in progress until its last byte.
    pub(crate) fn reply(self, response: Response) -> Response {
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
                Body::File { file, length } => (file.into_stream(), Some(length)),
            };
            let limited = |stream, (limiter, slot): (Arc<Limiter>, Slot)| limiter.download(stream, slot);
            Body::Stream { stream: self.0.into_iter().fold(stream, limited), length }
        })
    }
}
