"""The members of a replicated bucket: how each kind is started, damaged and inspected.

Owns the contract that faults and verdicts rely on, and the table of kinds. A member is inspected where its
bytes are (in directories, or by its own protocol at its own address), never through the server or the relay
in front of it.
"""

import shutil
import signal
from dataclasses import replace
from pathlib import Path

from harness import upstreams
from harness.relay import Relay
from harness.upstreams import BACKENDS, Upstream

BUCKET = "trial"


class Member:
    """A storage that is a process, except for `Disk`."""

    row = ""  # the name of a row of upstreams.BACKENDS
    starts: tuple[str, ...] | None = None  # replaces the command of the row
    refuses = True  # speaks HTTP, so a relay can answer 503 for it
    relay: Relay | None = None

    def __init__(self, name: str, work: Path, binary: Path, cache: Path):
        row = self.backend()
        self.name, self.work = name, work
        home = upstreams.prepare(row, cache)
        self.upstream = Upstream(row, home, work, binary, self._between)

    @classmethod
    def backend(cls) -> upstreams.Backend:
        (row,) = [backend for backend in BACKENDS if backend.name == cls.row]
        return replace(row, starts=cls.starts) if cls.starts else row

    def _between(self, address: str) -> str:
        self.relay = Relay(address)
        return self.relay.address

    @property
    def address(self) -> str:
        """The address of the storage itself, without the relay."""
        return self.upstream.address

    @property
    def toml(self) -> str:
        return self.upstream.toml

    @property
    def secrets(self) -> tuple[str, ...]:
        return self.upstream.storage.secrets

    def kill(self) -> None:
        self.upstream.kill()

    def start(self, **values: str) -> None:
        self.relay.move(self.upstream.start_again(**values))

    def pause(self) -> None:
        self.upstream.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.upstream.signal(signal.SIGCONT)

    def lock_out(self) -> None:
        """Makes the server's credentials wrong from now on."""
        self.kill()
        self.start(secret_key="another" + self.upstream.values["secret_key"][7:])

    def let_in(self) -> None:
        self.kill()
        self.start(secret_key=self.upstream.identity.secret_key)

    def wipe(self) -> None:
        """Removes everything, as a new disk would."""
        self.kill()
        _empty(self.root)
        self.start()

    def stop(self) -> str | None:
        why = self.upstream.stop()
        if self.relay is not None:
            self.relay.stop()
        return why

    @property
    def root(self) -> Path:
        return self.work / "data"

    def remove_bucket(self) -> None:
        """Removes the bucket directly from the storage."""
        shutil.rmtree(self.root / BUCKET, ignore_errors=True)

    def keys(self) -> dict[str, int]:
        """The sizes of all objects, by key."""
        raise NotImplementedError

    def read(self, key: str) -> bytes | None:
        raise NotImplementedError

    def corrupt(self, key: str) -> None:
        """Replaces bytes of an object, and keeps its size, its time and its record."""
        raise NotImplementedError

    def remains(self) -> list[str]:
        """What is left of a deleted bucket."""
        raise NotImplementedError


def _empty(directory: Path) -> None:
    """Empties a directory. Retries, because the server may still write there."""
    while entries := list(directory.iterdir()):
        for entry in entries:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
