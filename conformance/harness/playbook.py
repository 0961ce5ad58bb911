"""Runs the scenarios: installs their clients, starts the servers, counts the checks.

Owns the table of scenarios, the environment in which they run, and the report. A scenario is a script in
`scenarios/`, run as its own process with the Python of the client that it imports; it reports through
`scenario.py`. In other languages it is a program in the client's folder, which prints the lines that
`scenario.py` prints.
"""

import argparse
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from harness import clients
from harness.server import LOCAL, Server, ServerError, Storage, find_binary

CONFORMANCE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Scenario:
    name: str
    script: str  # its suffix determines how it is run
    client: str | None = None  # a file in requirements/
    others: tuple[str, ...] = ()  # what else it needs of requirements/
    imports_client: bool = False  # otherwise the client is a program on PATH
    tls: bool = False
    needs: tuple[str, ...] = ()  # programs of this machine; without them the scenario is skipped
    heavy: bool = False  # takes minutes to install: runs with --all, or by name


SCENARIOS = (
    Scenario("aws-cli", "aws_cli.py", "awscli"),
    Scenario("aws-cli-objects", "aws_cli_objects.py", "awscli"),
    Scenario("aws-cli-control", "aws_cli_control.py", "awscli"),
    Scenario("boto3-objects", "boto3_objects.py", "boto3", imports_client=True),
    Scenario("boto3-multipart", "boto3_multipart.py", "boto3", imports_client=True),
    Scenario("boto3-listing", "boto3_listing.py", "boto3", imports_client=True),
    Scenario("boto3-iam", "boto3_iam.py", "boto3", imports_client=True),
    Scenario("boto3-sigv4a", "boto3_sigv4a.py", "boto3", imports_client=True),
    Scenario("boto3-objects-tls", "boto3_objects.py", "boto3", imports_client=True, tls=True),
    Scenario("boto3-multipart-tls", "boto3_multipart.py", "boto3", imports_client=True, tls=True),
    Scenario("restic-tls", "restic.py", "restic", tls=True),
    Scenario("rclone-tls", "rclone.py", "rclone", tls=True),
    Scenario("conditional-writers", "conditional_writers.py"),
    Scenario("s3cmd", "s3cmd.py", "s3cmd"),
    Scenario("restic", "restic.py", "restic"),
    Scenario("rclone", "rclone.py", "rclone"),
    Scenario("duckdb", "duckdb_sql.py", "duckdb", imports_client=True),
    Scenario("s3fs", "s3fs_files.py", "s3fs", imports_client=True),
    Scenario("aws-sdk-js", "javascript/objects.mjs", "aws-sdk-js", needs=("node", "npm")),
    Scenario("aws-sdk-js-tls", "javascript/objects.mjs", "aws-sdk-js", needs=("node", "npm"), tls=True),
    Scenario("browser", "browser_uploads.py", "boto3", imports_client=True, needs=("chromium",), heavy=True),
    Scenario(
        "web-identity",
        "web_identity.py",
        "boto3",
        others=("keycloak", "aws-sdk-go"),
        imports_client=True,
        needs=("java", "mvn", "go"),
        heavy=True,
    ),
    Scenario("mc", "mc.py", "mc", needs=("go",), heavy=True),
    Scenario("aws-sdk-go", "go/objects.go", "aws-sdk-go", needs=("go",), heavy=True),
    Scenario("aws-sdk-go-tls", "go/objects.go", "aws-sdk-go", needs=("go",), heavy=True, tls=True),
    Scenario("aws-sdk-java", "java/src/S3Objects.java", "aws-sdk-java", needs=("java", "mvn"), heavy=True),
)
NAMES = tuple(scenario.name for scenario in SCENARIOS)

DEFAULT_SIZES = {"CONFORMANCE_FILE_MIB": "64", "CONFORMANCE_FILES": "500"}
BIG_SIZES = {"CONFORMANCE_FILE_MIB": "5120", "CONFORMANCE_FILES": "10000"}


