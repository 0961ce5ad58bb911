"""Runs contract, scenarios and the core of s3tests on each backend, and prints one table.

Owns the command and the verdict: a backend passes if all its failures are explained in `misses/`. A backend
that this machine cannot run is skipped, with the reason, and does not count as passed.
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from harness import clients, misses, playbook, suite, suite_lists, upstreams
from harness.server import REPOSITORY, ServerError, find_binary
from harness.upstreams import BACKENDS, Backend, Upstream

# One scenario per client, and the checks of conditions and special keys.
SCENARIOS = (
    *("aws-cli", "aws-cli-objects", "boto3-objects", "boto3-multipart", "boto3-listing", "conditional-writers"),
    *("restic", "rclone", "duckdb"),
)


@dataclass
class Row:
    """One printed row: the results of one backend."""

    backend: Backend
    cells: dict[str, str] = field(default_factory=dict)
    skipped: str | None = None
    problems: list[str] = field(default_factory=list)

    def judge(self, kind: str, passed: set[str], failed: dict[str, str]) -> None:
        """Records results; `failed` maps each failure to its message. A failure without an explanation is
        a problem."""
        self.cells[kind] = f"{len(passed)}/{len(passed) + len(failed)}"
        known = misses.known(self.backend.name)[kind]
        for name, how in sorted(failed.items()):
            if name not in known:
                self.problems.append(f"[{kind}] {misses.line(name, how)}")
        for name in sorted(passed & known.keys()):
            print(f"{self.backend.name}: {name} passes now: --update takes it out of misses/")


def main(arguments: argparse.Namespace) -> int:
    chosen = [backend for backend in BACKENDS if not arguments.only or backend.name in arguments.only]
    unknown = set(arguments.only or ()) - set(upstreams.NAMES)
    if unknown:
        print(f"no backend {', '.join(sorted(unknown))}; there are: {', '.join(upstreams.NAMES)}", file=sys.stderr)
        return 2
    if arguments.checkout is not None:
        arguments.checkout = arguments.checkout.resolve()
        if not suite.is_checkout(arguments.checkout):
            return 2
    try:
        arguments.binary = find_binary(arguments.binary)
        for scenario in _scenarios(arguments):
            if scenario.client:
                clients.install(scenario.client, arguments.cache)
        if arguments.checkout is not None:
            clients.install("s3tests", arguments.cache)
    except (ServerError, clients.InstallError) as error:
        print(error, file=sys.stderr)
        return 1
    rows = [_run(backend, arguments) for backend in chosen]
    _print_table(rows)
    for row in rows:
        if row.problems:
            print(f"\n{row.backend.name}: not explained in misses/{row.backend.name}.toml:", *row.problems, sep="\n  ")
    return 1 if any(row.problems for row in rows) else 0


def _scenarios(arguments) -> list[playbook.Scenario]:
    return [] if arguments.no_scenarios else [one for one in playbook.SCENARIOS if one.name in SCENARIOS]


def _run(backend: Backend, arguments) -> Row:
    print(f"\n=== {backend.name}: {backend.about}", flush=True)
    row = Row(backend, skipped=upstreams.absent(backend))
    if row.skipped:
        return row
    work = Path(tempfile.mkdtemp(prefix=f"{backend.name}-", dir=suite.work_root(arguments.cache)))
    try:
        if backend.contract and not arguments.no_contract:
            _run_contract(row)
        home = upstreams.prepare(backend, arguments.cache)
        if not arguments.no_scenarios:
            _run_scenarios(row, home, arguments, work)
        if arguments.checkout is not None:
            _run_suite(row, home, arguments, work)
    except (ServerError, clients.InstallError) as error:
        row.problems.append(str(error))
    if row.problems:
        print(f"kept for a look: {work}")
    else:
        shutil.rmtree(work)
    return row


def _run_contract(row: Row) -> None:
    """No failure of the store contract is explained by `misses/`: the contract itself allows refusals."""
    driver = row.backend.contract
    if shutil.which("cargo") is None:
        row.cells["contract"] = "skipped: no cargo"
        return
    command = ["cargo", "test", "--locked", "--test", "store_contract", "--", f"{driver}::"]
    # The process gets its own group: a killed cargo would leave its tests running.
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen(command, cwd=REPOSITORY, **options) as process:
        try:
            output, errors = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    result = re.search(r"^test result: .*? (\d+) passed; (\d+) failed", output, re.MULTILINE)
    if result is None:
        row.cells["contract"] = "broken"
        row.problems.append(f"{' '.join(command)}:\n{errors[-1500:]}")
        return
    passed, failed = int(result[1]), int(result[2])
    row.cells["contract"] = f"{passed}/{passed + failed}"
    row.problems += [f"[contract] {test}" for test in re.findall(r"^test (\S+) \.\.\. FAILED", output, re.MULTILINE)]
    if passed + failed == 0:
        row.problems.append(f"[contract] tests/store_contract.rs has no driver {driver}")


def _run_scenarios(row: Row, home: Path | None, arguments, work: Path) -> None:
    chosen = _scenarios(arguments)
    homes = {one.client: clients.install(one.client, arguments.cache) for one in chosen if one.client}
    tally = playbook.Tally()
    upstream = Upstream(row.backend, home, work / "upstream", arguments.binary)
    try:
        playbook.with_own_server(arguments, chosen, homes, work, False, tally, upstream.storage)
    finally:
        died = upstream.stop()
    row.problems += [died] if died else []
    # A scenario that broke off is a failure of its own: "restic: runs to its end".
    how = {check: " ".join(reason.split())[-400:] for check, reason in tally.failures.items()}
    row.judge("scenarios", set(tally.passes), how)


def _run_suite(row: Row, home: Path | None, arguments, work: Path) -> None:
    core = suite_lists.core()
    died: list[str | None] = []

    def storage(job: Path, stack: contextlib.ExitStack):
        upstream = Upstream(row.backend, home, job / "upstream", arguments.binary)
        stack.callback(lambda: died.append(upstream.stop()))
        return upstream.storage

    python = clients.install("s3tests", arguments.cache)
    plan = suite.make_plan(sorted(core), arguments.jobs)
    results, broken = suite.run_jobs(arguments, plan, python, arguments.checkout, work, storage)
    suite.write_report(arguments.cache / f"s3tests-{row.backend.name}.txt", results)
    row.problems += broken + [reason for reason in died if reason]
    passed = {test for test in core if test in results and results[test]["outcome"] == "passed"}
    failed = {test: results[test]["reason"] if test in results else "did not run" for test in core.keys() - passed}
    row.judge("s3tests", passed, failed)
    if arguments.update:
        print(f"{misses.prune(row.backend.name, passed)} taken out of misses/{row.backend.name}.toml")


def _print_table(rows: list[Row]) -> None:
    kinds = ("contract", "scenarios", "s3tests")
    print(f"\n{'backend':14}{'contract':>12}{'scenarios':>12}{'s3tests core':>14}")
    for row in rows:
        cells = [row.cells.get(kind, "-") for kind in kinds]
        counts = f"{cells[0]:>12}{cells[1]:>12}{cells[2]:>14}"
        verdict = f"{len(row.problems)} not explained" if row.problems else ""
        print(f"{row.backend.name:14}{'  skipped: ' + row.skipped if row.skipped else counts}  {verdict}".rstrip())
