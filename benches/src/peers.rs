//! The servers that can be measured: a table, one row each. How a row becomes a process is in `server`.
//!
//! Owns: arguments, environment, configuration files, and what a write survives on each. Invariant: all
//! serve plain HTTP, accept the same credentials, and keep objects on the same disk, as their documents
//! recommend for one disk.

use anyhow::{Context, Result};

/// One row. In arguments, values and files these names in braces are replaced: address, port, access,
/// secret, home (a directory of its own), data.
#[derive(Debug, PartialEq, Eq)]
pub struct Peer {
    pub name: &'static str,
    /// Its column in tables.
    pub title: &'static str,
    /// The program, as `--program` names it.
    pub program: &'static str,
    pub arguments: &'static [&'static str],
    pub environment: &'static [(&'static str, &'static str)],
    /// Files in its home, and what is in them.
    pub files: &'static [(&'static str, &'static str)],
    /// What an acknowledged write survives.
    pub durability: &'static str,
    pub role: Role,
}

/// What a server takes part in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// All of it.
    Whole,
    /// Writes: its reads are those of another row.
    Writes,
    /// Everything, but it keeps nothing: what it gives is not compared with what was written.
    Nothing,
    /// Reads of another server's files, without S3.
    Files,
}

const CAUSEWAY: Peer = Peer {
    name: "causeway-relaxed",
    title: "Causeway",
    program: "causeway",
    arguments: &[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--config",
        "{home}/causeway.toml",
        "--data",
        "{data}",
        "--address-file",
        "{home}/address",
    ],
    environment: &[("CAUSEWAY_ROOT_USER", "{access}"), ("CAUSEWAY_ROOT_PASSWORD", "{secret}")],
    files: &[("causeway.toml", "[server]\ndurability = \"relaxed\"\n")],
    durability: "survives a killed process",
    role: Role::Whole,
};

/// A bucket for each size of object, because a backend that keeps nothing has objects of one size.
const NOTHING: &str = "\
[default]
backend = \"b4096\"
[backend.b4096]
type = \"null\"
object_size = \"4KiB\"
keys = 10000
[backend.b1048576]
type = \"null\"
object_size = \"1MiB\"
[backend.b67108864]
type = \"null\"
object_size = \"64MiB\"
[bucket.read-4096]
[bucket.read-1048576]
backend = \"b1048576\"
[bucket.read-67108864]
backend = \"b67108864\"
[bucket.write]
[bucket.listed]
";

const S3PROXY: &str = "\
s3proxy.endpoint=http://{address}
s3proxy.authorization=aws-v2-or-v4
s3proxy.identity={access}
s3proxy.credential={secret}
jclouds.provider=filesystem
jclouds.identity=unused
jclouds.credential=unused
jclouds.filesystem.basedir={data}
";

pub const PEERS: &[Peer] = &[
    Peer {
        name: "nginx",
        title: "nginx",
        program: "nginx",
        arguments: &["-c", "{home}/nginx.conf", "-e", "{home}/log"],
        environment: &[],
        files: &[(
            "nginx.conf",
            "daemon off; pid {home}/pid; error_log {home}/log; worker_processes auto; user root;\n\
             events { worker_connections 1024; }\n\
             http { access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000;\n\
             etag on; client_body_temp_path {home}/t1; proxy_temp_path {home}/t2;\n\
             fastcgi_temp_path {home}/t3; uwsgi_temp_path {home}/t4; scgi_temp_path {home}/t5;\n\
             default_type application/octet-stream;\n\
             server { listen {address} backlog=1024; root {data}; } }\n",
        )],
        durability: "reads only",
        role: Role::Files,
    },
    CAUSEWAY,
    Peer {
        name: "causeway-strict",
        title: "Causeway, strict",
        files: &[("causeway.toml", "[server]\ndurability = \"strict\"\n")],
        durability: "survives power loss",
        role: Role::Writes,
        ..CAUSEWAY
    },
    Peer {
        name: "causeway-null",
        title: "Causeway, null",
        files: &[("causeway.toml", NOTHING)],
        durability: "keeps nothing",
        role: Role::Nothing,
        ..CAUSEWAY
    },
    Peer {
        name: "versitygw",
        title: "versitygw",
        program: "versitygw",
        arguments: &[
            "--port",
            "{address}",
            "--access",
            "{access}",
            "--secret",
            "{secret}",
            "posix",
            "{data}",
        ],
        environment: &[],
        files: &[],
        durability: "no sync",
        role: Role::Whole,
    },
    Peer {
        name: "minio",
        title: "MinIO",
        program: "minio",
        arguments: &["server", "--address", "{address}", "{data}"],
        environment: &[
            ("MINIO_ROOT_USER", "{access}"),
            ("MINIO_ROOT_PASSWORD", "{secret}"),
            ("MINIO_BROWSER", "off"),
            ("MINIO_UPDATE", "off"),
        ],
        files: &[],
        durability: "syncs large objects only",
        role: Role::Whole,
    },
    Peer {
        name: "s3proxy",
        title: "s3proxy",
        program: "s3proxy",
        arguments: &["--properties", "{home}/s3proxy.properties"],
        environment: &[("JAVA_TOOL_OPTIONS", "-Dlogback.configurationFile={home}/logback.xml")],
        files: &[
            ("s3proxy.properties", S3PROXY),
            // Without it, every request is logged.
            (
                "logback.xml",
                "<configuration><appender name='out' class='ch.qos.logback.core.ConsoleAppender'><encoder>\
                 <pattern>%m%n</pattern></encoder></appender>\
                 <root level='info'><appender-ref ref='out'/></root></configuration>\n",
            ),
        ],
        durability: "no sync",
        role: Role::Whole,
    },
    Peer {
        name: "rclone",
        title: "rclone",
        program: "rclone",
        arguments: &[
            "serve",
            "s3",
            "--addr",
            "{address}",
            "--config",
            "/dev/null",
            "--auth-key",
            "{access},{secret}",
            "{data}",
        ],
        environment: &[],
        files: &[],
        durability: "no sync",
        role: Role::Whole,
    },
];

impl Peer {
    pub fn named(name: &str) -> Result<&'static Self> {
        PEERS.iter().find(|peer| peer.name == name).with_context(|| format!("no server {name:?}; see --help"))
    }

    /// Whether it is ours, and so has an address file and a health check.
    pub fn is_causeway(&self) -> bool {
        self.program == CAUSEWAY.program
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_of_one_server() {
        for peer in PEERS {
            assert_eq!(PEERS.iter().filter(|other| other.name == peer.name).count(), 1, "{}", peer.name);
            assert_eq!(Peer::named(peer.name).expect("is in the table"), peer);
        }
    }
}
