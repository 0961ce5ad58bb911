//! Every command line of the pages on data and on snapshots runs, in the order of the page.

use super::{ENVIRONMENT, aws, process::Place, ssh, sshd::Sshd};
use std::{fs, path::Path, process::Command};

/// The lines of blocks that are marked as commands.
fn commands(page: &str) -> Vec<&str> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in page.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside && !line.is_empty() => lines.push(line),
            _ => {}
        }
    }
    lines
}

#[test]
fn every_command_of_the_page_runs() {
    run("docs/guide/data.md", 20);
}

#[test]
fn every_command_of_the_page_on_snapshots_runs() {
    run("docs/guide/snapshots.md", 10);
}

fn run(page: &str, least: usize) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let page = fs::read_to_string(page).expect("the page");
    let (place, sshd) = (Place::new(), Sshd::start());
    place.write(
        "causeway.toml",
        "[server]\ndata = 'data'\n[backend.disk]\ntype = 'fs'\nroot = 'objects'\n[bucket.photos]\n",
    );
    let server = place.serve(&[], &ENVIRONMENT);
    ssh(&place, &sshd);
    fs::create_dir(sshd.root().join("photos")).expect("a folder");
    fs::write(sshd.root().join("photos/a.txt"), "hello").expect("a file");
    let binary = Path::new(env!("CARGO_BIN_EXE_causeway")).parent().expect("a folder");
    let there = [
        ("me@nas.example.com/srv", format!("{}@{}{}", Sshd::user(), sshd.address(), sshd.root().display())),
        ("https://s3.example.com/photos", format!("http://{}/photos", server.s3)),
    ];
    let lines = commands(&page);
    assert!(lines.len() > least, "the page has commands");
    for line in lines {
        let line = there.iter().fold(line.to_owned(), |line, (from, to)| line.replace(from, to));
        let output = Command::new("sh")
            .args(["-c", &line])
            .current_dir(place.path(""))
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", binary.display()))
            .env("HOME", place.path(""))
            .envs(aws(server.s3))
            .output()
            .expect("a shell");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}\n{said}");
    }
}
