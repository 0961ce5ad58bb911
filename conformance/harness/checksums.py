"""Computes S3's five checksums of a small body without any client, to check the clients' values.

Owns values in the form of S3 (base64 of the big-endian digest). The CRCs use tables in Python, which is fast
enough for bodies of kilobytes.
"""

import base64
import hashlib
import zlib


def _reflected_crc(width: int, polynomial: int):
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (polynomial if byte & 1 else 0)
        table.append(byte)
    ones = (1 << width) - 1

    def crc(body: bytes) -> bytes:
        state = ones
        for byte in body:
            state = (state >> 8) ^ table[(state ^ byte) & 0xFF]
        return (state ^ ones).to_bytes(width // 8, "big")

    return crc


_DIGESTS = {
    "CRC32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "CRC32C": _reflected_crc(32, 0x82F63B78),
    "CRC64NVME": _reflected_crc(64, 0x9A6C9329AC4BC9B5),
    "SHA1": lambda body: hashlib.sha1(body).digest(),
    "SHA256": lambda body: hashlib.sha256(body).digest(),
}
ALGORITHMS = tuple(_DIGESTS)


def digest(algorithm: str, body: bytes) -> bytes:
    return _DIGESTS[algorithm](body)


def checksum(algorithm: str, body: bytes) -> str:
    """The value of `x-amz-checksum-…` for `body`."""
    return base64.b64encode(digest(algorithm, body)).decode()


def composite(algorithm: str, parts: list[bytes]) -> str:
    """The checksum that S3 returns for an upload in `parts` whose checksum type is COMPOSITE."""
    whole = b"".join(digest(algorithm, part) for part in parts)
    return f"{checksum(algorithm, whole)}-{len(parts)}"


# These are the published check values of both CRCs. With a wrong table, tests would blame the server.
assert digest("CRC32C", b"123456789").hex() == "e3069283"
assert digest("CRC64NVME", b"123456789").hex() == "ae8b14860a799888"
