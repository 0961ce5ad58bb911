//! Settings of SFTP servers.

use super::{
    error::ConfigErrors,
    secret::SecretSetting,
    section::{Fallback, Reader, Row, Section, section},
    value::{HostKeyPins, Port, Setting},
};
use Fallback::{Required, Text, Unset};
use std::{path::PathBuf, time::Duration};

section! {
    /// `type = "sftp"`: a server that speaks SFTP: OpenSSH and others. Object `a/b.jpg` of a bucket is the
    /// file `a/b.jpg` in the bucket's folder. If the server has `posix-rename@openssh.com`, as OpenSSH does,
    /// objects are replaced in one step; otherwise replacing an object is refused with 501. The server's key
    /// is checked against `known_hosts` or `host_key`.
    SftpBackend {
        /// The server's name or address.
        host: String = Required,
        /// The port of the server.
        port: Port = Text("22"),
        /// The user to log in as.
        user: String = Required,
        /// The user's password, for servers that take one.
        password: Option<SecretSetting> = Unset("none"),
        /// The text of a private key, in the form of OpenSSH, PEM or PuTTY: `{ file =
        /// "/home/me/.ssh/id_ed25519" }`.
        private_key: Option<SecretSetting> = Unset("none"),
        /// The passphrase of that key.
        passphrase: Option<SecretSetting> = Unset("none"),
        /// The socket of an SSH agent that has the key.
        agent: Option<PathBuf> = Unset("`SSH_AUTH_SOCK`, where neither a password nor a key is given"),
        /// A file of known host keys, in the form of `ssh` and `ssh-keyscan`.
        known_hosts: Option<PathBuf> = Unset("`~/.ssh/known_hosts`"),
        /// The server's key, instead of `known_hosts`: a fingerprint such as `SHA256:…`, a whole public key,
        /// or a list of them. `any` accepts every server, and so also an attacker in between: it is for
        /// trials only. To trust on first use, connect without this setting: the error shows the fingerprint.
        host_key: Option<HostKeyPins> = Unset("by `known_hosts`"),
        /// The folder that holds the buckets. It is created if it does not exist. Without a `/` at its
        /// beginning it is below the folder in which the server puts the user.
        root: String = Text("."),
        /// Maximum time without any sign of life of the server. Flushing a large file may take 20 times as
        /// long.
        timeout: Duration = Text("30s"),
        /// Maximum time for TCP, SSH and the login together.
        connect_timeout: Duration = Text("3s"),
        /// Maximum number of attempts, for requests that may be repeated.
        attempts: usize = Text("4"),
        /// Maximum number of connections. Each carries many requests at once.
        max_connections: usize = Text("4"),
        /// Maximum number of operations and open files; further ones wait, and are answered 503 SlowDown
        /// after `timeout`.
        max_requests: usize = Text("256"),
    }
}

impl SftpBackend {
    /// `sftp://me@files.example.com:2222/srv/objects`
    pub(super) fn address(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let port = if self.port == Port(22) { String::new() } else { format!(":{}", self.port.0) };
        let root = match self.root.as_str() {
            "." | "" => String::new(),
            root if root.starts_with('/') => root.to_owned(),
            root => format!("/~/{root}"),
        };
        format!("sftp://{}@{host}{port}{root}", self.user)
    }
}
