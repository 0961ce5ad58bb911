"""`conformance/run consistency`: runs the load on each chosen stack, and prints one line for each.

Owns the command, the lines, and the explanations under target/conformance/consistency/. A stack that this
machine cannot run is skipped, with the reason, and does not count as passed.
"""

import argparse
import collections
import json
import os
import shutil
import site
import sys
import tempfile
import time
from pathlib import Path

from harness import clients, suite
from harness.consistency import run, stacks
from harness.consistency.disturb import Disturber
from harness.consistency.run import Outcome, Unusable
from harness.consistency.stacks import STACKS, Running, Stack
from harness.s3 import Target
from harness.server import ServerError, find_binary

SHOWN = 40  # problems of one kind in an explanation


def add_to(commands) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        "consistency", help="check that concurrent clients see one order of all changes"
    )
    parser.add_argument("--only", nargs="+", metavar="STACK", help=f"of: {', '.join(stacks.NAMES)}")
    parser.add_argument("--seconds", type=float, help="of load on each stack (default: 10; with --long 60)")
    parser.add_argument("--workers", type=int, default=8, help="clients at once (default: 8)")
    parser.add_argument("--seed", type=int, help="of all choices (default: by the clock)")
    parser.add_argument("--long", action="store_true", help="60 s on every stack, then 30 s with faults")
    parser.add_argument("--faults", action="store_true", help="with restarts and failing storages in between")
    parser.add_argument("--json", action="store_true", help="print one JSON document a line")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--binary", type=Path, help="default: the newest of target/{release,debug}/causeway")
    target.add_argument(
        "--endpoint",
        metavar="URL",
        help="any S3 service instead; credentials from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    )
    parser.set_defaults(main=main)
    return parser


def main(arguments: argparse.Namespace) -> int:
    unknown = set(arguments.only or ()) - set(stacks.NAMES)
    if unknown:
        print(f"no stack {', '.join(sorted(unknown))}; there are: {', '.join(stacks.NAMES)}", file=sys.stderr)
        return 2
    wanted = (lambda stack: stack.name in arguments.only) if arguments.only else (lambda stack: stack.short)
    chosen = STACKS if arguments.long and not arguments.only else [stack for stack in STACKS if wanted(stack)]
    arguments.seed = int(time.time()) if arguments.seed is None else arguments.seed
    arguments.seconds = arguments.seconds or (60 if arguments.long else 10)
    if arguments.endpoint:
        return _elsewhere(arguments)
    try:
        arguments.binary = find_binary(arguments.binary)
        if any(stack.speaks == "h2" for stack in chosen):
            home = clients.install("http2", arguments.cache)
            site.addsitedir(str(next(home.glob("lib/python*/site-packages"))))
    except (ServerError, clients.InstallError) as error:
        print(error, file=sys.stderr)
        return 1
    good = True
    for stack in chosen:
        for faults in (False, True) if arguments.long else (arguments.faults,):
            if faults and not stack.faults:
                continue
            good &= _one(stack, faults, arguments)
    return 0 if good else 1


def _elsewhere(arguments: argparse.Namespace) -> int:
    """Runs the load against a service that is running already."""
    target = Target(arguments.endpoint, os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    traits = {"self_copies": True, "disturbed": False}
    result = {"stack": "endpoint", "seed": arguments.seed, "seconds": arguments.seconds}
    bucket = f"consistency-{arguments.seed}"
    outcome = run.run(target, bucket, arguments.seed, arguments.workers, arguments.seconds, traits)
    return 0 if _told(result, outcome, [], None, arguments) else 1


def _directory(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _one(stack: Stack, faults: bool, arguments: argparse.Namespace) -> bool:
    name = f"{stack.name}+faults" if faults else stack.name
    seconds = min(arguments.seconds, 30) if faults and arguments.long else arguments.seconds
    result = {"stack": name, "seed": arguments.seed, "seconds": seconds}
    why = stacks.absent(stack)
    if why:
        _print(result | {"skipped": why}, arguments.json)
        return True
    work = Path(tempfile.mkdtemp(prefix=f"consistency-{name}-", dir=suite.work_root(arguments.cache)))
    try:
        outcome, ends = _run(stack, faults, seconds, arguments, work)
    except (ServerError, clients.InstallError, Unusable) as error:
        _print(result | {"broken": str(error), "work": str(work)}, arguments.json)
        return False
    good = _told(result, outcome, ends, stack.planted, arguments)
    if good:
        shutil.rmtree(work)
    return good


def _told(result: dict, outcome: Outcome, ends: list[str], planted: str | None, arguments) -> bool:
    """Prints the result of a run, explains its problems, and returns whether it passed."""
    explanation = _directory(arguments.cache / "consistency") / f"{result['stack']}.txt"
    kinds = collections.Counter(problem.kind for problem in outcome.problems)
    kinds.update({"bad end": len(ends)} if ends else {})
    good = planted in kinds if planted else not kinds
    result |= {"requests": outcome.requests, "took": round(outcome.seconds, 1), "violations": dict(kinds)}
    result |= {"undecided": outcome.undecided, "faults": outcome.faults, "passed": good}
    explanation.unlink(missing_ok=True)
    if kinds:
        _explain(explanation, result, outcome, ends)
        result |= {"explanation": os.path.relpath(explanation)}
    _print(result, arguments.json)
    return good


def _run(stack: Stack, faults: bool, seconds: float, arguments, work: Path) -> tuple[Outcome, list[str]]:
    running, ends = Running(stack, arguments.binary, arguments.cache, work), []
    try:
        outcome = run.run(
            running.target(),
            "consistency",
            arguments.seed,
            arguments.workers,
            seconds,
            {"self_copies": stack.self_copies, "disturbed": faults},
            (lambda: Disturber(running, arguments.seed)) if faults else None,
        )
    finally:
        ends += running.stop()
    return outcome, ends


def _print(result: dict, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result), flush=True)
        return
    name = result["stack"]
    if "skipped" in result:
        print(f"skip  {name:28} {result['skipped']}", flush=True)
    elif "broken" in result:
        print(f"FAIL  {name:28} {result['broken']}\n      kept for a look: {result['work']}", flush=True)
    else:
        violations = result["violations"]
        told = ", ".join(f"{kind} {count}" for kind, count in sorted(violations.items())) or "no violation"
        told += f"; {len(result['undecided'])} keys not decided" if result["undecided"] else ""
        told += f" -> {result['explanation']}" if violations else ""
        told += f" ({len(result['faults'])} faults)" if result["faults"] else ""
        verdict = "ok  " if result["passed"] else "FAIL"
        print(
            f"{verdict}  {name:28} {result['took']:5.1f} s {result['requests']:7,} requests  {told}",
            flush=True,
        )


def _explain(path: Path, result: dict, outcome: Outcome, ends: list[str]) -> None:
    lines = [json.dumps(result, indent=1), f"faults: {', '.join(outcome.faults) or 'none'}", "replies:"]
    lines += [f"  {count:7}  {name}" for name, count in sorted(outcome.records.replies.items())]
    shown: collections.Counter[str] = collections.Counter()
    for problem in outcome.problems:
        shown[problem.kind] += 1
        if shown[problem.kind] <= SHOWN:
            at = (problem.at - outcome.started) / 1e6
            lines += ["", f"== {problem.kind}: {problem.key} at {at:.1f} ms", problem.text]
    lines += ["", *(f"== bad end: {end}" for end in ends)]
    path.write_text("\n".join(lines) + "\n")
