"""Faults while clients work: restarts of the server, storages that stop, networks that break.

Owns a table of faults, each with a way to break and a way to heal, and the thread that causes those that a
stack allows, one at a time. At its end, every fault is healed.
"""

import random
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass

from harness.consistency.stacks import Running


@dataclass(frozen=True)
class Fault:
    breaks: Callable[[Running, str], None]
    heals: Callable[[Running, str], None]
    seconds: tuple[float, float]  # minimum and maximum duration


def _stop_server(running: Running, _: str) -> None:
    why = running.server.stop()
    if why:
        raise RuntimeError(f"the server: {why}")


def _kill_storage(running: Running, name: str) -> None:
    running.storages[name].kill()


FAULTS = {
    "server term": Fault(_stop_server, lambda running, _: running.server.start(), (0.0, 0.5)),
    "server kill": Fault(
        lambda running, _: running.server.kill(), lambda running, _: running.server.start(), (0.0, 0.5)
    ),
    "storage kill": Fault(_kill_storage, lambda running, name: running.start_storage_again(name), (0.5, 3.0)),
    "storage stop": Fault(
        lambda running, name: running.storages[name].signal(signal.SIGSTOP),
        lambda running, name: running.storages[name].signal(signal.SIGCONT),
        (0.5, 3.0),
    ),
    "relay reset": Fault(
        lambda running, name: running.relays[name].tell("reset"),
        lambda running, name: running.relays[name].tell("pass"),
        (0.5, 3.0),
    ),
    "relay refuse": Fault(
        lambda running, name: running.relays[name].tell("refuse"),
        lambda running, name: running.relays[name].tell("pass"),
        (0.5, 3.0),
    ),
}
CALM = (0.5, 2.0)  # seconds between two faults


class Disturber(threading.Thread):
    def __init__(self, running: Running, seed: int):
        super().__init__(daemon=True)
        self.running, self.chance, self.over = running, random.Random(seed), threading.Event()
        self.done: list[str] = []
        self.failure: str | None = None
        self.start()

    def run(self) -> None:
        try:
            while not self.over.wait(self.chance.uniform(*CALM)):
                self._one()
        except Exception as error:  # any failure here fails the run
            self.failure = f"{type(error).__name__}: {error}"

    def _one(self) -> None:
        name = self.chance.choice(self.running.stack.faults)
        storage = self.chance.choice(sorted(self.running.storages)) if self.running.storages else ""
        fault = FAULTS[name]
        self.done.append(f"{name} {storage}" if not name.startswith("server") else name)
        fault.breaks(self.running, storage)
        try:
            self.over.wait(self.chance.uniform(*fault.seconds))
        finally:
            fault.heals(self.running, storage)

    def end(self) -> str | None:
        """Ends the thread, and returns why it failed, if it did."""
        self.over.set()
        self.join()
        return self.failure
