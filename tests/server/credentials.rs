//! The sources of the first credentials.

use super::{
    process::{Place, Running},
    support::{Who, raw::Raw},
};
use std::os::unix::fs::PermissionsExt;

fn may_list(server: &Running, access_key: &str, secret_key: &str) -> (u16, String) {
    let who = Who { access_key: access_key.to_owned().leak(), secret_key: secret_key.to_owned().leak() };
    Raw::new(server.s3, who).get("/").send().failure()
}

#[test]
fn credentials_are_generated_once_kept_private_printed_and_never_logged() {
    let place = Place::new();
    let mut printed = Vec::new();
    for _ in 0..2 {
        let _ = std::fs::remove_file(place.path("stdout"));
        let server = place.serve(&["--data", "d"], &[("CAUSEWAY_LOG", "trace")]);
        let out = place.read("stdout");
        let value =
            |name: &str| out.lines().find_map(|line| line.strip_prefix(name)).expect("printed").to_owned();
        let (access_key, secret_key) = (value("access key: "), value("secret key: "));
        assert_eq!(may_list(&server, &access_key, &secret_key).0, 200);
        assert_eq!(may_list(&server, &access_key, "wrong"), (403, "SignatureDoesNotMatch".to_owned()));
        printed.push((access_key, secret_key));
    }
    assert_eq!(printed[0], printed[1]);
    let log = place.read("stderr");
    assert!(log.contains("serving") && !log.contains(&printed[0].1), "{log}");
    let file = place.path("d/.causeway/root-credentials");
    assert_eq!(std::fs::metadata(file).expect("kept").permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_root_user_of_the_environment_is_an_administrator_under_either_name() {
    for (user, password) in
        [("CAUSEWAY_ROOT_USER", "CAUSEWAY_ROOT_PASSWORD"), ("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD")]
    {
        let place = Place::new();
        let server = place.serve(&["--data", "d"], &[(user, "admin-user"), (password, "admin-password")]);
        assert_eq!(may_list(&server, "admin-user", "admin-password").0, 200);
        assert!(!place.read("stdout").contains("admin-password"), "only what was generated is printed");
        assert!(!place.path("d/.causeway/root-credentials").exists());
    }
}

#[test]
fn buckets_that_were_there_before_belong_to_the_administrator() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("d/old-photos")).expect("made");
    std::fs::create_dir_all(place.path("d/Not A Bucket")).expect("made");
    place.write("causeway.toml", "[bucket.configured]\nprefix = 'deep/inside'\n");
    std::fs::create_dir_all(place.path("d/deep")).expect("made");
    place.write("d/old-photos/cat.jpg", "meow");
    let server = place.serve(
        &["--data", "d"],
        &[("MINIO_ROOT_USER", "admin-user"), ("MINIO_ROOT_PASSWORD", "admin-password")],
    );
    let admin = Raw::new(server.s3, Who { access_key: "admin-user", secret_key: "admin-password" });
    let list = admin.get("/").send().text();
    let names: Vec<_> = list.split("<Name>").skip(1).filter_map(|rest| rest.split('<').next()).collect();
    assert_eq!(names, ["configured", "old-photos"], "neither what is no bucket nor what holds one: {list}");
    assert_eq!(admin.get("/old-photos/cat.jpg").send().text(), "meow");
}

#[test]
fn a_weak_password_of_the_root_user_is_warned_about_once_and_never_repeated() {
    for (password, words) in [
        ("minioadmin", Some("is a well-known default")),
        ("S3cr3t!", Some("is shorter than 8 characters")),
        ("admin-password", None),
    ] {
        let place = Place::new();
        let server = place
            .serve(&["--data", "d"], &[("MINIO_ROOT_USER", "operator"), ("MINIO_ROOT_PASSWORD", password)]);
        assert_eq!(may_list(&server, "operator", password).0, 200);
        let log = place.read("stderr");
        let warned = log.matches("the password of the root user 'operator'").count();
        assert_eq!(warned, usize::from(words.is_some()), "{log}");
        assert!(words.is_none_or(|words| log.contains(words)) && !log.contains(password), "{log}");
    }
}
