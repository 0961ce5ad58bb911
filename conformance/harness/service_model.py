"""The service model of the pinned botocore, and the part of it that is committed.

Owns `operations.toml`, which has every operation with its request. The tests of the table of operations
(`tests/s3`) need it without an installation. `conformance/run operations` compares it with the pin, and
writes it with `--update`.
"""

import argparse
import functools
import gzip
import json
import re
from pathlib import Path

from harness import clients

CONFORMANCE = Path(__file__).resolve().parent.parent
COMMITTED = CONFORMANCE / "operations.toml"
CONTROL = CONFORMANCE / "control-operations.toml"
CONTROL_MODEL = "s3control/2018-08-20"
PLACES = {"header": "header", "headers": "header", "querystring": "query"}

INTRODUCTION = """\
# Every operation of S3 in the service model of botocore {version}: its request, its query parameters and its headers. `required` are
# those without which no client sends it. Made by `conformance/run operations --update`; do not edit.
#
# `tests/test_parameters.py` compares this file with the model of the pinned botocore, and `tests/s3/operations.rs` with the server's own
# table: an operation, a parameter or a header that a newer pin brings fails there until it is served, refused or explained.
"""


CONTROL_INTRODUCTION = """\
# Every operation of the S3 control plane in the service model of botocore {version}: its request. Made by
# `conformance/run operations --update`; do not edit. `tests/s3` sends each that is not served, and it is refused by its name.
"""


@functools.cache
def model(cache: Path, service: str = "s3/2006-03-01") -> dict:
    """The service model, read where the pinned client is installed."""
    home = clients.install("boto3", cache)
    (packed,) = home.glob(f"lib/python*/site-packages/botocore/data/{service}/service-2.json.gz")
    return json.loads(gzip.decompress(packed.read_bytes()))


def members(known: dict, operation: str) -> list[tuple[str, str, bool]]:
    """The place, the name and the need of each parameter except bucket, key and body."""
    shape = known["operations"][operation].get("input", {}).get("shape")
    if shape is None:
        return []
    shape = known["shapes"][shape]
    required = shape.get("required", [])
    return [
        (PLACES[member["location"]], member["locationName"], name in required)
        for name, member in shape["members"].items()
        if member.get("location") in PLACES
    ]


def pinned() -> str:
    return re.search(r"^botocore==(\S+)$", (clients.REQUIREMENTS / "boto3.txt").read_text(), re.MULTILINE)[1]


def committed_control(known: dict) -> str:
    """The text of `control-operations.toml` for a model."""
    parts = [CONTROL_INTRODUCTION.format(version=pinned())]
    for operation in sorted(known["operations"]):
        http = known["operations"][operation]["http"]
        parts.append(f'\n[{operation}]\nmethod = "{http["method"]}"\nuri = "{http["requestUri"]}"\n')
    return "".join(parts)


def committed(known: dict) -> str:
    """The text of `operations.toml` for a model."""
    parts = [INTRODUCTION.format(version=pinned())]
    for operation in sorted(known["operations"]):
        http = known["operations"][operation]["http"]
        found = members(known, operation)
        part = f'\n[{operation}]\nmethod = "{http["method"]}"\nuri = "{http["requestUri"]}"\n'
        for key, names in (
            ("query", {name for place, name, _ in found if place == "query"}),
            ("headers", {name for place, name, _ in found if place == "header"}),
            ("required", {name for _, name, is_required in found if is_required}),
        ):
            part += listed(key, names)
        parts.append(part)
    return "".join(parts)


def listed(key: str, names: set[str]) -> str:
    if not names:
        return ""
    if len(line := f"{key} = {json.dumps(sorted(names))}\n") <= 120:
        return line
    return f"{key} = [\n" + "".join(f"    {json.dumps(name)},\n" for name in sorted(names)) + "]\n"


def add_to(commands) -> argparse.ArgumentParser:
    command = commands.add_parser("operations", help="compare operations.toml with the service model of the pinned botocore")
    command.add_argument("--update", action="store_true", help="write it instead")
    command.set_defaults(main=main)
    return command


def main(arguments: argparse.Namespace) -> int:
    control = model(arguments.cache, CONTROL_MODEL)
    texts = {COMMITTED: committed(model(arguments.cache)), CONTROL: committed_control(control)}
    outdated = [path for path, wanted in texts.items() if not path.exists() or path.read_text() != wanted]
    if arguments.update:
        for path in outdated:
            path.write_text(texts[path])
    elif outdated:
        print(f"{outdated} do not fit the pinned botocore: conformance/run operations --update, and see what is new")
        return 1
    return 0
