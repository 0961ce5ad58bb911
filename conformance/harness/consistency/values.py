"""Bodies that tell whose they are, and the ETags that such bodies may have.

Owns the text: blocks of one KiB, each of which begins with the name of its writing and its own number.  A
body is a row of pieces of such texts, so that copies of ranges can be told as well.  Nothing here knows of
requests.
"""

import functools
import hashlib
import re
from typing import NamedTuple

BLOCK = 1024
MARK = re.compile(rb"<([a-z]\d+\.\d+) (\d{7})>")


class Piece(NamedTuple):
    """`length` bytes from `start` on of the endless text of `name`."""

    name: str
    start: int
    length: int


Body = tuple[Piece, ...]


@functools.lru_cache(maxsize=16)
def _text(name: str, blocks: int) -> bytes:
    fill = name.encode() * BLOCK
    marks = (f"<{name} {number:07}>".encode() for number in range(blocks))
    return b"".join(mark + fill[: BLOCK - len(mark)] for mark in marks)


def content(body: Body) -> bytes:
    return b"".join(
        _text(piece.name, -(-(piece.start + piece.length) // BLOCK))[piece.start : piece.start + piece.length]
        for piece in body
    )


def length(body: Body) -> int:
    return sum(piece.length for piece in body)


def digest(data: bytes) -> str:
    """What bodies are compared by: not the digest that ETags are made of."""
    return hashlib.sha1(data).hexdigest()


@functools.lru_cache(maxsize=4096)
def whole_etag(body: Body) -> str:
    return hashlib.md5(content(body)).hexdigest()


@functools.lru_cache(maxsize=4096)
def parts_etag(body: Body) -> str:
    """The ETag of an upload of one part for each piece."""
    joined = b"".join(hashlib.md5(content((piece,))).digest() for piece in body)
    return f"{hashlib.md5(joined).hexdigest()}-{len(body)}"


def etags(body: Body) -> frozenset[str]:
    """A copy of an upload's object may keep its ETag or get that of a plain body: S3 leaves it open."""
    return frozenset((whole_etag(body), parts_etag(body))) if body else frozenset((whole_etag(body),))


def owners(data: bytes, most: int = 6) -> list[str]:
    """Whose bytes these are, in their order, as far as whole marks tell."""
    found: list[str] = []
    for name, number in MARK.findall(data):
        if not found or found[-1].split("@")[0] != name.decode():
            found.append(f"{name.decode()}@{int(number) * BLOCK}")
    return found[:most]
