"""The checks after a trial: nothing is lost, nothing came back, members agree, nothing is left over.

Owns the comparison of the model, the server's answers, and the real content of each member.
"""

import time
from dataclasses import dataclass, field

from harness.consistency.values import digest
from harness.replicas.gateway import Gateway
from harness.replicas.load import Content, Known, settled
from harness.replicas.members import BUCKET, Member
from harness.replicas.objects import pages
from harness.s3 import Broken

SHOWN = 3
REMOVAL_SECONDS = 20


@dataclass
class Found:
    lost: list[str] = field(default_factory=list)
    back: list[str] = field(default_factory=list)  # deleted, but still there
    listing: list[str] = field(default_factory=list)
    members: dict[str, list[str]] = field(default_factory=dict)
    objects: int = 0

    def problems(self) -> list[str]:
        rows = (("lost", self.lost), ("resurrected", self.back), ("LIST and GET differ", self.listing))
        told = [f"{len(rows)} {name}: {'; '.join(rows[:SHOWN])}" for name, rows in rows if rows]
        for name, differences in self.members.items():
            if differences:
                told.append(f"{name} differs in {len(differences)}: {'; '.join(differences[:SHOWN])}")
        return told


def look(gateway: Gateway, model: dict[str, Known]) -> Found:
    client, found, there = gateway.client(), Found(), {}
    for key, known in sorted(model.items()):
        try:
            there[key] = state = settled(client, key)
        except (OSError, Broken) as error:
            found.lost.append(f"{key}: {error}")
            continue
        if not known.allows(state):
            gone = known.surely is None and state is not None
            (found.back if gone else found.lost).append(f"{key} is {state}, not {known.surely}")
    listed = pages(client, BUCKET)
    expected = {key: state.size for key, state in there.items() if state is not None}
    for key in sorted(listed.keys() | expected.keys()):
        if listed.get(key) != expected.get(key):
            found.listing.append(f"{key}: LIST {listed.get(key)}, GET {expected.get(key)}")
    found.objects = len(listed)
    objects = {key: state for key, state in there.items() if state is not None}
    found.members = {name: differences(member, objects) for name, member in gateway.members.items()}
    return found


def differences(member: Member, objects: dict[str, Content]) -> list[str]:
    """The differences between the content of a member and what the server shows."""
    try:
        keys = member.keys()
    except OSError as error:
        return [str(error)]
    told = [f"{key} is missing" for key in objects.keys() - keys.keys()]
    told += [f"{key} is there still" for key in keys.keys() - objects.keys()]
    for key in sorted(objects.keys() & keys.keys()):
        data = member.read(key)
        if data is None or Content(digest(data), len(data)) != objects[key]:
            told.append(f"{key} has other bytes")
    return told


def until_equal(gateway: Gateway, model: dict[str, Known], seconds: float) -> tuple[float | None, Found]:
    """The seconds until no problem was left, or None; and what was found last."""
    begun = time.monotonic()
    while True:
        found, took = look(gateway, model), time.monotonic() - begun
        if not found.problems():
            return round(took, 1), found
        if took > seconds:
            return None, found
        time.sleep(1)


def remove(gateway: Gateway) -> list[str]:
    """Empties and deletes the bucket; returns failures, and what is left in members."""
    client, told = gateway.client(), []
    for key in pages(client, BUCKET):
        reply = client.ask("DELETE", BUCKET, key)
        if reply.status != 204:
            told.append(f"DELETE {key} is answered {reply.status} {reply.code}")
    until = time.monotonic() + REMOVAL_SECONDS
    while (reply := client.ask("DELETE", BUCKET)).status != 204 and time.monotonic() < until:
        time.sleep(0.5)
    if reply.status != 204:
        told.append(f"DeleteBucket is answered {reply.status} {reply.code} {reply.field('Message')}")
        return told
    left = {name: remains for name, member in gateway.members.items() if (remains := member.remains())}
    while left and time.monotonic() < until:
        time.sleep(0.5)
        left = {name: remains for name, member in gateway.members.items() if (remains := member.remains())}
    return told + [f"left on {name}: {len(what)}, {', '.join(what[:SHOWN])}" for name, what in left.items()]
