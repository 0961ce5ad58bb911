"""`conformance/run replicas`: runs trials, cases and the growth of a bucket, and prints a line for each.

Owns the command, the lines, and the files kept under target/conformance/replicas/. A row that this machine
cannot run is skipped, with the reason, and does not count as passed.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness import clients, suite
from harness.replicas import cases, grow, trial
from harness.replicas.table import TRIALS
from harness.replicas.trial import Durations, Result
from harness.server import ServerError, find_binary


@dataclass(frozen=True)
class Row:
    """Anything that can be run by its name."""

    name: str
    about: str
    absent: Callable[[], str | None]
    run: Callable[[argparse.Namespace, Path], Result]


def _rows() -> list[Row]:
    rows = [
        Row(
            one.name,
            f"{', '.join(one.members)}; write {one.write}, read {one.read}",
            lambda one=one: trial.absent(one),
            lambda given, work, one=one: trial.run(
                one, given.durations, given.binary, given.cache, work, given.seed
            ),
        )
        for one in TRIALS
    ]
    rows += [
        Row(
            case.name,
            case.about,
            lambda case=case: cases.absent(case),
            lambda given, work, case=case: cases.run(case, given.binary, given.cache, work),
        )
        for case in cases.CASES
    ]
    for one in grow.GROWTHS:
        rows.append(
            Row(
                one.name,
                f"a bucket on {', '.join(one.members[:-1])} gets a replica on {one.members[-1]}",
                lambda one=one: grow.absent(one),
                lambda given, work, one=one: grow.run(
                    one, given.objects, given.binary, given.cache, work, given.seed
                ),
            )
        )
    return rows


def add_to(commands) -> argparse.ArgumentParser:
    parser = commands.add_parser("replicas", help="try replicated buckets whose members are of other makers")
    names = ", ".join(row.name for row in _rows())
    parser.add_argument("--only", nargs="+", metavar="TRIAL", help=f"names, or how they begin, of: {names}")
    parser.add_argument(
        "--during", type=float, default=8, metavar="SECONDS", help="of each fault (default: 8)"
    )
    parser.add_argument("--objects", type=int, default=2000, help="that grow begins with (default: 2000)")
    parser.add_argument("--seed", type=int, help="of all choices (default: by the clock)")
    parser.add_argument("--json", action="store_true", help="print one JSON document a line")
    parser.add_argument("--binary", type=Path, help="default: the newest of target/{release,debug}/causeway")
    parser.set_defaults(main=main)
    return parser


def main(arguments: argparse.Namespace) -> int:
    rows = _rows()
    if arguments.only:
        beginnings = tuple(arguments.only)
        rows = [row for row in rows if row.name.startswith(beginnings)]
        if not rows:
            print(f"no trial begins with {' or '.join(beginnings)}", file=sys.stderr)
            return 2
    arguments.seed = int(time.time()) if arguments.seed is None else arguments.seed
    arguments.durations = Durations(during=arguments.during)
    try:
        arguments.binary = find_binary(arguments.binary)
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    kept = arguments.cache / "replicas"
    kept.mkdir(parents=True, exist_ok=True)
    passed = failed = 0
    for row in rows:
        good = _one(row, arguments, kept)
        passed, failed = passed + (good is True), failed + (good is False)
    if not arguments.json:
        print(f"{passed} passed, {failed} failed, {len(rows) - passed - failed} skipped")
    return 1 if failed else 0


def _one(row: Row, arguments: argparse.Namespace, kept: Path) -> bool | None:
    why = row.absent()
    if why:
        _print({"trial": row.name, "skipped": why}, arguments.json)
        return None
    work = Path(tempfile.mkdtemp(prefix=f"replicas-{row.name}-", dir=suite.work_root(arguments.cache)))
    began = time.monotonic()
    try:
        result = row.run(arguments, work)
    except (ServerError, clients.InstallError, OSError) as error:
        result = Result([f"it broke: {type(error).__name__}: {error}"])
    told = {
        "trial": row.name,
        "about": row.about,
        "seed": arguments.seed,
        "took": round(time.monotonic() - began),
    }
    told |= {"problems": result.problems} | result.figures
    (kept / f"{row.name}.json").write_text(json.dumps(told, indent=1, default=str) + "\n")
    if result.problems:
        told["work"] = os.path.relpath(work)
    else:
        shutil.rmtree(work)
    _print(told, arguments.json)
    return not result.problems


def _print(told: dict, as_json: bool) -> None:
    if as_json:
        print(json.dumps(told, default=str), flush=True)
    elif "skipped" in told:
        print(f"skip  {told['trial']:40} {told['skipped']}", flush=True)
    else:
        shown = ("requests", "errors", "slowest", "clean_s", "equal_s", "objects")
        figures = ", ".join(f"{name} {_short(told[name])}" for name in shown if name in told)
        print(f"{'FAIL' if told['problems'] else 'ok  '}  {told['trial']:40} {told['took']:4} s  {figures}")
        print("".join(f"        {problem[:400]}\n" for problem in told["problems"]), end="", flush=True)


def _short(figure: object) -> object:
    return sum(figure.values()) if isinstance(figure, dict) else figure
