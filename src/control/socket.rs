//! Requests to a running server, and its replies: lines of JSON through a socket in its data directory.
//!
//! A process that may open the directory may send requests; no other can. The socket is reached through the
//! opened directory, because its own path may be longer than a socket's path may be.

use super::{Reply, Request, Sources, answer};
use std::{
    fs::{File, Permissions},
    io,
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc},
    time::timeout,
};

const NAME: &str = "control.sock";
/// Connections of operators; further ones wait.
const CONNECTIONS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST_REQUEST: u64 = 64 << 10;
const LONGEST_REPLY: u64 = 32 << 20;

/// An opened directory, and the socket in it.
struct SocketDirectory {
    _dir: File,
    socket: PathBuf,
}

impl SocketDirectory {
    fn open(dir: &Path) -> io::Result<Self> {
        let dir = File::open(dir)?;
        Ok(Self { socket: PathBuf::from(format!("/proc/self/fd/{}/{NAME}", dir.as_raw_fd())), _dir: dir })
    }
}

/// Listens in a directory that this process holds.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
    dir: PathBuf,
}

impl Listener {
    pub fn bind(dir: &Path) -> io::Result<Self> {
        let directory = SocketDirectory::open(dir)?;
        remove(dir)?;
        let listener = UnixListener::bind(&directory.socket)?;
        std::fs::set_permissions(&directory.socket, Permissions::from_mode(0o600))?;
        Ok(Self { listener, dir: dir.to_owned() })
    }

    /// Answers until dropped.
    pub async fn serve(self, sources: Sources) {
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        while let Ok(permit) = permits.clone().acquire_owned().await {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let sources = sources.clone();
                    tokio::spawn(async move {
                        if let Err(error) = converse(stream, sources).await {
                            tracing::debug!(%error, "an operator's connection failed");
                        }
                        drop(permit);
                    });
                }
                // Most likely out of descriptors: the next attempt may find one.
                Err(error) => {
                    tracing::warn!(%error, "an operator's connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = remove(&self.dir);
    }
}

fn remove(dir: &Path) -> io::Result<()> {
    match std::fs::remove_file(dir.join(NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

async fn converse(mut stream: UnixStream, sources: Sources) -> io::Result<()> {
    let (reading, mut writing) = stream.split();
    let mut reading = BufReader::new(reading);
    let mut line = String::new();
    timeout(PATIENCE, (&mut reading).take(LONGEST_REQUEST).read_line(&mut line)).await??;
    let mut replies = match serde_json::from_str::<Request>(&line) {
        Ok(request) => {
            tracing::info!(?request, "an operator asks");
            answer(sources, request)
        }
        Err(error) => {
            let (replies, receiver) = mpsc::channel(1);
            let _ =
                replies.try_send(Reply::Failed(format!("this server does not know the request: {error}")));
            receiver
        }
    };
    loop {
        let mut end = [0];
        tokio::select! {
            reply = replies.recv() => {
                let Some(reply) = reply else { return writing.shutdown().await };
                let mut line = serde_json::to_vec(&reply)?;
                line.push(b'\n');
                writing.write_all(&line).await?;
            }
            // The client sends no more, but may disconnect: then the work ends.
            gone = reading.read(&mut end) => {
                gone?;
                return Ok(());
            }
        }
    }
}

/// Sends a request to the server that holds a directory. `None` means that no server holds it.
pub async fn ask(dir: &Path, request: &Request) -> io::Result<Option<mpsc::Receiver<Reply>>> {
    let absent = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
    };
    let directory = match SocketDirectory::open(dir) {
        Err(error) if absent(&error) => return Ok(None),
        directory => directory?,
    };
    let mut stream = match UnixStream::connect(&directory.socket).await {
        Err(error) if absent(&error) => return Ok(None),
        stream => stream?,
    };
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let (replies, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut stream = BufReader::new(stream);
        loop {
            let mut line = Vec::new();
            let read = tokio::select! {
                read = async { (&mut stream).take(LONGEST_REPLY).read_until(b'\n', &mut line).await } => read,
                () = replies.closed() => return,
            };
            let reply = match read.map(|_| serde_json::from_slice(&line)) {
                Ok(Ok(reply)) => reply,
                Ok(Err(_)) if line.is_empty() => return,
                Ok(Err(error)) => Reply::Failed(format!("the server's reply makes no sense: {error}")),
                Err(error) => Reply::Failed(format!("the server's reply: {error}")),
            };
            if replies.send(reply).await.is_err() {
                return;
            }
        }
    });
    Ok(Some(receiver))
}
