//! `causeway backend authorize`.

use super::{
    process::{Place, connect, read_all, within},
    support::gdrive::{CLIENT_ID, CLIENT_SECRET, FakeDrive, REFRESH_TOKEN},
};
use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Stdio},
};

fn configured(drive: &FakeDrive) -> Place {
    let place = Place::new();
    let at = drive.endpoint();
    place.write(
        "causeway.toml",
        &format!(
            "# Mine.\n[backend.cloud]\ntype = 'gdrive'\nclient_id = '{CLIENT_ID}'\nclient_secret = '{CLIENT_SECRET}'\nendpoint = '{at}'\n\
             token_endpoint = '{at}/token'\nauthorize_endpoint = '{at}/authorize'\ndevice_endpoint = '{at}/device/code'\n\
             refresh_token = 'an old one' # from long ago\n[bucket.photos]\nbackend = 'cloud'\n"
        ),
    );
    place
}

fn begin(place: &Place, arguments: &[&str]) -> Child {
    let mut command = place.command(&[&["backend", "authorize", "cloud"], arguments].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs")
}

/// The page that the command shows to the person.
fn page(running: &mut Child) -> String {
    let words = BufReader::new(running.stderr.as_mut().expect("its words"));
    words.lines().map_while(Result::ok).find(|line| line.starts_with("http://")).expect("a page")
}

/// The address to which the page redirects a browser.
fn opened(drive: &FakeDrive, page: &str) -> String {
    let target = page.strip_prefix(&drive.endpoint()).expect("a page of the fake");
    let mut stream = connect(drive.address());
    write!(stream, "GET {target} HTTP/1.1\r\nhost: fake\r\nconnection: close\r\n\r\n").expect("sent");
    let reply = read_all(&mut stream);
    reply.lines().find_map(|line| line.strip_prefix("location: ")).expect("a way back").to_owned()
}

#[track_caller]
fn ended(place: &Place, mut running: Child) {
    let status = within(|| running.try_wait().expect("a child"));
    assert!(status.success(), "{:?}", running.wait_with_output());
    let text = place.read("causeway.toml");
    assert!(
        text.starts_with("# Mine.\n")
            && text.contains("refresh_token = { sealed = \"v1:")
            && text.contains("# from long ago"),
        "{text}"
    );
    assert!(!text.contains("an old one") && !text.contains(REFRESH_TOKEN), "{text}");
    // The sealed token gives access to the drive.
    place.run(&["bucket", "validate", "photos"], &[]).succeeded();
}

#[test]
fn a_person_agrees_in_a_browser_that_comes_back_to_this_machine() {
    let drive = FakeDrive::start();
    let place = configured(&drive);
    let mut running = begin(&place, &[]);
    let back = opened(&drive, &page(&mut running));
    let (address, target) =
        back.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("an address");
    // Browsers ask for icons, and other programs may ask for anything. Neither ends the command.
    for target in ["favicon.ico", "?state=wrong&code=stolen", target] {
        let mut stream = connect(address.parse().expect("an address"));
        // The request is sent in one call, because the reply may come, and the connection end, before a later
        // piece is sent.
        stream
            .write_all(format!("GET /{target} HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes())
            .expect("sent");
        assert!(read_all(&mut stream).contains("This went to Causeway"));
    }
    ended(&place, running);
}

#[test]
fn an_address_that_a_browser_elsewhere_ended_at_can_be_pasted() {
    let drive = FakeDrive::start();
    let place = configured(&drive);
    let mut running = begin(&place, &[]);
    let back = opened(&drive, &page(&mut running));
    writeln!(running.stdin.as_mut().expect("an input"), "what is this\n{back}").expect("typed");
    ended(&place, running);
}

#[test]
fn a_person_types_a_code_on_another_device() {
    let drive = FakeDrive::start();
    let place = configured(&drive);
    ended(&place, begin(&place, &["--device"]));
}

#[test]
fn who_does_not_agree_changes_nothing() {
    let drive = FakeDrive::start();
    let place = configured(&drive);
    let before = place.read("causeway.toml");
    let mut running = begin(&place, &[]);
    let page = page(&mut running);
    let state = page.split("state=").nth(1).and_then(|rest| rest.split('&').next()).expect("a state");
    writeln!(
        running.stdin.as_mut().expect("an input"),
        "http://127.0.0.1/?error=access_denied&state={state}"
    )
    .expect("typed");
    let ended = running.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(place.read("causeway.toml"), before);
    place.write("other.toml", "[backend.disk]\ntype = 'fs'\nroot = 'x'\n");
    let said = place.run(&["backend", "authorize", "disk", "--config", "other.toml"], &[]).failed(1);
    assert!(said.contains("a backend of type 'fs' is not authorized by a person"), "{said}");
}
