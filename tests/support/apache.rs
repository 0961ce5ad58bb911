//! Apache with mod_dav over a directory, a server that operators use. It is one process, on a port of its
//! own.
//!
//! If the machine has no Apache, Debian's packages are unpacked below the target directory.

use super::dav::{PASSWORD, USER};
use std::{
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

/// The server has more threads than tests have concurrent requests.
const SETTINGS: &str = "
ServerName localhost
Mutex fcntl:${HOME}
DefaultRuntimeDir ${HOME}
PidFile ${HOME}/pid
ErrorLog /dev/stderr
LimitXMLRequestBody 65536
ThreadLimit 64
ThreadsPerChild 64
MaxRequestWorkers 64
DavLockDB ${HOME}/locks
DocumentRoot ${DATA}
<IfFile /etc/debian_version>
User www-data
Group www-data
</IfFile>
<Directory ${DATA}>
Dav On
AllowOverride None
AuthType Basic
AuthName files
AuthUserFile ${HOME}/users
Require valid-user
</Directory>
";

const MODULES: [&str; 8] =
    ["mpm_event", "authn_core", "authz_core", "authz_user", "auth_basic", "authn_file", "dav", "dav_fs"];

/// Serves `data`, with Apache's own files in a folder beside it. As root, Apache switches to another user,
/// who needs access to these folders.
pub fn command(data: &Path) -> (Command, SocketAddr) {
    // Apache cannot choose a free port itself.
    let address =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let home = data.with_file_name("apache");
    std::fs::create_dir(&home).expect("a directory");
    for dir in [home.parent().expect("above it"), &home, data] {
        std::fs::set_permissions(dir, PermissionsExt::from_mode(0o777)).expect("permissions");
    }
    for entry in std::fs::read_dir(data).expect("a directory") {
        std::fs::set_permissions(entry.expect("an entry").path(), PermissionsExt::from_mode(0o777))
            .expect("permissions");
    }
    assert_eq!(PASSWORD, "open sesame", "the digest below is of that");
    std::fs::write(home.join("users"), format!("{USER}:{{SHA}}W8r/fyL/UzygmbNAjq2HbA67qac=\n"))
        .expect("a file");
    let modules = PACKAGE.join("usr/lib/apache2/modules");
    let load = |name: &str| format!("LoadModule {name}_module {}/mod_{name}.so\n", modules.display());
    let head = format!(
        "Define HOME {}\nDefine DATA {}\nServerRoot ${{HOME}}\nListen {address}\n",
        home.display(),
        data.display()
    );
    std::fs::write(home.join("conf"), head + &MODULES.map(load).concat() + SETTINGS).expect("a file");
    let mut command = Command::new(PACKAGE.join("usr/sbin/apache2"));
    // One process, which ends when it is killed.
    command.arg("-X").arg("-f").arg(home.join("conf"));
    if let Some(libraries) =
        std::fs::read_dir(PACKAGE.join("usr/lib")).ok().filter(|_| *PACKAGE != Path::new("/"))
    {
        let dirs = libraries.map(|entry| entry.expect("an entry").path().display().to_string());
        command.env("LD_LIBRARY_PATH", dirs.collect::<Vec<_>>().join(":"));
    }
    (command, address)
}

/// The root of the machine's packages, or of Debian's packages as `make test-setup` unpacked them.
static PACKAGE: LazyLock<PathBuf> = LazyLock::new(|| {
    let unpacked = Path::new(env!("CARGO_TARGET_TMPDIR")).join("apache2");
    let there = |root: &Path| root.join("usr/lib/apache2/modules/mod_dav_fs.so").exists();
    if there(Path::new("/")) {
        return "/".into();
    }
    assert!(there(&unpacked), "no Apache with mod_dav_fs is here: run 'make test-setup'");
    unpacked
});
