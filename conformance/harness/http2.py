"""One HTTP/2 connection over which many threads send requests at the same time.

Owns the socket, the streams and flow control; the frames are h2's (requirements/http2.txt). One thread reads,
and all threads that wait for streams use one condition. A connection that ended is never used again: its
owner makes another. h2 sends nothing after the server's GOAWAY, so the connection is then closed with all its
streams.
"""

import socket
import ssl
import threading
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions


class Ended(Exception):
    """The connection or the stream ended before the reply began."""


class Tls:
    """TLS over a socket, for one thread that reads and others that send.

    `ssl.SSLSocket` lets several threads use OpenSSL's one connection at the same time, which breaks it now
    and then (BAD_RECORD_MAC). Here one thread at a time uses it, and none holds it while it waits for the
    socket.
    """

    def __init__(self, tls: ssl.SSLContext, socket: socket.socket, host: str):
        self.socket, self.incoming, self.outgoing = socket, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.turn, self.order = threading.Lock(), threading.Lock()
        self.tls = tls.wrap_bio(self.incoming, self.outgoing, server_hostname=host)
        self._until_done(self.tls.do_handshake)

    def selected_alpn_protocol(self) -> str | None:
        return self.tls.selected_alpn_protocol()

    def recv(self, size: int) -> bytes:
        return self._until_done(lambda: self.tls.read(size))

    def sendall(self, data: bytes) -> None:
        with self.order:
            with self.turn:
                if data:
                    self.tls.write(data)
                sealed = self.outgoing.read()
            self.socket.sendall(sealed)

    def settimeout(self, timeout: float | None) -> None:
        self.socket.settimeout(timeout)

    def close(self) -> None:
        self.socket.close()

    def _until_done(self, act):
        while True:
            with self.turn:
                try:
                    return act()
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLZeroReturnError:
                    return b""
            self.sendall(b"")
            arrived = self.socket.recv(1 << 16)
            with self.turn:
                self.incoming.write(arrived) if arrived else self.incoming.write_eof()


class Stream:
    def __init__(self):
        self.status, self.headers, self.headed = None, {}, 0
        self.body, self.done, self.broken = bytearray(), False, None


class Connection:
    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext | None, timeout: float):
        self.timeout, self.ended = timeout, None
        self.socket = socket.create_connection(address, timeout)
        if tls is not None:
            tls.set_alpn_protocols(["h2"])
            self.socket = Tls(tls, self.socket, address[0])
            if self.socket.selected_alpn_protocol() != "h2":
                raise Ended("the server does not speak HTTP/2")
        self.socket.settimeout(None)
        self.changed = threading.Condition()
        self.streams: dict[int, Stream] = {}
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(1 << 24)
        self._flush()
        threading.Thread(target=self._read, daemon=True).start()

    def ask(self, method: str, path: str, host: str, headers: dict[str, str], pieces):
        """Sends a request. Returns (status, headers, body, time of the head, why the body ended early or
        None)."""
        fields = [(":method", method), (":path", path), (":authority", host), (":scheme", "https")]
        fields += [(name, value) for name, value in headers.items() if name != "host"]
        try:
            with self.changed:
                if self.ended:
                    raise Ended(self.ended)
                number = self.h2.get_next_available_stream_id()
                stream = self.streams[number] = Stream()
                whole = method not in ("PUT", "POST")
                self.h2.send_headers(number, fields, end_stream=whole)
                self._flush()
            if not whole:
                self._send(number, stream, pieces)
            with self.changed:
                if not self.changed.wait_for(lambda: stream.done or self.ended, self.timeout):
                    raise Ended(f"no reply within {self.timeout:g} s")
                if stream.status is None:
                    raise Ended(stream.broken or self.ended)
                return (
                    *(stream.status, stream.headers, bytes(stream.body), stream.headed),
                    None if stream.done and not stream.broken else stream.broken or self.ended,
                )
        except h2.exceptions.H2Error as error:
            self._end(repr(error))
            raise Ended(repr(error)) from error
        finally:
            with self.changed:
                self.streams.pop(number, None)

    def _send(self, number: int, stream: Stream, pieces) -> None:
        for piece in pieces:
            while piece:
                with self.changed:
                    if not self.changed.wait_for(
                        lambda: stream.done or self.ended or self._room(number) > 0, self.timeout
                    ):
                        raise Ended(f"no room to send within {self.timeout:g} s")
                    if stream.done or self.ended:
                        return  # the reply came before the body was sent, like a refusal
                    size = self._room(number)
                    self.h2.send_data(number, piece[:size])
                    self._flush()
                    piece = piece[size:]
        with self.changed:
            if not stream.done and not self.ended:
                self.h2.end_stream(number)
                self._flush()

    def _room(self, number: int) -> int:
        """The number of bytes of a body that may be sent now."""
        return min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)

    def _flush(self) -> None:
        self.socket.sendall(self.h2.data_to_send())

    def _read(self) -> None:
        try:
            while data := self.socket.recv(1 << 16):
                with self.changed:
                    for event in self.h2.receive_data(data):
                        self._take(event)
                    if self.ended:
                        break
                    self._flush()
                    self.changed.notify_all()
            self._end("the server closed the connection")
        except (OSError, h2.exceptions.H2Error) as error:
            self._end(repr(error))

    def _take(self, event) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            self.ended = f"the server ended the connection: {event.error_code}"
        stream = self.streams.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if stream is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            fields = dict(event.headers)
            stream.status, stream.headers, stream.headed = (
                int(fields.pop(":status")),
                fields,
                time.monotonic_ns(),
            )
        elif isinstance(event, h2.events.DataReceived):
            stream.body += event.data
        elif isinstance(event, h2.events.StreamEnded):
            stream.done = True
        elif isinstance(event, h2.events.StreamReset):
            # A complete reply may be followed by a reset that stops the client's body.
            refused = event.error_code == h2.errors.ErrorCodes.NO_ERROR and stream.done
            stream.done, stream.broken = (
                True,
                None if refused else f"the stream was reset: {event.error_code}",
            )

    def _end(self, why: str) -> None:
        with self.changed:
            self.ended = self.ended or why
            self.changed.notify_all()
            self.socket.close()
