//! The running server: sockets, TLS, the life of a request, start and stop.
//!
//! Owns connections, the places and memory of requests, and the order of starting and stopping. What is served
//! is built by `assembly`. Knows nothing of S3 except to hand requests over.
//!
//! Starting: first everything is checked that can be wrong, then sockets are bound, then the data directory
//! is taken and the components are built; the addresses are announced only when requests are served. Stopping
//! is the reverse. In between the configuration may be read again (`reload`).

mod address_file;
mod connection;
mod entrance;
mod guests;
mod handler;
mod holding;
mod idle;
mod linger;
mod listen;
mod outgoing;
mod peers;
mod permit;
mod progress;
mod record;
mod regions;
mod relief;
mod reload;
mod request_id;
mod shares;
mod sizes;
mod still;
mod streams;
mod talk;
mod tls;

pub use reload::Load;

use crate::{
    access::{AddedIdentities, CredentialsInForce},
    admin::{Admin, Phase, SignInPages},
    assembly::{
        StartError,
        data::{DataDirectory, KnownCredentials},
        graph::{self, Graph, Stack},
        ldap,
        limits::LimitsInForce,
        oidc, sign_in, signals,
    },
    backend::{Backend, Space, Traffic},
    buckets::Buckets,
    config::{self, Settings},
    control,
    drivers::fs::minio,
    edge::{Pace, Paces},
    iam::{Directory, query::Queries},
    model::Timestamp,
    telemetry::{
        backends::{BackendRequests, Known},
        metrics::Metrics,
        replicas::Replica,
        storages::{Room, Storage},
    },
};
use connection::{Door, Opened};
use handler::Handler;
use listen::Listeners;
use reload::Reloading;
use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tls::Tls;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The parts of the configuration that can be checked without starting anything.
#[derive(Debug)]
pub struct Prepared {
    tls: Option<Arc<Tls>>,
}

pub fn prepare(settings: &Settings) -> Result<Prepared, StartError> {
    address_file::check(settings.server.address_file.as_deref())?;
    // Done before anything of ours is created there.
    for (name, backend) in &settings.backends {
        if let config::Backend::Fs(fs) = backend
            && minio::is_drive(&fs.root)
        {
            return Err(StartError::new(format!(
                "backend '{name}' at {}: {}",
                fs.root.display(),
                minio::WORDS
            )));
        }
    }
    Ok(Prepared { tls: Tls::from_settings(&settings.server)? })
}

