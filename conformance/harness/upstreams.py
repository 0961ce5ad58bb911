"""The storages behind Causeway: how each is installed, started, and configured.

Owns the table of backends and the processes of their upstreams. A row is data; the known failures of a
storage are in `misses/`, not here. Upstreams choose their ports, and print them.
"""

import base64
import getpass
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from harness import clients
from harness.server import FOREIGN, LOCAL, REPOSITORY, Identity, ServerError, Storage

START_SECONDS = 60
STOP_SECONDS = 15


@dataclass(frozen=True)
class Backend:
    """One row. These names in braces are replaced: home, work, binary, target, user, access_key,
    secret_key, secret_base64, address, host, port."""

    name: str
    about: str
    contract: str | None = None  # the name of the driver in tests/store_contract.rs
    of: tuple[str, ...] = ()  # rows on which it is built, each a backend of that name, without installation
    needs: tuple[str, ...] = ()  # programs that the machine must have
    installs: str | None = None  # a file in requirements/
    builds: tuple[str, ...] = ()  # a command that builds it, in the repository
    starts: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    listens: str = ""  # the output before its address
    toml: str = ""  # `[backend.upstream]`, and sections after it
    gateway: dict[str, str] = field(default_factory=dict)  # the environment of the server in front of it


S3 = 'type = "s3"\nendpoint = "http://{address}"\naccess_key = "{access_key}"\nsecret_key = "{secret_key}"\n'
AZBLOB = (
    'type = "azblob"\nconnection_string = "DefaultEndpointsProtocol=http;AccountName={access_key};'
    'AccountKey={secret_base64};BlobEndpoint=http://{address}/{access_key};"\n'
)
SFTP = (
    'type = "sftp"\nhost = "127.0.0.1"\nport = {port}\nuser = "{user}"\nprivate_key = {{ file = "{work}/ssh/key" }}\n'
    'known_hosts = "{work}/ssh/known_hosts"\nroot = "{work}/ssh/root"\n'
)
WEBDAV = 'type = "webdav"\nurl = "http://{address}"\nuser = "{access_key}"\npassword = "{secret_key}"\n'

FTP = (
    'type = "ftp"\nhost = "{host}"\nport = {port}\nuser = "{access_key}"\npassword = "{secret_key}"\n'
    'root = "/"\ntls = "none"\n'
)

