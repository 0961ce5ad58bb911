"""Keys that only one client changes, and counters that all clients change under one condition.

Owns two checks that need no search: a client sees its own writes in the very next GET and LIST, and a counter
that is incremented only under If-Match equals the number of increments.
"""

from harness.consistency import reads, writes
from harness.consistency.history import ABSENT, ANY, MISSING, State, shows
from harness.consistency.worker import Worker

GROUPS = 6  # of a worker's own keys
NAMES = 30  # in each group


def raise_counter(worker: Worker) -> None:
    key = worker.chance.choice(worker.plan.counters)
    reply = reads.get(worker, key)
    if reply is None or reply.status not in (200, 404):
        return
    value = int(reply.headers.get("x-amz-meta-value", 0)) if reply.status == 200 else 0
    condition = shows(None, reply.etag) if reply.status == 200 else MISSING
    size = worker.chance.choice((10, 1000, 5000))
    done, answer, _ = writes.put(worker, key, condition, size, {"x-amz-meta-value": str(value + 1)})
    counts = worker.records.raised.setdefault(key, [0, 0])
    if done:
        counts[0] += 1
    elif answer is None or answer.status >= 500 and answer.status != 501:
        counts[1] += 1


def cold_key(worker: Worker) -> None:
    """Changes or reads a key that belongs to this worker."""
    group = worker.chance.randrange(GROUPS)
    key = f"{_prefix(worker, group)}k{worker.chance.randrange(NAMES):02}"
    chance = worker.chance.random()
    if chance < 0.4:
        done, _, state = writes.put(worker, key, size=worker.size(key, most=70 * 1024))
        worker.cold[key] = state if done else None
    elif chance < 0.6:
        answer = worker.ask("DELETE", "DELETE", key)
        worker.cold[key] = ABSENT if worker.written(key, "DELETE", answer, ABSENT, ANY) else None
    else:
        _look(worker, key)
    if chance < 0.6 and worker.chance.random() < 0.5:
        cold_list(worker, group)


def cold_list(worker: Worker, group: int | None = None) -> None:
    """Lists the worker's keys: each must be as the worker left it."""
    prefix = _prefix(worker, worker.chance.randrange(GROUPS) if group is None else group)
    entries, start, _ = reads.pages(worker, prefix)
    if entries is None:
        return
    found = {entry.key: entry.etag for entry in entries}
    for key in found.keys() | {key for key in worker.cold if key.startswith(prefix)}:
        wanted = worker.cold.get(key, ABSENT)
        if wanted is not None and found.get(key, "") != wanted.etag:
            text = f"its only writer left {_state(wanted)}; the next LIST shows {found.get(key) or 'nothing'}"
            worker.problem("LIST behind what was acknowledged", key, text)


def _look(worker: Worker, key: str) -> None:
    reply = worker.chance.choice((reads.get, reads.head))(worker, key)
    wanted = worker.cold.get(key, ABSENT)
    if reply is None or wanted is None or reply.status >= 500:
        return
    found = State(reply.headers.get("x-amz-meta-version"), reply.etag) if reply.status == 200 else ABSENT
    if found != wanted:
        text = f"its only writer left {_state(wanted)}; {_state(found)} is there"
        worker.problem("stale or impossible read", key, text)


def _prefix(worker: Worker, group: int) -> str:
    return f"cold/{worker.number:02}/{group}/"


def _state(state: State) -> str:
    return "nothing" if state == ABSENT else f"{state.name} ({state.etag})"
