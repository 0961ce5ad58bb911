"""Measures the cost of the server in front of each backend, and prints one table.

Owns the command, the relay that counts bytes between server and storage, and the table. No figure is a
verdict: a run fails only if bytes are lost or changed.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from harness import clients, suite, upstreams
from harness.server import Server, ServerError, find_binary
from harness.upstreams import BACKENDS, Upstream

SCRIPT = Path(__file__).resolve().parent.parent / "measures" / "through.py"


class Relay:
    """Forwards bytes to an address, and counts them in each direction."""

    def __init__(self, address: str, counts: Path):
        host, port = address.rsplit(":", 1)
        self.there, self.counts, self.carried = (host, int(port)), counts, [0, 0]
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.write()
        for work in (self.accept, self.keep_writing):
            threading.Thread(target=work, daemon=True).start()

    def accept(self) -> None:
        while True:
            near, _ = self.listener.accept()
            far = socket.create_connection(self.there)
            for way, (source, sink) in enumerate(((near, far), (far, near))):
                for end in (source, sink):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.carry, args=(way, source, sink), daemon=True).start()

    def carry(self, way: int, source: socket.socket, sink: socket.socket) -> None:
        buffer = bytearray(1 << 20)
        try:
            while count := source.recv_into(buffer):
                sink.sendall(memoryview(buffer)[:count])
                self.carried[way] += count
        except OSError:
            pass
        for end, how in ((sink, socket.SHUT_WR), (source, socket.SHUT_RD)):
            try:
                end.shutdown(how)
            except OSError:
                pass

    def keep_writing(self) -> None:
        try:
            while True:
                self.write()
                time.sleep(0.1)
        except FileNotFoundError:  # the measurement is over, and its directory removed
            pass

    def write(self) -> None:
        draft = self.counts.with_suffix(".new")
        draft.write_text("%d %d" % tuple(self.carried))
        os.replace(draft, self.counts)


def main(arguments: argparse.Namespace) -> int:
    chosen = [backend for backend in BACKENDS if not arguments.only or backend.name in arguments.only]
    try:
        arguments.binary = find_binary(arguments.binary)
        home = clients.install("boto3", arguments.cache)
    except (ServerError, clients.InstallError) as error:
        print(error, file=sys.stderr)
        return 1
    failed = False
    for backend in chosen:
        why = upstreams.absent(backend)
        if why:
            print(f"{backend.name}: skipped: {why}")
            continue
        work = Path(tempfile.mkdtemp(prefix=f"measure-{backend.name}-", dir=suite.work_root(arguments.cache)))
        try:
            figures = _measure(backend, arguments, home, work)
        except (ServerError, clients.InstallError, subprocess.CalledProcessError) as error:
            print(f"{backend.name}: FAILED: {error}\n{getattr(error, 'stderr', None) or ''}", flush=True)
            failed = True
            continue
        finally:
            shutil.rmtree(work, ignore_errors=True)
        _print(backend.name, figures)
    return 1 if failed else 0


def _measure(backend, arguments, home: Path, work: Path) -> dict:
    installed = upstreams.prepare(backend, arguments.cache)
    relays = []

    def between(address: str) -> str:
        relays.append(Relay(address, work / "carried"))
        return relays[0].address

    # A storage that is identified by host and port has to be reached at that address.
    relayed = {"between": between} if "{address}" in backend.toml else {}
    upstream = Upstream(backend, installed, work / "upstream", arguments.binary, **relayed)
    try:
        server = Server(arguments.binary, work / "server", storage=upstream.storage)
        try:
            environment = os.environ | {
                "MEASURE_ENDPOINT": server.endpoint,
                "MEASURE_ADMIN": server.admin,
                "MEASURE_PID": str(server.process.pid),
                "MEASURE_KEY": server.root.access_key,
                "MEASURE_SECRET": server.root.secret_key,
                "MEASURE_SMALL": str(arguments.small),
                "MEASURE_BIG_MIB": str(arguments.big_mib),
            }
            if relays:
                environment["MEASURE_RELAY"] = str(relays[0].counts)
            if backend.name.startswith("s3_"):
                environment["MEASURE_DIRECT"] = f"http://{relays[0].address}"
                environment["MEASURE_DIRECT_KEY"] = upstream.identity.access_key
                environment["MEASURE_DIRECT_SECRET"] = upstream.identity.secret_key
            script = [str(home / "bin" / "python"), str(SCRIPT)]
            done = subprocess.run(script, env=environment, capture_output=True, text=True, check=True)
            return json.loads(done.stdout)
        finally:
            server.stop()
    finally:
        upstream.stop()


def _print(name: str, figures: dict) -> None:
    lines = [f"{name}: {figures['idle_mib']:.0f} MiB resident at the start"]
    if figures.get("latency"):
        times = figures["latency"]
        lines.append(
            f"GET of 4 KiB, one after the other: {times['through']:.2f} ms through, {times['direct']:.2f} ms direct, "
            f"{times['added_ms']:.2f} ms added, {times['added_ms'] / times['direct']:.0%} of the direct call"
        )
    for phase, of in figures.get("small", {}).items():
        asked = f", {of['requests']:.2f} requests to the storage an object" if "requests" in of else ""
        lines.append(f"small objects, {phase}: {of['seconds']:.1f} s, {of['cpu_ms']:.2f} ms CPU an object{asked}")
    if "big" in figures:
        for way in ("up", "down"):
            of = figures["big"][way]
            shares = "".join(f", {key.removesuffix('_share')} {of[key]:.4f} times the object" for key in of if "share" in key)
            lines.append(f"big object, {way}: {of['seconds']:.1f} s, {of['cpu_ms_per_mib']:.2f} ms CPU a MiB{shares}")
        lines.append(f"peak: {figures['big']['peak_mib']:.0f} MiB resident")
    print("\n  ".join(lines), flush=True)
