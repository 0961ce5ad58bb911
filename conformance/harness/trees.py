"""Makes file trees and compares them.

Owns the content of a generated tree: the same seed gives the same bytes, and every tree has names and sizes
that have broken servers before (empty files, blanks, '+', '%', non-ASCII, 'a' beside 'a.b').
"""

import hashlib
import os
import random
import time
from pathlib import Path

ODD_NAMES = (
    "with blank.txt",
    "plus+plus.txt",
    "100%.txt",
    "ünïcode-日本語.txt",
    "amp&equals=question?.txt",
    "quote'hash#.txt",
    "a.b",
    "a-b",
)


def make_tree(root: Path, files: int, seed: int = 1, largest: int = 16 * 1024) -> None:
    """Creates `files` files below `root`, one in ten of them empty, in folders two deep, a minute old.

    They are old, because clients that compare times (`aws s3 sync`) would see an upload in the file's own
    second as older than the file: S3 lists times in whole seconds.
    """
    source = random.Random(seed)
    written = time.time() - 60
    for number in range(files):
        folder = root / f"d{number % 7}" / f"e{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        name = ODD_NAMES[number] if number < len(ODD_NAMES) else f"file-{number:05}.bin"
        size = 0 if number % 10 == 9 else source.randrange(1, largest)
        (folder / name).write_bytes(source.randbytes(size))
        os.utime(folder / name, (written, written))


def make_file(path: Path, mib: int, seed: int = 2) -> None:
    """Creates a file of `mib` MiB that deduplication and sparse files cannot shorten."""
    source = random.Random(seed)
    with open(path, "wb") as out:
        for _ in range(mib):
            out.write(source.randbytes(1 << 20))


def file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_digests(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): file_digest(path) for path in sorted(root.rglob("*")) if path.is_file()}


def assert_same_tree(left: Path, right: Path) -> None:
    ours, theirs = tree_digests(left), tree_digests(right)
    missing, extra = sorted(ours.keys() - theirs.keys()), sorted(theirs.keys() - ours.keys())
    changed = sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name])
    assert not (missing or extra or changed), f"missing {missing[:5]}, extra {extra[:5]}, changed {changed[:5]}"
