"""restic: a repository in a bucket, backed up, verified to the last byte, restored, pruned."""

import json
import os
import secrets

from harness import trees
from harness.scenario import Scenario, same

scenario = Scenario()
BUCKET = scenario.bucket_name("restic")
environment = os.environ | {
    "RESTIC_REPOSITORY": f"s3:{scenario.endpoint}/{BUCKET}/repository",
    "RESTIC_PASSWORD": secrets.token_urlsafe(16),
    "RESTIC_CACHE_DIR": str(scenario.work / "cache"),
}


TRUST = ["--cacert", os.environ["AWS_CA_BUNDLE"]] if "AWS_CA_BUNDLE" in os.environ else []


def restic(*argv, **options) -> str:
    return scenario.run("restic", *TRUST, *argv, env=environment, **options).stdout


def snapshots() -> list[str]:
    return [snapshot["short_id"] for snapshot in json.loads(restic("snapshots", "--json"))]


tree = scenario.work / "tree"
trees.make_tree(tree, 200, largest=300_000)

with scenario.check("init makes bucket and repository"):
    restic("init")

with scenario.check("backup of a tree"):
    restic("backup", "tree")

with scenario.check("check --read-data finds every byte"):
    assert "no errors were found" in restic("check", "--read-data")

with scenario.check("restore gives the same tree back"):
    restic("restore", "latest", "--target", scenario.work / "restored")
    trees.assert_same_tree(tree, scenario.work / "restored" / "tree")

with scenario.check("a second backup is a second snapshot, and the first stays as it was"):
    changed = sorted(path for path in tree.rglob("*.bin"))[0]
    before = trees.tree_digests(tree)
    changed.write_bytes(b"changed")
    restic("backup", "tree")
    first, second = snapshots()
    assert str(changed.relative_to(tree)) in restic("diff", first, second)
    restic("restore", first, "--target", scenario.work / "first")
    same(trees.tree_digests(scenario.work / "first" / "tree"), before)

with scenario.check("forget --prune drops the first snapshot and the rest still checks"):
    restic("forget", "--keep-last", "1", "--prune")
    same(snapshots(), [second])
    assert "no errors were found" in restic("check", "--read-data")
    restic("restore", "latest", "--target", scenario.work / "last")
    trees.assert_same_tree(tree, scenario.work / "last" / "tree")

with scenario.check("the repository was not left locked"):
    same(restic("list", "locks").strip(), "")

scenario.finish()
