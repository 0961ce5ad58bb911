//! The table of errors, `conformance/errors.toml`: each row is provoked on a real server, and every code has
//! a row.

use super::uploads::Upload;
use crate::support::{ALICE, BOB, Server, Who, put, raw::RawRequest};
use causeway::{s3::ErrorCode, xml};
use serde::Deserialize;
use std::{collections::BTreeMap, time::Duration};

/// The elements of every error document, besides the details of its code.
const COMMON: [&str; 6] = ["Code", "Message", "BucketName", "Resource", "RequestId", "HostId"];

const STRANGER: Who = Who { access_key: "nobody", secret_key: "secret" };
const IMPOSTOR: Who = Who { access_key: ALICE.access_key, secret_key: "another" };

#[derive(Debug, Deserialize)]
struct Table {
    error: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    code: String,
    status: u16,
    when: String,
    #[serde(default)]
    details: Vec<String>,
    request: Option<String>,
    #[serde(default)]
    who: Sender,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    unsigned: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    length: Option<String>,
    tamper: Option<(String, String)>,
    #[serde(default)]
    half_close: bool,
    presigned: Option<u64>,
    elsewhere: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sender {
    #[default]
    Alice,
    Bob,
    Anonymous,
    Stranger,
    Impostor,
}

fn table() -> Vec<Row> {
    let table: Table = toml::from_str(include_str!("../../conformance/errors.toml")).expect("a table");
    table.error
}

fn code(row: &Row) -> Option<ErrorCode> {
    ErrorCode::ALL.iter().copied().find(|code| code.as_str() == row.code)
}

/// A server with the buckets and objects that the requests of the table use.
struct Scene {
    server: Server,
    variables: Vec<(&'static str, String)>,
}

impl Scene {
    async fn set() -> Self {
        let server = Server::start();
        let client = server.client();
        let bucket = server.bucket(&client).await;
        put(&client, &bucket, "object", "hello").await;
        let upload = Upload::begin(&client, &bucket, "parts").await;
        upload.part(1, "part").await;
        let etag = upload.part(2, "part").await.e_tag.expect("an ETag").replace('"', "");
        let variables = vec![
            ("{bucket}", bucket),
            ("{upload}", upload.id),
            ("{etag}", etag),
            ("{long}", "k".repeat(1025)),
        ];
        Self { server, variables }
    }

    fn fill(&self, text: &str) -> String {
        self.variables.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    fn request(&self, row: &Row, request: &str) -> RawRequest {
        let (method, target) = request.split_once(' ').expect("a method and a target");
        let who = match row.who {
            Sender::Alice | Sender::Anonymous => ALICE,
            Sender::Bob => BOB,
            Sender::Stranger => STRANGER,
            Sender::Impostor => IMPOSTOR,
        };
        let mut request =
            self.server.raw_of(who).request(method, self.fill(target)).body(self.fill(&row.body));
        request =
            row.headers.iter().fold(request, |request, (name, value)| request.header(name, self.fill(value)));
        request = row
            .unsigned
            .iter()
            .fold(request, |request, (name, value)| request.unsigned_header(name, self.fill(value)));
        if row.who == Sender::Anonymous {
            request = request.anonymous();
        }
        if let Some(seconds) = row.presigned {
            request = request.presigned(Duration::from_secs(seconds));
        }
        if let Some(length) = &row.length {
            request = request.content_length(length);
        }
        if let Some((from, to)) = &row.tamper {
            request = request.tamper(from, to);
        }
        if row.half_close { request.half_close() } else { request }
    }
}

#[test]
fn every_code_has_a_row_and_every_row_a_code() {
    let table = table();
    for code in ErrorCode::ALL {
        assert!(table.iter().any(|row| row.code == code.as_str()), "{} has no row", code.as_str());
    }
    for row in &table {
        let code = code(row).unwrap_or_else(|| panic!("{} is no code", row.code));
        assert_eq!(row.status, code.status().as_u16(), "{}", row.code);
        assert!(!row.when.is_empty() && (row.request.is_some() != row.elsewhere.is_some()), "{}", row.code);
        for detail in &row.details {
            assert!(code.details().contains(&detail.as_str()), "{} has no detail {detail}", row.code);
        }
    }
}

#[tokio::test]
async fn every_row_is_what_a_server_answers() {
    let scene = Scene::set().await;
    for row in table() {
        let Some(request) = &row.request else { continue };
        let reply = scene.request(&row, request).send();
        if row.status == 304 {
            // A 304 has no document.
            assert_eq!((reply.status, reply.body.len()), (304, 0), "{row:?}");
            continue;
        }
        assert_eq!(reply.failure(), (row.status, row.code.clone()), "{row:?}");
        let document = xml::parse(&reply.body, "Error").expect("a document");
        let shown: Vec<_> = document.children.iter().map(|child| child.name.as_str()).collect();
        let details: Vec<_> = shown.iter().copied().filter(|name| !COMMON.contains(name)).collect();
        assert_eq!(details, row.details, "{row:?}");
        assert!(["Message", "Resource", "RequestId"].iter().all(|name| shown.contains(name)), "{shown:?}");
        assert_eq!(document.value("RequestId"), reply.header("x-amz-request-id"), "{row:?}");
    }
}
