//! pCloud's HTTP API, as far as files and folders go. It answers 200 to every request; a number in the reply
//! reports the error.

use super::{
    Asked, Cloud, Fake, Reply,
    drive::{Node, Refused, Tree},
};
use http::Method;
use serde_json::{Value, json};
use std::sync::Mutex;
use time::{OffsetDateTime, macros::format_description};

const USER: &str = "me@example.com";
const PASSWORD: &str = "secret-of-pcloud";

#[derive(Debug)]
pub struct Pcloud {
    tree: Mutex<Tree>,
}

impl Pcloud {
    pub fn start() -> Fake<Self> {
        Fake::start(|_| Self { tree: Mutex::default() })
    }
}

pub fn driver(fake: &Fake<Pcloud>, spool: &std::path::Path) -> causeway::drivers::opendal::OpenDalFiles {
    let endpoint = fake.endpoint();
    let options = [("endpoint", &*endpoint), ("username", USER), ("password", PASSWORD)];
    super::driver("pcloud", &options, &[("edef1.pcloud.com", &endpoint)], spool)
}

fn result(number: u16, words: &str) -> Reply {
    Reply::json(200, json!({ "result": number, "error": words }))
}

fn refused(refused: Refused) -> Reply {
    match refused {
        Refused::NoParent => result(2002, "A component of parent directory does not exist."),
        Refused::IsFolder | Refused::IsFile => result(2004, "File or folder alredy exists."),
        Refused::Missing => result(2009, "File not found."),
        Refused::NotEmpty => result(2006, "Folder is not empty."),
    }
}

fn told(path: &str, node: &Node) -> Value {
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] +0000"
    );
    let time =
        OffsetDateTime::from_unix_timestamp(node.modified).expect("a time").format(&format).expect("a time");
    let name = path.rsplit('/').next().unwrap_or_default();
    let mut told = json!({
        "name": name, "path": format!("/{path}"), "modified": time, "created": time, "isfolder": node.bytes.is_none(),
    });
    if let Some(bytes) = &node.bytes {
        told["size"] = bytes.len().into();
        told["contenttype"] = "application/octet-stream".into();
    }
    told
}

impl Cloud for Pcloud {
    fn answer(&self, asked: &Asked) -> Reply {
        let mut tree = self.tree.lock().expect("no panic");
        if let Some(path) = asked.path.strip_prefix("/cBZ/") {
            return match tree.get(path).and_then(|node| node.bytes.clone()) {
                Some(bytes) => asked.serve(&bytes),
                None => Reply::new(404),
            };
        }
        if asked.parameter("username") != Some(USER) || asked.parameter("password") != Some(PASSWORD) {
            return result(2000, "Log in failed.");
        }
        let clean = |name: &str| asked.parameter(name).unwrap_or_default().trim_matches('/').to_owned();
        let path = clean("path");
        let done = |outcome: Result<(), Refused>| match outcome {
            Ok(()) => Reply::json(200, json!({ "result": 0 })),
            Err(failure) => refused(failure),
        };
        match (asked.method.clone(), asked.path.as_str()) {
            (_, "/stat") => match tree.get(&path) {
                Some(node) => Reply::json(200, json!({ "result": 0, "metadata": told(&path, node) })),
                None => result(2055, "File or folder not found."),
            },
            (_, "/listfolder") => {
                if !tree.is_folder(&path) {
                    return result(2005, "Directory does not exist.");
                }
                let at =
                    |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
                let contents: Vec<Value> =
                    tree.children(&path).map(|(name, node)| told(&at(name), node)).collect();
                let mut metadata = told(&path, tree.get(&path).expect("a folder"));
                metadata["contents"] = contents.into();
                Reply::json(200, json!({ "result": 0, "metadata": metadata }))
            }
            (_, "/createfolderifnotexists") => done(match tree.make_folder(&path) {
                Err(Refused::IsFolder) => Ok(()),
                made => made,
            }),
            (Method::PUT, "/uploadfile") => {
                let name = asked.parameter("filename").unwrap_or_default();
                let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
                done(match tree.put(&path, asked.body.clone()) {
                    Err(Refused::NoParent) => return result(2005, "Directory does not exist."),
                    put => put,
                })
            }
            (_, "/getfilelink") => match tree.get(&path) {
                Some(Node { bytes: Some(_), .. }) => {
                    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
                    let path = format!("/cBZ/{}", utf8_percent_encode(&path, NON_ALPHANUMERIC));
                    Reply::json(
                        200,
                        json!({ "result": 0, "path": path, "hosts": ["edef1.pcloud.com", "edef2.pcloud.com"] }),
                    )
                }
                _ => result(2009, "File not found."),
            },
            (_, "/deletefile") => done(tree.remove_file(&path)),
            (_, "/deletefolder") => done(tree.remove_folder(&path)),
            (_, "/renamefile") => done(tree.move_file(&path, &clean("topath"))),
            (_, other) => result(1000, other),
        }
    }
}
