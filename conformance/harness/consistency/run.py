"""One run of the load against one target: processes of workers, their records, and the verdict.

Owns the plan, the table of operations with their weights, and the processes. Threads of one Python process
could not keep a server busy.
"""

import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.consistency import private, quiet, reads, uploads, verdict, writes
from harness.consistency.history import Problem, Records
from harness.consistency.reads import KIB, MIB
from harness.consistency.values import Body, Piece
from harness.consistency.worker import Plan, Worker, run_threads
from harness.s3 import Client, Target

OPERATIONS = (
    (20, writes.hot_put),
    (5, writes.hot_create),
    (7, writes.hot_replace),
    (8, writes.hot_copy),
    (3, writes.hot_self_copy),
    (2, uploads.hot_upload),
    (4, writes.hot_delete),
    (2, writes.hot_delete_if),
    (2, writes.hot_delete_several),
    (18, reads.hot_get),
    (9, reads.hot_range),
    (9, reads.hot_head),
    (4, reads.hot_condition),
    (5, reads.hot_tags),
    (5, reads.hot_list),
    (5, private.raise_counter),
    (10, private.cold_key),
    (2, private.cold_list),
)
SIZES = ((0, 8), (10, 28), (4 * KIB, 32), (70 * KIB, 24), (MIB, 6), (6 * MIB, 2))
HOT = ("hot/a", "hot/b", "hot/b.c", "hot/d/e")
COUNTERS = ("counter/a", "counter/b")
SOURCE = "source/six-mib"
THREADS = 2  # in each process


@dataclass
class Outcome:
    problems: list[Problem]
    undecided: list[str]
    records: Records
    seconds: float
    started: int
    faults: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return sum(self.records.replies.values())


class Unusable(Exception):
    """The target does not accept even one bucket with one object."""


def run(
    target: Target,
    bucket: str,
    seed: int,
    workers: int,
    seconds: float,
    traits: dict[str, bool],
    disturb: Callable | None = None,
) -> Outcome:
    """Runs the load. `disturb` starts faults; its result has the members `end` and `done`."""
    first = Worker(0, _plan(bucket, seed, 0, (), traits | {"disturbed": False}), Client(target))
    body = _prepare(first)
    start = time.monotonic_ns()
    plan = _plan(bucket, seed, start + int(seconds * 1e9), body, traits)
    numbers = range(1, workers + 1)
    groups = [numbers[at : at + THREADS] for at in range(0, workers, THREADS)]
    fork = multiprocessing.get_context("fork")
    pipes = [fork.Pipe(duplex=False) for _ in groups]
    processes = [
        fork.Process(target=_work, args=(group, plan, target, sender), daemon=True)
        for group, (_, sender) in zip(groups, pipes, strict=True)
    ]
    for process in processes:
        process.start()
    for _, sender in pipes:
        sender.close()
    disturber = disturb() if disturb else None
    records, cold = first.records, {}
    # Faults end with the load. Its slowest request may still wait for a fault to be healed.
    time.sleep(max(0.0, (plan.until - time.monotonic_ns()) / 1e9))
    failure = disturber.end() if disturber else None
    for process, (receiver, _) in zip(processes, pipes, strict=True):
        try:
            theirs, keys = receiver.recv()
            records.add(theirs)
            cold |= keys
        except EOFError:
            first.problem(
                "checker broke", "", "a process of workers ended without its records: see its traceback"
            )
        process.join()
    took = (time.monotonic_ns() - start) / 1e9
    if failure:
        first.problem("fault broke", "", failure)
    if disturb:
        first.plan = plan
        quiet.wait(first)
    first.plan = _plan(bucket, seed, 0, body, traits | {"disturbed": False})
    quiet.look(first, cold)
    quiet.counters(first, records)
    problems, undecided = verdict.check(records, start)
    return Outcome(problems, undecided, records, took, start, disturber.done if disturber else [])


def _plan(bucket: str, seed: int, until: int, body: Body, traits: dict[str, bool]) -> Plan:
    return Plan(bucket, seed, until, HOT, COUNTERS, SOURCE, body, SIZES, **traits)


def _prepare(worker: Worker) -> Body:
    reply, _, _ = worker.ask("create bucket", "PUT")
    if reply is None or reply.status != 200:
        raise Unusable(f"no bucket {worker.plan.bucket}: {_told(worker, reply)}")
    done, reply, state = writes.put(worker, SOURCE, size=6 * MIB)
    if not done:
        raise Unusable(f"no object {SOURCE}: {_told(worker, reply)}")
    return (Piece(state.name, 0, 6 * MIB),)


def _told(worker: Worker, reply) -> str:
    told = [problem.text for problem in worker.records.problems]
    return " ".join(told) or (f"{reply.status} {reply.body[:400].decode()}" if reply else "no reply")


def _work(numbers, plan: Plan, target: Target, sender) -> None:
    client = Client(target)
    workers = [Worker(number, plan, client) for number in numbers]
    run_threads(workers, OPERATIONS)
    records, cold = Records(), {}
    for worker in workers:
        records.add(worker.records)
        cold |= worker.cold
    sender.send((records, cold))
    sender.close()
