"""rclone with provider Other, the one that assumes nothing of a server: trees, chunked uploads, moves."""

import json
import os

from harness import trees
from harness.scenario import Scenario, same

scenario = Scenario()
BUCKET = scenario.bucket_name("rclone")
REMOTE = f"causeway:{BUCKET}"
environment = os.environ | {
    "RCLONE_CONFIG": str(scenario.work / "none.conf"),
    "RCLONE_CONFIG_CAUSEWAY_TYPE": "s3",
    "RCLONE_CONFIG_CAUSEWAY_PROVIDER": "Other",
    "RCLONE_CONFIG_CAUSEWAY_ENDPOINT": scenario.endpoint,
    "RCLONE_CONFIG_CAUSEWAY_REGION": "us-east-1",
    "RCLONE_CONFIG_CAUSEWAY_ACCESS_KEY_ID": scenario.access_key,
    "RCLONE_CONFIG_CAUSEWAY_SECRET_ACCESS_KEY": scenario.secret_key,
    "RCLONE_RETRIES": "1",
    "RCLONE_LOW_LEVEL_RETRIES": "1",
}


def rclone(*argv, **options) -> str:
    return scenario.run("rclone", *argv, env=environment, **options).stdout


def keys(path: str = "") -> set[str]:
    return set(rclone("lsf", "--recursive", "--files-only", f"{REMOTE}/{path}").splitlines())


tree, down = scenario.work / "tree", scenario.work / "down"
trees.make_tree(tree, 100)

with scenario.check("mkdir makes the bucket"):
    rclone("mkdir", REMOTE)
    assert f"{BUCKET}/" in rclone("lsf", "causeway:").splitlines()

with scenario.check("copy uploads a tree, lsf lists it"):
    rclone("copy", tree, f"{REMOTE}/tree")
    same(keys("tree"), set(trees.tree_digests(tree)))

with scenario.check("check --download compares every byte"):
    rclone("check", "--download", tree, f"{REMOTE}/tree")

with scenario.check("a second copy transfers nothing, modification times are kept"):
    log = scenario.run("rclone", "copy", "-v", tree, f"{REMOTE}/tree", env=environment).stderr
    assert "Copied (" not in log, log

with scenario.check("copy downloads the same tree"):
    rclone("copy", f"{REMOTE}/tree", down)
    trees.assert_same_tree(tree, down)

with scenario.check("sync removes what is gone at the source"):
    gone = sorted(path for path in tree.rglob("*.bin"))[:3]
    for path in gone:
        path.unlink()
    rclone("sync", tree, f"{REMOTE}/tree")
    same(keys("tree"), set(trees.tree_digests(tree)))

large = scenario.work / "large.bin"
trees.make_file(large, 23)
with scenario.check("a chunked upload keeps content, hash and time"):
    rclone("copyto", "--s3-upload-cutoff", "5Mi", "--s3-chunk-size", "5Mi", large, f"{REMOTE}/large.bin")
    rclone("check", "--download", large, f"{REMOTE}/")
    (entry,) = json.loads(rclone("lsjson", "--hash", "--metadata", f"{REMOTE}/large.bin"))
    assert entry["Size"] == large.stat().st_size and entry["Hashes"]["md5"], entry
    assert float(entry["Metadata"]["mtime"].split("T")[1].split(":")[0]) >= 0

with scenario.check("rcat uploads a stream of unknown length in chunks"):
    with open(large, "rb") as stream:
        scenario.run(
            *("rclone", "rcat", "--streaming-upload-cutoff", "1Mi", "--s3-chunk-size", "5Mi", f"{REMOTE}/streamed.bin"),
            env=environment,
            stdin=stream,
        )
    rclone("copyto", f"{REMOTE}/streamed.bin", scenario.work / "streamed.bin")
    same(trees.file_digest(scenario.work / "streamed.bin"), trees.file_digest(large))

with scenario.check("moveto renames on the server, by parts when large"):
    rclone(
        "moveto", "--s3-copy-cutoff", "5Mi", "--s3-chunk-size", "5Mi", f"{REMOTE}/large.bin", f"{REMOTE}/moved to.bin"
    )
    assert "large.bin" not in keys() and "moved to.bin" in keys()
    rclone("copyto", f"{REMOTE}/moved to.bin", scenario.work / "moved.bin")
    same(trees.file_digest(scenario.work / "moved.bin"), trees.file_digest(large))

with scenario.check("multi-threaded download reads ranges"):
    rclone(
        "copyto",
        "--multi-thread-cutoff",
        "1Mi",
        "--multi-thread-streams",
        "4",
        f"{REMOTE}/moved to.bin",
        down / "threads.bin",
    )
    same(trees.file_digest(down / "threads.bin"), trees.file_digest(large))

with scenario.check("deletefile removes one key"):
    rclone("deletefile", f"{REMOTE}/streamed.bin")
    assert "streamed.bin" not in keys()

with scenario.check("purge removes everything, the bucket too"):
    rclone("purge", REMOTE)
    assert f"{BUCKET}/" not in rclone("lsf", "causeway:").splitlines()

scenario.finish()
