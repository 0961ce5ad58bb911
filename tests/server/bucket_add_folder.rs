//! `causeway bucket add` with URLs of storages that hold files in folders.

use super::{
    process::Place,
    support::{Who, raw::Raw, sshd::Sshd},
};

const ROOT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", "root-user"), ("CAUSEWAY_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };

fn add<'a>(name: &'a str, url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["bucket", "add", name, url][..], more].concat()
}

#[test]
fn what_looks_like_a_url_or_a_folder_of_another_machine_makes_no_local_directory() {
    let place = Place::new();
    for (url, words) in [
        ("root@nas.local:/srv", "write sftp://root@nas.local/srv"),
        ("nas.local:/srv", "write sftp://USER@nas.local/srv"),
        ("smb://nas/photos", "'smb' is no kind of storage known here"),
        ("s3:photos", "write s3://BUCKET/PREFIX"),
    ] {
        let said = place.run(&add("oops", url, &["--create"]), &[]).failed(2);
        assert!(said.contains(words), "{url}: {said}");
        assert!(place.names().is_empty(), "{url}: {:?}", place.names());
    }
    place.run(&add("meant", "./root@nas.local:", &["--create"]), &[]).succeeded();
    assert!(place.path("root@nas.local:").is_dir());
}

#[test]
fn a_folder_on_an_sftp_server_is_added_by_its_url_and_served() {
    let (server, place) = (Sshd::start(), Place::new());
    let url = |folder: &str| {
        format!("sftp://{}@{}{}/{folder}", Sshd::user(), server.address(), server.root().display())
    };
    let key = format!("private_key={}", server.key_file().display());
    let host_key = format!("host_key={}", server.fingerprint());
    let credentials = ["--secret-file", &key, "--set", &host_key];

    let missing = place.run(&add("photos", &url("photos"), &credentials), &[]).failed(1);
    assert!(missing.contains("--create makes it") && place.names().is_empty(), "{missing}");
    assert!(!server.root().join("photos").exists());

    let made = [&credentials[..], &["--create"]].concat();
    let said = place.run(&add("photos", &url("photos"), &made), &[]).succeeded();
    assert!(said.contains("added backend 'photos'"), "{said}");
    let text = place.read("causeway.toml");
    assert!(
        text.contains("type = \"sftp\"\nhost = \"127.0.0.1\"\n")
            && text.contains("private_key = { sealed = \"v1:"),
        "{text}"
    );
    assert!(!text.contains("OPENSSH"), "{text}");

    // A folder below is on the same backend; a folder elsewhere is not.
    std::fs::create_dir_all(server.root().join("photos/old")).expect("made");
    place.run(&["bucket", "remove", "photos"], &[]).succeeded();
    let said = place.run(&add("album", &url("photos/old"), &[]), &[]).succeeded();
    assert!(
        said.contains("added bucket 'album' on backend 'photos'") && !said.contains("added backend"),
        "{said}"
    );
    assert!(place.read("causeway.toml").contains("[bucket.album]\nbackend = \"photos\"\nprefix = \"old\"\n"));
    let wrong = place.run(&add("other", &url("films"), &["--backend", "photos"]), &[]).failed(2);
    assert!(wrong.contains("which is not where the URL leads"), "{wrong}");

    let gateway = place.serve(&[], &ROOT);
    let raw = Raw::new(gateway.s3, WHO);
    assert_eq!(raw.put("/album/cat.jpg", "meow").send().status, 200);
    assert_eq!(std::fs::read_to_string(server.root().join("photos/old/cat.jpg")).expect("a file"), "meow");
}