/// Serves until a signal stops the server. `load` reads the configuration again, from the sources of
/// `settings`.
pub async fn run(settings: Settings, Prepared { tls }: Prepared, load: Load) -> Result<(), StartError> {
    let server = &settings.server;
    let (mut stopping, hang_up) = signals::install()?;
    let listeners = Listeners::bind(server, &settings.website)?;
    let max_connections = listen::raise_descriptor_limit(server);

    let data = Arc::new(DataDirectory::take(&server.data)?);
    let metrics = Arc::new(Metrics::default());
    metrics.configured(Timestamp::now());
    let admin = Arc::new(Admin::new(metrics.clone()));
    // Answers until the very end, and ends with the process.
    for listener in listeners.admin {
        tokio::spawn(admin.clone().serve(listener));
    }

    let known = data.credentials(&settings)?;
    let credentials = Arc::new(CredentialsInForce::new(known.credentials.clone()));
    let stop = CancellationToken::new();
    let Graph { edge, service, stack, jobs } =
        graph::build(&settings, &known, credentials.clone(), &data, paces(server, &stop)).await?;
    let Stack { buckets, limits, .. } = stack.clone();
    let identities =
        Arc::new(AddedIdentities::new(buckets.catalog().clone(), data.own(), credentials.clone()));
    let groups = ldap::groups(&settings, &credentials)?;
    let directory = Arc::new(Directory::new(buckets.catalog().clone(), data.own()).with_ldap(groups));
    let read = directory.refresh().await;
    read.map_err(|error| StartError::because("reading users, groups, roles and policies", error))?;
    credentials.attach(directory.clone());
    buckets.attach(directory.clone());
    let service = service.with_principals(directory.clone());
    let decisions = service.decisions().clone();
    let providers = Arc::new(oidc::providers(&settings)?);
    let people = sign_in::build(&settings, &providers, &directory, &credentials)?;
    if let (Some(people), Some(of)) = (people, &settings.sign_in) {
        admin.attach(SignInPages::new(people, of.landing.0.clone(), of.redirect.origin()));
    }
    let queries = Queries::new(directory.clone(), providers);
    let queries = queries.in_region(server.region_name()).with_login(ldap::login(&settings)?);
    let queries = Arc::new(queries);
    let read = identities.refresh().await;
    read.map_err(|error| StartError::because("reading the identities that were added at run time", error))?;
    jobs.spawn(stop.clone().run_until_cancelled_owned(directory.clone().keep_uses()));
    // Held to the end: an access key that nobody holds is gone, and its last use with it.
    let in_use = credentials.clone();
    watch(&metrics, &buckets, &limits, &data);
    tokio::spawn(
        stop.clone()
            .run_until_cancelled_owned(sizes::count(buckets.catalog().clone(), metrics.sizes.clone())),
    );
    stack.caches.tell(&metrics);
    let handler = Arc::new(Handler::new(edge, service, queries, limits, metrics.clone()));
    let door = Arc::new(Door::new(
        server,
        max_connections,
        tls.clone(),
        handler.clone(),
        metrics.clone(),
        stop.clone(),
    ));
    let opened = door.open(listeners.s3, listeners.websites)?;
    let plain = {
        let (server, metrics, stop) = (server.clone(), metrics.clone(), stop.clone());
        move || Door::new(&server, max_connections, None, handler.clone(), metrics.clone(), stop.clone())
    };
    let entrance = entrance::of(opened.s3[0], tls.is_some(), server.region_name(), plain);
    let sources = control::Sources {
        buckets: buckets.clone(),
        identities,
        decisions: Some(decisions),
        entrance: Some(Arc::new(entrance)),
    };
    let operators = operators(&data, sources, stop.clone());

    admin.enter(Phase::Ready);
    announce(&settings, &opened, listeners.admin_address, tls.is_some(), &known);
    let addresses = [opened.s3[0], listeners.admin_address];
    let addresses = [&addresses[..], opened.websites.get(..1).unwrap_or_default()].concat();
    address_file::write(server.address_file.as_deref(), &addresses)?;

    let in_force = reload::InForce {
        settings: settings.clone(),
        is_generated: known.generated().is_some(),
        tls,
        credentials,
        stack,
    };
    let reloading =
        Reloading { load, in_force, data: data.clone(), metrics, jobs: jobs.clone(), stop: stop.clone() };
    jobs.spawn(reloading.serve(hang_up));

    stopping.wait().await;
    tracing::info!(timeout = ?server.drain_timeout, "stopping: requests in work may end");
    admin.enter(Phase::Draining);
    stop.cancel();
    let drained = async {
        opened.connections.wait().await;
        jobs.wait().await;
        operators.wait().await;
    };
    let in_time = tokio::select! {
        () = stopping.wait() => return Err(StartError::new("stopped at once by a second signal")),
        done = tokio::time::timeout(server.drain_timeout, drained) => done.is_ok(),
    };
    if let Some(migrations) = buckets.migrations() {
        migrations.stop();
    }
    if in_time {
        // Backends that consist of others may have tasks to end in them.
        let (above, below): (Vec<_>, Vec<_>) =
            buckets.backends().into_iter().partition(|(_, backend)| backend.replication().is_some());
        for (name, backend) in above.into_iter().chain(below) {
            if let Err(error) = backend.close().await {
                tracing::error!(backend = name, %error, "closing a backend failed");
            }
        }
    } else {
        // Interrupted requests may still write: the next start has to check, as after a crash.
        tracing::warn!(
            connections = opened.connections.len(),
            "requests were cut off: they took longer than the drain timeout"
        );
    }
    if let Err(error) = directory.write_uses().await {
        tracing::warn!(%error, "the last uses of access keys could not be written");
    }
    drop(in_use);
    if let Err(error) = buckets.catalog().close().await {
        tracing::error!(%error, "closing the catalog failed");
    }
    address_file::remove(server.address_file.as_deref());
    drop(data);
    tracing::info!("stopped");
    Ok(())
}

/// How fast a body must arrive, now and once the server stops.
fn paces(server: &config::Server, stop: &CancellationToken) -> Paces {
    let usual = Pace { stall: server.body_timeout, ..Pace::default() };
    Paces { usual, last: usual.within(connection::last_patience(server)), stop: stop.clone() }
}

/// How often the free space of file systems is read.
const LOOKS: Duration = Duration::from_secs(5);

