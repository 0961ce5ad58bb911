//! Settings of FTP servers.

use super::{
    choice::FtpTls,
    error::ConfigErrors,
    secret::SecretSetting,
    section::{Fallback, Reader, Row, Section, section},
    value::{Port, Setting},
};
use Fallback::{Required, Text, Unset};
use std::{path::PathBuf, time::Duration};

section! {
    /// `type = "ftp"`: a server that speaks FTP or FTPS. Object `a/b.jpg` of a bucket is the file `a/b.jpg`
    /// in the bucket's folder. Most servers can rename a file onto another one: there, objects are replaced
    /// in one step. On others, replacing an object is refused with 501.
    FtpBackend {
        /// The server's name or address.
        host: String = Required,
        /// The port of the server.
        port: Option<Port> = Unset("21; with `tls = \"implicit\"` 990"),
        /// The user to log in as.
        user: String = Required,
        /// The user's password. Without TLS it is sent in clear text.
        password: Option<SecretSetting> = Unset("none"),
        /// The folder that holds the buckets. It is created if it does not exist. Without a `/` at its
        /// beginning it is below the folder in which the server puts the user.
        root: String = Text("."),
        /// `explicit` begins in clear text and asks for TLS before anything else, `implicit` begins with TLS.
        /// `none` sends the password and all files in clear text.
        tls: FtpTls = Text("explicit"),
        /// A PEM file with certificates to trust besides the public ones.
        ca_file: Option<PathBuf> = Unset("the public authorities only"),
        /// Maximum time until an answer, or the next bytes, arrive. Storing what was sent may take 10 times
        /// as long.
        timeout: Duration = Text("30s"),
        /// Maximum time for TCP, TLS and the login together.
        connect_timeout: Duration = Text("3s"),
        /// Maximum number of attempts, for requests that may be repeated.
        attempts: usize = Text("4"),
        /// Maximum number of connections, at least 4. Each does one thing at a time. Two are for listings and
        /// for short requests; of the others one half reads and the other half writes. Further operations
        /// wait, and are answered 503 SlowDown after `timeout`. A transfer needs a second connection, which
        /// servers count separately.
        max_connections: usize = Text("8"),
    }
}

impl FtpBackend {
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(Port(if self.tls == FtpTls::Implicit { 990 } else { 21 })).0
    }

    /// `ftp://me@files.example.com:2121/srv/objects`
    pub(super) fn address(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let scheme = if self.tls == FtpTls::None { "ftp" } else { "ftps" };
        let port = self.port.map_or(String::new(), |port| format!(":{}", port.0));
        let root = match self.root.as_str() {
            "." | "" => String::new(),
            root if root.starts_with('/') => root.to_owned(),
            root => format!("/~/{root}"),
        };
        format!("{scheme}://{}@{host}{port}{root}", self.user)
    }
}
