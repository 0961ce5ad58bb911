"""Counts the instructions and the system calls that the server needs for a request, and compares them with committed figures.

Owns the command, the requests that are counted, and the file of figures.  valgrind's callgrind counts instructions, strace counts calls;
a figure does not depend on how busy the machine is, so it may fail a run.  A build of another profile has other figures: those of each
are a table of the file.
"""

import argparse
import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from harness import sigv4
from harness.server import Server, ServerError, find_binary

FIGURES = Path(__file__).resolve().parent.parent / "instructions.toml"
# A request may cost this much more than its figure, or less, before the run fails: the figure would no longer tell anything.
SLACK = 0.05
SMALL = 4096
KEYS = 200
LISTED = 1000
# More than a start takes under callgrind on a busy machine.
START_SECONDS = 300
ATTACH_SECONDS = 30
# Calls whose number depends on time: waits, wake-ups, what allocators do, and commits of the index, which several requests share.  fcntl
# is also what the standard library of a debug build checks descriptors with.
CHANCE = {
    *("futex", "epoll_wait", "epoll_pwait", "sched_yield", "restart_syscall", "read", "write", "fcntl"),
    *("mmap", "munmap", "madvise", "mprotect", "clone3", "set_robust_list", "rseq", "sigaltstack", "rt_sigprocmask", "prctl"),
    *("pread64", "pwrite64", "fdatasync", "gettid", "exit"),
}

HEAD = """# Instructions of the whole server for one request, one after the other on one connection, by callgrind. `conformance/run instructions`
# compares a build with the figures of its profile, with 5 % slack; `--update` writes them anew. `_calls` are system calls, by strace,
# without waits and what requests share.
"""


class Client:
    """Signed requests on one connection."""

    def __init__(self, server: Server):
        self.server = server
        self.connection = http.client.HTTPConnection(server.address, timeout=120)

    def send(self, method: str, path: str, body: bytes = b"") -> bytes:
        root = self.server.root
        headers = sigv4.signed_headers(method, f"http://{self.server.address}{path}", root.access_key, root.secret_key, body)
        self.connection.request(method, path, body=body or None, headers=headers)
        reply = self.connection.getresponse()
        content = reply.read()
        if reply.status >= 300:
            raise ServerError(f"{method} {path} was answered {reply.status}: {content[:200]!r}")
        return content


def requests(client: Client) -> dict[str, tuple[int, object]]:
    """By name: how many are counted, and how to send the one with a number."""
    small = os.urandom(SMALL)
    return {
        "get_4kib": (400, lambda number: client.send("GET", f"/read/{number % KEYS:04}")),
        "head": (400, lambda number: client.send("HEAD", f"/read/{number % KEYS:04}")),
        "put_4kib": (400, lambda number: client.send("PUT", f"/written/{number:06}", small)),
        "list_1000": (10, lambda number: client.send("GET", "/listed?list-type=2")),
    }


class Counter:
    """callgrind's counter of a running process."""

    def __init__(self, pid: int, directory: Path):
        self.pid, self.directory = pid, directory

    def control(self, command: str) -> None:
        subprocess.run(["callgrind_control", command, str(self.pid)], check=True, capture_output=True)

    def count(self, work) -> int:
        self.control("--zero")
        work()
        before = set(self.directory.glob("counts.*"))
        self.control("--dump")
        dumps = set(self.directory.glob("counts.*")) - before
        text = max(dumps, key=lambda path: path.stat().st_mtime).read_text(errors="replace")
        return int(re.findall(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)[-1])


