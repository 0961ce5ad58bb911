//! `causeway serve`.

use super::{Configuration, FAILED, SENSELESS, fail};
use crate::{
    config::{self, Flag, LogFormat, Settings, Sources},
    server,
    telemetry::log,
};
use std::{
    process::ExitCode,
    sync::{Arc, OnceLock},
    time::Duration,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    configuration: Configuration,
    /// Keep everything in this directory, unless the configuration names other backends [default:
    /// ./causeway-data].
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Serve S3 at this address: 127.0.0.1:9000, localhost:9000, or :9000 for every address. The option may
    /// be repeated [default: 127.0.0.1:9000].
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Vec<String>,
    /// Serve health and metrics at this address [default: 127.0.0.1:9001].
    #[arg(long, value_name = "ADDR:PORT")]
    admin_listen: Option<String>,
    /// Write the addresses to this file once S3 is served: S3 on the first line, admin on the second.
    #[arg(long, value_name = "FILE")]
    address_file: Option<String>,
    /// Choose what an acknowledged write survives: strict also power loss, relaxed a killed server only
    /// [default: strict].
    #[arg(long, value_name = "strict|relaxed")]
    durability: Option<String>,
    /// Write the log for people or for machines [default: human].
    #[arg(long, value_name = "human|json")]
    log_format: Option<String>,
}

impl Arguments {
    /// Each flag as the setting that it sets.
    fn flags(&self) -> Vec<Flag> {
        let listen = (!self.listen.is_empty()).then(|| self.listen.join(","));
        let flags = [
            ("--data", "server.data", &self.data),
            ("--listen", "server.listen", &listen),
            ("--admin-listen", "server.admin_listen", &self.admin_listen),
            ("--address-file", "server.address_file", &self.address_file),
            ("--durability", "server.durability", &self.durability),
            ("--log-format", "server.log_format", &self.log_format),
        ];
        let said = |(name, key, value): (_, _, &Option<String>)| {
            value.clone().map(|value| Flag { name, key, value })
        };
        flags.into_iter().filter_map(said).collect()
    }
}

/// Maximum number of concurrent blocking calls per core. Each thread keeps about a MiB, mostly buffers that
/// other threads freed: 64 of them would cost a small machine more memory than 64 clients do.
const BLOCKING_PER_CORE: usize = 8;
/// A build without optimisation keeps every value of an `async fn` apart, and needs up to 0.8 MiB; a release
/// build was seen to need 0.2 MiB.
const STACK: usize = if cfg!(debug_assertions) { 4 << 20 } else { 1 << 20 };

pub(super) fn run(arguments: Arguments) -> ExitCode {
    let sources = Sources { flags: arguments.flags(), ..arguments.configuration.sources(None) };
    let settings = match Settings::load(&sources) {
        Ok(settings) => settings,
        Err(error) => return fail(SENSELESS, error),
    };
    let prepared = match server::prepare(&settings) {
        Ok(prepared) => prepared,
        Err(error) => return fail(SENSELESS, error),
    };
    let format = match settings.server.log_format {
        LogFormat::Human => log::Format::Human,
        LogFormat::Json => log::Format::Json,
    };
    log::start(format, &settings.server.log_level.0);
    if let Some(file) = sources.file.as_deref().filter(|_| !arguments.configuration.is_named()) {
        tracing::info!(file = %file.display(), "the configuration file of the current directory is used, since none was named");
    }
    if let Some(words) = sources.file.as_deref().and_then(config::exposed) {
        tracing::warn!("{words}");
    }
    if let Some(words) = settings.weak_root_password() {
        tracing::warn!("{words}");
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads((cores * BLOCKING_PER_CORE).clamp(16, 128))
        .thread_stack_size(STACK)
        .thread_name("causeway")
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(FAILED, format_args!("starting threads: {error}")),
    };
    let load = again(arguments, sources);
    let result = runtime.block_on(server::run(settings, prepared, load));
    // Tasks that still run were asked to end and had their time.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(FAILED, error),
    }
}

/// Reads the same sources again. A file in the current directory that did not exist at the start is used once
/// it exists, as it would be at the next start. A file that was used once must exist.
fn again(arguments: Arguments, sources: Sources) -> server::Load {
    let used = OnceLock::new();
    Arc::new(move || {
        let file = sources
            .file
            .as_ref()
            .or_else(|| used.get())
            .cloned()
            .or_else(|| arguments.configuration.sources(None).file);
        let settings = Settings::load(&Sources { file: file.clone(), ..sources.clone() })?;
        if let Some(file) = file {
            // The value is the same if it was set before.
            let _ = used.set(file);
        }
        Ok(settings)
    })
}
