"""The known failures of a backend with their reasons: `misses/NAME.toml`, and `misses/local.toml` for all.

Owns the files. Tests of the suite that AWS fails are added from the suite's own list. The files may only
shrink: everything else has to pass, and `prune` removes what passes now. New lines are written by hand,
because each needs a reason.
"""

import tomllib
from pathlib import Path

from harness import suite_lists

MISSES = Path(__file__).resolve().parent.parent / "misses"
KINDS = ("scenarios", "s3tests")
EVERYWHERE = "local"


def known(backend: str) -> dict[str, dict[str, str]]:
    """The known failures with their reasons, by kind."""
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
    """A line of the file. Literal strings need no escapes for characters of a name."""
    quote = '"' if "'" in name else "'"
    return f"{quote}{name}{quote} = {quote_reason(reason)}"


def quote_reason(reason: str) -> str:
    return '"' + reason.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


def prune(backend: str, passing: set[str]) -> int:
    """Removes what passes now, and returns the number of removed lines. `local.toml` is not changed."""
    path = MISSES / f"{backend}.toml"
    if not path.exists():
        return 0
    lines = path.read_text().splitlines()
    gone = [text for text in lines if any(text.startswith((f"'{name}' =", f'"{name}" =')) for name in passing)]
    if gone:
        path.write_text("".join(f"{text}\n" for text in lines if text not in gone))
    return len(gone)