CAUSEWAY = ("{binary}", "serve", "--data", "{work}/data", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
CAUSEWAY += ("--durability", "relaxed")
ROOT = {"CAUSEWAY_ROOT_USER": "{access_key}", "CAUSEWAY_ROOT_PASSWORD": "{secret_key}"}

REPLICATED = (
    'type = "replicated"\nbackends = ["disk", "s3_causeway", "sftp"]\nwrite = "quorum"\nquorum = 2\n'
    '[backend.disk]\ntype = "fs"\nroot = "{work}/data"\n'
)
# With so little memory, the disk is used, too.
CACHED = (
    'metadata_ttl = "1m"\ndata_cache = true\n[server]\ndata_cache_memory = "16MiB"\ndata_cache_disk = "1GiB"\n'
)

BACKENDS = (
    Backend("local", "local disk", contract="fs_relaxed"),
    Backend(
        "s3_causeway",
        "Causeway, over local disk",
        contract="s3_causeway",
        starts=CAUSEWAY,
        environment=ROOT,
        listens=r"^listening on http://",
        toml=S3,
    ),
    Backend(
        "s3_moto",
        "moto, in memory",
        contract="s3_moto",
        installs="moto",
        starts=("{home}/bin/moto_server", "-H", "127.0.0.1", "-p", "0"),
        environment={"PYTHONUNBUFFERED": "1"},
        listens=r"Running on http://",
        toml=S3,
    ),
    Backend(
        "s3_rclone",
        "rclone serve s3, over local disk",
        installs="rclone",
        starts=("{home}/bin/rclone", "serve", "s3", "--config", "", "--addr", "127.0.0.1:0")
        + ("--auth-key", "{access_key},{secret_key}", "{work}/data"),
        listens=r"Starting s3 server on \[http://",
        toml=S3,
    ),
    Backend(
        "s3_minio",
        "MinIO, over local disk",
        needs=("go",),
        installs="minio",
        starts=("{home}/bin/minio", "server", "--address", "127.0.0.1:0", "{work}/data"),
        environment={"MINIO_ROOT_USER": "{access_key}", "MINIO_ROOT_PASSWORD": "{secret_key}"}
        | {"MINIO_BROWSER": "off", "MINIO_UPDATE": "off"},
        listens=r"^API: http://",
        toml=S3,
    ),
    Backend(
        "s3_versitygw",
        "versitygw, over local disk",
        needs=("go",),
        installs="versitygw",
        starts=("python3", str(REPOSITORY / "conformance/harness/tell_port.py"), "{home}/bin/versitygw")
        + ("--port", "127.0.0.1:0", "--access", "{access_key}", "--secret", "{secret_key}", "posix", "{work}/data"),
        listens=r"^listening on ",
        toml=S3,
    ),
    Backend(
        "azblob",
        "Azurite, in memory",
        contract="azblob",
        needs=("node", "npm"),
        installs="azurite",
        starts=("{home}/bin/azurite-blob", "--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence")
        + ("--silent", "--disableTelemetry", "--skipApiVersionCheck"),
        environment={"AZURITE_ACCOUNTS": "{access_key}:{secret_base64}"},
        listens=r"successfully listens on http://",
        toml=AZBLOB,
    ),
    Backend(
        "ftp",
        "pyftpdlib, over local disk",
        contract="ftp",
        installs="pyftpdlib",
        starts=("{home}/bin/python", str(REPOSITORY / "tests/support/ftpd.py"), "{work}/data")
        + ("--user", "{access_key}", "--password", "{secret_key}"),
        listens=r">>> starting FTP server on ",
        toml=FTP,
    ),
    Backend(
        "gcs_fake",
        "our fake of Google Cloud Storage's XML API, in memory",
        contract="gcs_fake",
        needs=("cargo",),
        builds=("cargo", "build", "--locked", "--example", "gcs_fake"),
        starts=("{target}/debug/examples/gcs_fake",),
        listens=r"^listening on http://",
        toml='type = "gcs"\nendpoint = "http://{address}"\nproject = "conformance"\n',
        gateway={"GCE_METADATA_HOST": "{address}"},
    ),
    Backend(
        "sftp",
        "OpenSSH, over local disk",
        contract="sftp",
        needs=("sshd", "ssh-keygen"),
        starts=("python3", str(REPOSITORY / "tests/support/serve_sshd.py"), "{work}/ssh"),
        listens=r"^serving on ",
        toml=SFTP,
    ),
    Backend(
        "webdav_rclone",
        "rclone serve webdav, over local disk",
        installs="rclone",
        starts=("{home}/bin/rclone", "serve", "webdav", "--config", "", "--addr", "127.0.0.1:0")
        + ("--user", "{access_key}", "--pass", "{secret_key}", "{work}/data"),
        listens=r"WebDav Server started on \[http://",
        toml=WEBDAV,
    ),
    Backend(
        "webdav_wsgidav",
        "WsgiDAV, over local disk",
        installs="wsgidav",
        starts=("{home}/bin/python", str(REPOSITORY / "tests/support/serve_wsgidav.py"), "{work}/data")
        + ("{access_key}", "{secret_key}"),
        listens=r"^serving on http://",
        toml=WEBDAV + "escapes_marks = true\n",
    ),
    Backend(
        "gdrive_fake",
        "our fake of Google Drive's API, in memory",
        contract="drive_fake",
        needs=("cargo",),
        builds=("cargo", "build", "--locked", "--example", "gdrive_fake"),
        starts=("{target}/debug/examples/gdrive_fake",),
        listens=r"^listening on http://",
        toml='type = "gdrive"\nendpoint = "http://{address}"\ntoken_endpoint = "http://{address}/token"\n'
        'client_id = "client.apps.example.com"\nclient_secret = "drive-client-secret"\n'
        'refresh_token = "1//drive-refresh-token"\n',
    ),
    Backend(
        "onedrive_fake",
        "our fake of OneDrive's API, in memory",
        contract="onedrive_fake",
        needs=("cargo",),
        builds=("cargo", "build", "--locked", "--example", "onedrive_fake"),
        starts=("{target}/debug/examples/onedrive_fake",),
        listens=r"^listening on http://",
        toml='type = "onedrive"\nendpoint = "http://{address}/v1.0"\nlogin_endpoint = "http://{address}"\n'
        'client_id = "11111111-2222-3333-4444-555555555555"\nrefresh_token = "M.R3_onedrive-refresh-token"\n',
    ),
    Backend(
        "dropbox_fake",
        "our fake of Dropbox's API, in memory",
        contract="dropbox_fake",
        needs=("cargo",),
        builds=("cargo", "build", "--locked", "--example", "dropbox_fake"),
        starts=("{target}/debug/examples/dropbox_fake",),
        listens=r"^listening on http://",
        toml='type = "dropbox"\nendpoint = "http://{address}"\ncontent_endpoint = "http://{address}/content"\n'
        'token_endpoint = "http://{address}/oauth2/token"\nclient_id = "dropboxappkey"\n'
        'client_secret = "dropbox-app-secret"\nrefresh_token = "dropbox-refresh-token"\n',
    ),
    Backend(
        "b2_fake",
        "our fake of Backblaze B2's native API, in memory, through OpenDAL",
        contract="b2_fake",
        needs=("cargo",),
        builds=("cargo", "build", "--locked", "--example", "b2_fake"),
        starts=("{target}/debug/examples/b2_fake",),
        listens=r"^listening on http://",
        toml='type = "b2"\nhosts = "api.backblazeb2.com=http://{address}"\nroot = "objects"\n'
        'bucket = "my-bucket"\nbucket_id = "4a48fe8875c6214145260818"\n'
        'application_key_id = "004a48fe8875c62000000000a"\napplication_key = "K004+a/secret-of-b2"\n',
    ),
    Backend(
        "swift",
        "OpenStack Swift, over local disk, through OpenDAL",
        contract="swift",
        installs="swift",
        starts=("{home}/bin/python", str(REPOSITORY / "tests/support/swift/server.py"), "{work}/data/swift"),
        listens=r"^listening on ",
        toml='type = "swift"\nendpoint = "http://{address}/v1/AUTH_test"\ncontainer = "bucket"\nroot = "objects"\n'
        'auth_url = "http://{address}/auth/v1.0"\nusername = "test:tester"\npassword = "testing"\n',
    ),
    Backend(
        "replicated",
        "local disk, Causeway over S3 and OpenSSH, any two of which acknowledge",
        contract="replicas_unlike",
        of=("s3_causeway", "sftp"),
        toml=REPLICATED,
    ),
    Backend(
        "cached",
        "Causeway, over local disk, with caches of heads, listings and bytes before it",
        contract="cached_fs_bytes",
        starts=CAUSEWAY,
        environment=ROOT,
        listens=r"^listening on http://",
        toml=S3 + CACHED,
    ),
)
NAMES = tuple(backend.name for backend in BACKENDS)


def _parts(backend: Backend) -> list[Backend]:
    return [part for part in BACKENDS if part.name in backend.of]


def absent(backend: Backend) -> str | None:
    """The reason why this machine cannot run the backend, or None."""
    needs = [program for row in (backend, *_parts(backend)) for program in row.needs]
    missing = [program for program in needs if shutil.which(program) is None]
    return f"no {' and no '.join(missing)} here" if missing else None


def prepare(backend: Backend, cache: Path) -> Path | None:
    """Builds and installs what the backend needs, and returns the directory of the installed program."""
    if backend.builds:
        done = subprocess.run(backend.builds, cwd=REPOSITORY, capture_output=True, text=True)
        if done.returncode != 0:
            raise clients.InstallError(f"{' '.join(backend.builds)}:\n{done.stderr[-1500:]}")
    return clients.install(backend.installs, cache) if backend.installs else None


class Upstream:
    """One running upstream with its parts; `storage` configures a server in front of it."""

    def __init__(self, backend: Backend, home: Path | None, work: Path, binary: Path, between=lambda address: address):
        """`between` turns the upstream's address into the address for the configuration."""
        self.name = backend.name
        self.log = work / "upstream.log"
        self.process = None
        self.parts: list[Upstream] = []
        self.storage = LOCAL
        if not backend.toml:
            return
        (work / "data").mkdir(parents=True)
        # All upstreams accept such keys: letters and digits, and a secret of 40 of them.
        self.identity = identity = Identity("up" + secrets.token_hex(8), secrets.token_hex(20))
        values = {
            "home": home,
            "work": work,
            "binary": binary,
            "target": Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")).absolute(),
            "user": getpass.getuser(),
            "access_key": identity.access_key,
            "secret_key": identity.secret_key,
            "secret_base64": base64.b64encode(identity.secret_key.encode()).decode(),
        }
        self.backend, self.work, self.values = backend, work, values
        try:
            for part in _parts(backend):
                self.parts.append(Upstream(part, None, work / part.name, binary))
            if backend.starts:
                self.address = self._start()
                values["address"] = between(self.address)
                values["host"], _, values["port"] = values["address"].rpartition(":")
                hosts = work / "ssh" / "known_hosts"
                if hosts.exists():  # keys are known by port
                    own = self.address.rpartition(":")[2]
                    hosts.write_text(hosts.read_text().replace(own, values["port"], 1))
        except BaseException:
            self.stop()
            raise
        self.toml = backend.toml.format(**values)
        sections = {part.name: part.toml for part in self.parts} | {"upstream": self.toml}
        of = [part.storage for part in self.parts]
        self.storage = Storage(
            sections="".join(f"[backend.{name}]\n{toml}" for name, toml in sections.items())
            + '[default]\nbackend = "upstream"\n',
            environment={name: value for part in of for name, value in part.environment.items()}
            | self._filled(backend.gateway),
            secrets=(identity.secret_key, values["secret_base64"], *(secret for part in of for secret in part.secrets)),
        )

    def _filled(self, texts: dict[str, str]) -> dict[str, str]:
        return {name: text.format(**self.values) for name, text in texts.items()}

    def _start(self) -> str:
        """Starts the process, and returns its address."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        settings = {"HOME": str(self.work)} | self._filled(self.backend.environment)
        told_before = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [word.format(**self.values) for word in self.backend.starts],
                stdin=subprocess.PIPE,  # kept open: some processes end when it closes
                stdout=log,
                stderr=log,
                env=environment | settings,
                cwd=self.work,
                start_new_session=True,
            )
        return self._wait_for_address(self.backend.listens, told_before)

    def signal(self, number: int) -> None:
        """Sends a signal to the process and its children."""
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()

    def start_again(self, **values: str) -> str:
        """Starts again over the same data after `kill`, with these `values` changed; returns the new
        address."""
        self.values |= values
        self.address = self._start()
        return self.address

    def _wait_for_address(self, before: str, told_before: int) -> str:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            told = self.log.read_bytes()[told_before:].decode(errors="replace")
            found = re.search(before + r"([0-9.]+:[0-9]+)\b", told, re.MULTILINE)
            if found:
                return found[1]
            if self.process.poll() is not None:
                raise ServerError(f"{self.name} ended with {self.process.returncode} at start\n{self.log_tail()}")
            time.sleep(0.05)
        raise ServerError(f"{self.name}: no address within {START_SECONDS} s\n{self.log_tail()}")

    def stop(self) -> str | None:
        """Stops the upstream, and returns why it had ended before, if it had."""
        died = [why for why in [*(part.stop() for part in self.parts), self._stop()] if why]
        return "\n".join(died) or None

    def _stop(self) -> str | None:
        if self.process is None:
            return None
        if self.process.poll() is not None:
            return f"{self.name} had ended with {self.process.returncode}\n{self.log_tail()}"
        self.process.stdin.close()
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return None

    def log_tail(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
