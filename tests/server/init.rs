//! `causeway init`, with options alone and at a terminal.

use super::{
    process::Place,
    support::{ALICE, Server, Who, raw::Raw},
};
use std::process::Stdio;

/// Runs a command at a terminal: each pair of arguments is what it shows, and what is typed then. Prints all
/// that the terminal showed, and ends as the command does.
const TERMINAL: &str = r#"
import os, pty, sys
command, talk = sys.argv[1].split('\n'), sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.execv(command[0], command)
shown = from_here = ''
while True:
    try:
        piece = os.read(terminal, 4096).decode()
    except OSError:
        break
    if not piece:
        break
    shown, from_here = shown + piece, from_here + piece
    while talk and talk[0] in from_here:
        from_here = from_here.split(talk[0], 1)[1]
        os.write(terminal, (talk[1] + '\n').encode())
        talk = talk[2:]
print(shown)
status = os.waitpid(child, 0)[1]
sys.exit(os.waitstatus_to_exitcode(status) if not talk else f'never shown: {talk[0]}')
"#;

/// What a terminal showed, and whether the command succeeded.
fn at_terminal(place: &Place, arguments: &[&str], talk: &[(&str, &str)]) -> (bool, String) {
    let command = [&[env!("CARGO_BIN_EXE_causeway")], arguments].concat().join("\n");
    let mut python = std::process::Command::new("python3");
    python.args(["-c", TERMINAL, &command]).args(talk.iter().flat_map(|(shown, typed)| [shown, typed]));
    python.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let output = python.current_dir(place.path("")).stdin(Stdio::null()).output().expect("python3");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

fn after<'t>(text: &'t str, name: &str) -> &'t str {
    let (_, rest) = text.split_once(name).unwrap_or_else(|| panic!("no {name}: {text}"));
    rest.split_whitespace().next().expect("a word")
}

#[test]
fn options_alone_make_a_configuration_that_serves_with_the_keys_that_were_shown() {
    let place = Place::new();
    let said = place.run(&["init", "--bucket", "photos", "--url", "./photos", "--create"], &[]).succeeded();
    assert_eq!(place.mode("causeway.toml"), 0o600);
    assert!(said.contains("0 failed") && said.contains("causeway.toml is written"), "{said}");
    for words in
        ["AWS_ENDPOINT_URL=http://127.0.0.1:9000", "provider = Other", "mc alias set causeway http://"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    let leaked = |text: &str| &*Box::leak(text.to_owned().into_boxed_str());
    let who = Who {
        access_key: leaked(after(&said, "AWS_ACCESS_KEY_ID=")),
        secret_key: leaked(after(&said, "AWS_SECRET_ACCESS_KEY=")),
    };
    let server = place.serve(&["--listen", "127.0.0.1:0"], &[]);
    assert_eq!(Raw::new(server.s3, who).put("/photos/a.jpg", "meow").send().status, 200);
    assert_eq!(
        Raw::new(server.s3, who).put("/more", "").send().status,
        200,
        "there is room for other buckets"
    );
    drop(server);
    assert_eq!(place.read("photos/a.jpg"), "meow");
}

#[test]
fn without_a_terminal_it_says_which_options_are_missing() {
    let place = Place::new();
    let said = place.run(&["init"], &[]).failed(2);
    assert!(said.contains("--bucket NAME, --url URL"), "{said}");
    let said = place.run(&["init", "--bucket", "photos", "--url", "sftp://nas/photos"], &[]).failed(2);
    assert!(said.contains("--set user=VALUE"), "{said}");
    let said = place.run(&["init", "--bucket", "photos", "--url", "az://photos"], &[]).failed(2);
    assert!(said.contains("--access-key ACCOUNT"), "{said}");
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[test]
fn a_configuration_is_replaced_only_when_that_is_said() {
    let place = Place::new();
    place.write("causeway.toml", "[server]\nlisten = '127.0.0.1:9999'\n[backend.old]\ntype = 'memory'\n");
    let arguments = ["init", "--bucket", "photos", "--url", "./photos", "--create"];
    let said = place.run(&arguments, &[]).failed(2);
    assert!(said.contains("causeway.toml exists: --force replaces it"), "{said}");
    assert!(place.read("causeway.toml").contains("9999"));
    place.run(&[&arguments[..], &["--force"]].concat(), &[]).succeeded();
    let text = place.read("causeway.toml");
    assert!(!text.contains("9999") && !text.contains("old") && text.contains("[bucket.photos]"), "{text}");
}

#[test]
fn nothing_is_written_when_the_storage_does_not_work() {
    let (server, place) = (Server::start(), Place::new());
    let url = format!("http://{}/missing", server.address());
    let options = ["--access-key", ALICE.access_key, "--secret-key-env", "SECRET"];
    let arguments = [&["init", "--bucket", "photos", "--url", &url][..], &options].concat();
    let said = place.run(&arguments, &[("SECRET", ALICE.secret_key)]).failed(1);
    assert!(said.contains("NoSuchBucket") && said.contains("nothing was written"), "{said}");
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[test]
fn a_person_is_asked_for_what_no_option_says_and_no_secret_is_shown() {
    let (server, place) = (Server::start(), Place::new());
    assert_eq!(server.raw().put("/there", "").send().status, 200);
    let url = format!("http://{}/there", server.address());
    let talk = [
        ("Name of the first bucket: ", "photos"),
        ("Place: ", &url),
        ("Access key", ALICE.access_key),
        ("Address at which S3 is served [127.0.0.1:9000]: ", "127.0.0.1:9009"),
        ("Directory of the server's own files [./causeway-data]: ", ""),
        ("secret key: ", ALICE.secret_key),
    ];
    let (is_done, shown) = at_terminal(&place, &["init"], &talk);
    assert!(is_done && shown.contains("AWS_ENDPOINT_URL=http://127.0.0.1:9009"), "{shown}");
    assert!(!shown.contains(ALICE.secret_key), "{shown}");
    let text = place.read("causeway.toml");
    assert!(text.contains("sealed = \"v1:") && text.contains("127.0.0.1:9009"), "{text}");
    assert!(!text.contains(ALICE.secret_key));
    place.run(&["bucket", "validate", "photos"], &[]).succeeded();
}

#[test]
fn a_directory_that_is_missing_is_made_when_the_person_agrees() {
    let place = Place::new();
    let arguments =
        ["init", "--bucket", "photos", "--url", "./photos", "--listen", ":9000", "--data", "data"];
    let (is_done, shown) = at_terminal(&place, &arguments, &[("Make it? [Y/n]: ", "n")]);
    assert!(!is_done && shown.contains("--create makes it"), "{shown}");
    assert!(place.names().is_empty(), "{:?}", place.names());
    let (is_done, shown) = at_terminal(&place, &arguments, &[("Make it? [Y/n]: ", "")]);
    assert!(is_done && shown.contains("http://127.0.0.1:9000"), "{shown}");
    assert_eq!(place.names(), ["causeway.toml", "data", "photos"]);
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = place.run(&["completions", shell], &[]).succeeded();
        for words in ["causeway", "replicate", "no-check"] {
            assert!(script.contains(words), "{shell}: {words}");
        }
    }
    place.run(&["man", "pages"], &[]).succeeded();
    let page = place.read("pages/causeway-bucket-add.1");
    assert!(page.contains(".TH causeway-bucket-add") && page.contains("secret\\-env"), "{page}");
    assert!(place.read("pages/causeway.1").contains("causeway\\-init(1)"));
}
