//! A TCP proxy that fails on demand: it is in front of an upstream and refuses, hangs, cuts or throttles.
//!
//! It counts bytes and HTTP/1.1 requests, for which it parses their framing; other protocols are forwarded
//! uncounted. It runs on its own thread, so it serves tests with and without a runtime.

// Each test target uses another part of this module.
#![allow(dead_code)]

mod requests;

use requests::{Piece, Requests};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{
        TcpListener, TcpSocket, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{Mutex, mpsc, watch},
    task::JoinSet,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From clients to the upstream.
    Up,
    Down,
}

/// A proxy that runs until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<mpsc::UnboundedSender<(bool, std::sync::mpsc::Sender<()>)>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    plan: watch::Sender<Plan>,
    requests: AtomicUsize,
    bytes: [AtomicU64; 2],
}

#[derive(Debug, Clone)]
struct Plan {
    target: SocketAddr,
    hanging: bool,
    cuts: [Option<Cut>; 2],
    answers: usize,
    answer: String,
}

#[derive(Debug, Clone, Copy)]
struct Cut {
    after: u64,
    times: usize,
    /// The number of the call of `cut`. Each connection counts bytes from that call on.
    order: u64,
}

impl Proxy {
    pub fn to(target: SocketAddr) -> Self {
        let plan = Plan { target, hanging: false, cuts: [None; 2], answers: 0, answer: String::new() };
        let shared = Arc::new(Shared {
            plan: watch::Sender::new(plan),
            requests: AtomicUsize::new(0),
            bytes: Default::default(),
        });
        let (listening, orders) = mpsc::unbounded_channel();
        let (started, start) = std::sync::mpsc::channel();
        let service = shared.clone();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                // The socket is bound, but does not listen: this keeps the port while connections are
                // refused.
                let holder = bound("127.0.0.1:0".parse().expect("an address"));
                let address = holder.local_addr().expect("an address");
                let listener = bound(address).listen(128).expect("a listener");
                started.send(address).expect("somebody waits");
                serve(address, listener, service, orders).await;
                drop(holder);
            });
        });
        let address = start.recv().expect("the proxy starts");
        Self { address, shared, listening: Some(listening), thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// New connections go to this address: a restarted upstream has another port.
    pub fn retarget(&self, target: SocketAddr) {
        self.shared.plan.send_modify(|plan| plan.target = target);
    }

    /// Acts like a killed upstream: closes open connections and refuses new ones, until `accept`.
    pub fn refuse(&self) {
        self.listen(false);
    }

    pub fn accept(&self) {
        self.listen(true);
    }

    fn listen(&self, listens: bool) {
        let (done, wait) = std::sync::mpsc::channel();
        self.listening.as_ref().expect("open until dropped").send((listens, done)).expect("the proxy runs");
        wait.recv().expect("the proxy runs");
    }

    /// Accepts connections, and forwards nothing until `resume`.
    pub fn hang(&self) {
        self.shared.plan.send_modify(|plan| plan.hanging = true);
    }

    pub fn resume(&self) {
        self.shared.plan.send_modify(|plan| plan.hanging = false);
    }

    /// The next `times` connections that carry more than `after` bytes in this direction are cut there. Bytes
    /// count from now on.
    pub fn cut(&self, direction: Direction, after: u64, times: usize) {
        self.shared.plan.send_modify(|plan| {
            let order = plan.cuts[direction as usize].map_or(1, |cut| cut.order + 1);
            plan.cuts[direction as usize] = Some(Cut { after, times, order });
        });
    }

    /// The next `n` requests do not reach the upstream: they are answered with this status, and `Retry-After`
    /// if given.
    pub fn answer_next(&self, n: usize, status: u16, retry_after: Option<u32>) {
        let body = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
        let retry_after = retry_after.map_or(String::new(), |seconds| format!("retry-after: {seconds}\r\n"));
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} Throttled\r\n{retry_after}content-type: application/xml\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        self.shared.plan.send_modify(|plan| (plan.answers, plan.answer) = (n, answer));
    }

    /// The number of HTTP requests with a complete head, whether they were forwarded or not.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// The number of forwarded bytes, heads and framing included.
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.shared.bytes[direction as usize].load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.listening.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option");
    socket.bind(address).expect("a port");
    socket
}

