"""Runs ceph/s3-tests against servers started here, and compares the results with the list of passing tests.

Owns jobs (one server and one pytest each), the printed tables and the exit status. `suite_plugin.py` owns
what happens inside the suite, `suite_lists.py` the lists.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from harness import clients, suite_config, suite_lists
from harness.server import LOCAL, Identity, Server, ServerError, Storage, find_binary

REVISION = "8f0ae7b"
SETS = ("core", "all", "iam")
TEST_SECONDS = 300
# The suite signs a few requests by version 2 in the Authorization header.
SETTINGS = '[server]\nsignature_v2 = "all"\n\n'
# Tests of IAM make OpenID Connect providers, whose keys nobody asks for.
IAM_SETTINGS = '[[oidc_allowed]]\nissuer = "http://*/*"\n\n'
CONFORMANCE = Path(__file__).resolve().parent.parent

# Files that are not part of `all`: tests of Ceph's own features, or of other services.
EXCLUDED_FILES = ("test_iam.py", "test_sts.py", "test_sns.py", "test_s3select.py", "test_utils.py")
# For the set `iam`. Tests of web identities need Keycloak at a fixed address.
IAM_EXCLUDED_FILES = ("test_s3.py", "test_headers.py", "test_sns.py", "test_s3select.py", "test_utils.py")
IAM_EXCLUDED_MARKS = ("webidentity_test", "fails_on_aws")
EXCLUDED_MARKS = (
    *("bucket_logging", "bucket_logging_cleanup", "appendobject", "storage_class", "lifecycle_transition"),
    *("cloud_transition", "cloud_restore", "target_by_bucket", "s3select", "sns"),
    *("iam_account", "iam_cross_account", "iam_role", "iam_tenant", "iam_user", "user_policy", "role_policy"),
    *("session_policy", "group", "group_policy", "test_of_sts", "webidentity_test", "abac_test"),
)


def main(arguments: argparse.Namespace) -> int:
    checkout = arguments.checkout.resolve()
    if not is_checkout(checkout):
        return 2
    core = suite_lists.core() if arguments.set != "iam" else {}
    # A test needs an account without buckets, which a shared account cannot be while another job uses it.
    jobs = arguments.jobs if arguments.endpoint is None else 1
    plan = make_plan(sorted(core) if arguments.set == "core" else None, jobs, arguments.only)
    if arguments.set == "iam":
        plan |= {"excluded_files": IAM_EXCLUDED_FILES, "excluded_marks": IAM_EXCLUDED_MARKS, "member": "s3tests-alt"}
    work = Path(tempfile.mkdtemp(prefix="s3tests-", dir=work_root(arguments.cache)))
    started = time.monotonic()
    try:
        home = clients.install("s3tests", arguments.cache)
        results, broken = run_jobs(arguments, plan, home, checkout, work)
    except (ServerError, clients.InstallError) as error:
        print(error, file=sys.stderr)
        return 1
    report = arguments.cache / f"s3tests-{arguments.set}.txt"
    write_report(report, results)
    regressed = _print_result(results, core, arguments.only)
    print(f"{time.monotonic() - started:.0f} s; tracebacks in {report}")
    for reason in broken:
        print(reason)
    if arguments.update:
        passed = {test for test, result in results.items() if result["outcome"] == "passed"}
        print(f"{suite_lists.add_passing(passed)} added to {suite_lists.PASS.name}")
    if regressed:
        print("in s3tests-pass.txt, but not passing:", *regressed, sep="\n  ")
    if broken or regressed:
        print(f"kept for a look: {work}")
        return 1
    shutil.rmtree(work)
    return 0


def is_checkout(path: Path) -> bool:
    if not (path / "s3tests" / "functional" / "test_s3.py").is_file():
        print(f"{path} is no checkout of ceph/s3-tests", file=sys.stderr)
        return False
    head = subprocess.run(["git", "-C", path, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    if not head.startswith(REVISION):
        print(f"note: the checkout is at {head[:7] or 'an unknown revision'}, the lists are for {REVISION}")
    return True


def make_plan(ids: list[str] | None, jobs: int, only: list[str] | None = None) -> dict:
    return {
        "ids": ids,
        "excluded_files": EXCLUDED_FILES,
        "excluded_marks": EXCLUDED_MARKS,
        "only": only or [],
        "shards": jobs,
        "member": None,
    }


def work_root(cache: Path) -> Path:
    (cache / "work").mkdir(parents=True, exist_ok=True)
    return cache / "work"


def run_jobs(
    arguments,
    plan: dict,
    home: Path,
    checkout: Path,
    work: Path,
    storage: Callable[[Path, contextlib.ExitStack], Storage] = lambda job, stack: LOCAL,
) -> tuple[dict[str, dict], list[str]]:
    """The result of every test, and errors outside of tests; `storage` starts the storage behind a server."""
    servers: list[Server] = []
    runs, broken = [], []
    with contextlib.ExitStack() as stack:
        for shard in range(plan["shards"]):
            job = work / f"job-{shard}"
            if arguments.endpoint is None:
                others = (Identity(), Identity())
                behind = storage(job, stack)
                settings = SETTINGS + (IAM_SETTINGS if plan["member"] else "")
                behind = dataclasses.replace(behind, sections=settings + behind.sections)
                server = Server(find_binary(arguments.binary), job / "server", identities=others, storage=behind)
                stack.callback(lambda server=server: broken.extend(filter(None, [server.stop()])))
                servers.append(server)
                # An administrator may do everything in buckets of others, which an account may not.
                accounts = (others[0], others[1], others[1]) if plan["member"] else (server.root, *others)
                endpoint, users = server.endpoint, accounts
            else:
                job.mkdir()
                endpoint, users = arguments.endpoint, _users_of_environment()
            runs.append(
                (job, _start_pytest(plan | {"shard": shard}, endpoint, users, home, checkout, job, arguments.cache))
            )
            stack.callback(runs[-1][1].terminate)  # has no effect on a process that has ended
        for job, process in runs:
            if process.wait() not in (0, 1, 5):  # passed, failed, no test selected for this job
                broken.append(f"pytest ended with {process.returncode}:\n{(job / 'pytest.log').read_text()[-2000:]}")
    for server in servers:
        broken.extend(f"the server panicked: {line}" for line in server.panics())
    results = {}
    for job, _ in runs:
        for line in (job / "results.jsonl").read_text().splitlines() if (job / "results.jsonl").exists() else ():
            result = json.loads(line)
            results[result["id"]] = result
    return results, broken


def _users_of_environment() -> tuple[Identity, Identity, Identity]:
    main = Identity(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    if "S3TESTS_ALT_ACCESS_KEY" not in os.environ:
        print("note: no S3TESTS_ALT_ACCESS_KEY: every user is the same one, and refusals may pass for nothing")
        return main, main, main
    alt = Identity(os.environ["S3TESTS_ALT_ACCESS_KEY"], os.environ["S3TESTS_ALT_SECRET_KEY"])
    return main, alt, alt


def _start_pytest(plan: dict, endpoint: str, users, home: Path, checkout: Path, job: Path, cache: Path):
    config, plan_file = job / "s3tests.conf", job / "plan.json"
    suite_config.write(config, endpoint, users)
    credentials = list(dict.fromkeys((user.access_key, user.secret_key) for user in users))
    plan_file.touch(mode=0o600)
    plan_file.write_text(
        json.dumps(
            plan
            | {"endpoint": endpoint, "users": credentials, "config": str(config), "results": str(job / "results.jsonl")}
        )
    )
    argv = [home / "bin" / "python", "-m", "pytest", "-p", "harness.suite_plugin", "-p", "no:cacheprovider"]
    # pytest's own tracebacks would parse the 20,585 lines of test_s3.py at each failure.
    argv += ["--tb=native", "-q", f"--timeout={TEST_SECONDS}", "--rootdir", checkout, "-c", checkout / "pytest.ini"]
    argv += [checkout / "s3tests" / "functional"]
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(job),
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join([str(CONFORMANCE), str(checkout)]),
        "PYTHONPYCACHEPREFIX": str(cache / "pycache"),  # keeps the checkout unchanged
        "S3TEST_CONF": str(config),
        "CONFORMANCE_PLAN": str(plan_file),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",  # botocore retries BadDigest, 409 and 5xx, with pauses
    }
    with open(job / "pytest.log", "wb") as log:
        return subprocess.Popen([str(word) for word in argv], stdout=log, stderr=log, env=environment, cwd=job)


def write_report(path: Path, results: dict[str, dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as out:
        for test, result in sorted(results.items()):
            print(f"{result['outcome']:8}{result['seconds']:7.2f} s  {test}", file=out)
        for test, result in sorted(results.items()):
            if result["outcome"] != "passed":
                print(f"\n=== {test}: {result['outcome']}\n{result['traceback']}", file=out)


def _print_result(results: dict[str, dict], core: dict[str, str], only) -> list[str]:
    """Prints failures and the tables, and returns the listed tests that did not pass."""
    for test, result in sorted(results.items()):
        if result["outcome"] != "passed" and (test in core or only):
            print(f"{result['outcome']:8}{test}\n            {result['reason']}")
    expected = suite_lists.passing()
    regressed = sorted(test for test in expected & results.keys() if results[test]["outcome"] != "passed")
    if not only:
        absent = core.keys() - results.keys()
        regressed += sorted(expected & absent)
        for test in sorted(absent):
            print(f"absent  {test}")
    _print_table(
        "core", [(core[test], result) for test, result in results.items() if test in core], list(core.values())
    )
    beyond = [(suite_lists.area_beyond_core(test), result) for test, result in results.items() if test not in core]
    if beyond:
        _print_table("beyond core", beyond, sorted(area for area, _ in beyond))
    return regressed


def _print_table(title: str, rows: list[tuple[str, dict]], order: list[str]) -> None:
    tests = Counter(area for area, _ in rows)
    passed = Counter(area for area, result in rows if result["outcome"] == "passed")
    print()
    for area in dict.fromkeys(order):
        if tests[area]:
            print(f"{area:28}{passed[area]:>5} /{tests[area]:>4}")
    print(f"{'total of ' + title:28}{passed.total():>5} /{tests.total():>4}")
