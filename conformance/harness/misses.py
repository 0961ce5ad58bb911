"""What a backend is known to fail at, and why: `misses/NAME.toml`, and `misses/local.toml` for all of them.

Owns the files.  What the suite wants against AWS is added from its own list.  They may only shrink: whatever is not in them has to pass, and `prune` takes out what passes now.
New lines are written by hand, because each is a reason.
"""

import tomllib
from pathlib import Path

from harness import suite_lists

MISSES = Path(__file__).resolve().parent.parent / "misses"
KINDS = ("scenarios", "s3tests")
EVERYWHERE = "local"


def known(backend: str) -> dict[str, dict[str, str]]:
    """By kind: what fails, with its reason."""
    found = {kind: {} for kind in KINDS}
    for name in dict.fromkeys((EVERYWHERE, backend)):
        for kind, reasons in _read(name).items():
            found[kind] |= reasons
    found["s3tests"] |= suite_lists.against_aws()
    return found


def _read(backend: str) -> dict[str, dict[str, str]]:
    path = MISSES / f"{backend}.toml"
    read = tomllib.loads(path.read_text()) if path.exists() else {}
    wrong = [kind for kind in read if kind not in KINDS]
    wrong += [f"{name!r} without a reason" for names in read.values() for name, why in names.items() if not why.strip()]
    if wrong:
        raise ValueError(f"{path.name}: {', '.join(wrong)}")
    return read


def line(name: str, reason: str) -> str:
    """As it stands in the file: literal strings, so that no character of a name needs an escape."""
    quote = '"' if "'" in name else "'"
    return f"{quote}{name}{quote} = {quote_reason(reason)}"


def quote_reason(reason: str) -> str:
    return '"' + reason.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


def prune(backend: str, passing: set[str]) -> int:
    """Takes out what passes now; how much that was.  Only the backend's own file: the other holds for all."""
    path = MISSES / f"{backend}.toml"
    if not path.exists():
        return 0
    lines = path.read_text().splitlines()
    gone = [text for text in lines if any(text.startswith((f"'{name}' =", f'"{name}" =')) for name in passing)]
    if gone:
        path.write_text("".join(f"{text}\n" for text in lines if text not in gone))
    return len(gone)
