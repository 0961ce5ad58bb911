"""The records of clients: versions that they wrote, operations, replies, and problems.

Owns plain records only, which are sent from the processes of the workers to the one that checks. Times are
nanoseconds of the machine's monotonic clock.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from harness.consistency.values import Body


class State(NamedTuple):
    """The state of a key: a version by its name and ETag. None where a record has no value."""

    name: str | None
    etag: str | None


ABSENT = State("", "")


class Guard(NamedTuple):
    """The condition that a reply shows to be true of the state in which its operation took effect."""

    kind: str  # one of ADMITS
    name: str | None = None
    etags: frozenset[str] | None = None

    def admits(self, state: State) -> bool:
        return ADMITS[self.kind](self, state)


def _is(guard: Guard, state: State) -> bool:
    if state == ABSENT:
        return False
    named = guard.name is None or state.name is None or state.name == guard.name
    return named and (guard.etags is None or state.etag is None or state.etag in guard.etags)


ADMITS = {
    "any": lambda guard, state: True,
    "absent": lambda guard, state: state == ABSENT,
    "present": lambda guard, state: state != ABSENT,
    "is": _is,
    "is or absent": lambda guard, state: state == ABSENT or _is(guard, state),
    "other": lambda guard, state: state == ABSENT or state.etag is None or state.etag not in guard.etags,
}
ANY, MISSING, THERE = Guard("any"), Guard("absent"), Guard("present")


def shows(name: str | None, *etags: str) -> Guard:
    return Guard("is", name, frozenset(etags) if etags else None)


def other_than(etag: str) -> Guard:
    return Guard("other", None, frozenset((etag,)))


@dataclass
class Operation:
    """One operation on one key. `end` is None if it is unknown whether and when it took effect."""

    key: str
    action: str
    worker: int
    start: int
    end: int | None
    guard: Guard
    effect: State | None = None  # None: it changed nothing


@dataclass
class Version:
    """The version that a client wrote under `name`. `body` is None for a copy of an unknown source."""

    name: str
    body: Body | None


@dataclass
class Sight:
    """A reply to GET or HEAD that shows an object."""

    key: str
    action: str
    worker: int
    start: int
    headed: int
    end: int
    name: str | None  # of its metadata
    etag: str
    content_type: str | None
    length: int | None
    tag_count: str | None
    checksums: dict[str, str]
    asked_range: str | None = None
    content_range: str | None = None
    digest: str | None = None  # of the body, if it is complete
    size: int | None = None
    owners: tuple[str, ...] = ()


@dataclass
class Problem:
    kind: str
    key: str
    text: str
    at: int = 0


@dataclass
class Records:
    versions: dict[str, Version] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    sights: list[Sight] = field(default_factory=list)
    listed: list[tuple[str, str, int, int]] = field(default_factory=list)  # (key, ETag, size, time)
    problems: list[Problem] = field(default_factory=list)
    replies: dict[str, int] = field(default_factory=dict)  # number of replies, by action and status
    raised: dict[str, list[int]] = field(
        default_factory=dict
    )  # counters: number of certain and of uncertain increments

    def add(self, other: "Records") -> None:
        self.versions |= other.versions
        self.operations += other.operations
        self.sights += other.sights
        self.listed += other.listed
        self.problems += other.problems
        for name, count in other.replies.items():
            self.replies[name] = self.replies.get(name, 0) + count
        for key, counts in other.raised.items():
            self.raised[key] = [sum(pair) for pair in zip(self.raised.get(key, [0, 0]), counts, strict=True)]
