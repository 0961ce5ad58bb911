"""Moves many files and a few large ones by `causeway sync` and by `rclone sync`, and prints what each costs.

Owns the command, the trees that are moved, and the table. Each pair of ends is worked on by both tools in turn,
with equal parallelism, against the same storage. What arrived is compared with what was sent. A run fails if
bytes are lost or changed, or if a run that was killed sends again what had arrived; figures are no verdict.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from harness import clients, suite, upstreams
from harness.server import FOREIGN, Server, ServerError, find_binary
from harness.upstreams import BACKENDS, Upstream

PARALLEL = 8
ROOMS = 200  # folders of the tree


@dataclass
class Cost:
    seconds: float
    cpu: float
    peak_mib: float


@dataclass
class End:
    """A storage, and how each of the tools writes it."""

    name: str
    causeway: str
    rclone: str
    environment: dict[str, str] = field(repr=False)


class Tools:
    def __init__(self, binary: Path, rclone: Path, work: Path):
        self.binary, self.rclone, self.work = binary, rclone, work
        own = {name: value for name, value in os.environ.items() if not name.startswith((*FOREIGN, "RCLONE_", "SSH_"))}
        self.environment = own | {"HOME": str(work), "XDG_STATE_HOME": str(work / "state")}

    def argv(self, tool: str, source: str, destination: str) -> list[str]:
        if tool == "rclone":
            return [str(self.rclone), "sync", source, destination, "--transfers", str(PARALLEL), "--checkers", str(PARALLEL)]
        return [str(self.binary), "sync", source, destination, "--quiet", "--transfers", str(PARALLEL), "--checkers", str(PARALLEL)]

    def run(self, argv: list[str], environment: dict[str, str]) -> Cost:
        with open(self.work / "tool.log", "w+", encoding="utf-8") as log:
            started = time.monotonic()
            process = subprocess.Popen(argv, env=self.environment | environment, stdout=log, stderr=log, cwd=self.work)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            seconds = time.monotonic() - started
            log.seek(0)
            if process.returncode != 0:
                raise AssertionError(f"{argv[:2]} ended with {process.returncode}: {log.read()[-2000:]}")
        return Cost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def plant(root: Path, files: int, big_mib: int) -> None:
    """Files of 0 to 16 KiB in folders, and files of 256 MiB."""
    source = random.Random(18)
    block = source.randbytes(1 << 20)
    for number in range(files):
        folder = root / f"d{number % ROOMS:03}"
        if number < ROOMS:
            folder.mkdir(parents=True)
        size = source.randrange(0, 16 << 10)
        start = source.randrange(0, len(block) - size)
        (folder / f"file-{number:07}").write_bytes(block[start : start + size])
    for number in range(0, big_mib, 256):
        with open(root / f"big-{number:06}", "wb") as big:
            for piece in range(min(256, big_mib - number)):
                big.write((number + piece).to_bytes(16, "big") + block[16:])


def same(one: Path, other: Path) -> None:
    done = subprocess.run(["diff", "--recursive", "--brief", one, other], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"what arrived differs:\n{done.stdout[:2000]}{done.stderr[:2000]}")


def ends(arguments: argparse.Namespace, work: Path, running: list) -> list[End]:
    """A second Causeway over local disk, and OpenSSH where it is installed."""
    server = Server(arguments.binary, work / "server")
    running.append(server)
    keys = {
        "AWS_ACCESS_KEY_ID": server.root.access_key,
        "AWS_SECRET_ACCESS_KEY": server.root.secret_key,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server.endpoint,
        "RCLONE_CONFIG_S_TYPE": "s3",
        "RCLONE_CONFIG_S_PROVIDER": "Other",
        "RCLONE_CONFIG_S_ENV_AUTH": "true",
        "RCLONE_CONFIG_S_ENDPOINT": server.endpoint,
        "RCLONE_CONFIG_S_FORCE_PATH_STYLE": "true",
    }
    found = [End("S3", "s3://moved", "s:moved", keys)]
    sftp = next(backend for backend in BACKENDS if backend.name == "sftp")
    if why := upstreams.absent(sftp):
        print(f"SFTP: skipped: {why}")
        return found
    upstream = Upstream(sftp, None, work / "upstream", arguments.binary)
    running.append(upstream)
    ssh = work / "ssh"
    ssh.mkdir(parents=True)
    (work / ".ssh").mkdir()
    shutil.copy(work / "upstream/ssh/key", work / ".ssh/id_ed25519")
    shutil.copy(work / "upstream/ssh/known_hosts", work / ".ssh/known_hosts")
    host, port = upstream.address.rsplit(":", 1)
    user, root = upstream.values["user"], work / "upstream/ssh/root"
    keys = {
        "RCLONE_CONFIG_N_TYPE": "sftp",
        "RCLONE_CONFIG_N_HOST": host,
        "RCLONE_CONFIG_N_PORT": port,
        "RCLONE_CONFIG_N_USER": user,
        "RCLONE_CONFIG_N_KEY_FILE": str(work / ".ssh/id_ed25519"),
        "RCLONE_CONFIG_N_KNOWN_HOSTS_FILE": str(work / ".ssh/known_hosts"),
    }
    found.append(End("SFTP", f"sftp://{user}@{host}:{port}{root}", f"n:{root}", keys))
    return found


def pairs(tools: Tools, end: End, tree: Path, rounds: int) -> dict[str, dict[str, list[Cost]]]:
    figures: dict[str, dict[str, list[Cost]]] = {}
    for number in range(rounds):
        for tool in ("rclone", "causeway"):
            there = f"{getattr(end, tool)}/{tool}-{number}"
            back = tools.work / "back"
            steps = (
                (f"disk to {end.name}", str(tree), there),
                ("again, nothing to do", str(tree), there),
                (f"{end.name} to disk", there, str(back)),
            )
            for name, source, destination in steps:
                cost = tools.run(tools.argv(tool, source, destination), end.environment)
                figures.setdefault(f"{name}", {}).setdefault(tool, []).append(cost)
            same(tree, back)
            shutil.rmtree(back)
    return figures


def kills(tools: Tools, end: End, tree: Path, moments: int, whole: Cost, seed: int) -> str:
    """One run, killed at random moments and begun again until it ends. Nothing that arrived is sent again."""
    chosen = random.Random(seed)
    argv = [str(tools.binary), "sync", str(tree), f"{end.causeway}/killed", "--json", "--transfers", str(PARALLEL)]
    arrived: dict[str, int] = {}
    killed = 0
    log = tools.work / "events"
    while True:
        with open(log, "w", encoding="utf-8") as out:
            process = subprocess.Popen(argv, env=tools.environment | end.environment, stdout=out, stderr=out, cwd=tools.work)
            try:
                process.wait(chosen.uniform(0, 2 * whole.seconds / max(moments, 1)) if killed < moments else None)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed += 1
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue  # cut off by the kill
            if event.get("event") == "done" and event.get("action") == "copy":
                arrived[event["name"]] = arrived.get(event["name"], 0) + 1
        if process.returncode == 0:
            break
        if process.returncode != -9:
            raise AssertionError(f"a run that was begun again ended with {process.returncode}: {log.read_text()[-2000:]}")
    twice = [path for path, count in arrived.items() if count > 1]
    if twice:
        raise AssertionError(f"seed {seed}: sent again although they had arrived: {twice[:5]} ({len(twice)})")
    back = tools.work / "back"
    tools.run(tools.argv("causeway", f"{end.causeway}/killed", str(back)), end.environment)
    same(tree, back)
    shutil.rmtree(back)
    return f"{end.name}: killed {killed} times (seed {seed}), {len(arrived)} objects reported as sent, none twice, all arrived"


def median(costs: list[Cost], what: str) -> float:
    values = sorted(getattr(cost, what) for cost in costs)
    return values[len(values) // 2]


def table(figures: dict[str, dict[str, list[Cost]]]) -> str:
    lines = [
        "| work | rclone, s | Causeway, s | ratio | rclone, CPU s | Causeway, CPU s | ratio | rclone, MiB | Causeway, MiB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, of in figures.items():
        cells = [name]
        for what in ("seconds", "cpu"):
            theirs, ours = median(of["rclone"], what), median(of["causeway"], what)
            cells += [f"{theirs:.1f}", f"{ours:.1f}", f"{ours / theirs:.2f}"]
        cells += [f"{max(cost.peak_mib for cost in of[tool]):.0f}" for tool in ("rclone", "causeway")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def add_to(commands) -> argparse.ArgumentParser:
    parser = commands.add_parser("transfers", help="what `causeway sync` costs beside `rclone sync`, and whether it goes on after kills")
    parser.add_argument("--files", type=int, default=100_000, help="of 0 to 16 KiB (default: 100,000)")
    parser.add_argument("--big-mib", type=int, default=10_240, metavar="MIB", help="in files of 256 MiB (default: 10,240)")
    parser.add_argument("--rounds", type=int, default=1, help="of each pair (default: 1)")
    parser.add_argument("--kills", type=int, default=20, help="in one run to each end (default: 20)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of the moments of the kills")
    parser.add_argument("--binary", type=Path, help="default: the newest of target/{release,debug}/causeway")
    parser.set_defaults(main=main)
    return parser


def main(arguments: argparse.Namespace) -> int:
    try:
        arguments.binary = find_binary(arguments.binary)
        rclone = clients.install("rclone", arguments.cache) / "bin" / "rclone"
    except (ServerError, clients.InstallError) as error:
        print(error, file=sys.stderr)
        return 1
    work = Path(tempfile.mkdtemp(prefix="transfers-", dir=suite.work_root(arguments.cache)))
    running: list = []
    try:
        tree = work / "tree"
        plant(tree, arguments.files, arguments.big_mib)
        tools = Tools(arguments.binary, rclone, work)
        for end in ends(arguments, work, running):
            if end.name == "S3":
                tools.run([str(rclone), "mkdir", end.rclone], end.environment)
            figures = pairs(tools, end, tree, arguments.rounds)
            print(table(figures), flush=True)
            if arguments.kills:
                whole = figures[f"disk to {end.name}"]["causeway"][0]
                print(kills(tools, end, tree, arguments.kills, whole, arguments.seed), flush=True)
    except (AssertionError, ServerError, clients.InstallError) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    finally:
        for one in reversed(running):
            one.stop()
        shutil.rmtree(work, ignore_errors=True)
    return 0
