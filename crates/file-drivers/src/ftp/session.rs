//! One control connection: commands out, replies in, one at a time.
//!
//! Invariants:
//! - a command is one line of bounded length. A command that contains a line end or NUL is never sent, nor
//!   one that is so long that a server could split it;
//! - a connection on which a reply is still due, or an unexpected one arrived, is not `in_sync` and is never
//!   used again. A task that is dropped while it waits leaves the connection in this state;
//! - replies are limited in size and time.

use super::{
    failure::Failure,
    link::{Link, Security},
    reply::{Gathering, Reply},
};
use crate::backend::traffic::Meter;
use futures_util::FutureExt;
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

/// The longest reply, in bytes. A FEAT reply has some thirty lines, and a greeting may be a page long.
const LONGEST_REPLY: usize = 64 << 10;
/// The longest command, in bytes. Servers have buffers of 2 KiB, and some parse what does not fit in as the
/// next command.
const LONGEST_COMMAND: usize = 2000;
/// The factor by which the timeout grows at the end of an upload: some servers reply only after they have
/// stored the file or scanned it for viruses.
pub(super) const PATIENCE: u32 = 10;

/// The features that the server announces beyond RFC 959.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Features {
    /// The server supports MLST and MLSD: listings in a format for programs.
    pub(super) facts: bool,
    /// The server announces REST before RETR.
    pub(super) restarts: bool,
}

#[derive(Debug)]
pub(super) struct Session {
    link: Option<Link>,
    unread: Vec<u8>,
    pub(super) features: Features,
    /// The server's address. Data connections always go there, whatever address a reply contains.
    pub(super) host: IpAddr,
    /// The TLS of this connection and of its data connections.
    pub(super) security: Option<Security>,
    pub(super) timeout: Duration,
    /// The root on the server: absolute, without a slash at its end.
    pub(super) root: String,
    /// The meter of the backend.
    pub(super) meter: Arc<Meter>,
    is_in_sync: bool,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Plain(_)) { "Plain" } else { "Secure" })
    }
}

impl Session {
    /// Creates a session on a new connection, on which the greeting is due.
    pub(super) fn new(link: Link, host: IpAddr, within: Duration) -> Self {
        Self { link: Some(link), host, timeout: within, ..Self::closed() }
    }

    /// Creates a session without a connection, as the replacement for one that was moved out.
    pub(super) fn closed() -> Self {
        Self {
            link: None,
            unread: Vec::new(),
            features: Features::default(),
            host: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            security: None,
            timeout: Duration::ZERO,
            root: String::new(),
            meter: Arc::default(),
            is_in_sync: false,
        }
    }

    pub(super) fn is_in_sync(&self) -> bool {
        self.is_in_sync && self.unread.is_empty() && self.link.is_some()
    }

    /// Returns whether the server has sent nothing since the last reply. Some servers send two replies where
    /// one is due, or announce that they close the connection.
    pub(super) fn is_quiet(&mut self) -> bool {
        let Some(link) = &mut self.link else { return false };
        link.read_buf(&mut self.unread).now_or_never().is_none()
    }

    /// Returns the path in the form that is sent to the server.
    pub(super) fn at(&self, path: &str) -> String {
        match (self.root.as_str(), path) {
            ("", "") => "/".to_owned(),
            (root, "") => root.to_owned(),
            (root, path) => format!("{root}/{path}"),
        }
    }

    /// Changes to TLS. It fails if bytes have arrived after the reply that allowed TLS: an attacker can
    /// inject bytes in clear text, and they would be treated as the server's replies.
    pub(super) async fn secure(&mut self, security: &Security, within: Duration) -> Result<(), Failure> {
        match self.link.take() {
            Some(Link::Plain(tcp)) if self.is_in_sync && self.unread.is_empty() => {
                self.link = Some(security.handshake(tcp, within).await?);
                Ok(())
            }
            _ => Err(Failure::Lost("something was said before TLS began")),
        }
    }

    /// Sends a command. Its reply is due.
    pub(super) async fn send(&mut self, verb: &str, argument: &str) -> Result<(), Failure> {
        let line = match argument {
            "" => format!("{verb}\r\n"),
            argument => format!("{verb} {argument}\r\n"),
        };
        if line[..line.len() - 2].contains(['\r', '\n', '\0']) {
            return Err(Failure::BadName);
        }
        if line.len() > LONGEST_COMMAND {
            return Err(Failure::LongName);
        }
        if !self.is_in_sync() {
            return Err(Failure::Lost("the server has said something that nobody asked for"));
        }
        self.is_in_sync = false;
        self.meter.request();
        let Some(link) = &mut self.link else { return Err(Failure::Lost("the connection is closed")) };
        let sent = timeout(self.timeout, async {
            link.write_all(line.as_bytes()).await?;
            link.flush().await
        });
        match sent.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Failure::Lost("the connection to the server was lost")),
            Err(_) => Err(Failure::Lost("the server takes no commands")),
        }
    }

    /// Returns the next reply, which may be a preliminary one.
    pub(super) async fn reply(&mut self) -> Result<Reply, Failure> {
        self.reply_within(self.timeout).await
    }

    pub(super) async fn reply_within(&mut self, within: Duration) -> Result<Reply, Failure> {
        let reply = timeout(within, self.gather())
            .await
            .unwrap_or(Err(Failure::Lost("the server does not answer in time")))?;
        self.is_in_sync = !reply.is_preliminary();
        if reply.code == 421 {
            self.is_in_sync = false;
        }
        Ok(reply)
    }

    async fn gather(&mut self) -> Result<Reply, Failure> {
        let (mut gathering, mut length) = (Gathering::default(), 0);
        loop {
            while let Some(end) = self.unread.iter().position(|c| *c == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                length += line.len();
                if let Some(reply) = gathering
                    .take(line)
                    .map_err(|()| Failure::Lost("what answers there does not speak FTP"))?
                {
                    return Ok(reply);
                }
            }
            if length + self.unread.len() > LONGEST_REPLY {
                return Err(Failure::Lost("the server answers without end"));
            }
            let Some(link) = &mut self.link else { return Err(Failure::Lost("the connection is closed")) };
            match link.read_buf(&mut self.unread).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Err(Failure::Lost("the connection to the server was lost")),
            }
        }
    }

    /// Sends a command and returns its one reply, whatever the code is.
    pub(super) async fn ask(&mut self, verb: &str, argument: &str) -> Result<Reply, Failure> {
        self.send(verb, argument).await?;
        let reply = self.reply().await?;
        if reply.is_preliminary() {
            Err(Failure::Lost("the server answered something else than was asked"))
        } else {
            Ok(reply)
        }
    }

    /// Sends a command that has to succeed.
    pub(super) async fn tell(&mut self, verb: &str, argument: &str) -> Result<Reply, Failure> {
        let reply = self.ask(verb, argument).await?;
        if reply.is_positive() { Ok(reply) } else { Err(Failure::of(&reply)) }
    }
}

/// Converts the result of a command about a path that may not exist: a refusal by the server means that
/// nothing is there.
pub(super) fn present<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(Failure::Refused(_)) => Ok(None),
        Err(failure) => Err(failure),
    }
}
