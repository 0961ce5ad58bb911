//! What other users of the machine can see: modes of created files, and messages about files that they could
//! reach.

use super::{
    process::{Place, Running},
    support::{Who, raw::Raw},
};
use std::os::unix::fs::PermissionsExt;

const ROOT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", "root-user"), ("CAUSEWAY_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };

/// Objects at two depths, and an upload with a part.
fn fill(server: &Running) {
    let raw = Raw::new(server.s3, WHO);
    for target in ["/photos", "/photos/a", "/photos/deep/er/b"] {
        let body = if target == "/photos" { "" } else { "x" };
        assert_eq!(raw.put(target, body).send().status, 200, "{target}");
    }
    let begun = raw.post("/photos/c?uploads", "").send();
    let upload = begun.element("UploadId").expect("an upload");
    assert_eq!(raw.put(format!("/photos/c?partNumber=1&uploadId={upload}"), "part").send().status, 200);
}

fn chmod(place: &Place, name: &str, mode: u32) {
    std::fs::set_permissions(place.path(name), std::fs::Permissions::from_mode(mode)).expect("changed");
}

/// Every file and directory below a directory, with its mode.
fn modes(place: &Place, name: &str) -> Vec<(String, bool, u32)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(place.path(name)).expect("a directory") {
        let entry = entry.expect("an entry");
        let path = format!("{name}/{}", entry.file_name().to_string_lossy());
        let is_directory = entry.file_type().expect("a type").is_dir();
        // The socket for commands is protected by its directory.
        if is_directory || entry.file_type().expect("a type").is_file() {
            all.push((path.clone(), is_directory, place.mode(&path)));
        }
        if is_directory {
            all.extend(modes(place, &path));
        }
    }
    all
}

#[test]
fn what_is_made_is_private_by_default() {
    let place = Place::new();
    place.write("causeway.toml", "[server]\ndata = 'd'\n[backend.disk]\ntype = 'fs'\nroot = 'objects'\n");
    let server = place.serve(&[], &ROOT);
    fill(&server);
    assert_eq!((place.mode("objects"), place.mode("d")), (0o700, 0o700));
    let all = modes(&place, "objects");
    assert!(
        all.iter().any(|(path, ..)| path == "objects/photos/deep/er/b")
            && all.iter().any(|(path, ..)| path.contains("uploads/"))
    );
    for (path, is_directory, mode) in all {
        assert_eq!(mode, if is_directory { 0o700 } else { 0o600 }, "{path}");
    }
}

#[test]
fn modes_are_a_setting_and_what_is_no_object_is_private_all_the_same() {
    let place = Place::new();
    let modes_set = "file_mode = '0664'\ndirectory_mode = '0775'\n";
    place.write(
        "causeway.toml",
        &format!("[server]\ndata = 'd'\n[backend.disk]\ntype = 'fs'\nroot = 'objects'\n{modes_set}"),
    );
    let server = place.serve(&[], &ROOT);
    fill(&server);
    for (path, is_directory, mode) in modes(&place, "objects") {
        let expected = match (path.starts_with("objects/.causeway"), is_directory) {
            (true, true) => 0o700,
            (true, false) => 0o600,
            (false, true) => 0o775,
            (false, false) => 0o664,
        };
        assert_eq!(mode, expected, "{path}");
    }
    for (wrong, words) in
        [("'0777x'", "octal"), ("640", "octal"), ("'0440'", "must let the owner read and write")]
    {
        place.write(
            "wrong.toml",
            &format!("[backend.disk]\ntype = 'fs'\nroot = 'objects'\nfile_mode = {wrong}\n"),
        );
        let said = place.run(&["config", "check", "--config", "wrong.toml"], &[]).failed(2);
        assert!(said.contains(words), "{wrong}: {said}");
    }
}

#[test]
fn nobody_else_can_open_the_lock_of_a_root_that_an_older_version_made() {
    let place = Place::new();
    place.write("causeway.toml", "[server]\ndata = 'd'\n[backend.disk]\ntype = 'fs'\nroot = 'objects'\n");
    drop(place.serve(&[], &ROOT));
    chmod(&place, "objects/.causeway", 0o755);
    chmod(&place, "objects/.causeway/backend.lock", 0o644);
    let server = place.serve(&[], &ROOT);
    assert_eq!(
        (place.mode("objects/.causeway"), place.mode("objects/.causeway/backend.lock")),
        (0o700, 0o600)
    );
    assert!(!place.read("stderr").contains("could write here"), "they could only read");
    drop(server);
    for directory in ["objects/.causeway", "d/.causeway"] {
        let _ = std::fs::remove_file(place.path("stderr"));
        chmod(&place, directory, 0o777);
        drop(place.serve(&[], &ROOT));
        let log = place.read("stderr");
        assert!(
            log.contains("other users of this machine could write here") && log.contains("0777"),
            "{directory}: {log}"
        );
        assert_eq!(place.mode(directory), 0o700, "{directory}");
    }
}

#[test]
fn a_configuration_that_everybody_reads_and_that_holds_a_secret_is_warned_about() {
    let place = Place::new();
    let warned = |secret: &str, mode: u32| {
        let _ = std::fs::remove_file(place.path("stderr"));
        place.write(
            "causeway.toml",
            &format!("[server]\ndata = 'd'\n[[identity]]\naccess_key = 'alice'\nsecret_key = {secret}\n"),
        );
        chmod(&place, "causeway.toml", mode);
        drop(place.serve(&[], &[("ALICE", "from-elsewhere")]));
        let log = place.read("stderr");
        assert!(!log.contains("in-clear-text"), "{log}");
        log.contains("every user of this machine can read") && log.contains("identity[0].secret_key")
    };
    assert!(warned("'in-clear-text'", 0o644));
    assert!(!warned("'in-clear-text'", 0o640));
    assert!(!warned("{ env = 'ALICE' }", 0o644));
}
