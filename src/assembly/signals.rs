//! Signals: SIGTERM and SIGINT stop the server, a second one at once; SIGHUP reloads the configuration
//! (`reload`).

use super::error::StartError;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(Debug)]
pub(crate) struct Stopping {
    terminate: Signal,
    interrupt: Signal,
}

/// From here on no signal ends the process by itself. The second value is SIGHUP: several that arrive before
/// it is read count as one.
pub(crate) fn install() -> Result<(Stopping, Signal), StartError> {
    let listen = |kind| signal(kind).map_err(|error| StartError::because("listening for signals", error));
    let stopping =
        Stopping { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? };
    Ok((stopping, listen(SignalKind::hangup())?))
}

impl Stopping {
    /// Waits for a request to stop.
    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
