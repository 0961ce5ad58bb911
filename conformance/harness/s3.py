"""A small S3 client that hides nothing: one request, one reply, no retry.

Owns connections (one per thread over HTTP/1.1, one for all threads over HTTP/2) and the times of a reply:
when the request was sent, when the head arrived, and when the reply ended. The clock is `time.monotonic_ns`,
which all processes of a machine share. A connection that breaks before the head of a reply raises `Broken`;
one that breaks in the body sets `Reply.broken`.
"""

import http.client
import re
import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from harness import sigv4


class Broken(Exception):
    """The connection ended before a reply began: the result of the request is unknown."""


@dataclass(frozen=True)
class Target:
    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    certificate: Path | None = None
    http2: bool = False


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    asked: int
    headed: int
    ended: int
    broken: str | None = None  # why the body ended early, if it did

    @property
    def code(self) -> str:
        """S3's code of an error, from the document."""
        found = re.search(rb"<Code>(\w+)</Code>", self.body)
        return found[1].decode() if found else ""

    @property
    def etag(self) -> str:
        return self.headers.get("etag", "").strip('"')

    def field(self, name: str) -> str | None:
        """The text of the first element `name` of the document."""
        found = re.search(rf"<{name}>(.*?)</{name}>".encode(), self.body, re.DOTALL)
        return found[1].decode().replace("&quot;", '"').replace("&#34;", '"').strip('"') if found else None


class Client:
    def __init__(self, target: Target, timeout: float = 60):
        parts = urlsplit(target.endpoint)
        self.target, self.timeout, self.host = target, timeout, parts.netloc
        self.address = (parts.hostname, parts.port)
        self.tls = None
        if parts.scheme == "https":
            self.tls = ssl.create_default_context(cafile=target.certificate)
        self.local = threading.local()
        self.shared, self.lock = None, threading.Lock()

    def ask(
        self,
        method: str,
        bucket: str,
        key: str = "",
        query: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        pause: float = 0,
    ) -> Reply:
        """Sends a request. `pause` is the delay of its body in seconds, in either direction."""
        path = quote(f"/{bucket}/{key}" if key else f"/{bucket}", safe="/~")
        pairs = sorted(
            (quote(name, safe="~"), quote(str(value), safe="~")) for name, value in (query or {}).items()
        )
        path += "?" + "&".join(f"{name}={value}" for name, value in pairs) if pairs else ""
        signed = sigv4.signed_headers(
            method, self.target.endpoint + path, self.target.access_key, self.target.secret_key, body, headers
        )
        if method in ("PUT", "POST"):
            signed["content-length"] = str(len(body))
        asked = time.monotonic_ns()
        send = self._over_http2 if self.target.http2 else self._over_http1
        status, answered, received, headed, broken = send(method, path, signed, body, pause)
        return Reply(status, answered, received, asked, headed, time.monotonic_ns(), broken)

    def _over_http1(self, method, path, headers, body, pause):
        connection = getattr(self.local, "connection", None)
        if connection is None:
            options = {"timeout": self.timeout} | ({"context": self.tls} if self.tls else {})
            kind = http.client.HTTPSConnection if self.tls else http.client.HTTPConnection
            connection = self.local.connection = kind(*self.address, **options)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            try:
                for piece in pieces(body, pause):
                    connection.send(piece)
            except (BrokenPipeError, ConnectionResetError):
                pass  # a server that refuses may have answered before it closed the connection
            reply = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Broken(f"{type(error).__name__}: {error}") from error
        headed, received, broken = time.monotonic_ns(), b"", None
        try:
            if pause and method == "GET":
                received = reply.read(1 << 14)
                time.sleep(pause)
            received += reply.read()
            told = reply.headers.get("content-length")
            if method != "HEAD" and told is not None and int(told) != len(received):
                broken = f"{len(received)} of {told} bytes came"
        except (OSError, http.client.HTTPException) as error:
            broken = f"{type(error).__name__}: {error}"
        if broken or reply.will_close:
            self.close()
        return (
            reply.status,
            {name.lower(): value for name, value in reply.getheaders()},
            received,
            headed,
            broken,
        )

    def _over_http2(self, method, path, headers, body, pause):
        from harness import http2  # imported here, because only HTTP/2 needs its package

        try:
            with self.lock:
                if self.shared is None or self.shared.ended:
                    self.shared = http2.Connection(self.address, self.tls, self.timeout)
                shared = self.shared
            return shared.ask(method, path, self.host, headers, pieces(body, pause))
        except (OSError, http2.Ended) as error:
            raise Broken(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        connection = getattr(self.local, "connection", None)
        if connection is not None:
            connection.close()
            self.local.connection = None


def pieces(body: bytes, pause: float):
    """The body in four pieces with pauses between them, or in one piece."""
    if not pause:
        yield from (body,) if body else ()
        return
    step = -(-len(body) // 4) or 1
    for start in range(0, len(body), step):
        yield body[start : start + step]
        time.sleep(pause / 4)