# How a scenario in another language is run, by the suffix of its script. It runs in the folder where its
# client was installed.
PROGRAMS = {
    ".mjs": ("node", "{home}/{name}"),
    ".go": ("{home}/bin/scenario",),
    ".java": ("java", "-cp", "{home}/target/classes:{home}/target/dependency/*", "{stem}"),
}


class Tally:
    """The results of all scenarios, which report from several threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.passes: list[str] = []
        self.failures: dict[str, str] = {}

    def record(self, scenario: str, check: str, seconds: float, reason: str | None) -> None:
        with self.lock:
            if reason is None:
                self.passes.append(f"{scenario}: {check}")
            else:
                self.failures[f"{scenario}: {check}"] = reason
            print(f"{'FAIL' if reason else 'ok  '}  {scenario}: {check} ({seconds:.1f} s)")
            print("".join(f"        {line}\n" for line in (reason or "").splitlines()), end="", flush=True)


@dataclass(frozen=True)
class Target:
    """The server to which a scenario sends its requests."""

    endpoint: str
    access_key: str
    secret_key: str
    certificate: Path | None = None
    binary: Path | None = None  # for scenarios that start a server of their own


def main(arguments: argparse.Namespace) -> int:
    chosen = choose(arguments.only, arguments.all)
    unknown = set(arguments.only or ()) - set(NAMES)
    if unknown:
        print(f"no scenario {', '.join(sorted(unknown))}; there are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    skipped = [scenario for scenario in chosen if lacking(scenario)]
    for scenario in skipped:
        print(f"skipped: {scenario.name} (this machine has no {', '.join(lacking(scenario))})")
    chosen = [scenario for scenario in chosen if scenario not in skipped]
    try:
        if arguments.endpoint is None:
            arguments.binary = find_binary(arguments.binary)
        homes = {
            name: clients.install(name, arguments.cache)
            for name in {name for scenario in chosen for name in (scenario.client, *scenario.others)}
            if name
        }
    except (ServerError, clients.InstallError) as error:
        print(error, file=sys.stderr)
        return 1

    work = Path(tempfile.mkdtemp(prefix="scenarios-", dir=_made(arguments.cache / "work")))
    tally = Tally()
    for tls in (False, True):
        some = [scenario for scenario in chosen if scenario.tls is tls]
        if not some:
            continue
        if arguments.endpoint is None:
            with_own_server(arguments, some, homes, work, tls, tally)
        elif tls == arguments.endpoint.startswith("https:"):
            access_key, secret_key = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
            _run_all(some, Target(arguments.endpoint, access_key, secret_key), homes, work, arguments.big, tally)
        else:
            print(f"not run over {arguments.endpoint}: {', '.join(scenario.name for scenario in some)}")
    if tally.failures:
        print("failed:", *tally.failures, f"kept for a look: {work}", sep="\n  ")
    else:
        shutil.rmtree(work)
    print(f"{len(tally.passes)} passed, {len(tally.failures)} failed" + (f", {len(skipped)} skipped" if skipped else ""))
    return 1 if tally.failures else 0


def choose(only: list[str] | None, everything: bool) -> list[Scenario]:
    """The named scenarios, or all of them; the heavy ones only if `everything` is set."""
    return [one for one in SCENARIOS if (one.name in only if only else everything or not one.heavy)]


def lacking(scenario: Scenario) -> list[str]:
    """The programs that `scenario` needs and this machine lacks."""
    return [program for program in scenario.needs if shutil.which(program) is None]


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def with_own_server(
    arguments, chosen, homes, work: Path, tls: bool, tally: Tally, storage: Storage = LOCAL
) -> None:
    """Starts a server over `storage`, runs `chosen` against it, and checks how the server ended."""
    name = "server-tls" if tls else "server"
    started = time.monotonic()
    try:
        server = Server(arguments.binary, work / name, tls=tls, storage=storage)
    except ServerError as error:
        tally.record(name, "starts", time.monotonic() - started, str(error))
        return
    try:
        tally.record(name, "starts", time.monotonic() - started, None)
        target = Target(
            server.endpoint, server.root.access_key, server.root.secret_key, server.certificate, arguments.binary
        )
        _run_all(chosen, target, homes, work, arguments.big, tally)
    finally:
        started = time.monotonic()
        tally.record(name, "exits 0 on SIGTERM", 0, server.stop())
    tally.record(name, "never panicked", 0, "\n".join(server.panics()) or None)
    leaked = "a secret is in the log" if server.leaked_secret() else None
    tally.record(name, "logged no secret", 0, leaked)


def _run_all(chosen, target: Target, homes, work: Path, big: bool, tally: Tally) -> None:
    running: set[subprocess.Popen] = set()

    def run(scenario: Scenario) -> None:
        home, own_work = homes.get(scenario.client), _made(work / scenario.name)
        own_homes = {name: homes[name] for name in scenario.others if name in homes}
        process = _start(scenario, target, home, own_homes, own_work, big)
        running.add(process)
        _follow(scenario, process, target, own_work, tally)
        running.discard(process)

    # Clients spend most of their time starting Python. Two run at once; more would disturb what a check
    # measures.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(run, scenario) for scenario in chosen]
        try:
            for future in futures:
                future.result()
        except BaseException:  # on an interrupt, all processes are ended
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(running):
                process.terminate()
            raise


def _start(
    scenario: Scenario, target: Target, home: Path | None, others: dict[str, Path], work: Path, big: bool
) -> subprocess.Popen:
    return subprocess.Popen(
        _command(scenario, home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=work,
        env=_environment(target, home, others, work, big),
    )


def _command(scenario: Scenario, home: Path | None) -> list[str]:
    script = CONFORMANCE / "scenarios" / scenario.script
    if script.suffix == ".py":
        python = home / "bin" / "python" if scenario.imports_client else sys.executable
        return [str(python), str(script)]
    return [word.format(home=home, name=script.name, stem=script.stem) for word in PROGRAMS[script.suffix]]


def _follow(scenario: Scenario, process: subprocess.Popen, target: Target, work: Path, tally: Tally) -> None:
    checks, failed, noise = 0, 0, []
    with process:
        for line in process.stdout:
            try:
                result = json.loads(line)
                check, seconds, reason = result["check"], result["seconds"], result["reason"]
            except (ValueError, TypeError, KeyError):
                noise.append(line)  # a traceback or output of a client: shown only if the scenario breaks
                continue
            checks += 1
            failed += reason is not None
            tally.record(scenario.name, check, seconds, reason)
    # A scenario that stopped half-way must not count as a short one that passed.
    if checks == 0 or process.returncode != (1 if failed else 0):
        reason = f"exit status {process.returncode} after {checks} checks\n{''.join(noise)[-2000:]}"
        tally.record(scenario.name, "runs to its end", 0, reason.replace(target.secret_key, "[secret]"))
    elif not failed:
        shutil.rmtree(work)


def _environment(
    target: Target, home: Path | None, others: dict[str, Path], work: Path, big: bool
) -> dict[str, str]:
    """The environment of a client, without any profile, proxy or credential of the user who runs it."""
    path = os.environ.get("PATH", os.defpath)
    environment = {
        "PATH": f"{home / 'bin'}{os.pathsep}{path}" if home else path,
        "HOME": str(work),
        "TMPDIR": str(work),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(CONFORMANCE),
        "PYTHONDONTWRITEBYTECODE": "1",
        "CONFORMANCE_ENDPOINT": target.endpoint,
        "CONFORMANCE_WORK": str(work),
        "AWS_ACCESS_KEY_ID": target.access_key,
        "AWS_SECRET_ACCESS_KEY": target.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",  # a retry would hide the reply that a check looks for
    }
    if target.binary is not None:
        environment["CONFORMANCE_BINARY"] = str(target.binary)
    # `aws-sdk-go` is at CONFORMANCE_HOME_AWS_SDK_GO.
    environment |= {f"CONFORMANCE_HOME_{name.upper().replace('-', '_')}": str(path) for name, path in others.items()}
    sizes = BIG_SIZES if big else {name: os.environ.get(name, size) for name, size in DEFAULT_SIZES.items()}
    if target.certificate is not None:
        for name in ("AWS_CA_BUNDLE", "RCLONE_CA_CERT", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"):
            environment[name] = str(target.certificate)
    return environment | sizes
