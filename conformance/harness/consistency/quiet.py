"""The checks after the load: LIST, HEAD, GET and tags agree, and counters have lost nothing.

Owns the final checks, by a single client. After faults it waits until the server answers again.
"""

import time

from harness.consistency import reads
from harness.consistency.history import ABSENT, Records, State
from harness.consistency.worker import Worker

PATIENCE_SECONDS = 30
SAMPLE = 150  # of the cold keys


def wait(worker: Worker) -> None:
    """Waits until LIST is answered: after a fault, the server may treat a storage as unavailable for some
    time."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        reply, _, _ = worker.ask("LIST", "GET", query={"list-type": 2})
        if reply is not None and reply.status == 200:
            return
        time.sleep(0.2)
    worker.problem(
        "no recovery", "", f"LIST is not answered within {PATIENCE_SECONDS} s after the last fault"
    )


def look(worker: Worker, cold: dict[str, State | None]) -> None:
    entries, _, _ = reads.pages(worker, "")
    paged, _, _ = reads.pages(worker, "hot/", **{"max-keys": 2})
    if entries is None or paged is None:
        worker.problem("no LIST", "", "LIST does not answer when all is quiet")
        return
    listed = {entry.key: entry for entry in entries}
    if len(listed) != len(entries):
        worker.problem("LIST out of order", "", "LIST shows a key twice")
    if [entry for entry in entries if entry.key.startswith("hot/")] != paged:
        worker.problem("pages differ", "hot/", f"in pages of two: {paged}")
    shared = {*worker.plan.hot, *worker.plan.counters, worker.plan.source}
    for key in sorted(listed.keys() - shared - cold.keys()):
        worker.problem("a key that nobody wrote", key, "LIST shows it")
    for key, state in cold.items():
        if state is not None and (state == ABSENT) == (key in listed):
            left = "nothing" if state == ABSENT else state.name
            worker.problem("LIST behind what was acknowledged", key, f"its only writer left {left}")
    sample = worker.chance.sample(sorted(cold), min(len(cold), SAMPLE))
    for key in [*sorted(shared), *sample]:
        _compare(worker, key, listed.get(key))


def _compare(worker: Worker, key: str, entry: reads.Entry | None) -> None:
    head, got = reads.head(worker, key), reads.get(worker, key)
    if head is None or got is None or got.status >= 500:
        worker.problem("no answer", key, "HEAD or GET is not answered when all is quiet")
        return
    if got.status == 200:
        reads.tags(worker, key)
    by_list = (entry.etag, entry.size) if entry else None
    by_get = (got.etag, len(got.body)) if got.status == 200 else None
    length = int(head.headers.get("content-length", -1))
    by_head = (head.etag, length) if head.status == 200 else None
    if not by_list == by_head == by_get:
        worker.problem("LIST, HEAD and GET differ", key, f"LIST {by_list}, HEAD {by_head}, GET {by_get}")


def counters(worker: Worker, records: Records) -> None:
    for key, (surely, perhaps) in records.raised.items():
        reply = reads.head(worker, key)
        if reply is None or reply.status >= 500:
            continue  # reported already
        value = int(reply.headers.get("x-amz-meta-value", 0)) if reply.status == 200 else 0
        if not surely <= value <= surely + perhaps:
            text = f"raised {surely} times for sure and {perhaps} times perhaps, it is {value}"
            worker.problem("lost update", key, text)
