//! OpenLDAP's server for tests: on free ports, with and without TLS, over a database of its own.
//!
//! If the machine has no server, Debian's packages are unpacked below the target directory by
//! `make test-setup`.

use ldap3::{LdapConnAsync, Mod};
use std::{
    collections::HashSet,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::LazyLock,
    time::{Duration, Instant},
};
use tempfile::TempDir;

pub const SEARCHER: (&str, &str) = ("cn=search,dc=example,dc=com", "search-secret");
pub const READERS: &str = "cn=readers,ou=groups,dc=example,dc=com";
pub const WRITERS: &str = "cn=writers,ou=groups,dc=example,dc=com";
/// A user of readers and writers.
pub const BOB: (&str, &str) = ("bob", "bob-secret");
/// A user of no group.
pub const EVE: (&str, &str) = ("eve", "eve-secret");
/// A user of readers, whose name is full of what filters and names have to escape.
pub const ODD: (&str, &str) = (r"odd, (a*b)\c+ü", "odd-secret");

const ADMIN: (&str, &str) = ("cn=admin,dc=example,dc=com", "admin-secret");
/// Longer than the start takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const ENTRIES: &str = r"dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: cn=search,dc=example,dc=com
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: search
userPassword: search-secret

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=com
objectClass: organizationalUnit
ou: groups

dn: uid=bob,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: Bob
userPassword: bob-secret

dn: uid=eve,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: eve
cn: Eve
sn: Eve
userPassword: eve-secret

dn: uid=odd\2C (a*b)\5Cc\2B\C3\BC,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid:: b2RkLCAoYSpiKVxjK8O8
cn: Odd
sn: Odd
userPassword: odd-secret

dn: cn=readers,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: readers
member: uid=bob,ou=people,dc=example,dc=com
member: uid=odd\2C (a*b)\5Cc\2B\C3\BC,ou=people,dc=example,dc=com

dn: cn=writers,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: writers
member: uid=bob,ou=people,dc=example,dc=com
";

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Slapd {
    process: Child,
    plain: u16,
    tls: u16,
    dir: TempDir,
}

impl Slapd {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir(path("db")).expect("a directory");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(path("c.pem"), made.cert.pem()).expect("a file");
        std::fs::write(path("k.pem"), made.signing_key.serialize_pem()).expect("a file");
        std::fs::write(path("slapd.conf"), configuration(dir.path())).expect("a file");
        std::fs::write(path("entries.ldif"), ENTRIES).expect("a file");
        let load =
            command("slapadd").arg("-f").arg(path("slapd.conf")).arg("-l").arg(path("entries.ldif")).output();
        let load = load.expect("slapadd starts");
        assert!(load.status.success(), "{}", String::from_utf8_lossy(&load.stderr));
        let (process, plain, tls) = spawn(dir.path());
        Self { process, plain, tls, dir }
    }

    /// Where StartTLS, or nothing, protects passwords.
    pub fn plain_url(&self) -> String {
        format!("ldap://localhost:{}", self.plain)
    }

    pub fn tls_url(&self) -> String {
        format!("ldaps://localhost:{}", self.tls)
    }

    /// The certificate of the server.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("c.pem")
    }

    /// What the server has logged so far: each operation with its result.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Takes a user of `ou=people` out of a group.
    pub fn take_out(&self, user: &str, group: &str) {
        let member = format!("uid={user},ou=people,dc=example,dc=com");
        let change = Mod::Delete("member", HashSet::from([member.as_str()]));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (connection, mut ldap) = LdapConnAsync::new(&self.plain_url()).await.expect("a connection");
            tokio::spawn(connection.drive());
            let bound = ldap.simple_bind(ADMIN.0, ADMIN.1).await.and_then(ldap3::LdapResult::success);
            bound.expect("the administrator");
            let changed = ldap.modify(group, vec![change]).await.and_then(ldap3::LdapResult::success);
            changed.expect("a change");
        });
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            eprintln!(
                "--- the end of slapd's log ---\n{}",
                lines[lines.len().saturating_sub(40)..].join("\n")
            );
        }
    }
}

fn configuration(dir: &Path) -> String {
    let root = PACKAGE.display().to_string();
    let root = root.trim_end_matches('/');
    let dir = dir.display();
    format!(
        "include {root}/etc/ldap/schema/core.schema\ninclude {root}/etc/ldap/schema/cosine.schema\n\
         include {root}/etc/ldap/schema/inetorgperson.schema\n\
         modulepath {root}/usr/lib/ldap\nmoduleload back_mdb\n\
         TLSCertificateFile {dir}/c.pem\nTLSCertificateKeyFile {dir}/k.pem\n\
         database mdb\nmaxsize 16777216\nsuffix dc=example,dc=com\ndirectory {dir}/db\n\
         rootdn {}\nrootpw {}\n\
         access to attrs=userPassword by anonymous auth by * none\n\
         access to * by dn.exact={} read by users read by * none\n",
        ADMIN.0, ADMIN.1, SEARCHER.0
    )
}

/// Starts the server on two free ports. Another program may take one in between: then it starts on others.
fn spawn(dir: &Path) -> (Child, u16, u16) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let free = || TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
        let (first, second) = (free(), free());
        let (plain, tls) = (port(&first), port(&second));
        drop((first, second));
        let log = std::fs::File::create(dir.join("log")).expect("a log");
        let mut process = command("slapd")
            .args(["-d", "stats", "-h", &format!("ldap://127.0.0.1:{plain} ldaps://127.0.0.1:{tls}")])
            .arg("-f")
            .arg(dir.join("slapd.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("slapd starts");
        loop {
            if process.try_wait().expect("a child").is_some() {
                break;
            }
            if TcpStream::connect(("127.0.0.1", tls)).is_ok() {
                return (process, plain, tls);
            }
            assert!(Instant::now() < deadline, "slapd did not come up in {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        let log = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
        assert!(log.contains("Address already in use") && Instant::now() < deadline, "slapd ended:\n{log}");
    }
}

fn command(program: &str) -> Command {
    let mut command = Command::new(PACKAGE.join("usr/sbin").join(program));
    // An unpacked server finds its libraries beside itself.
    if let Some(libraries) =
        std::fs::read_dir(PACKAGE.join("usr/lib")).ok().filter(|_| *PACKAGE != Path::new("/"))
    {
        let dirs = libraries.map(|entry| entry.expect("an entry").path().display().to_string());
        command.env("LD_LIBRARY_PATH", dirs.collect::<Vec<_>>().join(":"));
    }
    command
}

/// The root of the machine's packages, or of Debian's packages as `make test-setup` unpacked them.
static PACKAGE: LazyLock<PathBuf> = LazyLock::new(|| {
    let unpacked = Path::new(env!("CARGO_TARGET_TMPDIR")).join("slapd");
    let there = |root: &Path| root.join("usr/lib/ldap/back_mdb.so").exists();
    if there(Path::new("/")) {
        return "/".into();
    }
    assert!(there(&unpacked), "no OpenLDAP server (slapd) is here: run 'make test-setup'");
    unpacked
});
