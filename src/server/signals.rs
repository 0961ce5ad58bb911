//! Signals: SIGTERM and SIGINT stop the server, a second one at once; SIGHUP reads the certificate again.

use super::{error::StartError, tls::Tls};
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// From here on no signal ends the process by itself.
    pub(super) fn install() -> Result<Self, StartError> {
        let listen = |kind| signal(kind).map_err(|error| StartError::because("listening for signals", error));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    pub(super) async fn wait_for_stop(&mut self, tls: Option<&Tls>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => match tls.map(Tls::reload) {
                    Some(Ok(())) => tracing::info!("the certificate was read again"),
                    Some(Err(error)) => tracing::error!(%error, "the certificate stays as it was"),
                    None => tracing::info!("SIGHUP reads the certificate again; there is none"),
                },
            }
        }
    }

    /// A request to stop, whatever there may be to read again.
    pub(super) async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
