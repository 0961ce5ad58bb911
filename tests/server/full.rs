//! Full disks: requests that free space work, and a full disk is reported.
//!
//! Each disk is a small file system in memory, which only root can mount. Without root, these tests print
//! that and end.

use super::{
    process::{Place, Running, within},
    support::{
        Who,
        raw::{Raw, RawReply},
        sshd::Sshd,
    },
};
use std::{
    fs::{File, create_dir_all},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

const ROOT: Who = Who { access_key: "test-root", secret_key: "test-root-secret" };
const ENVIRONMENT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", ROOT.access_key), ("CAUSEWAY_ROOT_PASSWORD", ROOT.secret_key)];
const MIB: usize = 1 << 20;

/// A file system of its own, unmounted when this value is dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: PathBuf, size: usize) -> Option<Self> {
        create_dir_all(&path).expect("a folder");
        let options = format!("size={size}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(path)),
            other => {
                eprintln!("skipped: no file system can be mounted here: {other:?}");
                None
            }
        }
    }

    fn free(&self) -> u64 {
        let space = rustix::fs::statvfs(&self.0).expect("a file system");
        space.f_bavail * space.f_frsize
    }

    /// Fills the disk to the last byte.
    fn fill(&self) {
        let mut file =
            File::options().append(true).create(true).open(self.0.join("filling")).expect("a file");
        for size in [64 << 10, 4096, 1] {
            while file.write_all(&vec![b'x'; size]).is_ok() {}
        }
        assert_eq!(self.free(), 0);
    }

    fn empty(&self) {
        let _ = std::fs::remove_file(self.0.join("filling"));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn serve(place: &Place, data: &Path, objects: &Path) -> (Running, Raw) {
    place.write(
        "causeway.toml",
        &format!("[server]\ndata = {data:?}\nscan_interval = 'off'\n[backend.disk]\ntype = 'fs'\nroot = {objects:?}\n"),
    );
    let server = place.serve(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    (server, raw)
}

fn begin(raw: &Raw, key: &str) -> String {
    raw.post(format!("/photos/{key}?uploads"), "").send().element("UploadId").expect("an upload")
}

fn part(raw: &Raw, key: &str, upload: &str, number: usize, size: usize) -> RawReply {
    raw.put(format!("/photos/{key}?partNumber={number}&uploadId={upload}"), vec![b'p'; size])
        .unsigned_payload()
        .send()
}

fn delete(raw: &Raw, target: &str) -> u16 {
    raw.request("DELETE", target).send().status
}

#[test]
fn what_frees_space_works_on_a_full_disk() {
    let place = Place::new();
    let Some(disk) = Disk::mount(place.path("disk"), 64 * MIB) else { return };
    let (server, raw) = serve(&place, &disk.0.join("data"), &disk.0.join("objects"));
    for bucket in ["photos", "empty"] {
        assert_eq!(raw.put(format!("/{bucket}"), "").send().status, 200);
    }
    for n in 0..20 {
        assert_eq!(raw.put(format!("/photos/{n}"), vec![b'x'; 64 << 10]).send().status, 200);
    }
    let uploads: Vec<String> = (0..3).map(|n| begin(&raw, &format!("u{n}"))).collect();
    for (n, upload) in uploads.iter().enumerate() {
        assert_eq!(part(&raw, &format!("u{n}"), upload, 1, MIB).status, 200);
    }
    // The numbers are measured every few seconds.
    within(|| (server.metric("causeway_data_space_low") == Some(0.0)).then_some(()));

    disk.fill();
    let refused = raw.put("/photos/new", vec![b'x'; MIB]).send();
    assert_eq!(refused.failure(), (507, "StorageFull".to_owned()));
    assert_eq!(part(&raw, "u0", &uploads[0], 2, MIB).status, 507);
    // Another program immediately takes all space that is freed.
    for (n, upload) in uploads.iter().enumerate() {
        disk.fill();
        assert_eq!(delete(&raw, &format!("/photos/u{n}?uploadId={upload}")), 204, "upload {n} is aborted");
    }
    for n in 0..20 {
        disk.fill();
        assert_eq!(delete(&raw, &format!("/photos/{n}")), 204, "object {n} is deleted");
    }
    disk.fill();
    assert_eq!(delete(&raw, "/empty"), 204);
    disk.fill();
    assert_eq!(delete(&raw, "/photos"), 204);

    let ready =
        within(|| Some(server.ask_admin("/-/health/ready")).filter(|(_, ready)| ready.contains("low_space")));
    assert_eq!(ready.0, 200, "what can be read and deleted is served");
    within(|| (server.metric("causeway_data_space_low") == Some(1.0)).then_some(()));
    assert!(server.metric("causeway_backend_space_low{backend=\"disk\"}").is_some());

    disk.empty();
    assert_eq!(raw.put("/photos", "").send().status, 200);
    assert_eq!(raw.put("/photos/again", "x").send().status, 200);
    within(|| (server.metric("causeway_data_space_low") == Some(0.0)).then_some(()));
}

#[test]
fn room_is_told_to_be_low_before_it_is_gone() {
    let place = Place::new();
    let Some(disk) = Disk::mount(place.path("disk"), 64 * MIB) else { return };
    let (server, raw) = serve(&place, &place.path("data"), &disk.0);
    assert_eq!(raw.put("/photos", "").send().status, 200);
    let low = "causeway_backend_space_low{backend=\"disk\"}";
    within(|| (server.metric(low) == Some(0.0)).then_some(()));
    let left = 2 * MIB;
    std::fs::write(disk.0.join("filling"), vec![b'x'; usize::try_from(disk.free()).expect("small") - left])
        .expect("there is room");
    within(|| (server.metric(low) == Some(1.0)).then_some(()));
    let (status, ready) =
        within(|| Some(server.ask_admin("/-/health/ready")).filter(|(_, ready)| ready.contains("low_space")));
    assert!(status == 200 && ready.contains("disk"), "{status} {ready}");
    assert_eq!(raw.put("/photos/a", "x").send().status, 200, "there is some room yet");
}

#[test]
fn parts_that_found_no_room_leave_none_taken() {
    let place = Place::new();
    let Some(disk) = Disk::mount(place.path("disk"), 32 * MIB) else { return };
    let (_server, raw) = serve(&place, &place.path("data"), &disk.0);
    assert_eq!(raw.put("/photos", "").send().status, 200);
    let upload = begin(&raw, "k");
    assert_eq!(part(&raw, "k", &upload, 1, 8 * MIB).status, 200);
    let before = disk.free();
    for _ in 0..3 {
        let refused = part(&raw, "k", &upload, 2, 40 * MIB);
        assert_eq!(refused.failure(), (507, "StorageFull".to_owned()));
        assert!(refused.text().contains("The storage behind this bucket is full"), "{}", refused.text());
    }
    let put = raw.put("/photos/large", vec![b'x'; 40 * MIB]).unsigned_payload().send();
    assert_eq!(put.status, 507);
    assert!(disk.free() + (256 << 10) >= before, "{} bytes are free, of {before}", disk.free());
    assert_eq!(part(&raw, "k", &upload, 2, 8 * MIB).status, 200, "there is room for one that fits");
}

#[test]
fn a_full_data_directory_is_told_apart_from_a_full_storage() {
    let place = Place::new();
    let Some(disk) = Disk::mount(place.path("disk"), 32 * MIB) else { return };
    let (server, raw) = serve(&place, &disk.0, &place.path("objects"));
    assert_eq!(raw.put("/photos", "").send().status, 200);
    for n in 0..200 {
        assert_eq!(raw.put(format!("/photos/{n}"), "x").send().status, 200);
    }
    disk.fill();
    // At first, the log of the catalog has some room left.
    let mut more = 0;
    let refused = within(|| {
        more += 1;
        Some(raw.put(format!("/photos/{}{more}", "long".repeat(200)), "x").send())
            .filter(|reply| reply.status != 200)
    });
    assert_eq!(refused.failure(), (507, "StorageFull".to_owned()));
    assert!(refused.text().contains("data directory"), "{}", refused.text());
    // A server that starts on a full disk behaves in the same way.
    drop(server);
    let (server, raw) = serve(&place, &disk.0, &place.path("objects"));
    // Deletes succeed, though they free no space there.
    for n in 0..200 {
        assert_eq!(delete(&raw, &format!("/photos/{n}")), 204, "{n}");
    }
    for n in 1..=more {
        assert_eq!(delete(&raw, &format!("/photos/{}{n}", "long".repeat(200))), 204, "{n}");
    }
    assert_eq!(delete(&raw, "/photos"), 204);
    within(|| server.ask_admin("/-/health/ready").1.contains("data directory").then_some(()));
}

#[test]
fn an_object_whose_row_found_no_room_is_listed_or_the_listing_fails() {
    let place = Place::new();
    let Some(disk) = Disk::mount(place.path("disk"), 32 * MIB) else { return };
    let (_server, raw) = serve(&place, &disk.0, &place.path("objects"));
    assert_eq!(raw.put("/photos", "").send().status, 200);
    disk.fill();
    let mut keys = Vec::new();
    let refused = within(|| {
        let key = format!("{}{}", "long".repeat(200), keys.len());
        let reply = raw.put(format!("/photos/{key}"), "x").send();
        if reply.status == 200 {
            keys.push(key);
            return None;
        }
        Some(reply)
    });
    assert_eq!(refused.failure(), (507, "StorageFull".to_owned()));
    let listed = raw.get("/photos?list-type=2").send();
    let shows_all = keys.iter().all(|key| listed.text().contains(&format!("<Key>{key}</Key>")));
    assert!(shows_all || listed.status == 507, "{}: {}", listed.status, listed.text());

    disk.empty();
    assert_eq!(raw.put("/photos/last", "x").send().status, 200);
    let listed = raw.get("/photos?list-type=2").send().text();
    for key in keys {
        assert!(listed.contains(&format!("<Key>{key}</Key>")), "{key}: {listed}");
    }
}

#[test]
fn a_full_replica_says_why_it_lacks_what_it_lacks_in_status_log_and_metrics() {
    let place = Place::new();
    let Some(disk) = Disk::mount(place.path("small"), 8 * MIB) else { return };
    place.write(
        "causeway.toml",
        &format!(
            "[server]\ndata = 'data'\nscan_interval = 'off'\n[default]\nbackend = 'safe'\n[backend.large]\ntype = 'fs'\nroot = 'large'\n\
             [backend.small]\ntype = 'fs'\nroot = {:?}\n\
             [backend.safe]\ntype = 'replicated'\nbackends = ['large', 'small']\nwrite = 'quorum'\nquorum = 1\n",
            disk.0
        ),
    );
    let server = place.serve(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    assert_eq!(raw.put("/photos", "").send().status, 200);
    disk.fill();
    for n in 0..3 {
        let put = raw.put(format!("/photos/{n}"), vec![b'x'; MIB]).unsigned_payload().send();
        assert_eq!(put.status, 200, "one replica is enough: {}", put.text());
    }
    let failing = "causeway_replica_failing_objects{backend=\"safe\",replica=\"small\"}";
    within(|| (server.metric(failing) == Some(3.0)).then_some(()));
    let said = within(|| {
        let said = place.run(&["replicate", "status", "photos"], &[]).failed(1);
        said.contains("3 objects since").then_some(said)
    });
    assert!(said.contains("small: 3 objects since") && said.contains("No space left on device"), "{said}");
    let said = within(|| {
        let said = place.run(&["replicate", "status", "photos", "--keys"], &[]).failed(1);
        // An object that is being repaired at this moment does not count as lacking.
        (said.matches("small lacks ").count() == 3).then_some(said)
    });
    for n in 0..3 {
        let line = said.lines().find(|line| line.starts_with(&format!("small lacks \"{n}\": ")));
        assert!(line.is_some_and(|line| line.contains("No space left on device")), "{said}");
    }
    let log = place.read("stderr");
    let told = log
        .lines()
        .filter(|line| {
            line.contains("objects are not brought to a replica") && line.contains("No space left")
        })
        .count();
    assert_eq!(told, 1, "{log}");

    disk.empty();
    within(|| (server.metric(failing) == Some(0.0)).then_some(()));
}

#[test]
fn a_part_that_found_no_room_on_a_server_of_files_leaves_nothing_when_its_upload_is_aborted() {
    let place = Place::new();
    let sshd = Sshd::start();
    let root = sshd.root();
    let Some(disk) = Disk::mount(root.clone(), 16 * MIB) else { return };
    place.write(
        "causeway.toml",
        &format!(
            "[server]\ndata = 'data'\nscan_interval = 'off'\n[default]\nbackend = 'nas'\n[backend.nas]\ntype = 'sftp'\nhost = '{}'\n\
             port = {}\nuser = '{}'\nprivate_key = {{ file = {:?} }}\nhost_key = '{}'\nroot = {root:?}\n",
            sshd.address().ip(),
            sshd.address().port(),
            Sshd::user(),
            sshd.key_file(),
            sshd.fingerprint(),
        ),
    );
    let server = place.serve(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    assert_eq!(raw.put("/photos", "").send().status, 200);
    let upload = begin(&raw, "k");
    assert_eq!(part(&raw, "k", &upload, 1, 24 * MIB).failure(), (507, "StorageFull".to_owned()));
    assert_eq!(delete(&raw, &format!("/photos/k?uploadId={upload}")), 204);
    let slots = root.join(".causeway/slots");
    within(|| std::fs::read_dir(&slots).is_ok_and(|mut slots| slots.next().is_none()).then_some(()));
    drop(disk);
}
