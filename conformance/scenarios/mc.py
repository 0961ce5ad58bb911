"""mc, MinIO's client, with its defaults: an alias, buckets, trees, shared links.

Owns, too, what only MinIO serves: such commands have to end with a reason.
"""

import json
import os
import subprocess
import urllib.error
import urllib.request
from email.header import decode_header

from harness import trees
from harness.scenario import Scenario, same

scenario = Scenario()
BUCKET = scenario.bucket_name("mc")


def mc(*argv, **options) -> str:
    return scenario.run("mc", *argv, **options).stdout


def told(*argv, **options) -> list[dict]:
    """What `mc --json` prints, one document a line."""
    return [json.loads(line) for line in mc("--json", *argv, **options).splitlines()]


def refused(*argv, expect: int | None = None) -> str:
    """mc's own words for a failure, in one line."""
    done = scenario.run("mc", *argv, expect=expect, timeout=60)
    return " ".join((done.stdout + done.stderr).split())


def content(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


def set_alias(name: str, secret: str) -> subprocess.CompletedProcess:
    # Keys from standard input: arguments are seen by everybody on the machine.
    keys = f"{scenario.access_key}\n{secret}\n"
    argv = ["mc", "alias", "set", name, scenario.endpoint]
    return subprocess.run(argv, input=keys, capture_output=True, text=True, timeout=60, cwd=scenario.work)


with scenario.check("alias set finds out how the server wants to be spoken to"):
    done = set_alias("ours", scenario.secret_key)
    assert done.returncode == 0 and "Added `ours` successfully" in done.stdout, done
    (alias,) = told("alias", "list", "ours")
    same((alias["api"], alias["path"]), ("s3v4", "auto"))

with scenario.check("alias set with a wrong secret says that the signature does not match"):
    done = set_alias("stranger", "not-the-secret-of-anybody")
    assert done.returncode != 0 and "signature" in done.stderr, done

with scenario.check("mb makes a bucket that ls shows"):
    mc("mb", f"ours/{BUCKET}")
    assert f"{BUCKET}/" in [entry["key"] for entry in told("ls", "ours")]

small, large = scenario.work / "small +ü.txt", scenario.work / "large.bin"
small.write_text("small")
trees.make_file(large, 40)
with scenario.check("cp keeps a small file under an odd name, and cat shows it"):
    mc("cp", small, f"ours/{BUCKET}/odd dir/small +ü.txt")
    same(mc("cat", f"ours/{BUCKET}/odd dir/small +ü.txt"), "small")

with scenario.check("cp keeps a file of several parts up and down"):
    mc("cp", large, f"ours/{BUCKET}/large.bin")
    (entry,) = told("stat", f"ours/{BUCKET}/large.bin")
    same(entry["size"], large.stat().st_size)
    assert entry["etag"].endswith("-3"), entry
    mc("cp", f"ours/{BUCKET}/large.bin", scenario.work / "back.bin")
    same(trees.file_digest(scenario.work / "back.bin"), trees.file_digest(large))

with scenario.check("cp from key to key and mv happen on the server"):
    mc("cp", f"ours/{BUCKET}/large.bin", f"ours/{BUCKET}/copy.bin")
    mc("mv", f"ours/{BUCKET}/copy.bin", f"ours/{BUCKET}/moved.bin")
    same([entry["key"] for entry in told("ls", f"ours/{BUCKET}")], ["large.bin", "moved.bin", "odd dir/"])

with scenario.check("stat shows type and metadata outside ASCII"):
    mc("cp", "--attr", "note=grün 日本;Content-Type=text/x-odd", small, f"ours/{BUCKET}/metadata")
    (entry,) = told("stat", f"ours/{BUCKET}/metadata")
    same(entry["metadata"]["Content-Type"], "text/x-odd")
    words = decode_header(entry["metadata"]["X-Amz-Meta-Note"])
    same("".join(text if charset is None else text.decode(charset) for text, charset in words), "grün 日本")

tree, down = scenario.work / "tree", scenario.work / "down"
trees.make_tree(tree, 60)
with scenario.check("mirror brings a tree up and down, and a second time transfers nothing"):
    mc("mirror", tree, f"ours/{BUCKET}/tree")
    again = told("mirror", tree, f"ours/{BUCKET}/tree")
    assert not [line for line in again if "source" in line], again
    mc("mirror", f"ours/{BUCKET}/tree", down)
    trees.assert_same_tree(tree, down)

with scenario.check("mirror --remove removes what is gone at the source"):
    gone = sorted(path for path in tree.rglob("*") if path.is_file())[0]
    gone.unlink()
    mc("mirror", "--remove", tree, f"ours/{BUCKET}/tree")
    keys = {entry["key"] for entry in told("ls", "--recursive", f"ours/{BUCKET}/tree/")}
    same(keys, set(trees.tree_digests(tree)))

with scenario.check("share download makes a URL that serves the object, and once tampered with is refused"):
    (share,) = told("share", "download", "--expire", "1h", f"ours/{BUCKET}/odd dir/small +ü.txt")
    same(content(share["share"]), b"small")
    try:
        content(share["share"].replace("X-Amz-Expires=3600", "X-Amz-Expires=3601"))
    except urllib.error.HTTPError as error:
        assert error.code == 403 and b"<Code>SignatureDoesNotMatch</Code>" in error.read(), error
    else:
        raise AssertionError("served with another expiry than was signed")

with scenario.check("put --if-not-exists writes a small file once"):
    mc("put", "--if-not-exists", small, f"ours/{BUCKET}/once")
    assert "preconditions" in refused("put", "--if-not-exists", large, f"ours/{BUCKET}/once", "--disable-multipart")
    same(mc("cat", f"ours/{BUCKET}/once"), "small")

with scenario.check("put --if-not-exists never replaces an object by an upload in parts"):
    refused("put", "--if-not-exists", large, f"ours/{BUCKET}/once")
    same(mc("cat", f"ours/{BUCKET}/once"), "small")

big = scenario.work / "refused.bin"
trees.make_file(big, 20)
with scenario.check("a cp of 20 MiB with a wrong secret says that the signature does not match"):
    host = f"http://{scenario.access_key}:not-the-secret-of-anybody@{scenario.host}"
    done = subprocess.run(
        ["mc", "cp", "--disable-multipart", str(big), f"stranger/{BUCKET}/refused"],
        env=os.environ | {"MC_HOST_stranger": host},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0 and "signature" in done.stderr, done

with scenario.check("a cp of 20 MiB that asks for encryption says that it is not implemented"):
    said = refused("cp", "--disable-multipart", "--enc-s3", f"ours/{BUCKET}", big, f"ours/{BUCKET}/refused")
    assert "x-amz-server-side-encryption is not implemented" in said, said
    assert "refused" not in mc("ls", f"ours/{BUCKET}")

with scenario.check("watch is refused: it is not supported"):
    said = refused("watch", f"ours/{BUCKET}", expect=0)  # mc's own exit status
    assert "`Watch` is not supported" in said, said

with scenario.check("admin info fails with a reason, and does not hang"):
    said = refused("admin", "info", "ours")
    assert "Unable to get service info" in said, said
    (answer,) = told("admin", "info", "ours")
    same(answer["status"], "error")

with scenario.check("rm removes one key, and with --recursive all of them"):
    mc("rm", f"ours/{BUCKET}/moved.bin")
    assert "moved.bin" not in mc("ls", f"ours/{BUCKET}")
    mc("rm", "--recursive", "--force", f"ours/{BUCKET}")
    same(mc("ls", "--recursive", f"ours/{BUCKET}"), "")

with scenario.check("rb removes the bucket"):
    mc("rb", f"ours/{BUCKET}")
    assert BUCKET not in mc("ls", "ours")

scenario.finish()
