"""A relay in front of a storage that fails on demand, as a process of its own.

`Relay` is the handle for the process that starts it; run as a program, this file is the relay. Its address
stays the same when the storage behind it ends and comes back at another address. Modes are read from standard
input, one per line:

- `pass`: forwards bytes in both directions as they arrive
- `reset`: resets each connection after a random number of bytes
- `refuse`: answers HTTP requests with 503 once they are read, and resets open connections
- `slow`: delays each change of direction by a quarter of a second
"""

import asyncio
import random
import re
import socket
import struct
import subprocess
import sys

MODES = ("pass", "reset", "refuse", "slow")
SLOW_SECONDS = 0.25
REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Relay:
    def __init__(self, behind: str):
        self.process = subprocess.Popen(
            [sys.executable, "-B", __file__, behind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.address = self.process.stdout.readline().strip()

    def tell(self, mode: str) -> None:
        """Sets the mode, and returns once it is in force."""
        assert mode in MODES
        self._say(f"mode {mode}")

    def move(self, behind: str) -> None:
        self._say(f"behind {behind}")

    def _say(self, line: str) -> None:
        print(line, file=self.process.stdin, flush=True)
        self.process.stdout.readline()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class _Pair:
    """The state that both directions of a connection share."""

    def __init__(self):
        self.allowance = random.randrange(1 << 10, 200 << 10)  # bytes until the reset
        self.turn: asyncio.StreamWriter | None = None  # the last destination


class _Program:
    def __init__(self, behind: str):
        self.behind, self.mode = behind, "pass"
        self.open: set[asyncio.StreamWriter] = set()

    async def serve(self) -> None:
        server = await asyncio.start_server(self.connected, "127.0.0.1", 0, limit=1 << 17)
        print("127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
        lines = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := (await lines.readline()).decode().split():
            setattr(self, *line)
            if line == ["mode", "refuse"]:
                for writer in list(self.open):
                    _reset(writer)
            print("done", flush=True)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = None
        self.open.add(writer)
        try:
            if self.mode == "refuse":
                await _refuse(reader, writer)
                return
            host, port = self.behind.rsplit(":", 1)
            away, there = await asyncio.open_connection(host, int(port))
            pair = _Pair()
            await asyncio.gather(
                self.carry(reader, there, writer, pair), self.carry(away, writer, there, pair)
            )
        except (OSError, EOFError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            _reset(writer)
        finally:
            self.open.discard(writer)
            for end in (writer, there):
                if end is not None:
                    end.close()

    async def carry(self, source, sink, other, pair: "_Pair") -> None:
        try:
            while data := await source.read(1 << 16):
                turned, pair.turn = pair.turn not in (None, sink), sink
                if self.mode == "slow" and turned:
                    await asyncio.sleep(SLOW_SECONDS)
                if self.mode == "reset":
                    pair.allowance -= len(data)
                    if pair.allowance < 0:
                        sink.write(data[: len(data) // 2])
                        _reset(sink)
                        _reset(other)
                        return
                sink.write(data)
                await sink.drain()
            sink.write_eof()
        except OSError:
            _reset(sink)
            _reset(other)


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    left = int(length[1]) if length and b"100-continue" not in head.lower() else 0
    while left > 0 and (data := await asyncio.wait_for(reader.read(min(left, 1 << 16)), 5)):
        left -= len(data)
    writer.write(REFUSAL)
    await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    try:
        end = writer.get_extra_info("socket")
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    writer.transport.abort()


if __name__ == "__main__":
    asyncio.run(_Program(sys.argv[1]).serve())