def measure(binary: Path, work: Path) -> dict[str, int]:
    wrapper = ("valgrind", "--tool=callgrind", f"--callgrind-out-file={work}/counts")
    server = Server(binary, work / "server", wrapper=wrapper, start_seconds=START_SECONDS)
    try:
        client = Client(server)
        for bucket in ("read", "written", "listed"):
            client.send("PUT", f"/{bucket}")
        for number in range(KEYS):
            client.send("PUT", f"/read/{number:04}", os.urandom(SMALL))
        for number in range(LISTED):
            client.send("PUT", f"/listed/a key of usual length {number:04}".replace(" ", "-"), b"bytes")
        counter, figures, next_number = Counter(server.process.pid, work), {}, 0
        for name, (count, send) in requests(client).items():

            def some(many: int, send=send) -> None:
                nonlocal next_number
                for number in range(next_number, next_number + many):
                    send(number)
                next_number += many

            some(count // 10 + 1)
            # The least of three: background work only ever adds.
            figures[name] = min(counter.count(lambda: some(count)) for _ in range(3)) // count
        return figures
    finally:
        server.kill()


class Tracer:
    """strace's counter of a running process."""

    def __init__(self, pid: int, directory: Path):
        self.pid, self.table = pid, directory / "calls"

    def count(self, work) -> int:
        strace = subprocess.Popen(["strace", "-f", "-qq", "-c", "-o", self.table, "-p", str(self.pid)])
        try:
            self._wait_until_attached(strace)
            work()
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait()
        rows = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+)(?: +\d+)? +(\w+)$", self.table.read_text(), re.MULTILINE)
        return sum(int(calls) for calls, name in rows if name not in CHANCE | {"total"})

    def _wait_until_attached(self, strace: subprocess.Popen) -> None:
        threads = Path(f"/proc/{self.pid}/task")
        deadline = time.monotonic() + ATTACH_SECONDS
        while any("TracerPid:\t0\n" in (thread / "status").read_text() for thread in threads.iterdir()):
            if strace.poll() is not None or time.monotonic() > deadline:
                raise ServerError("strace could not attach to the server")
            time.sleep(0.02)


def count_calls(binary: Path, work: Path) -> dict[str, float]:
    server = Server(binary, work / "traced")
    try:
        client = Client(server)
        for bucket in ("read", "written"):
            client.send("PUT", f"/{bucket}")
        for number in range(KEYS):
            client.send("PUT", f"/read/{number:04}", os.urandom(SMALL))
        tracer, figures, next_number = Tracer(server.process.pid, work), {}, 0
        for name, (count, send) in requests(client).items():
            if not name.startswith("list"):

                def some(send=send, count=count) -> None:
                    nonlocal next_number
                    for number in range(next_number, next_number + count):
                        send(number)
                    next_number += count

                some()
                figures[f"{name}_calls"] = round(min(tracer.count(some) for _ in range(3)) / count, 1)
        return figures
    finally:
        server.stop()


def main(arguments: argparse.Namespace) -> int:
    missing = [program for program in ("valgrind", "callgrind_control", "strace") if shutil.which(program) is None]
    if missing:
        print(f"skipped: instructions ({missing[0]} is not installed: apt-get install valgrind strace)")
        return 0
    binary = find_binary(arguments.binary)
    profile = binary.parent.name
    known = tomllib.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    with tempfile.TemporaryDirectory(prefix="instructions-") as work:
        figures = measure(binary, Path(work)) | count_calls(binary, Path(work))
    if arguments.update:
        known[profile] = figures
        tables = (
            f"\n[{name}]\n" + "".join(f"{request} = {figure}\n" for request, figure in table.items())
            for name, table in sorted(known.items())
        )
        FIGURES.write_text(HEAD + "".join(tables))
    return report(profile, figures, known.get(profile))


def report(profile: str, figures: dict[str, float], known: dict[str, float] | None) -> int:
    """Prints the figures beside the committed ones, and says whether all are within the slack."""
    if known is None:
        print(f"no figures are committed for the profile '{profile}': --update writes them", file=sys.stderr)
        return 1
    wrong = 0
    for request, figure in figures.items():
        ratio = figure / known[request] if known.get(request) else float("inf")
        fine = abs(ratio - 1) <= SLACK
        wrong += not fine
        print(f"{'ok  ' if fine else 'FAIL'}  instructions: {request} {figure} ({ratio:.3f} of the committed figure)")
    if wrong:
        print(
            f"{wrong} of {len(figures)} are not within {SLACK:.0%} of conformance/instructions.toml. Find what changed; if it is meant, "
            "write the figures with: conformance/run instructions --update",
            file=sys.stderr,
        )
    return 1 if wrong else 0


def add_to(commands) -> argparse.ArgumentParser:
    parser = commands.add_parser("instructions", help="count instructions for each request, and compare with committed figures")
    parser.add_argument("--binary", type=Path, help="default: the newest of target/{release,debug}/causeway")
    parser.add_argument("--update", action="store_true", help="write the figures of this build's profile")
    parser.set_defaults(main=main)
    return parser