#[test]
fn every_kind_of_storage_becomes_the_backend_of_its_type() {
    let place = Place::new();
    let environment = [("SECRET", "hunter2")];
    for (name, url, more, lines) in [
        (
            "ftp",
            "ftps://me@ftp.example.com/pub",
            vec!["--secret-env", "password=SECRET"],
            vec!["type = \"ftp\"", "host = \"ftp.example.com\"", "tls = \"explicit\"", "root = \"/pub\""],
        ),
        ("clear", "ftp://me@clear.example.com:2121/pub", vec![], vec!["tls = \"none\"", "port = 2121"]),
        (
            "cloud",
            "davs://me@cloud.example.com/dav/files",
            vec!["--secret-env", "password=SECRET"],
            vec!["type = \"webdav\"", "url = \"https://cloud.example.com/dav/files\"", "user = \"me\""],
        ),
        (
            "google",
            "gdrive:objects",
            vec!["--set", "client_id=id", "--secret-env", "client_secret=SECRET"],
            vec!["type = \"gdrive\"", "root = \"objects\"", "client_id = \"id\""],
        ),
        ("microsoft", "onedrive:objects", vec!["--set", "client_id=id"], vec!["type = \"onedrive\""]),
        ("box", "dropbox:objects", vec!["--set", "client_id=key"], vec!["type = \"dropbox\""]),
        (
            "backblaze",
            "b2:objects",
            vec![
                "--set",
                "bucket=b",
                "--set",
                "bucket_id=i",
                "--set",
                "application_key_id=k",
                "--secret-env",
                "application_key=SECRET",
                "--set",
                "max_requests=7",
            ],
            vec!["type = \"b2\"", "bucket_id = \"i\"", "max_requests = \"7\""],
        ),
    ] {
        let bucket = format!("on-{name}");
        let more = [&["--no-check", "--backend", name][..], &more].concat();
        let said = place.run(&add(&bucket, url, &more), &environment).succeeded();
        assert!(said.contains(&format!("added backend '{name}'")) && !said.contains("hunter2"), "{said}");
        let text = place.read("causeway.toml");
        for line in lines {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }
    let text = place.read("causeway.toml");
    assert!(!text.contains("hunter2"), "{text}");
    place.run(&["config", "check", "--config", "causeway.toml"], &[]).succeeded();

    for (url, more, words) in [
        ("sftp://nas.example.com/srv", vec![], "needs more than its URL tells: --set user=VALUE"),
        ("sftp://me:hunter2@nas.example.com/srv", vec![], "the URL holds a password"),
        (
            "sftp://me@nas.example.com/srv",
            vec!["--set", "pasword=hunter2"],
            "has no setting 'pasword'; did you mean 'password'?",
        ),
        (
            "sftp://me@nas.example.com/srv",
            vec!["--set", "password=hunter2"],
            "give it by --secret-env password=VARIABLE",
        ),
        (
            "sftp://me@nas.example.com/srv",
            vec!["--secret-env", "known_hosts=SECRET"],
            "known_hosts is no secret: give it by --set known_hosts=VALUE",
        ),
        ("sftp://me@nas.example.com/srv", vec!["--set", "host=other"], "host is said twice"),
        ("sftp://me@nas.example.com/srv", vec!["--region", "x"], "flags for object stores say nothing"),
        ("sftp://me@nas.example.com/srv", vec!["--secret-env", "hunter2"], "must be KEY=VALUE"),
        ("b2:x", vec![], "--set bucket=VALUE, --set bucket_id=VALUE"),
        ("gdrive:objects/x", vec!["--backend", "google", "--set", "client_id=x"], "backend 'google' exists"),
    ] {
        let more = [&["--no-check"][..], &more].concat();
        let said = place.run(&add("refused", url, &more), &environment).failed(2);
        assert!(said.contains(words), "{url}: {said}");
        assert!(more.iter().any(|word| word.contains("hunter2")) || !said.contains("hunter2"), "{said}");
    }
    assert_eq!(place.read("causeway.toml"), text, "nothing was written");
}

#[test]
fn a_drive_that_nobody_was_let_into_says_how_to_be_let_in() {
    let place = Place::new();
    let said = place.run(&add("photos", "dropbox:photos", &["--set", "client_id=key"]), &[]).failed(2);
    assert!(
        said.contains("--no-check")
            && said.contains("causeway backend authorize photos")
            && place.names().is_empty(),
        "{said}"
    );
}
