"""The members of a replicated bucket: how each kind is started, hurt and looked into, past the server.

Owns the contract that faults and verdicts rely on, and the table of kinds.  A member is looked into where its
bytes are (directories, or its own protocol at its own address), never through the server or the relay before
it.
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
    """A storage that is a process; `Disk` is the one that is none."""

    row = ""  # of upstreams.BACKENDS
    starts: tuple[str, ...] | None = None  # instead of the row's
    refuses = True  # speaks HTTP, so that a relay can answer 503 in its place
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
        """Its own, past the relay."""
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
        """From now on the server's credentials are wrong."""
        self.kill()
        self.start(secret_key="another" + self.upstream.values["secret_key"][7:])

    def let_in(self) -> None:
        self.kill()
        self.start(secret_key=self.upstream.identity.secret_key)

    def wipe(self) -> None:
        """Everything is gone, as from a new disk."""
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
        """Behind everybody's back."""
        shutil.rmtree(self.root / BUCKET, ignore_errors=True)

    def keys(self) -> dict[str, int]:
        """Sizes by key, of what clients would call objects."""
        raise NotImplementedError

    def read(self, key: str) -> bytes | None:
        raise NotImplementedError

    def corrupt(self, key: str) -> None:
        """Other bytes, of the same size and time, beside the same records."""
        raise NotImplementedError

    def remains(self) -> list[str]:
        """What a bucket that was deleted left behind."""
        raise NotImplementedError


def _empty(directory: Path) -> None:
    """Also while somebody goes on writing there, as long as there are breaks."""
    while entries := list(directory.iterdir()):
        for entry in entries:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
