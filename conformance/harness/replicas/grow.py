"""A bucket gets another replica under load, while the server is killed twice; then a replica is removed.

Owns the steps: existing objects on the first member are adopted, `add` is begun three times, the new replica
is promoted, another one is removed. Objects that `add` wrote twice are counted where the member's log shows
them.
"""

import re
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from harness.consistency.values import Piece, content, digest
from harness.replicas import kinds, verdict
from harness.replicas.gateway import Gateway
from harness.replicas.load import Content, Known, Load
from harness.replicas.members import BUCKET, Member
from harness.replicas.trial import Result, end, figures, unclean

SIZE = 1536
ADOPTION_SECONDS = 240
ADD_SECONDS = 400
CLEAN_SECONDS = 120
SHARES = (0.2, 0.5)  # the share of the objects on the new member when the server is killed


@dataclass(frozen=True)
class Growth:
    name: str
    members: tuple[str, ...]  # the last one is the new member
    write: str = "quorum"
    read: str = "ordered"


GROWTHS = (
    Growth("grow-fs-sftp-versitygw", ("fs", "sftp", "versitygw")),
    Growth("grow-fs-minio-azurite", ("fs", "minio", "azurite"), read="fastest"),
)


def absent(growth: Growth) -> str | None:
    return next((why for member in growth.members if (why := kinds.absent(member))), None)


def run(growth: Growth, count: int, binary: Path, cache: Path, work: Path, seed: int) -> Result:
    result, members, gateway = Result(), kinds.start(growth.members, work, binary, cache), None
    new = members[growth.members[-1]]
    try:
        model = _were_there(members[growth.members[0]], count)
        bucket = f'[bucket.{BUCKET}]\nbackend = "replicas"\n'
        gateway = _Growing(binary, work / "gateway", members, growth.write, growth.read, bucket)
        result.figures["adopted_s"], said = gateway.until_clean(ADOPTION_SECONDS)
        if result.figures["adopted_s"] is None:
            result.problems.append(f"what was there is not adopted: {unclean(said)}")
            return result
        load = Load(gateway, seed, rate=40)
        load.model |= model
        try:
            _add(gateway, new, count, result)
        finally:
            load.end()
        _settle(gateway, load, result)
        _promote_and_remove(gateway, growth, load, result)
    finally:
        result.problems += end(gateway, members)
    return result


class _Growing(Gateway):
    """The last of its members is no replica of the configuration yet."""

    def sections(self, names: tuple[str, ...]) -> str:
        return super().sections(names[:-1])


def _were_there(member: Member, count: int) -> dict[str, Known]:
    model = {}
    for number in range(count):
        body = content((Piece(f"o0.{number}", 0, SIZE),))
        path = member.root / BUCKET / "old" / f"{number // 500:03}" / f"o{number:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        model[str(path.relative_to(member.root / BUCKET))] = Known(Content(digest(body), SIZE))
    return model


def _add(gateway: Gateway, new: Member, count: int, result: Result) -> None:
    began, killed_at = time.monotonic(), []
    for share in (*SHARES, None):
        command = subprocess.Popen(
            gateway.argv("add", BUCKET, new.name),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=gateway.server.environment,
        )
        if share is None:
            try:
                said, _ = command.communicate(timeout=ADD_SECONDS)
                if command.returncode:
                    result.problems.append(f"add: exit code {command.returncode}, {said.strip()[-300:]}")
            except subprocess.TimeoutExpired:
                command.kill()
                result.problems.append(f"add goes on after {ADD_SECONDS} s")
            break
        until = time.monotonic() + ADD_SECONDS
        while len(new.keys()) < share * count and command.poll() is None and time.monotonic() < until:
            time.sleep(0.2)
        killed_at.append(len(new.keys()))
        gateway.restart()
        command.wait()
        while "replicas" not in gateway.run("status")[1] and time.monotonic() < until:
            time.sleep(0.2)
    result.figures |= {"killed_at": killed_at, "add_s": round(time.monotonic() - began, 1)}


def _settle(gateway: Gateway, load: Load, result: Result) -> None:
    result.figures |= figures(load)
    result.problems += load.wrong[:5]
    took, said = gateway.until_clean(CLEAN_SECONDS)
    result.figures["clean_s"] = took
    if took is None:
        result.problems.append(f"status is not clean after {CLEAN_SECONDS} s: {unclean(said)}")
    took, found = verdict.until_equal(gateway, load.model, 0)
    result.figures |= {"objects": found.objects, "lost": len(found.lost), "back": len(found.back)}
    result.problems += found.problems()
    twice = _written_twice(gateway.members)
    result.figures["written_twice"] = twice
    if twice:
        result.problems.append(f"{twice} of the old objects were copied twice")


def _written_twice(members: dict[str, Member]) -> int:
    """The number of objects that were written twice, as far as logs show each PUT, like versitygw's."""
    puts: Counter[str] = Counter()
    for member in members.values():
        if member.name.startswith("versitygw"):
            lines = member.upstream.log.read_text(errors="replace").splitlines()
            puts.update(
                found[0] for line in lines if "200" in line and (found := re.search(r"PUT .*?/old/\S+", line))
            )
    return sum(1 for count in puts.values() if count > 1)


def _promote_and_remove(gateway: Gateway, growth: Growth, load: Load, result: Result) -> None:
    new, leaves = growth.members[-1], growth.members[1]
    code, said = gateway.run("promote", new)
    if code:
        result.problems.append(f"promote: exit code {code}, {said}")
    code, _ = gateway.run("remove", leaves)
    if not code:
        result.problems.append(f"{leaves} is removed although the configuration names it")
    stay = [name for name in growth.members if name != leaves]
    if why := gateway.server.stop():
        result.problems.append(why)
    config = gateway.server.work / "causeway.toml"
    config.write_text(Gateway.sections(gateway, tuple(stay)))
    gateway.server.start()
    gateway.until_clean(CLEAN_SECONDS)
    code, said = gateway.run("remove", leaves)
    if code:
        result.problems.append(f"remove at rest: exit code {code}, {said}")
    gone = gateway.members.pop(leaves)
    found = verdict.look(gateway, load.model)
    gateway.members[leaves] = gone
    result.problems += [f"after remove: {problem}" for problem in found.problems()]
