//! Data connections. The client always opens them (passive mode), to the host of the control connection.
//!
//! Invariant: after `begin` a reply is due on the control connection, and only `finish`, `stored`, `cut` and
//! `why` wait for it. A caller that calls none of them leaves the session out of sync, so it is closed.

use super::{
    failure::Failure,
    link::Link,
    reply::{Reply, extended_port, passive_port},
    session::{PATIENCE, Session},
};
use bytes::{Bytes, BytesMut};
use futures_util::{
    FutureExt,
    future::{Either, select},
};
use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// The capacity of one piece that is read, in bytes.
const PIECE: usize = 128 << 10;
/// How long a server may take to notice that the client has closed the data connection early.
const NOTICING: Duration = Duration::from_secs(2);
/// How long the server may take to close TLS on the data connection after it has sent its final reply.
const GOODBYE: Duration = Duration::from_millis(250);

const LOST: Failure = Failure::Lost("the data connection was lost");

#[derive(Debug)]
pub(super) struct Data {
    link: Link,
    within: Duration,
    /// The final reply, if the server sent it already while the transfer began.
    last: Option<Reply>,
}

/// Whether EPSV works. All connections share the result: they reach the same server through the same network.
#[derive(Debug)]
pub(super) struct Passive(AtomicBool);

impl Default for Passive {
    fn default() -> Self {
        Self(AtomicBool::new(true))
    }
}

impl Passive {
    async fn connect(&self, session: &mut Session) -> Result<TcpStream, Failure> {
        let mut failure = Failure::Lost("no data connection can be made");
        if self.0.load(Ordering::Relaxed) || session.host.is_ipv6() {
            let reply = session.ask("EPSV", "").await?;
            match extended_port(&reply.words()).filter(|_| reply.code == 229) {
                Some(port) => match dial(session, port).await {
                    Ok(tcp) => return Ok(tcp),
                    Err(lost) => failure = lost,
                },
                None if reply.code < 500 => return Err(Failure::of(&reply)),
                None => failure = Failure::of(&reply),
            }
        }
        if session.host.is_ipv6() {
            return Err(failure);
        }
        let reply = session.ask("PASV", "").await?;
        let Some(port) = passive_port(&reply.words()).filter(|_| reply.code == 227) else {
            return Err(Failure::of(&reply));
        };
        let tcp = dial(session, port).await?;
        self.0.store(false, Ordering::Relaxed);
        Ok(tcp)
    }
}

async fn dial(session: &Session, port: u16) -> Result<TcpStream, Failure> {
    match timeout(session.timeout, TcpStream::connect(SocketAddr::new(session.host, port))).await {
        Ok(Ok(tcp)) => {
            // Without this option transfers are a little slower, so its error is ignored.
            let _ = tcp.set_nodelay(true);
            Ok(tcp)
        }
        _ => Err(Failure::Lost("no data connection can be made")),
    }
}

impl Data {
    /// Begins a transfer: `RETR`, `STOR`, `MLSD`, `LIST`. A transfer that the server refuses leaves the
    /// session in sync.
    pub(super) async fn begin(
        session: &mut Session,
        passive: &Passive,
        (verb, argument): (&str, &str),
        offset: u64,
    ) -> Result<Self, Failure> {
        let within = session.timeout;
        let tcp = passive.connect(session).await?;
        if offset > 0 {
            session.tell("REST", &offset.to_string()).await?;
        }
        session.send(verb, argument).await?;
        let security = session.security.clone();
        let Some(security) = security else {
            return Self::begun(session.reply().await?, || Ok(Link::Plain(tcp)), within);
        };
        // Some servers send the preliminary reply before the TLS handshake, some after it.
        let (handshake, reply) = (pin!(security.handshake(tcp, within)), pin!(session.reply()));
        match select(handshake, reply).await {
            Either::Left((link, reply)) => {
                let reply = reply.await?;
                Self::begun(reply, || link, within)
            }
            Either::Right((reply, link)) => {
                let reply = reply?;
                let link = if reply.code < 300 { link.await } else { Err(Failure::of(&reply)) };
                Self::begun(reply, || link, within)
            }
        }
    }

    fn begun(
        reply: Reply,
        link: impl FnOnce() -> Result<Link, Failure>,
        within: Duration,
    ) -> Result<Self, Failure> {
        match reply.code {
            100..200 => Ok(Self { link: link()?, within, last: None }),
            200..300 => Ok(Self { link: link()?, within, last: Some(reply) }),
            _ => Err(Failure::of(&reply)),
        }
    }

