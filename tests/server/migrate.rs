//! `causeway migrate`: a bucket moves while clients use it and the server is killed.
//!
//! Each key has one writer, whose bodies are numbered, so that a reader knows which of them it may see: none
//! older than the last one that was acknowledged when it began, none newer than the last one that had begun
//! when it ended. A request that a kill cuts off has no outcome; any other answer but success is a failure.

use super::{
    process::{Place, Running, within},
    support::{Who, raw::Raw, upstream::Upstream},
};
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

const ROOT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", "root-user"), ("CAUSEWAY_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };
/// Keys that are written, each by a thread of its own.
const KEYS: usize = 6;
/// Objects that nobody changes.
const STILL: usize = 150;
const KILLS: usize = 3;

/// What is known of one key: the number of the last change that was begun, and acknowledged.
#[derive(Debug, Default)]
struct Known {
    begun: AtomicU64,
    done: AtomicU64,
}

struct World {
    address: RwLock<SocketAddr>,
    known: [Known; KEYS],
    stop: AtomicBool,
}

fn name(at: usize) -> String {
    format!("/photos/key-{at}")
}

/// Every eighth change deletes the key; 0 is the time before the first.
fn is_deletion(number: u64) -> bool {
    number.is_multiple_of(8)
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn element(&self, name: &str) -> Option<String> {
        let (_, rest) = self.body.split_once(&format!("<{name}>"))?;
        rest.split_once("</").map(|(text, _)| text.to_owned())
    }

    fn etag(&self) -> Option<String> {
        let line = self.head.lines().find(|line| line.to_ascii_lowercase().starts_with("etag:"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    }
}

impl World {
    fn stops(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Sends a request once. `None`: no whole answer came back.
    fn ask(&self, method: &str, target: &str, body: impl AsRef<[u8]>) -> Option<Answer> {
        let address = *self.address.read().unwrap_or_else(PoisonError::into_inner);
        let wire = Raw::new(address, WHO).request(method, target).body(body).wire();
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        stream.write_all(&wire).ok()?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).ok()?;
        let reply = String::from_utf8_lossy(&reply).into_owned();
        let (head, body) = reply.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok()
        });
        if length.is_some_and(|length| length != body.len()) {
            return None;
        }
        Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
    }

    /// The same, for a request that must succeed if it is answered.
    fn must(&self, method: &str, target: &str, body: impl AsRef<[u8]>) -> Option<Answer> {
        let answer = self.ask(method, target, body)?;
        assert!((200..300).contains(&answer.status), "{method} {target}: {}\n{}", answer.head, answer.body);
        Some(answer)
    }

    fn multipart(&self, target: &str, body: &str) -> Option<()> {
        let upload = self.must("POST", &format!("{target}?uploads"), "")?.element("UploadId")?;
        let part = self.must("PUT", &format!("{target}?partNumber=1&uploadId={upload}"), body)?.etag()?;
        let parts = format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{part}</ETag></Part></CompleteMultipartUpload>"
        );
        let made = self.must("POST", &format!("{target}?uploadId={upload}"), parts)?;
        assert!(made.body.contains("<ETag>"), "{}", made.body);
        Some(())
    }

    /// Aborts uploads whose client was cut off.
    fn clean(&self, target: &str) {
        let key = target.strip_prefix("/photos/").expect("a key");
        let cleaned = || {
            let listed = self.must("GET", &format!("/photos?uploads&prefix={key}"), "")?;
            let Some(upload) = listed.element("UploadId") else { return Some(true) };
            let ended = self.ask("DELETE", &format!("{target}?uploadId={upload}"), "")?;
            assert!([204, 404].contains(&ended.status), "{}", ended.body);
            Some(false)
        };
        while cleaned() != Some(true) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn write(&self, at: usize) {
        let (target, known) = (name(at), &self.known[at]);
        let mut number = 0;
        while !self.stops() {
            number += 1;
            known.begun.store(number, Ordering::SeqCst);
            let body = number.to_string();
            let is_multipart = number % 8 == 3;
            let done = match number {
                _ if is_deletion(number) => self.must("DELETE", &target, "").map(drop),
                _ if is_multipart => self.multipart(&target, &body),
                _ => self.must("PUT", &target, &body).map(drop),
            };
            match done {
                Some(()) => known.done.store(number, Ordering::SeqCst),
                None if is_multipart => self.clean(&target),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    fn look(&self) -> u64 {
        let mut looks = 0;
        while !self.stops() {
            for (at, known) in self.known.iter().enumerate() {
                let least = known.done.load(Ordering::SeqCst);
                let Some(answer) = self.ask("GET", &name(at), "") else { continue };
                let most = known.begun.load(Ordering::SeqCst);
                let seen = match answer.status {
                    200 => Some(answer.body.parse().expect("a number")),
                    404 => None,
                    status => panic!("{}: {status} {}", name(at), answer.body),
                };
                let is_right = match seen {
                    Some(number) => (least..=most).contains(&number) && !is_deletion(number),
                    None => (least..=most).any(is_deletion),
                };
                assert!(is_right, "{}: {seen:?} is not in {least}..={most}", name(at));
                looks += 1;
            }
            let Some(page) = self.must("GET", "/photos?list-type=2", "") else { continue };
            let still = page.body.matches("<Key>still-").count();
            assert_eq!(still, STILL, "{}", page.body);
        }
        looks
    }
}

/// A gateway with a bucket on one of two backends, and clients that use it.
struct Scene {
    place: Place,
    server: Running,
    world: Arc<World>,
    writers: Vec<JoinHandle<()>>,
    readers: Vec<JoinHandle<u64>>,
}

impl Scene {
    fn new(upstream: &Upstream, first: &str) -> Self {
        let place = Place::new();
        place.write(
            "causeway.toml",
            &format!(
                "[server]\ndata = 'd'\n[backend.disk]\ntype = 'fs'\nroot = 'disk'\n\
                 [backend.far]\ntype = 's3'\nendpoint = '{}'\naccess_key = '{}'\nsecret_key = '{}'\n\
                 [default]\nbackend = '{first}'\n",
                upstream.endpoint(),
                upstream.access_key,
                upstream.secret_key
            ),
        );
        let server = place.serve(&[], &ROOT);
        let world = World {
            address: RwLock::new(server.s3),
            known: Default::default(),
            stop: AtomicBool::new(false),
        };
        world.must("PUT", "/photos", "").expect("a bucket");
        for at in 0..STILL {
            world.must("PUT", &format!("/photos/still-{at}"), "still".repeat(at)).expect("put");
        }
        let world = Arc::new(world);
        let spawn = |at| {
            let world = world.clone();
            std::thread::spawn(move || world.write(at))
        };
        let writers = (0..KEYS).map(spawn).collect();
        let look = |_| {
            let world = world.clone();
            std::thread::spawn(move || world.look())
        };
        let readers = (0..2).map(look).collect();
        Self { place, server, world, writers, readers }
    }

    #[track_caller]
    fn migrate(&self, arguments: &[&str]) -> Value {
        let all = [&["migrate"], arguments, &["--json"]].concat();
        let said = self.place.run(&all, &[]).succeeded();
        serde_json::from_str::<Value>(&said).expect("JSON")["migration"].take()
    }

    /// Waits for a stage; `None` is the end of the migration.
    #[track_caller]
    fn until(&self, stage: Option<&str>) -> Value {
        for _ in 0..4 {
            let asked = std::time::Instant::now();
            while asked.elapsed() < Duration::from_secs(40) {
                let state = self.migrate(&["status", "photos"]);
                if state["stage"].as_str() == stage {
                    return state;
                }
                self.is_well();
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        panic!("no stage {stage:?}: {}\n{}", self.migrate(&["status", "photos"]), self.place.read("stderr"));
    }

    /// Fails early if a client has found something wrong.
    fn is_well(&self) {
        let ended = self.writers.iter().any(JoinHandle::is_finished)
            || self.readers.iter().any(JoinHandle::is_finished);
        assert!(!ended, "a client has failed: its message is above");
    }

    /// Kills the server some times, and lets clients go on in between.
    fn kill(&mut self) {
        for _ in 0..KILLS {
            let before = self.done();
            within(|| (self.done() > before + 20).then_some(()));
            self.server.signal(rustix::process::Signal::KILL);
            self.server.wait();
            self.server = self.place.serve(&[], &ROOT);
            *self.world.address.write().unwrap_or_else(PoisonError::into_inner) = self.server.s3;
        }
        self.is_well();
    }

    fn done(&self) -> u64 {
        self.world.known.iter().map(|known| known.done.load(Ordering::SeqCst)).sum()
    }

    /// Ends the clients. Returns how many reads were right.
    fn ends(&mut self) -> u64 {
        self.world.stop.store(true, Ordering::SeqCst);
        self.writers.drain(..).for_each(|writer| writer.join().expect("no request failed"));
        self.readers.drain(..).map(|reader| reader.join().expect("no answer was wrong")).sum()
    }

    /// Goes through all stages, back from each, and then to the end.
    fn goes_through(&mut self, to: &str) {
        let again = ["photos", "--to", to, "--overwrite"];
        self.migrate(&["photos", "--to", to]);
        self.kill();
        self.migrate(&["rollback", "photos"]);
        self.until(None);

        self.migrate(&again);
        self.until(Some("verified"));
        self.kill();
        self.migrate(&["rollback", "photos"]);
        self.until(None);

        self.migrate(&again);
        self.until(Some("verified"));
        let deleted = self.world.ask("DELETE", "/photos", "").expect("answered");
        assert_eq!(deleted.status, 409, "{}", deleted.body);
        self.migrate(&["cutover", "photos"]);
        self.kill();
        self.migrate(&["rollback", "photos"]);
        self.kill();
        self.until(None);

        self.migrate(&again);
        self.until(Some("verified"));
        self.migrate(&["cutover", "photos"]);
        self.migrate(&["finish", "photos"]);
        self.kill();
        self.until(None);
        self.kill();
        self.world.must("PUT", "/photos/after", "after").expect("put");
        let on_disk = self.place.path("disk/photos/after").exists();
        assert_eq!(on_disk, to == "disk", "the old place gets no changes any more");
        let looks = self.ends();
        assert!(looks > 100, "only {looks} reads");
        for (at, known) in self.world.known.iter().enumerate() {
            let (least, most) = (known.done.load(Ordering::SeqCst), known.begun.load(Ordering::SeqCst));
            let found = self.world.ask("GET", &name(at), "").expect("answered");
            let number = (found.status == 200).then(|| found.body.parse().expect("a number"));
            assert!(number.map_or((least..=most).any(is_deletion), |n| (least..=most).contains(&n)));
        }
    }
}

#[test]
fn a_bucket_moves_from_disk_to_s3_and_back_at_every_stage_and_no_request_fails() {
    let upstream = Upstream::new_causeway();
    Scene::new(&upstream, "disk").goes_through("far");
}

#[test]
fn a_bucket_moves_from_s3_to_disk_and_back_at_every_stage_and_no_request_fails() {
    let upstream = Upstream::new_causeway();
    Scene::new(&upstream, "far").goes_through("disk");
}