fn watch(metrics: &Metrics, buckets: &Arc<Buckets>, limits: &Arc<LimitsInForce>, data: &DataDirectory) {
    watch_storages(metrics, buckets, data);
    let limits = limits.clone();
    metrics.limits.read_by(move || limits.read());
    let replicated = buckets.clone();
    metrics.replicas.read_by(move || {
        let replicas = |(name, backend): (String, Arc<dyn Backend>)| {
            let health = backend.replication().map(|replication| replication.health()).unwrap_or_default();
            health.into_iter().map(move |replica| Replica {
                backend: name.clone(),
                replica: replica.backend,
                out: replica.out,
                failing: replica.failing,
            })
        };
        replicated.backends().into_iter().flat_map(replicas).collect()
    });
    let buckets = buckets.clone();
    metrics.backends.read_by(move || {
        let known = |(name, backend): (String, Arc<dyn Backend>)| {
            let (asked, trouble) = match backend.traffic() {
                Some(Traffic { requests, repeats, failures, trouble }) => {
                    (Some(BackendRequests { requests, repeats, failures }), trouble)
                }
                None => (None, no_replica_answers(&*backend)),
            };
            Known { name, asked, trouble }
        };
        buckets.backends().into_iter().map(known).collect()
    });
}

/// Reports why a backend that consists of others cannot be reached, if all of them are out.
fn no_replica_answers(backend: &dyn Backend) -> Option<String> {
    let health = backend.replication()?.health();
    let are_out = !health.is_empty() && health.iter().all(|replica| replica.out.is_some());
    are_out.then(|| "none of its replicas answers".to_owned())
}

/// A file system that does not answer must not delay a health check: it is read in a thread of its own.
fn watch_storages(metrics: &Metrics, buckets: &Arc<Buckets>, data: &DataDirectory) {
    let seen: Arc<Mutex<Vec<Storage>>> = Arc::default();
    let (buckets, own, writing) = (Arc::downgrade(buckets), data.own().to_owned(), Arc::downgrade(&seen));
    let look = move || {
        let (Some(buckets), Some(seen)) = (buckets.upgrade(), writing.upgrade()) else { return false };
        let room = |space: Option<Space>| space.map(|space| Room { free: space.free, low: space.is_low() });
        let mut now = vec![Storage { backend: None, room: room(Space::at(&own).ok()), unreadable: 0 }];
        now.extend(buckets.backends().into_iter().map(|(name, backend)| Storage {
            backend: Some(name),
            room: room(backend.space()),
            unreadable: backend.unreadable(),
        }));
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = now;
        true
    };
    let looking = std::thread::Builder::new().name("space".to_owned()).spawn(move || {
        while look() {
            std::thread::sleep(LOOKS);
        }
    });
    if let Err(error) = looking {
        tracing::warn!(%error, "nobody will be told that a disk is almost full");
    }
    metrics.storages.read_by(move || seen.lock().unwrap_or_else(PoisonError::into_inner).clone());
}

/// Answers operators until `stop`. A server without this still serves S3.
fn operators(data: &DataDirectory, sources: control::Sources, stop: CancellationToken) -> TaskTracker {
    let operators = TaskTracker::new();
    match control::socket::Listener::bind(data.own()) {
        Ok(listener) => drop(operators.spawn(stop.run_until_cancelled_owned(listener.serve(sources)))),
        Err(error) => tracing::warn!(%error, "commands like 'bucket scan' will not reach this server"),
    }
    operators.close();
    operators
}

/// What a person at a terminal needs. It is never logged, because it may contain the generated secret.
fn announce(
    settings: &Settings,
    opened: &Opened,
    admin: std::net::SocketAddr,
    tls: bool,
    known: &KnownCredentials,
) {
    let mut text = format!("Causeway {}\n", env!("CARGO_PKG_VERSION"));
    let protocol = if tls { "https" } else { "http" };
    for address in &opened.s3 {
        text += &format!("listening on {protocol}://{address}\n");
    }
    for address in &opened.websites {
        text += &format!("websites on {protocol}://{address}\n");
    }
    text += &format!("health and metrics on http://{admin}\ndata in {}\n", settings.server.data.display());
    tell(&(text + &known.announcement()));
    tracing::info!(addresses = ?opened.s3, websites = ?opened.websites, %admin, "serving");
}

/// Prints on standard output. There may be no reader.
fn tell(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
