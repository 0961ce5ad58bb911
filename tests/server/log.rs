//! What the log contains, and what it must never contain.

use super::{
    process::Place,
    support::{
        Who,
        hostile::{Hostile, Said},
        raw::Raw,
    },
};
use std::time::Duration;

const ROOT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", "root-user"), ("CAUSEWAY_ROOT_PASSWORD", "hunter2-secret")];
const WHO: Who = Who { access_key: "root-user", secret_key: "hunter2-secret" };

#[test]
fn each_request_has_one_line_with_its_id_and_no_secret_in_it() {
    let place = Place::new();
    let environment = [ROOT[0], ROOT[1], ("CAUSEWAY_LOG", "trace")];
    let server = place.serve(&["--data", "d", "--log-format", "json"], &environment);
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(raw.put("/bucket", "").send().status, 200);
    let put = raw.put("/bucket/a%20b", "hello").send();
    assert_eq!(put.status, 200);
    let presigned = raw.get("/bucket/a%20b").presigned(Duration::from_secs(60));
    let wire = String::from_utf8(presigned.wire()).expect("ASCII");
    let signature = wire
        .split("X-Amz-Signature=")
        .nth(1)
        .and_then(|rest| rest.split([' ', '&']).next())
        .expect("signed")
        .to_owned();
    assert_eq!(raw.send(wire.as_bytes()).text(), "hello");

    let log = place.read("stderr");
    assert!(
        !log.contains("hunter2-secret") && !log.contains(&signature) && !log.contains("AWS4-HMAC"),
        "{log}"
    );
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let access: Vec<_> = lines.iter().filter(|line| line["target"] == "access").collect();
    assert_eq!(access.len(), 3, "{log}");
    let line = access[1];
    assert_eq!(line["request"].as_str(), put.header("x-amz-request-id"));
    assert_eq!(
        [&line["operation"], &line["bucket"], &line["key"], &line["identity"], &line["method"]],
        ["PutObject", "bucket", "a b", "root-user", "PUT"]
    );
    assert_eq!((line["status"].as_u64(), line["bytes_in"].as_u64()), (Some(200), Some(5)));
    assert_eq!((access[2]["bytes_out"].as_u64(), access[2]["complete"].as_bool()), (Some(5), Some(true)));
}

#[test]
fn requests_are_not_logged_unless_asked_for() {
    let place = Place::new();
    let server = place.serve(&["--data", "d"], &ROOT);
    assert_eq!(Raw::new(server.s3, WHO).get("/").send().status, 200);
    assert!(!place.read("stderr").contains("ListBuckets"));
    drop(server);
    let server = place.serve(&["--data", "d"], &[ROOT[0], ROOT[1], ("CAUSEWAY_LOG", "warn,access=debug")]);
    assert_eq!(Raw::new(server.s3, WHO).get("/").send().status, 200);
    assert!(place.read("stderr").contains("ListBuckets"));
}

#[test]
fn what_others_say_cannot_forge_lines() {
    let hostile = Hostile::start(|asked| match asked.query("list-type") {
        Some(_) => Said::new(
            500,
            "<Error><Code>InternalError</Code><Message>a\nERROR forged \u{1b}[31m \u{9b}1m \u{202e}</Message></Error>",
        ),
        None => Said::new(404, ""),
    });
    let configuration = format!(
        "[backend.up]\ntype = 's3'\nendpoint = 'http://{}'\naccess_key = 'a'\nsecret_key = 'b'\nattempts = 1\n\
         [default]\nbackend = 'up'\n[bucket.bucket]\nbackend = 'up'\n",
        hostile.address()
    );
    for format in ["human", "json"] {
        let place = Place::new();
        place.write("causeway.toml", &configuration);
        let environment = [ROOT[0], ROOT[1], ("CAUSEWAY_LOG", "info,access=debug")];
        let server = place.serve(&["--data", "d", "--log-format", format], &environment);
        let raw = Raw::new(server.s3, WHO);
        assert_eq!(raw.get("/bucket?list-type=2").send().status, 503);
        // A key with a C1 control character, a character that changes the direction of text, and a line end.
        raw.get("/bucket/x%C2%9B31m%E2%80%AE%0AERROR").send();
        let log = place.read("stderr");
        assert!(log.contains("forged") && log.contains("GetObject"), "{log}");
        let forged = |c: char| {
            c != '\n' && (c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        };
        assert!(!log.contains(forged), "{log:?}");
        assert!(!log.lines().any(|line| line.starts_with("ERROR")), "{log}");
        if format == "json" {
            log.lines().for_each(|line| drop(serde_json::from_str::<serde_json::Value>(line).expect("JSON")));
        }
    }
}
