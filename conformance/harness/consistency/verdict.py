"""All checks of the records of one run, as a list of problems that people can read.

Owns the explanations: for an answer that no order explains, the operations around it and what is known of its
version.
"""

from collections import defaultdict
from dataclasses import replace

from harness.consistency import register, replies
from harness.consistency.history import ABSENT, Operation, Problem, Records, State
from harness.consistency.register import Unexplained

AROUND_NS = 50_000_000
AROUND = 24  # operations that are shown around a problem


def check(records: Records, start: int) -> tuple[list[Problem], list[str]]:
    """The problems, and what could not be decided. Times are reported relative to `start`."""
    problems = records.problems + replies.check(records)
    bodies, by_key, undecided = replies.Bodies(records), defaultdict(list), []
    for operation in records.operations:
        if operation.action == "copy source" and operation.guard.kind == "is":
            # A copy reports the ETag of the new object, which may be another ETag of the same body.
            alike = frozenset().union(*map(bodies.alike, operation.guard.etags or ()))
            operation = replace(operation, guard=operation.guard._replace(etags=alike or None))
        by_key[operation.key].append(operation)
    for operations in by_key.values():
        try:
            problems += _of_key(operations, start)
        except register.Undecided as error:
            undecided.append(str(error))
    return sorted(problems, key=lambda problem: problem.at), undecided


def _of_key(operations: list[Operation], start: int) -> list[Problem]:
    """Checks listings separately, and only if all other operations are explained."""
    others = [operation for operation in operations if operation.action != "LIST"]
    found = register.check(others)
    if found or len(others) == len(operations):
        return [_problem(_kind(one, others), one, others, start) for one in found]
    hard = [
        operation for operation in operations if operation.effect is not None or operation.action == "LIST"
    ]
    for some, kind in (
        (hard, "LIST behind what was acknowledged"),
        (operations, "LIST behind what was seen"),
    ):
        found = register.check(some)
        if found:
            return [_problem(kind, one, some, start) for one in found]
    return []


def _kind(unexplained: Unexplained, operations: list[Operation]) -> str:
    operation = unexplained.operation
    if operation.effect is None:
        return "stale or impossible read"
    if operation.guard.kind == "is":
        rivals = [
            other
            for other in operations
            if other is not operation and other.effect is not None and other.end is not None
            and other.guard == operation.guard
        ]  # fmt: skip
        if rivals:
            return "two winners"
    if operation.guard.kind in ("is", "absent"):
        return "condition that did not hold"
    return "impossible write"


def _problem(kind: str, unexplained: Unexplained, operations: list[Operation], start: int) -> Problem:
    operation = unexplained.operation
    lines = [
        f"{_line(operation, start)}",
        f"  but then the key was {' or '.join(map(_state, unexplained.states[:6]))}",
    ]
    writes = [other for other in operations if other.effect is not None and _wrote(other, operation)]
    lines += (
        ["  that version is of:", *(f"    {_line(write, start)}" for write in writes[:3])] if writes else []
    )
    near = [
        other
        for other in sorted(operations, key=lambda other: other.start)
        if other is not operation
        and other.start <= operation.end
        and (other.end is None or other.end >= operation.start - AROUND_NS)
    ]
    lines += ["  around it:", *(f"    {_line(other, start)}" for other in near[-AROUND:])]
    return Problem(kind, operation.key, "\n".join(lines), operation.start)


def _wrote(write: Operation, read: Operation) -> bool:
    effect, guard = write.effect, read.guard
    if effect == ABSENT or guard.kind != "is":
        return effect == ABSENT and guard.kind == "absent" and write.end is not None and write.end <= read.end
    return bool(guard.name and effect.name == guard.name or guard.etags and effect.etag in guard.etags)


def _line(operation: Operation, start: int) -> str:
    begin = (operation.start - start) / 1e6
    end = "?" if operation.end is None else f"{(operation.end - start) / 1e6:.1f}"
    says = register.meaning(operation.guard)
    does = "" if operation.effect is None else f", makes it {_state(operation.effect)}"
    return f"{begin:9.1f} .. {end:>9} ms  worker {operation.worker:2}  {operation.action:16} {says}{does}"


def _state(state: State) -> str:
    return "nothing" if state == ABSENT else f"{state.name or 'some version'} ({state.etag or 'any ETag'})"
