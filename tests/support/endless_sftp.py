"""An SFTP server whose folders never end: every page of a listing is the same. All other requests succeed
and do nothing."""

import struct
import sys

INIT, VERSION, LSTAT, FSTAT, OPENDIR, READDIR, REALPATH, STAT = 1, 2, 7, 8, 11, 12, 16, 17
STATUS, HANDLE, NAME, ATTRIBUTES = 101, 102, 104, 105
FOLDER = struct.pack(">II", 0x4, 0o040755)
FILE = struct.pack(">IQIII", 0x1 | 0x4 | 0x8, 1, 0o100644, 1, 1)


def text(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def name(value: bytes, attributes: bytes) -> bytes:
    return text(value) + text(value) + attributes


def say(kind: int, payload: bytes) -> None:
    sys.stdout.buffer.write(text(bytes([kind]) + payload))
    sys.stdout.buffer.flush()


while len(length := sys.stdin.buffer.read(4)) == 4:
    packet = sys.stdin.buffer.read(struct.unpack(">I", length)[0])
    kind, number, rest = packet[0], packet[1:5], packet[5:]
    if kind == INIT:
        say(VERSION, struct.pack(">I", 3))
    elif kind in (LSTAT, FSTAT, STAT):
        say(ATTRIBUTES, number + FOLDER)
    elif kind == OPENDIR:
        say(HANDLE, number + text(b"handle"))
    elif kind == READDIR:
        say(NAME, number + struct.pack(">I", 2) + name(b"a", FILE) + name(b"b", FILE))
    elif kind == REALPATH:
        say(NAME, number + struct.pack(">I", 1) + name(rest[4:], FOLDER))
    else:
        say(STATUS, number + struct.pack(">I", 0) + text(b"") + text(b""))
