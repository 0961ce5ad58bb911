"""The steps of one trial: load, fault, healing, rest, and the final checks.

Owns the order of events and their durations. Anything wrong is a problem; figures are reported beside it.
"""

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from harness.replicas import kinds, verdict
from harness.replicas.faults import FAULTS
from harness.replicas.gateway import Gateway
from harness.replicas.load import Load
from harness.replicas.members import BUCKET, Member

CLEAN_SECONDS = 30
ROTTEN = 10  # objects that are corrupted


@dataclass(frozen=True)
class Trial:
    name: str
    members: tuple[str, ...]
    fault: str = "none"  # of FAULTS, or none, or gateway
    hits: tuple[str, ...] = ()
    write: str = "quorum"
    read: str = "ordered"


@dataclass(frozen=True)
class Durations:
    before: float = 4
    during: float = 8
    after: float = 4


@dataclass
class Result:
    problems: list[str] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)


def absent(trial: Trial) -> str | None:
    """The reason why this machine cannot run the trial, or None."""
    return next((why for member in trial.members if (why := kinds.absent(member))), None)


def run(trial: Trial, durations: Durations, binary: Path, cache: Path, work: Path, seed: int) -> Result:
    result, members, gateway = Result(), kinds.start(trial.members, work, binary, cache), None
    try:
        gateway = Gateway(binary, work / "gateway", members, trial.write, trial.read)
        reply = gateway.client().ask("PUT", BUCKET)
        if reply.status != 200:
            result.problems.append(f"CreateBucket is answered {reply.status} {reply.code}")
            return result
        load = _loaded(trial, durations, gateway, result, seed)
        _healed(trial, gateway, load, result)
        result.problems += verdict.remove(gateway)
    finally:
        result.problems += end(gateway, members)
    return result


def _loaded(trial: Trial, durations: Durations, gateway: Gateway, result: Result, seed: int) -> Load:
    """Runs the load before, during and after the fault, and returns it."""
    load = Load(gateway, seed)
    try:
        time.sleep(durations.before)
        hit = [gateway.members[name] for name in trial.hits]
        fault = FAULTS.get(trial.fault)
        if trial.fault == "gateway":
            gateway.restart()
        for member in hit:
            fault.breaks(member)
        time.sleep(durations.during)
        result.figures["during"] = _status(gateway)
        for member in hit:
            fault.heals(member)
        time.sleep(durations.after)
    finally:
        load.end()
    result.figures |= figures(load)
    result.problems += load.wrong[:5]
    if len(load.wrong) > 5:
        result.problems.append(f"{len(load.wrong) - 5} more wrong answers")
    return load


def figures(load: Load) -> dict[str, object]:
    errors = Counter(
        {name: count for name, count in load.replies.items() if name.split()[-1] not in ("200", "204", "404")}
    )
    return {
        "requests": load.replies.total(),
        "errors": dict(errors),
        "slowest": round(load.slowest, 1),
        "wrong": len(load.wrong),
    }


def _status(gateway: Gateway) -> dict[str, str]:
    _, said = gateway.run("status")
    return {
        replica["backend"]: f"{'down' if replica.get('down') else 'up'}, lacks {replica.get('pending')}"
        for replica in said.get("replicas", [])
    }


def _healed(trial: Trial, gateway: Gateway, load: Load, result: Result) -> None:
    took, said = gateway.until_clean(CLEAN_SECONDS)
    result.figures["clean_s"] = took
    if took is None:
        result.problems.append(f"status is not clean after {CLEAN_SECONDS} s: {unclean(said)}")
    fault = FAULTS.get(trial.fault)
    if trial.fault == "corrupt":
        for member in (gateway.members[name] for name in trial.hits):
            for key in [key for key in load.certain() if load.model[key].surely.size > 0][:ROTTEN]:
                member.corrupt(key)
    if fault and fault.repaired_by:
        before = verdict.look(gateway, load.model).members
        result.figures["differing_before_repair"] = {name: len(told) for name, told in before.items() if told}
    for command in fault.repaired_by if fault else ():
        code, said = gateway.run(*command.split())
        result.figures[command] = said.get("counts") or said
        if trial.fault == "corrupt" and not (said.get("counts") or {}).get("differing"):
            result.problems.append(f"{command} found nothing: exit code {code}, {said}")
    took, found = verdict.until_equal(gateway, load.model, CLEAN_SECONDS)
    result.figures |= {
        "equal_s": took,
        "objects": found.objects,
        "lost": len(found.lost),
        "back": len(found.back),
    }
    result.problems += found.problems()
    took, said = gateway.until_clean(CLEAN_SECONDS)
    if took is None:
        result.problems.append(f"status is not clean at the end: {unclean(said)}")


def unclean(said: dict) -> str:
    if "replicas" not in said:
        return said.get("error", str(said))
    told = [
        f"{replica['backend']} {(replica.get('down') or 'up')[:120]}, lacks {replica['pending']}"
        for replica in said["replicas"]
        if replica.get("down") or replica["pending"] or not replica["seeded"]
    ]
    return "; ".join(told)


def end(gateway: Gateway | None, members: dict[str, Member]) -> list[str]:
    """Stops everything, and returns the problems."""
    told = []
    if gateway is not None:
        told += [why] if (why := gateway.server.stop()) else []
        told += gateway.server.panics()
        told += ["a secret is in the log"] if gateway.server.leaked_secret() else []
    return told + [why for member in members.values() if (why := member.stop())]