    /// Returns the next bytes, or `None` at the end of the stream. A missing `close_notify` of TLS is not an
    /// error: the length of the file or the final reply shows whether the transfer was complete.
    pub(super) async fn read(&mut self) -> Result<Option<Bytes>, Failure> {
        let mut piece = BytesMut::with_capacity(PIECE);
        // Reads what has arrived, up to one piece: single TLS and TCP frames are small.
        while piece.len() < PIECE / 2 {
            let wait = if piece.is_empty() { self.within } else { Duration::from_millis(1) };
            match timeout(wait, self.link.read_buf(&mut piece)).await {
                Ok(Ok(0)) => break,
                Ok(Ok(_)) => {}
                Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Ok(Err(_)) => return Err(LOST),
                Err(_) if piece.is_empty() => return Err(Failure::Lost("the server sends nothing more")),
                Err(_) => break,
            }
        }
        Ok((!piece.is_empty()).then(|| piece.freeze()))
    }

    pub(super) async fn write(&mut self, mut bytes: Bytes) -> Result<(), Failure> {
        while !bytes.is_empty() {
            match timeout(self.within, self.link.write_buf(&mut bytes)).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => return Err(LOST),
                Err(_) => return Err(Failure::Lost("the server takes nothing more")),
            }
        }
        Ok(())
    }

    /// Ends a transfer that was read to its end: the final reply confirms that the server sent everything.
    pub(super) async fn finish(self, session: &mut Session) -> Result<(), Failure> {
        let last = self.last;
        drop(self.link);
        completed(match last {
            Some(reply) => reply,
            None => session.reply().await?,
        })
    }

    /// Ends a transfer that was written completely: the final reply confirms that the server has all bytes.
    ///
    /// A server that ends the data connection before we do has not taken all of it, and some that lost it
    /// never say so: their reply is not waited for as long as that of a server that stores what it has.
    pub(super) async fn stored(mut self, session: &mut Session) -> Result<(), Failure> {
        let is_given_up = self.is_ended_by_server();
        let ended = timeout(self.within, async {
            self.link.flush().await?;
            self.link.shutdown().await
        });
        let ended = ended.await.is_ok_and(|ended| ended.is_ok()) && !is_given_up;
        let (last, link) = (self.last, &mut self.link);
        // The server may still send TLS tickets, without which it may refuse the next data connection.
        let is_plain = matches!(link, Link::Plain(_));
        let drained = pin!(drain(link));
        let noticing = NOTICING.min(session.timeout);
        let within = if ended { session.timeout * PATIENCE } else { noticing };
        let replied = pin!(async {
            match last {
                Some(reply) => Ok(reply),
                None => session.reply_within(within).await,
            }
        });
        let reply = match select(drained, replied).await {
            // A reset without TLS: the server closed with bytes unread.
            Either::Left((Err(_), reply)) if is_plain => {
                timeout(noticing, reply).await.unwrap_or(Err(LOST))?
            }
            Either::Left((_, reply)) => reply.await?,
            Either::Right((reply, drained)) => {
                // Without TLS tickets the next handshake is a full one, so a timeout is ignored.
                let _ = timeout(GOODBYE, drained).await;
                reply?
            }
        };
        completed(reply)?;
        if ended { Ok(()) } else { Err(LOST) }
    }

    /// Returns whether the server has closed the data connection while it was due to read from it.
    fn is_ended_by_server(&mut self) -> bool {
        let mut rest = [0; 1024];
        loop {
            match self.link.read(&mut rest).now_or_never() {
                None => return false,
                Some(Ok(1..)) => {}
                Some(Ok(0) | Err(_)) => return true,
            }
        }
    }

    /// Ends a transfer whose rest is not needed. The session can be used again if it is in sync afterwards.
    pub(super) async fn cut(self, session: &mut Session) {
        let last = self.last;
        drop(self.link);
        if last.is_none() {
            // One reply is due in both cases: if the transfer was aborted, and if all bytes had been sent
            // already.
            let _ = session.reply_within(NOTICING.min(session.timeout)).await;
        }
    }

    /// Returns the reason why the server stopped accepting bytes, if it sends one; otherwise `failure`.
    pub(super) async fn why(self, session: &mut Session, failure: Failure) -> Failure {
        drop(self.link);
        match session.reply_within(NOTICING.min(session.timeout)).await {
            Ok(reply) if !reply.is_preliminary() && !reply.is_positive() => Failure::of(&reply),
            _ => failure,
        }
    }
}

/// Reads to the end of what the server sends, which is nothing that matters.
async fn drain(link: &mut Link) -> io::Result<()> {
    let mut rest = [0; 1024];
    while link.read(&mut rest).await? > 0 {}
    Ok(())
}

fn completed(reply: Reply) -> Result<(), Failure> {
    if (200..300).contains(&reply.code) { Ok(()) } else { Err(Failure::of(&reply)) }
}
