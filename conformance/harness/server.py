"""Starts and stops one Causeway server on ephemeral ports over a fresh data directory.

Owns the process, its credentials (new for each) and its log file. Uses only the documented command line.
"""

import os
import secrets
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 30
STOP_SECONDS = 30
# Settings and credentials of the user who runs the harness.
FOREIGN = ("CAUSEWAY", "MINIO_", "AWS_", "AZURE_", "GOOGLE_", "GCE_")


class ServerError(Exception):
    """The server did not start; the message ends with the tail of its log."""


@dataclass(frozen=True)
class Identity:
    access_key: str = field(default_factory=lambda: "CW" + secrets.token_hex(9).upper())
    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(30), repr=False)


@dataclass(frozen=True)
class Storage:
    """Where a server keeps its objects, if not on local disk: more of its configuration and environment."""

    sections: str = ""
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


LOCAL = Storage()


def find_binary(given: Path | None) -> Path:
    """The binary named on the command line, or the newest build of this repository."""
    if given is not None:
        candidates = [given]
    else:
        target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
        candidates = [target / profile / "causeway" for profile in ("release", "debug")]
    built = [path for path in candidates if path.is_file()]
    if not built:
        raise ServerError(f"no server binary at {' or '.join(map(str, candidates))}: build it, or give --binary")
    return max(built, key=lambda path: path.stat().st_mtime).resolve()


class Server:
    """One running server."""

    def __init__(
        self,
        binary: Path,
        work: Path,
        *,
        identities: tuple[Identity, ...] = (),
        tls: bool = False,
        storage: Storage = LOCAL,
        wrapper: tuple[str, ...] = (),
        start_seconds: float = START_SECONDS,
    ):
        self.root = Identity()
        self.secrets = (self.root.secret_key, *storage.secrets)
        self.certificate = work / "certificate.pem" if tls else None
        self.log = work / "server.log"
        address_file = work / "address"
        work.mkdir(parents=True)
        self.address_file = address_file
        self.start_seconds = start_seconds
        self.argv = [*wrapper, binary, "serve", "--data", work / "data", "--address-file", address_file]
        if identities or tls or storage.sections:
            config = work / "causeway.toml"
            config.touch(mode=0o600)
            config.write_text(_config(work, identities, self.certificate) + storage.sections)
            self.argv += ["--config", config]
        # The environment of the user must not configure the server under test.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        environment |= {"CAUSEWAY_ROOT_USER": self.root.access_key, "CAUSEWAY_ROOT_PASSWORD": self.root.secret_key}
        self.environment = environment | {"HOME": str(work)} | storage.environment
        self.work, self.address, self.admin = work, "127.0.0.1:0", "127.0.0.1:0"
        self.start()
        self.endpoint = f"{'https' if tls else 'http'}://{self.address}"

    def start(self) -> None:
        """Starts the server. After `stop` or `kill`, it starts over the same data and at the same
        addresses."""
        self.address_file.unlink(missing_ok=True)
        listen = ["--listen", self.address, "--admin-listen", self.admin]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in self.argv + listen],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                cwd=self.work,
                start_new_session=True,  # SIGTERM stops the server, not ^C in the terminal
            )
        try:
            self.address = self._wait_for_address(self.address_file)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _wait_for_address(self, address_file: Path) -> str:
        deadline = time.monotonic() + self.start_seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ServerError(f"the server ended with {self.process.returncode} at start\n{self.log_tail()}")
            lines = address_file.read_text().splitlines() if address_file.exists() else []
            if len(lines) > 1 and ":" in lines[1]:
                host, port = lines[0].rsplit(":", 1)
                self.admin = lines[1]
                with socket.create_connection((host, int(port)), timeout=START_SECONDS):
                    return lines[0]
            time.sleep(0.02)
        raise ServerError(f"no address within {self.start_seconds} s\n{self.log_tail()}")

    def stop(self) -> str | None:
        """Stops the server, and returns why this was not graceful, if it was not."""
        if self.process.poll() is not None:
            return f"had already ended with {self.process.returncode}\n{self.log_tail()}"
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return f"still running {STOP_SECONDS} s after SIGTERM\n{self.log_tail()}"
        return None if status == 0 else f"exit status {status} after SIGTERM\n{self.log_tail()}"

    def log_tail(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def panics(self) -> list[str]:
        return [line for line in self.log.read_text(errors="replace").splitlines() if "panicked at" in line]

    def leaked_secret(self) -> bool:
        text = self.log.read_text(errors="replace")
        return any(secret in text for secret in self.secrets)


def _config(work: Path, identities: tuple[Identity, ...], certificate: Path | None) -> str:
    text = ""
    if certificate is not None:
        key = work / "key.pem"
        _self_signed(certificate, key)
        text += f'[server]\ntls_cert = "{certificate}"\ntls_key = "{key}"\n\n'
    for identity in identities:
        text += "[[identity]]\n"
        text += f'access_key = "{identity.access_key}"\nsecret_key = "{identity.secret_key}"\npolicy = "readwrite"\n\n'
    return text


def _self_signed(certificate: Path, key: Path) -> None:
    # openssl also makes it an authority; without that, Go trusts no self-signed certificate.
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        + ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
        + ["-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
