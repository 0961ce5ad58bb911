"""Bodies that name their writer, and the ETags that such bodies may have.

Owns the text: blocks of one KiB, each of which begins with the name of its version and its own number. A body
consists of pieces of such texts, so copies of ranges can be recognised, too. Nothing here depends on
requests.
"""

import functools
import hashlib
import re
from typing import NamedTuple

BLOCK = 1024
MARK = re.compile(rb"<([a-z]\d+\.\d+) (\d{7})>")


class Piece(NamedTuple):
    """`length` bytes from `start` on, of the endless text of `name`."""

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
    """The digest by which bodies are compared. It is not the digest of ETags."""
    return hashlib.sha1(data).hexdigest()


@functools.lru_cache(maxsize=4096)
def whole_etag(body: Body) -> str:
    return hashlib.md5(content(body)).hexdigest()


@functools.lru_cache(maxsize=4096)
def parts_etag(body: Body) -> str:
    """The ETag of an upload with one part for each piece."""
    joined = b"".join(hashlib.md5(content((piece,))).digest() for piece in body)
    return f"{hashlib.md5(joined).hexdigest()}-{len(body)}"


def etags(body: Body) -> frozenset[str]:
    """A copy of a multipart object may keep its ETag or get that of a plain body: S3 allows both."""
    return frozenset((whole_etag(body), parts_etag(body))) if body else frozenset((whole_etag(body),))


def owners(data: bytes, most: int = 6) -> list[str]:
    """The versions whose bytes these are, in their order, as far as whole marks show."""
    found: list[str] = []
    for name, number in MARK.findall(data):
        if not found or found[-1].split("@")[0] != name.decode():
            found.append(f"{name.decode()}@{int(number) * BLOCK}")
    return found[:most]
