"""The lists of tests: the core, the passing tests, and the area of each test.

Owns the two text files beside `run`: one id per line, `# area (count)` headings, other comments ignored.
`s3tests-pass.txt` may only grow: nothing here can remove a line. The tests in `s3tests-aws.toml` are not
expected to pass anywhere, because they expect something else than AWS answers.
"""

import re
import tomllib
from pathlib import Path

CONFORMANCE = Path(__file__).resolve().parent.parent
CORE = CONFORMANCE / "s3tests-core.txt"
PASS = CONFORMANCE / "s3tests-pass.txt"
AGAINST_AWS = CONFORMANCE / "s3tests-aws.toml"

# Areas of the tests beyond the core, by the first pattern in the name.
BEYOND_CORE = (
    ("IAM", r"^test_iam"),
    ("STS", r"^test_sts"),
    ("headers", r"^test_headers"),
    ("encryption", r"sse_|encrypt|copy_enc|kms"),
    ("object lock", r"object_lock|legal_hold|retention"),
    ("lifecycle", r"lifecycle|restore"),
    ("public access block", r"public_access|block_public|ignore_public|policy_status"),
    ("bucket policy", r"policy"),
    ("versioning", r"version|delete_marker"),
    ("POST object", r"post_object"),
    ("CORS", r"cors"),
    ("tagging", r"tag"),
    ("ACLs", r"acl|grant|access_bucket|_anon"),
    ("ownership", r"ownership"),
    ("conditional", r"if_|ifmatch|ifnonematch|ifnonmatch|conditional"),
    ("multipart", r"multipart"),
    ("listing", r"list"),
    ("presigned, raw", r"raw"),
    ("bucket", r"bucket"),
)


def core() -> dict[str, str]:
    """The ids of the core, each with its area, in the order of the file."""
    areas, area = {}, "core"
    for line in CORE.read_text().splitlines():
        heading = re.fullmatch(r"# (.+) \(\d+\)", line)
        if heading:
            area = heading[1]
        elif line and not line.startswith("#"):
            areas[line.strip()] = area
    return areas


def area_beyond_core(test: str) -> str:
    name = test.replace("::", " ").replace(".py", "")
    return next((area for area, pattern in BEYOND_CORE if re.search(pattern, name)), "other")


def against_aws() -> dict[str, str]:
    """The tests that AWS does not pass, with its answers."""
    return tomllib.loads(AGAINST_AWS.read_text())


def passing() -> set[str]:
    """The ids of the tests that have to pass."""
    return _listed() - against_aws().keys()


def _listed() -> set[str]:
    if not PASS.exists():
        return set()
    return {line.strip() for line in PASS.read_text().splitlines() if line.strip() and not line.startswith("#")}


def add_passing(more: set[str]) -> int:
    """Adds tests to the list, below its comments, and returns the number of new ones."""
    before = _listed()
    after = sorted(before | more)
    head = PASS.read_text().splitlines() if PASS.exists() else []
    comments = "".join(f"{line}\n" for line in head if line.startswith("#"))
    PASS.write_text(comments + "".join(f"{test}\n" for test in after))
    return len(after) - len(before)
