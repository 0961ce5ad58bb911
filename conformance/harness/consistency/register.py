"""Checks whether the operations on one key have an order that explains every answer.

Owns the search. It goes through the history once in the order of time, with every possible state of the key
and the operations that have taken effect in it. An answer is explained if some order of the concurrent
operations leads to it. Reads take effect as soon as they fit, which never excludes an order.

Writes without an answer may take effect at any later time, or never. A write that some client saw took effect
before that reply. The other writes are left out at first, and are added only if something stays unexplained
without them. They may then take effect more than once, which accepts a little too much and keeps the search
small.
"""

from dataclasses import dataclass, replace

from harness.consistency.history import ABSENT, Guard, Operation, State

CONFIGURATIONS = 20_000  # beyond that, the report says "not decided"


@dataclass
class Unexplained:
    operation: Operation
    states: list[State]  # possible states of the key at the end of the operation


class Undecided(Exception):
    """The search has too many possible orders."""


def check(operations: list[Operation]) -> list[Unexplained]:
    """The operations whose answers no order explains. All operations are on one key."""
    known, doubtful = _settle(operations)
    found = _search(known)
    return _search(known + doubtful) if found and doubtful else found


def _settle(operations: list[Operation]) -> tuple[list[Operation], list[Operation]]:
    """Separates operations whose effect is certain from those whose effect no client saw."""
    seen: dict[str, int] = {}
    for operation in operations:
        name = operation.guard.name
        if operation.end is not None and operation.effect is None and name:
            seen[name] = min(operation.end, seen.get(name, operation.end))
    known, doubtful = [], []
    for operation in operations:
        if operation.end is not None:
            known.append(operation)
        elif operation.effect is not None and operation.effect.name and operation.effect.name in seen:
            known.append(replace(operation, end=max(seen[operation.effect.name], operation.start)))
        else:
            doubtful.append(operation)
    return known, doubtful


def _search(operations: list[Operation]) -> list[Unexplained]:
    return _Search(operations).run()


class _Search:
    """Searches configurations: a state, and one bit for each pending operation that took effect in it."""

    def __init__(self, operations: list[Operation]):
        self.operations = operations
        self.bits: dict[int, int] = {}  # of each pending operation
        self.free: list[int] = []
        self.reads: set[int] = set()
        self.writes: set[int] = set()
        self.standing: list[Operation] = []  # operations without an end
        self.configurations: set[tuple[State, int]] = {(ABSENT, 0)}

    def run(self) -> list[Unexplained]:
        events = []
        for number, operation in enumerate(self.operations):
            events.append((operation.start, 0, number))
            if operation.end is not None:
                events.append((operation.end, 1, number))
        found = []
        for _, ends, number in sorted(events):
            if not ends:
                self.begin(number)
                continue
            explained = self.explaining(number)
            if not explained:
                states = sorted({state for state, _ in self.configurations}, key=str)
                found.append(Unexplained(self.operations[number], states))
                explained = self.forced(number)
            bit = self.bits.pop(number)
            self.configurations = {(state, done & ~bit) for state, done in explained}
            self.reads.discard(number)
            self.writes.discard(number)
            self.free.append(bit)
        return found

    def begin(self, number: int) -> None:
        operation = self.operations[number]
        if operation.end is None:
            self.standing.append(operation)
            return
        bit = self.bits[number] = self.free.pop() if self.free else 1 << len(self.bits)
        if operation.effect is not None:
            self.writes.add(number)
            return
        self.reads.add(number)
        self.configurations = {
            (state, done | bit if operation.guard.admits(state) else done)
            for state, done in self.configurations
        }

    def explaining(self, number: int) -> set[tuple[State, int]]:
        """The configurations directly after operation `number` took effect."""
        bit = self.bits[number]
        explained, met, open_ends = set(), set(self.configurations), []
        for configuration in self.configurations:
            (explained.add if configuration[1] & bit else open_ends.append)(configuration)
        while open_ends:
            state, done = open_ends.pop()
            for effect, its in self.possible(state, done):
                following = self.after(effect, done | its)
                if following in met:
                    continue
                met.add(following)
                (explained.add if following[1] & bit else open_ends.append)(following)
            if len(met) > CONFIGURATIONS:
                raise Undecided(f"{self.operations[number].key}: more than {CONFIGURATIONS} possible orders")
        return explained

    def possible(self, state: State, done: int):
        """The operations that may take effect next: their effects, with their bits."""
        for other in self.writes:
            operation = self.operations[other]
            if not done & self.bits[other] and operation.guard.admits(state):
                yield operation.effect, self.bits[other]
        for operation in self.standing:
            if operation.guard.admits(state):
                yield operation.effect, 0

    def after(self, state: State, done: int) -> tuple[State, int]:
        for read in self.reads:
            if not done & self.bits[read] and self.operations[read].guard.admits(state):
                done |= self.bits[read]
        return state, done

    def forced(self, number: int) -> set[tuple[State, int]]:
        """Continues after an operation that nothing explains, and assumes from now on that its reply is true.

        This way, one lost write is reported once, and not again by every operation that misses it.
        """
        operation, bit = self.operations[number], self.bits[number]
        if operation.effect is not None:
            return {self.after(operation.effect, done | bit) for _, done in self.configurations}
        guard = operation.guard
        told = {(state, done | bit) for state, done in self.configurations}
        if guard.kind == "absent":
            told |= {self.after(ABSENT, done) for _, done in told}
        elif guard.kind == "is":
            etag = next(iter(guard.etags)) if guard.etags and len(guard.etags) == 1 else None
            told |= {self.after(State(guard.name, etag), done) for _, done in told}
        return told


def meaning(guard: Guard) -> str:
    """The meaning of a reply for the key, as text."""
    named = " with ".join(filter(None, (guard.name, "/".join(sorted(guard.etags or ())))))
    return {
        "any": "whatever is there",
        "absent": "there is nothing",
        "present": "there is something",
        "is": f"it is {named}",
        "is or absent": f"it is {named}, or nothing",
        "other": f"it is not {named}",
    }[guard.kind]
