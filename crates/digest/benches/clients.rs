//! CPU time of the whole process for bodies that arrive at once: without MD5, with one MD5 at a time, and in
//! lanes.
//!
//! A client is a task that gets 128 KiB (a copy, as from a socket) while a blocking thread writes the piece
//! before (another copy, as to the page cache) and digests it: the way of a PUT to local disk.

use bytes::Bytes;
use causeway_digest::{Digester, Md5};
use std::{hint::black_box, pin::Pin, sync::Arc};
use tokio::task::spawn_blocking;

const PIECE: usize = 128 * 1024;
/// In all, divided among the clients.
const PIECES: usize = 4096;
/// The cheapest of so many runs counts: other programs on the machine only add to it.
const RUNS: usize = 5;
const CLIENTS: [usize; 6] = [1, 2, 4, 8, 16, 32];

#[derive(Debug, Clone, Copy)]
enum Way {
    Nothing,
    Alone,
    Together,
}

/// CPU time of the process in milliseconds: fields 14 and 15 of `/proc/self/stat`, in hundredths of a second.
fn milliseconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
    after.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 10.0
}

async fn client(source: Arc<[u8]>, pieces: usize, way: Way) {
    let mut md5 = Some(Md5::new());
    let mut before: Option<Pin<Box<dyn Future<Output = Md5> + Send>>> = None;
    for _ in 0..pieces {
        let bytes = Bytes::from(source.to_vec());
        if let Some(digested) = before.take() {
            md5 = Some(digested.await);
        }
        let Some(mut running) = md5.take() else { break };
        let write = |bytes: &Bytes| drop(black_box(bytes.to_vec()));
        before = Some(match way {
            Way::Nothing | Way::Alone => {
                let writing = spawn_blocking(move || {
                    write(&bytes);
                    if matches!(way, Way::Alone) {
                        running.update(&bytes);
                    }
                    running
                });
                Box::pin(async move { writing.await.expect("no panic") })
            }
            Way::Together => {
                let (turn, digesting) = Digester::of_process().submit(running, vec![bytes.clone()]);
                let writing = spawn_blocking(move || {
                    write(&bytes);
                    turn.take();
                });
                Box::pin(async move {
                    writing.await.expect("no panic");
                    digesting.await.expect("digested")
                })
            }
        });
    }
    if let Some(digested) = before {
        black_box(digested.await);
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().build().expect("a runtime");
    let source: Arc<[u8]> = (0..PIECE).map(|at| (at as u8).wrapping_mul(31)).collect();
    println!("clients  nothing    alone  together   ms/MiB of CPU; the digest: alone, together");
    for clients in CLIENTS {
        let run = |way| {
            let (begun, source) = (milliseconds(), &source);
            runtime.block_on(async {
                let all: Vec<_> = (0..clients)
                    .map(|_| tokio::spawn(client(source.clone(), PIECES / clients, way)))
                    .collect();
                for client in all {
                    client.await.expect("no panic");
                }
            });
            (milliseconds() - begun) * 1024.0 * 1024.0 / (PIECE * PIECES) as f64
        };
        let [nothing, alone, together] = [Way::Nothing, Way::Alone, Way::Together]
            .map(|way| (0..RUNS).map(|_| run(way)).fold(f64::MAX, f64::min));
        let (one, many) = (alone - nothing, together - nothing);
        println!("{clients:7}  {nothing:7.3}  {alone:7.3}  {together:8.3}   {one:21.3}  {many:8.3}");
    }
}
