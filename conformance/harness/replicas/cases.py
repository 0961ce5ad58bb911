"""Small trials, each about one thing that once failed.

Owns the cases: the steps of each, and what has to hold afterwards. A case is a function of a `Setting`: it
records problems there, and continues.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.replicas import kinds
from harness.replicas.gateway import Gateway
from harness.replicas.members import BUCKET, Member
from harness.replicas.trial import CLEAN_SECONDS, Result, end, unclean
from harness.s3 import Broken, Reply

SOON = 5  # maximum number of seconds for which a member may delay a client
BODY = b"v" * 1000


class Setting:
    """A replicated bucket with its members, and the problems found."""

    def __init__(self, members: dict[str, Member], gateway: Gateway, problems: list[str]):
        self.members, self.gateway, self.problems = members, gateway, problems

    def expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.problems.append(otherwise)

    def ask(
        self, method: str, key: str = "", body: bytes = b"", timeout: float = 40, **query
    ) -> Reply | None:
        """Sends a request. None if no reply came in time."""
        try:
            return self.gateway.client(timeout).ask(method, BUCKET, key, query=query, body=body)
        except Broken:
            return None

    def wants(self, status: int, method: str, key: str = "", body: bytes = b"", timeout: float = 40) -> None:
        reply = self.ask(method, key, body, timeout)
        answer = f"{reply.status} {reply.code}" if reply is not None else f"nothing within {timeout:g} s"
        self.expect(
            reply is not None and reply.status == status, f"{method} {key or BUCKET}: {answer}, not {status}"
        )

    def put(self, *keys: str, body: bytes = BODY) -> None:
        for key in keys:
            self.wants(200, "PUT", key, body)

    def upload(self, key: str) -> Reply | None:
        reply = self.ask("POST", key, uploads="")
        if reply is None or reply.status != 200:
            return reply
        upload = reply.field("UploadId")
        part = self.ask("PUT", key, BODY * 50, partNumber=1, uploadId=upload)
        if part is None or part.status != 200:
            return part
        document = f"<Part><PartNumber>1</PartNumber><ETag>{part.etag}</ETag></Part>"
        document = f"<CompleteMultipartUpload>{document}</CompleteMultipartUpload>".encode()
        return self.ask("POST", key, document, uploadId=upload)

    def clean(self, when: str) -> None:
        took, said = self.gateway.until_clean(CLEAN_SECONDS)
        self.expect(took is not None, f"{when}: status is not clean after {CLEAN_SECONDS} s: {unclean(said)}")

    def scrub(self, *how: str) -> dict:
        code, said = self.gateway.run("scrub", *how)
        self.expect(code == 0, f"scrub {' '.join(how)}: exit code {code}, {said.get('counts') or said}")
        return said.get("counts") or {}

    def bucket_stays(self) -> bool:
        """Waits until an abandoned deletion is done or undone, and returns whether it was undone."""
        until = time.monotonic() + CLEAN_SECONDS
        while time.monotonic() < until:
            reply = self.ask("HEAD")
            if reply is not None and reply.status == 404:
                return False
            if self.gateway.run("status")[0] == 0:
                return True
            time.sleep(0.5)
        self.expect(False, f"a deletion is neither done nor undone after {CLEAN_SECONDS} s")
        return True

    def everywhere(self, *keys: str, body: bytes = BODY, on: list[Member] | None = None) -> None:
        """Waits until each member has these objects."""
        for member in on or self.members.values():
            until = time.monotonic() + CLEAN_SECONDS
            while (lacking := _lacking(member, keys, body)) and time.monotonic() < until:
                time.sleep(0.2)
            self.expect(not lacking, f"{member.name} lacks {lacking}, or has other bytes there")

    def nothing_but(self, *keys: str) -> None:
        """Waits until each member has only these objects."""
        for member in self.members.values():
            until = time.monotonic() + CLEAN_SECONDS
            while (more := sorted(member.keys().keys() - set(keys))) and time.monotonic() < until:
                time.sleep(0.2)
            self.expect(not more, f"{member.name} has {more[:5]}, which were deleted")

    def removed(self) -> None:
        """Deletes all objects and the bucket, and checks that nothing of it is left."""
        for member in self.members.values():
            for key in member.keys():  # noqa: SIM118
                self.ask("DELETE", key)
        self.clean("after all was deleted")
        self.wants(204, "DELETE")
        for name, member in self.members.items():
            until = time.monotonic() + CLEAN_SECONDS
            while (left := member.remains()) and time.monotonic() < until:
                time.sleep(0.2)
            self.expect(not left, f"left on {name}: {left[:3]}")


def _lacking(member: Member, keys: tuple[str, ...], body: bytes) -> list[str]:
    return [key for key in keys if member.read(key) != body]


@dataclass(frozen=True)
class Case:
    name: str
    about: str
    members: tuple[str, ...]
    steps: Callable[[Setting], None]
    write: str = "quorum"


def _older(setting: Setting) -> None:
    newest, away = list(setting.members.values())[:2], setting.members["sftp"]
    setting.put("k", body=b"older" * 100)
    setting.everywhere("k", body=b"older" * 100)
    away.kill()
    setting.put("k", body=b"newer" * 100)
    setting.everywhere("k", body=b"newer" * 100, on=newest)
    for member in newest:
        (member.root / BUCKET / "k").unlink()
    away.start()
    setting.gateway.until_clean(SOON)
    setting.expect(away.read("k") == b"older" * 100, "the last copy that there was is gone")
    code, said = setting.gateway.run("status")
    reply = setting.ask("GET", "k")
    served = reply is not None and reply.status == 200
    setting.expect(served or code != 0, f"nothing is served, and status calls that well: {said}")


def _bucket_is_gone(setting: Setting) -> None:
    hit = list(setting.members.values())[1]
    setting.put(*(f"k{number}" for number in range(5)))
    setting.everywhere(*(f"k{number}" for number in range(5)))
    hit.remove_bucket()
    setting.put(*(f"n{number}" for number in range(4)))
    setting.gateway.run("scrub")  # returns an error as long as something is left to do
    setting.clean("after scrub")
    setting.scrub()
    setting.everywhere(*(f"k{number}" for number in range(5)), *(f"n{number}" for number in range(4)))
    setting.removed()


def _new_disk(setting: Setting) -> None:
    setting.put(*(f"k{number}" for number in range(5)))
    setting.everywhere(*(f"k{number}" for number in range(5)))
    setting.members["fs"].wipe()
    setting.gateway.run("scrub")  # returns an error as long as something is left to do
    setting.clean("after scrub")
    setting.scrub()
    setting.everywhere(*(f"k{number}" for number in range(5)))
    setting.removed()


def _unconditional(setting: Setting) -> None:
    keys = [f"k{number}" for number in range(5)]
    setting.put(*keys)
    setting.put(keys[0])
    setting.clean("after PUTs")
    setting.everywhere(*keys)
    for key in keys[:2]:
        setting.wants(204, "DELETE", key)
    setting.clean("after DELETEs")
    for name, member in setting.members.items():
        setting.expect(
            sorted(member.keys()) == keys[2:], f"{name} has {sorted(member.keys())}, not {keys[2:]}"
        )
    setting.removed()


def _parts(setting: Setting) -> None:
    for number in range(10):
        reply = setting.upload(f"k{number}")
        answer = f"{reply.status} {reply.code}" if reply is not None else "no answer"
        setting.expect(answer == "200 ", f"upload {number}: {answer}")
    left = setting.members["versitygw"].uploads()
    setting.expect(left == 0, f"{left} uploads are left on versitygw")
    setting.removed()


def _late(setting: Setting) -> None:
    """Uploads that one member may refuse while the other writes. What was refused or deleted must not come
    back."""
    for number in range(20):
        setting.upload(f"k{number}")
        setting.wants(204, "DELETE", f"k{number}")
    setting.clean("after uploads and DELETEs")
    for name, member in setting.members.items():
        setting.expect(
            not member.keys(), f"{name} has {sorted(member.keys())[:5]}, all of which were deleted"
        )
    setting.expect(setting.gateway.scan() == 0, "bucket scan fails")
    listed = setting.ask("GET", **{"list-type": 2})
    setting.expect(listed is not None and b"<Key>" not in listed.body, "a scan brought back what was deleted")
    setting.removed()


def _blind(setting: Setting) -> None:
    hit = list(setting.members.values())[1]
    names = [f"{letter}{number}" for letter in "abc" for number in range(3)]
    setting.put(*names)
    setting.everywhere(*names)
    for number in range(3):
        (hit.root / BUCKET / f"a{number}").unlink()
        (hit.root / BUCKET / f"b{number}").write_bytes(b"short")
        hit.corrupt(f"c{number}")
    setting.gateway.run("scrub")
    setting.clean("after scrub")
    for name in names[:6]:
        setting.expect(hit.read(name) == BODY, f"scrub left {name} as it was")
    setting.gateway.run("scrub", "--bytes")
    setting.clean("after scrub --bytes")
    setting.everywhere(*names)
    setting.removed()


def _hung_at_deletion(setting: Setting) -> None:
    hit = setting.members["sftp"]
    hit.pause()
    setting.ask("DELETE", timeout=SOON)
    hit.go_on()
    if not setting.bucket_stays():
        setting.wants(200, "PUT")
    setting.put(*(f"k{number}" for number in range(4)))
    setting.clean("after PUTs")
    setting.everywhere(*(f"k{number}" for number in range(4)))
    setting.removed()


def _hung_at_creation(setting: Setting) -> None:
    setting.wants(204, "DELETE")
    hit = setting.members["versitygw"]
    hit.pause()
    setting.wants(200, "PUT", timeout=20)
    setting.wants(200, "PUT", "k", BODY, timeout=SOON)
    setting.wants(404, "GET", "none", timeout=SOON)
    hit.go_on()
    setting.clean("after the member goes on")
    setting.everywhere("k")
    setting.removed()


CASES = (
    Case("older", "the newest copies are gone, an older one comes back", ("fs", "versitygw", "sftp"), _older),
    Case("gone-versitygw", "a member's bucket is gone", ("fs", "versitygw", "fs2"), _bucket_is_gone),
    Case("gone-azurite", "a member's container is gone", ("fs", "azurite", "fs2"), _bucket_is_gone),
    Case("new-disk", "a member's root is empty again", ("fs", "versitygw", "sftp"), _new_disk),
    Case(
        "unconditional-rclone", "a member has no conditional writes", ("fs", "rclone", "fs2"), _unconditional
    ),
    Case("unconditional-minio", "a member has no conditional deletes", ("fs", "minio"), _unconditional),
    Case("parts", "an upload in parts to versitygw", ("sftp", "versitygw"), _parts, "all"),
    Case("late", "one member refuses, another one is still writing", ("sftp", "versitygw"), _late, "all"),
    Case("blind-fs", "files are removed, cut short and rotten", ("fs2", "fs", "fs3"), _blind),
    Case("blind-sftp", "files are removed, cut short and rotten", ("fs2", "sftp", "fs3"), _blind),
    Case("blind-wsgidav", "files are removed, cut short and rotten", ("fs2", "wsgidav", "fs3"), _blind),
    Case(
        "hung-delete",
        "a member hangs while the bucket is deleted",
        ("fs", "versitygw", "sftp"),
        _hung_at_deletion,
    ),
    Case(
        "hung-create",
        "a member hangs while the bucket is made",
        ("fs", "versitygw", "sftp"),
        _hung_at_creation,
    ),
)


def absent(case: Case) -> str | None:
    return next((why for member in case.members if (why := kinds.absent(member))), None)


def run(case: Case, binary: Path, cache: Path, work: Path) -> Result:
    result, members, gateway = Result(), kinds.start(case.members, work, binary, cache), None
    try:
        gateway = Gateway(binary, work / "gateway", members, case.write, "ordered")
        setting = Setting(members, gateway, result.problems)
        setting.wants(200, "PUT")
        case.steps(setting)
    finally:
        result.problems += end(gateway, members)
    return result