async fn serve(
    address: SocketAddr,
    listener: TcpListener,
    shared: Arc<Shared>,
    mut orders: mpsc::UnboundedReceiver<(bool, std::sync::mpsc::Sender<()>)>,
) {
    let (mut listener, mut connections) = (Some(listener), JoinSet::new());
    loop {
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = accepted => if let Ok((client, _)) = accepted {
                connections.spawn(connection(client, shared.clone()));
            },
            order = orders.recv() => match order {
                None => return,
                Some((false, done)) => {
                    listener = None;
                    connections.shutdown().await;
                    let _ = done.send(());
                }
                Some((true, done)) => {
                    if listener.is_none() {
                        listener = Some(bound(address).listen(128).expect("a listener"));
                    }
                    let _ = done.send(());
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Forwards until both sides are done, or the connection is cut. Dropping the sockets closes the rest.
async fn connection(mut client: TcpStream, shared: Arc<Shared>) {
    let target = shared.plan.borrow().target;
    let Ok(mut upstream) = TcpStream::connect(target).await else { return };
    let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
    let (from_client, to_client) = client.split();
    let (from_upstream, to_upstream) = upstream.split();
    let to_client = Mutex::new(to_client);
    let up = up(&shared, from_client, to_upstream, &to_client);
    let down = down(&shared, from_upstream, &to_client);
    tokio::pin!(up, down);
    tokio::select! {
        // A client that has sent everything still waits for the answer.
        ended = &mut up => if ended == Some(Ended::Quietly) {
            down.await;
        },
        _ = &mut down => {}
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Quietly,
    Cut,
}

async fn up(
    shared: &Shared,
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    client: &Mutex<WriteHalf<'_>>,
) -> Option<Ended> {
    let (mut meter, mut requests, mut buffer) =
        (Meter::new(Direction::Up), Requests::default(), vec![0; 64 * 1024]);
    loop {
        let read = read(shared, &mut from, &mut buffer).await?;
        if read == 0 {
            to.shutdown().await.ok()?;
            return Some(Ended::Quietly);
        }
        for piece in requests.split(&buffer[..read]) {
            let bytes = match piece {
                Piece::Head(head) => {
                    shared.requests.fetch_add(1, Ordering::SeqCst);
                    if let Some(answer) = shared.take_answer() {
                        client.lock().await.write_all(answer.as_bytes()).await.ok()?;
                        return linger(&mut from, client, &mut buffer).await;
                    }
                    head
                }
                Piece::Rest(rest) => rest,
            };
            if !meter.pass(shared, &mut to, &bytes).await? {
                return Some(Ended::Cut);
            }
        }
    }
}

/// Closes the sending side, and reads for a while: a reset would discard the answer before the client reads
/// it.
async fn linger(from: &mut ReadHalf<'_>, client: &Mutex<WriteHalf<'_>>, buffer: &mut [u8]) -> Option<Ended> {
    client.lock().await.shutdown().await.ok()?;
    let drained = async { while from.read(buffer).await.is_ok_and(|read| read > 0) {} };
    let _ = tokio::time::timeout(Duration::from_secs(10), drained).await;
    Some(Ended::Cut)
}

async fn down(shared: &Shared, mut from: ReadHalf<'_>, to: &Mutex<WriteHalf<'_>>) -> Option<Ended> {
    let (mut meter, mut buffer) = (Meter::new(Direction::Down), vec![0; 64 * 1024]);
    loop {
        let read = read(shared, &mut from, &mut buffer).await?;
        let mut to = to.lock().await;
        if read == 0 {
            to.shutdown().await.ok()?;
            return Some(Ended::Quietly);
        }
        if !meter.pass(shared, &mut *to, &buffer[..read]).await? {
            return Some(Ended::Cut);
        }
    }
}

/// While the proxy hangs, it neither reads nor forwards.
async fn read(shared: &Shared, from: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> Option<usize> {
    let mut plan = shared.plan.subscribe();
    plan.wait_for(|plan| !plan.hanging).await.ok()?;
    let read = from.read(buffer).await.ok()?;
    plan.wait_for(|plan| !plan.hanging).await.ok()?;
    Some(read)
}

impl Shared {
    fn take_answer(&self) -> Option<String> {
        let mut answer = None;
        self.plan.send_if_modified(|plan| {
            if plan.answers > 0 {
                plan.answers -= 1;
                answer = Some(plan.answer.clone());
            }
            false
        });
        answer
    }

    /// Takes one of the remaining cuts, and returns whether there was one.
    fn take_cut(&self, direction: Direction) -> bool {
        let mut taken = false;
        self.plan.send_if_modified(|plan| {
            if let Some(cut) = plan.cuts[direction as usize].as_mut().filter(|cut| cut.times > 0) {
                cut.times -= 1;
                taken = true;
            }
            false
        });
        taken
    }
}

/// The bytes that one connection has carried in one direction since the last call of `cut`.
struct Meter {
    direction: Direction,
    order: u64,
    carried: u64,
}

impl Meter {
    fn new(direction: Direction) -> Self {
        Self { direction, order: 0, carried: 0 }
    }

    /// Forwards bytes. Returns `false` once the connection is cut.
    async fn pass(
        &mut self,
        shared: &Shared,
        to: &mut (impl AsyncWrite + Unpin),
        bytes: &[u8],
    ) -> Option<bool> {
        let cut = shared.plan.borrow().cuts[self.direction as usize].filter(|cut| cut.times > 0);
        if let Some(cut) = cut
            && cut.order != self.order
        {
            (self.order, self.carried) = (cut.order, 0);
        }
        let room = cut.map_or(u64::MAX, |cut| cut.after.saturating_sub(self.carried));
        let is_cut = bytes.len() as u64 > room && shared.take_cut(self.direction);
        let bytes = if is_cut { &bytes[..room as usize] } else { bytes };
        to.write_all(bytes).await.ok()?;
        to.flush().await.ok()?;
        self.carried += bytes.len() as u64;
        shared.bytes[self.direction as usize].fetch_add(bytes.len() as u64, Ordering::SeqCst);
        Some(!is_cut)
    }
}
