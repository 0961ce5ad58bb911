"""The faults of trials: each with a way to break, and a way to heal.

Owns the table only. Each fault acts on members; the fault of the server itself is in `trial`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from harness.replicas.members import Member


def _nothing(_: Member) -> None:
    pass


@dataclass(frozen=True)
class Fault:
    breaks: Callable[[Member], None]
    heals: Callable[[Member], None] = _nothing
    repaired_by: tuple[str, ...] = ()  # commands that repair what a server cannot detect by itself soon


FAULTS = {
    "kill": Fault(lambda member: member.kill(), lambda member: member.start()),
    "stop": Fault(lambda member: member.pause(), lambda member: member.go_on()),
    "503": Fault(lambda member: member.relay.tell("refuse"), lambda member: member.relay.tell("pass")),
    "reset": Fault(lambda member: member.relay.tell("reset"), lambda member: member.relay.tell("pass")),
    "slow": Fault(lambda member: member.relay.tell("slow"), lambda member: member.relay.tell("pass")),
    "full": Fault(lambda member: member.fill(), lambda member: member.drain()),
    "credentials": Fault(lambda member: member.lock_out(), lambda member: member.let_in()),
    "bucket": Fault(lambda member: member.remove_bucket(), repaired_by=("scrub",)),
    "wipe": Fault(lambda member: member.wipe(), repaired_by=("scrub",)),
    "corrupt": Fault(_nothing, repaired_by=("scrub --bytes",)),
}
