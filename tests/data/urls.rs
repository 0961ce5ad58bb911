//! Ends that are URLs: a second server that speaks S3, and one that speaks SFTP.

use super::{ENVIRONMENT, aws, borrowed, process::Place, ssh, sshd::Sshd};
use std::fs;

#[test]
fn an_s3_url_is_reached_with_what_the_tools_of_aws_use() {
    let (there, here) = (Place::new(), Place::new());
    there.write("causeway.toml", "[server]\ndata = 'data'\n[bucket.photos]\n");
    let server = there.serve(&[], &ENVIRONMENT);
    let variables = aws(server.s3);
    let environment = borrowed(&variables);
    here.run_with_input("hello", &["put", "s3://photos/2024/a.txt", "-q"], &environment).succeeded();
    assert_eq!(here.run(&["ls", "-r", "s3://photos"], &environment).succeeded(), "2024/a.txt\n");
    assert_eq!(here.run(&["cat", "s3://photos/2024/a.txt"], &environment).succeeded(), "hello");
    let direct = format!("http://{}/photos/2024/a.txt", server.s3);
    assert_eq!(here.run(&["cat", &direct], &environment[1..]).succeeded(), "hello");

    // The same from files, by profile.
    fs::create_dir(here.path(".aws")).expect("a folder");
    here.write(
        ".aws/credentials",
        "[work]\naws_access_key_id = test-root\naws_secret_access_key = test-root-secret\n",
    );
    let config = format!("[profile work]\nregion = us-east-1\nendpoint_url = http://{}\n", server.s3);
    here.write(".aws/config", &config);
    let home = here.path("").to_str().expect("UTF-8").to_owned();
    let home = [("HOME", home.as_str())];
    let listed = here.run(&["ls", "s3://photos/2024/", "--profile", "work"], &home).succeeded();
    assert_eq!(listed, "a.txt\n");
    let said = here.run(&["ls", "s3://photos", "--profile", "none"], &home).failed(2);
    assert!(said.contains("there is no profile 'none'"), "{said}");
    here.run(&["rm", "s3://photos/2024/a.txt", "--profile", "work"], &home).succeeded();
    assert_eq!(here.run(&["ls", "s3://photos"], &environment).succeeded(), "");
}

#[test]
fn an_sftp_url_is_reached_with_the_keys_and_hosts_of_ssh() {
    let sshd = Sshd::start();
    let place = Place::new();
    let root = ssh(&place, &sshd);
    let home = place.path("").to_str().expect("UTF-8").to_owned();
    let environment = [("HOME", home.as_str())];
    let url = |path: &str| format!("{root}/{path}");
    fs::create_dir(sshd.root().join("photos")).expect("a folder");
    fs::write(sshd.root().join("photos/a.txt"), "hello").expect("a file");
    assert_eq!(place.run(&["ls", "-r", &url("")], &environment).succeeded(), "photos/a.txt\n");
    assert_eq!(place.run(&["cat", &url("photos/a.txt")], &environment).succeeded(), "hello");
    place.run_with_input("new", &["put", &url("photos/b.txt"), "-q"], &environment).succeeded();
    assert_eq!(fs::read_to_string(sshd.root().join("photos/b.txt")).expect("a file"), "new");
    place.run(&["rm", &url("photos/b.txt"), "-q"], &environment).succeeded();
    assert!(!sshd.root().join("photos/b.txt").exists());

    place.write(".ssh/known_hosts", "");
    let said = place.run(&["ls", &url("")], &environment).failed(1);
    assert!(said.contains("known_hosts") || said.contains("host key"), "{said}");
}
