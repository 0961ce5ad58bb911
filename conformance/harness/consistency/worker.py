"""One client of the load: chooses operations by weight, sends them, and records the replies.

Owns the choice, the rules for failures of any request, and the records. The operations are functions of a
worker in `reads`, `writes`, `uploads` and `private`; the table of them is an argument.
"""

import random
import threading
import time
from dataclasses import dataclass, field

from harness.consistency.history import (
    ABSENT,
    ANY,
    MISSING,
    THERE,
    Guard,
    Operation,
    Problem,
    Records,
    State,
    other_than,
)
from harness.consistency.values import Body
from harness.s3 import Broken, Client, Reply

PAUSE_SECONDS = 0.05  # after a broken connection
SAME_SIZE = 4096  # of the first hot key: its versions cannot be told apart by size


@dataclass(frozen=True)
class Plan:
    """What all workers of one run share."""

    bucket: str
    seed: int
    until: int
    hot: tuple[str, ...]
    counters: tuple[str, ...]
    source: str  # an object that never changes, from which parts are copied
    source_body: Body
    sizes: tuple[tuple[int, int], ...]  # (size, weight)
    self_copies: bool = True
    disturbed: bool = False  # servers restart and storages fail, so failures are expected


@dataclass(frozen=True)
class Seen:
    """What a worker last saw of a key."""

    name: str | None
    etag: str
    length: int | None = None


@dataclass
class Worker:
    number: int
    plan: Plan
    client: Client
    records: Records = field(default_factory=Records)
    seen: dict[str, Seen] = field(default_factory=dict)
    cold: dict[str, State | None] = field(default_factory=dict)  # its own keys; None: unknown
    serial: int = 0

    def __post_init__(self):
        self.chance = random.Random(f"{self.plan.seed}/{self.number}")

    def run(self, table) -> None:
        """Runs until the plan's time is over; `table` has rows of (weight, operation)."""
        weights, operations = zip(*table, strict=True)
        while time.monotonic_ns() < self.plan.until:
            self.chance.choices(operations, weights)[0](self)

    def fresh_name(self, kind: str = "w") -> str:
        """A new name. `w`: the body is only its own text; `c`: a copy of something; `m`: a multipart
        upload."""
        self.serial += 1
        return f"{kind}{self.number}.{self.serial}"

    def hot(self) -> str:
        """A hot key. More often than others the first, whose versions all have one size."""
        return self.plan.hot[0] if self.chance.random() < 0.4 else self.chance.choice(self.plan.hot)

    def size(self, key: str, most: int | None = None) -> int:
        if key == self.plan.hot[0]:
            return SAME_SIZE
        sizes = [row for row in self.plan.sizes if most is None or row[0] <= most]
        return self.chance.choices([size for size, _ in sizes], [weight for _, weight in sizes])[0]

    def pause(self, share: float) -> float:
        """The delay of a body in seconds; only a `share` of all bodies is delayed."""
        return self.chance.choice((0.02, 0.06, 0.15)) if self.chance.random() < share else 0

    def problem(self, kind: str, key: str, text: str) -> None:
        self.records.problems.append(Problem(kind, key, text, time.monotonic_ns()))

    def ask(self, action: str, method: str, key: str = "", **request) -> tuple[Reply | None, int, int]:
        """The reply (None if the connection broke), the time of the request, and the time of its end."""
        started = time.monotonic_ns()
        try:
            reply = self.client.ask(method, self.plan.bucket, key, **request)
        except Broken as error:
            self._count(action, "broken")
            if not self.plan.disturbed:
                self.problem("connection broken", key, f"{action}: {error}")
            time.sleep(PAUSE_SECONDS)
            return None, started, time.monotonic_ns()
        self._count(action, f"{reply.status} {reply.code}".strip())
        self._judge(action, method, key, reply)
        return reply, started, reply.ended

    def _count(self, action: str, what: str) -> None:
        name = f"{action} {what}"
        self.records.replies[name] = self.records.replies.get(name, 0) + 1

    def _judge(self, action: str, method: str, key: str, reply: Reply) -> None:
        """Checks every reply: the only allowed failure of the server is SlowDown with a Retry-After."""
        took = (reply.ended - reply.asked) / 1e6
        if reply.broken and not self.plan.disturbed:
            self.problem("body broke off", key, f"{action} after {took:.0f} ms: {reply.broken}")
        if reply.status < 500 or reply.status == 501:
            return
        slow_down = reply.status == 503 and (reply.code == "SlowDown" or method == "HEAD")
        if slow_down and not reply.headers.get("retry-after"):
            self.problem("SlowDown without Retry-After", key, action)
        elif not slow_down and not (self.plan.disturbed and reply.status in (503, 504)):
            self.problem(
                "5xx", key, f"{action} after {took:.0f} ms: {reply.status} {reply.body[:400].decode()}"
            )

    def failed_in_body(self, action: str, key: str, reply: Reply) -> bool:
        """Whether a reply that began with 200, before the result was known, contains an error."""
        if reply.status != 200 or b"<Error>" not in reply.body:
            return False
        if not self.plan.disturbed and reply.code != "SlowDown":
            self.problem("5xx", key, f"{action}: 200, and in its body {reply.body[:400].decode()}")
        return True

    def note(
        self, key, action, start: int, end: int | None, guard: Guard, effect: State | None = None
    ) -> None:
        self.records.operations.append(Operation(key, action, self.number, start, end, guard, effect))

    def written(self, key, action, answer, effect: State, condition: Guard) -> bool:
        """Records the result of the request that publishes, and returns whether it is known to be done."""
        reply, start, end = answer
        if reply is None or reply.status >= 500 and reply.status != 501:
            self.note(key, action, start, None, condition, effect)
        elif reply.status in (200, 204):
            self.note(key, action, start, end, condition, effect)
            return True
        elif reply.status == 412:
            refused = THERE if condition == MISSING else other_than(*condition.etags)
            self.note(key, action, start, end, refused)
        elif reply.status == 404 and condition.kind.startswith("is"):
            self.note(key, action, start, end, MISSING)
        elif reply.status == 501 and effect == ABSENT and condition == ANY:
            self.note(key, action, start, None, condition, effect)
        elif reply.status not in (409, 501):
            self.problem("unexpected answer", key, f"{action}: {reply.status} {reply.body[:400].decode()}")
        return False


def run_threads(workers: list[Worker], table) -> None:
    threads = [threading.Thread(target=worker.run, args=(table,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
