"""Starts a program that chooses a port and does not print it, and prints the port for it.

Usage: tell_port.py PROGRAM ARGUMENT …

Owns only the search for the one listening socket of the program, which Linux shows under /proc.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

LISTENING = "0A"


def port_of(pid: int) -> int | None:
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            sockets.add(os.readlink(descriptor))
        except OSError:  # closed in the meantime
            continue
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == LISTENING and f"socket:[{fields[9]}]" in sockets:
            return int(fields[1].rsplit(":", 1)[1], 16)
    return None


def main() -> int:
    program = subprocess.Popen(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: program.terminate())
    told = False
    while program.poll() is None and not told:
        port = port_of(program.pid)
        if port is not None:
            print(f"listening on 127.0.0.1:{port}", flush=True)
            told = True
        else:
            time.sleep(0.05)
    return program.wait()


if __name__ == "__main__":
    sys.exit(main())
