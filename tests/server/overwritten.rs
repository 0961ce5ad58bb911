//! Objects on local disk that many clients write at once: keys that are overwritten, and rows of the index that
//! are committed after the reply.

use super::{
    process::{Place, Running},
    support::{Who, raw::Raw},
};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

const ROOT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", "root-user"), ("CAUSEWAY_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };
const CLIENTS: usize = 8;

fn serve(place: &Place, durability: &str) -> (Running, Raw) {
    place.write(
        "causeway.toml",
        &format!(
            "[server]\ndata = 'd'\n[backend.disk]\ntype = 'fs'\nroot = 'o'\ndurability = '{durability}'\n"
        ),
    );
    let server = place.serve(&[], &ROOT);
    let raw = Raw::new(server.s3, WHO);
    (server, raw)
}

fn body(client: usize, n: usize) -> String {
    format!("{client} {n} ").repeat(100)
}

fn left(place: &Place) -> usize {
    std::fs::read_dir(place.path("o/.causeway/tmp")).expect("the directory").count()
}

#[test]
fn one_key_overwritten_by_many_clients_is_always_one_whole_object_and_nothing_else_is_left() {
    const EACH: usize = 25;
    for durability in ["relaxed", "strict"] {
        let place = Place::new();
        let (server, raw) = serve(&place, durability);
        assert_eq!(raw.put("/photos", "").send().status, 200);
        assert_eq!(raw.put("/photos/a/hot", body(0, 0)).send().status, 200);
        let writing = AtomicUsize::new(CLIENTS);
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (raw, writing) = (Raw::new(server.s3, WHO), &writing);
                scope.spawn(move || {
                    for n in 0..EACH {
                        assert_eq!(raw.put("/photos/a/hot", body(client, n)).send().status, 200);
                    }
                    writing.fetch_sub(1, Ordering::Relaxed);
                });
            }
            while writing.load(Ordering::Relaxed) > 0 {
                let got = raw.get("/photos/a/hot").send();
                let text = got.text();
                let mut words = text.split(' ').map(|word| word.parse::<usize>().unwrap_or_default());
                let (client, n) = (words.next().expect("a client"), words.next().expect("a number"));
                assert_eq!((got.status, text), (200, body(client, n)), "a whole object, old or new");
            }
        });
        let listed = raw.get("/photos?list-type=2").send().text();
        let etag = raw.get("/photos/a/hot").send().header("etag").expect("a tag").replace('"', "&quot;");
        assert!(listed.contains(&etag), "the listing shows the last write: {etag} {listed}");
        assert_eq!(left(&place), 0, "{durability}");
    }
}

#[test]
fn every_acknowledged_object_is_listed_at_once_and_after_a_kill() {
    const EACH: usize = 40;
    let place = Place::new();
    let (server, raw) = serve(&place, "relaxed");
    assert_eq!(raw.put("/photos", "").send().status, 200);
    for n in 0..3 {
        assert_eq!(raw.put(format!("/photos/first-{n}"), "x").send().status, 200);
        let listed = raw.get("/photos?list-type=2").send().text();
        assert!(listed.contains(&format!("<Key>first-{n}</Key>")), "{listed}");
    }
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let raw = Raw::new(server.s3, WHO);
            scope.spawn(move || {
                for n in 0..EACH {
                    let put = raw.put(format!("/photos/{client}/{n}"), body(client, n)).send();
                    assert_eq!(put.status, 200);
                }
            });
        }
    });
    // Dropping the server kills it: the newest rows may not be committed.
    drop(server);
    std::fs::write(place.path("o/.causeway/tmp/7"), "replaced, and not removed yet").expect("a file");
    let (_server, raw) = serve(&place, "relaxed");
    let listed = raw.get("/photos?list-type=2").send().text();
    assert_eq!(listed.matches("<Key>").count(), 3 + CLIENTS * EACH, "{listed}");
    assert_eq!(left(&place), 0, "a start removes what a killed process had replaced");
}
