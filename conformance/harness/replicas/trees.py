"""Members whose objects are files in folders: local disk, SFTP, WebDAV.

Owns which files are objects and which belong to the server, namely those under `.causeway`.
"""

import os
import subprocess
from pathlib import Path

from harness.replicas.members import BUCKET, Member, _empty

OWN = ".causeway"
STAYS = {f"{OWN}/backend.lock"}  # exists as long as the storage is in use


class Tree(Member):
    def keys(self) -> dict[str, int]:
        top = self.root / BUCKET
        files = (path for path in top.rglob("*") if path.is_file())
        return {key: path.stat().st_size for path in files if not _own(key := str(path.relative_to(top)))}

    def read(self, key: str) -> bytes | None:
        try:
            return (self.root / BUCKET / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def corrupt(self, key: str) -> None:
        path = self.root / BUCKET / key
        times = path.stat()
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        with open(path, "r+b") as file:
            file.write(data)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def remains(self) -> list[str]:
        files = [str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()]
        folders = [str(path.relative_to(self.root)) for path in self.root.iterdir() if path.name != OWN]
        return sorted({*files, *folders} - STAYS)


def _own(key: str) -> bool:
    return any(part.startswith(OWN) for part in key.split("/"))


class Disk(Tree):
    """A directory on the server's own machine."""

    refuses = False
    secrets: tuple[str, ...] = ()

    def __init__(self, name: str, work: Path, binary: Path, cache: Path):
        self.name, self.work = name, work
        self.root.mkdir(parents=True)

    @property
    def toml(self) -> str:
        return f'type = "fs"\nroot = "{self.root}"\n'

    def wipe(self) -> None:
        _empty(self.root)

    def stop(self) -> None:
        return None


class SmallDisk(Disk):
    """A directory on its own file system, small enough to be filled."""

    SIZE = "64m"

    def __init__(self, name: str, work: Path, binary: Path, cache: Path):
        super().__init__(name, work, binary, cache)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.SIZE}", "tmpfs", self.root], check=True)

    def fill(self) -> None:
        with open(self.work / "data" / "ballast", "wb") as ballast:
            try:
                while True:
                    ballast.write(bytes(1 << 16))
                    ballast.flush()
            except OSError:
                pass

    def drain(self) -> None:
        (self.root / "ballast").unlink()

    def stop(self) -> None:
        subprocess.run(["umount", "-l", self.root], check=True)


class Sftp(Tree):
    row, refuses = "sftp", False

    @property
    def root(self) -> Path:
        return self.work / "ssh" / "root"

    def lock_out(self) -> None:
        self.kill()
        (self.work / "ssh" / "authorized_keys").write_text("")
        self.start()

    def let_in(self) -> None:
        self.kill()
        keys = self.work / "ssh" / "authorized_keys"
        keys.write_text((self.work / "ssh" / "key.pub").read_text())
        self.start()


class WebDav(Tree):
    row = "webdav_wsgidav"
