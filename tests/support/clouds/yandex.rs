//! Yandex Disk's REST API, as far as files and folders go: links for uploads and downloads, but no
//! asynchronous operations.

use super::{
    Asked, Cloud, Fake, Reply,
    drive::{Node, Refused, Tree},
};
use http::Method;
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Mutex};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

const TOKEN: &str = "y0_AgAAAA-secret-of-yandex";

#[derive(Debug)]
pub struct Yandex {
    address: SocketAddr,
    tree: Mutex<Tree>,
    quota: Mutex<Option<usize>>,
}

impl Yandex {
    pub fn start() -> Fake<Self> {
        Fake::start(|address| Self { address, tree: Mutex::default(), quota: Mutex::default() })
    }

    pub fn set_quota(&self, bytes: usize) {
        *self.quota.lock().expect("no panic") = Some(bytes);
    }
}

pub fn driver(fake: &Fake<Yandex>, spool: &std::path::Path) -> causeway::drivers::opendal::OpenDalFiles {
    super::driver(
        "yandex-disk",
        &[("access_token", TOKEN)],
        &[("cloud-api.yandex.net", &fake.endpoint())],
        spool,
    )
}

fn error(status: u16, name: &str) -> Reply {
    Reply::json(status, json!({ "message": name, "description": name, "error": name }))
}

fn refused(refused: Refused) -> Reply {
    match refused {
        Refused::NoParent => error(409, "DiskPathDoesntExistsError"),
        Refused::IsFolder => error(409, "DiskPathPointsToExistentDirectoryError"),
        Refused::IsFile => error(409, "DiskResourceAlreadyExistsError"),
        Refused::Missing => error(404, "DiskNotFoundError"),
        Refused::NotEmpty => error(409, "DiskNotEmpty"),
    }
}

fn told(path: &str, node: &Node) -> Value {
    let time =
        OffsetDateTime::from_unix_timestamp(node.modified).expect("a time").format(&Rfc3339).expect("a time");
    let name = path.rsplit('/').next().unwrap_or_default();
    let mut told =
        json!({ "name": name, "path": format!("disk:/{path}"), "modified": time, "created": time });
    match &node.bytes {
        None => told["type"] = "dir".into(),
        Some(bytes) => {
            use md5::{Digest, Md5};
            told["type"] = "file".into();
            told["size"] = bytes.len().into();
            told["md5"] = hex::encode(Md5::digest(bytes)).into();
            told["mime_type"] = "application/octet-stream".into();
        }
    }
    told
}

impl Cloud for Yandex {
    fn answer(&self, asked: &Asked) -> Reply {
        let mut tree = self.tree.lock().expect("no panic");
        // A link can be used without a token.
        if let Some(path) = asked.path.strip_prefix("/link/") {
            return match asked.method {
                Method::PUT => match tree.put(path, asked.body.clone()) {
                    Ok(()) => Reply::new(201),
                    Err(failure) => refused(failure),
                },
                _ => match tree.get(path).and_then(|node| node.bytes.clone()) {
                    Some(bytes) => asked.serve(&bytes),
                    None => Reply::new(404),
                },
            };
        }
        if asked.host != "cloud-api.yandex.net"
            || asked.header("authorization") != Some(&*format!("OAuth {TOKEN}"))
        {
            return error(401, "UnauthorizedError");
        }
        let clean = |name: &str| {
            let path = asked.parameter(name).unwrap_or_default();
            path.strip_prefix("disk:").unwrap_or(path).trim_matches('/').to_owned()
        };
        let path = clean("path");
        let link = |path: &str, method: &str| {
            use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
            let href =
                format!("http://{}/link/{}", self.address, utf8_percent_encode(path, NON_ALPHANUMERIC));
            Reply::json(200, json!({ "href": href, "method": method, "templated": false }))
        };
        let overwrite = asked.parameter("overwrite") == Some("true");
        match (asked.method.clone(), asked.path.as_str()) {
            (Method::GET, "/v1/disk/resources") => {
                let Some(node) = tree.get(&path) else { return error(404, "DiskNotFoundError") };
                let mut said = told(&path, node);
                if node.bytes.is_none() {
                    let number = |name: &str, without| {
                        asked.parameter(name).map_or(without, |text| text.parse().expect("a number"))
                    };
                    let items = tree.children(&path).skip(number("offset", 0)).take(number("limit", 20));
                    let at =
                        |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
                    let items: Vec<Value> = items.map(|(name, node)| told(&at(name), node)).collect();
                    said["_embedded"] = json!({ "total": tree.children(&path).count(), "items": items });
                }
                Reply::json(200, said)
            }
            (Method::PUT, "/v1/disk/resources") => match tree.make_folder(&path) {
                Ok(()) => Reply::json(201, json!({ "href": "", "method": "GET", "templated": false })),
                Err(failure) => refused(failure),
            },
            (Method::DELETE, "/v1/disk/resources") if asked.parameter("permanently") == Some("true") => {
                match tree.remove_all(&path) {
                    Ok(()) => Reply::new(204),
                    Err(failure) => refused(failure),
                }
            }
            (Method::GET, "/v1/disk/resources/upload") if overwrite => {
                let used: usize =
                    tree.0.values().filter_map(|node| node.bytes.as_ref()).map(|bytes| bytes.len()).sum();
                if self.quota.lock().expect("no panic").is_some_and(|quota| used >= quota) {
                    return error(507, "DiskStorageQuotaExhaustedError");
                }
                let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                match () {
                    () if !tree.is_folder(parent) => refused(Refused::NoParent),
                    () if tree.is_folder(&path) => refused(Refused::IsFolder),
                    () => link(&path, "PUT"),
                }
            }
            (Method::GET, "/v1/disk/resources/download") => match tree.get(&path) {
                Some(Node { bytes: Some(_), .. }) => link(&path, "GET"),
                _ => error(404, "DiskNotFoundError"),
            },
            (Method::POST, "/v1/disk/resources/move") if overwrite => {
                match tree.move_file(&clean("from"), &path) {
                    Ok(()) => Reply::json(201, json!({ "href": "", "method": "GET", "templated": false })),
                    Err(failure) => refused(failure),
                }
            }
            _ => error(405, "MethodNotAllowedError"),
        }
    }
}
