"""The kinds of members, and whether this machine can run them."""

import os
import shutil
from pathlib import Path

from harness import upstreams
from harness.replicas.azure import Azurite
from harness.replicas.members import Member
from harness.replicas.objects import Minio, RcloneS3, Versity
from harness.replicas.trees import Disk, Sftp, SmallDisk, WebDav

KINDS: dict[str, type[Member]] = {
    "fs": Disk,
    "small": SmallDisk,
    "minio": Minio,
    "versitygw": Versity,
    "azurite": Azurite,
    "sftp": Sftp,
    "wsgidav": WebDav,
    "rclone": RcloneS3,
}


def kind(name: str) -> type[Member]:
    """The class of a member; `fs2` is a second member of kind `fs`."""
    return KINDS[name.rstrip("0123456789")]


def absent(name: str) -> str | None:
    """The reason why this machine cannot run a member of that kind, or None."""
    its = kind(name)
    if its is SmallDisk:
        return (
            None if os.geteuid() == 0 and shutil.which("mount") else "only root can mount a small file system"
        )
    return upstreams.absent(its.backend()) if its.row else None


def start(names: tuple[str, ...], work: Path, binary: Path, cache: Path) -> dict[str, Member]:
    members: dict[str, Member] = {}
    try:
        for name in names:
            members[name] = kind(name)(name, work / name, binary, cache)
    except BaseException:
        for member in members.values():
            member.stop()
        raise
    return members
