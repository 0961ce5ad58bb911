"""aws-cli, the `s3` commands: buckets, a big file, trees of small files, presigned URLs.

Owns transfers as people type them; `aws_cli_objects.py` has the single-object commands of `s3api`.
"""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from harness import trees
from harness.scenario import Scenario, same

scenario = Scenario()
BUCKET = scenario.bucket_name("aws-cli")


def aws(*argv, **options):
    return scenario.run("aws", "--endpoint-url", scenario.endpoint, *argv, **options)


def listed(prefix: str, *options) -> list[str]:
    """The keys below `prefix`, as `ls` prints them: date, time, size, then the key with its blanks."""
    lines = aws("s3", "ls", f"s3://{BUCKET}/{prefix}", "--recursive", *options).stdout.splitlines()
    return [line.split(maxsplit=3)[3] for line in lines]


config = Path.home() / ".aws" / "config"
config.parent.mkdir()
# Without this setting aws-cli v1 presigns with signature version 2.
config.write_text("[default]\ns3 =\n  signature_version = s3v4\n  addressing_style = path\n")

with scenario.check("mb makes a bucket that ls shows"):
    aws("s3", "mb", f"s3://{BUCKET}")
    assert BUCKET in aws("s3", "ls").stdout

big = scenario.work / "big.bin"
trees.make_file(big, scenario.file_mib)
with scenario.check(f"cp of {scenario.file_mib} MiB up and down keeps every byte"):
    aws("s3", "cp", "--no-progress", big, f"s3://{BUCKET}/big/big.bin", timeout=3600)
    back = scenario.work / "back.bin"
    aws("s3", "cp", "--no-progress", f"s3://{BUCKET}/big/big.bin", back, timeout=3600)
    same(trees.file_digest(back), trees.file_digest(big))
    back.unlink()

with scenario.check("cp from bucket to bucket copies a multipart object on the server"):
    aws("s3", "cp", "--no-progress", f"s3://{BUCKET}/big/big.bin", f"s3://{BUCKET}/big/copy.bin", timeout=3600)
    sizes = [line.split()[2] for line in aws("s3", "ls", f"s3://{BUCKET}/big/").stdout.splitlines()]
    same(sizes, [str(big.stat().st_size)] * 2)

with scenario.check("mv renames on the server and leaves nothing behind"):
    aws("s3", "mv", "--no-progress", f"s3://{BUCKET}/big/copy.bin", f"s3://{BUCKET}/big/moved.bin", timeout=3600)
    same(listed("big/"), ["big/big.bin", "big/moved.bin"])

with scenario.check("cp streams from standard input and to standard output"):
    argv = ["aws", "--endpoint-url", scenario.endpoint, "s3", "cp"]
    with open(big, "rb") as source:
        head = source.read(9 << 20)  # past the multipart threshold, with the length unknown to the client
    subprocess.run([*argv, "-", f"s3://{BUCKET}/stream.bin"], input=head, check=True, capture_output=True, timeout=600)
    out = subprocess.run([*argv, f"s3://{BUCKET}/stream.bin", "-"], check=True, capture_output=True, timeout=600)
    same(out.stdout, head)
    aws("s3", "rm", f"s3://{BUCKET}/stream.bin")
big.unlink()

with scenario.check("sync of a tree with empty files does not stall on Expect: 100-continue"):
    # Where a server answers an empty PUT without the 100, botocore misreads the next PUT on that connection and
    # waits 60 s.  Everything empty and everything small, in turn, on few connections.
    mixed = scenario.work / "mixed"
    mixed.mkdir()
    for number in range(20):
        (mixed / f"{number:02}").write_bytes(b"x" * (number % 2))
    started = time.monotonic()
    aws("s3", "sync", mixed, f"s3://{BUCKET}/mixed/")
    took = time.monotonic() - started
    assert took < 30, f"took {took:.0f} s"
    same(len(listed("mixed/")), 20)

tree = scenario.work / "tree"
trees.make_tree(tree, scenario.files)
with scenario.check(f"sync uploads {scenario.files} files, odd names and empty ones among them"):
    aws("s3", "sync", tree, f"s3://{BUCKET}/tree/", timeout=3600)

with scenario.check("a second sync up transfers nothing"):
    same(aws("s3", "sync", tree, f"s3://{BUCKET}/tree/").stdout, "")

with scenario.check("ls counts every key, in one page or in many"):
    expected = sorted((f"tree/{name}" for name in trees.tree_digests(tree)), key=str.encode)
    same(listed("tree/"), expected)
    same(listed("tree/", "--page-size", "37"), expected)
    summary = aws("s3", "ls", f"s3://{BUCKET}/tree/", "--recursive", "--summarize").stdout
    assert f"Total Objects: {scenario.files}" in summary

with scenario.check("ls without --recursive shows folders"):
    same(aws("s3", "ls", f"s3://{BUCKET}/tree/").stdout.split(), [w for n in range(7) for w in ("PRE", f"d{n}/")])

down = scenario.work / "down"
with scenario.check("sync downloads the same tree"):
    aws("s3", "sync", f"s3://{BUCKET}/tree/", down, timeout=3600)
    trees.assert_same_tree(tree, down)

with scenario.check("a second sync down transfers nothing"):
    same(aws("s3", "sync", f"s3://{BUCKET}/tree/", down).stdout, "")

with scenario.check("sync --delete removes what is gone at the source"):
    gone = sorted(path for path in tree.rglob("*") if path.is_file())[:3]
    for path in gone:
        path.unlink()
    same(aws("s3", "sync", "--delete", tree, f"s3://{BUCKET}/tree/").stdout.count("delete:"), len(gone))

with scenario.check("a presigned URL serves a plain GET, once tampered with it is refused"):
    small = scenario.work / "small.txt"
    small.write_text("presigned")
    aws("s3", "cp", small, f"s3://{BUCKET}/dir with blank/pre+signed.txt")
    url = aws("s3", "presign", f"s3://{BUCKET}/dir with blank/pre+signed.txt", "--expires-in", "60").stdout.strip()
    assert "X-Amz-Signature=" in url, "not signature version 4"
    with urllib.request.urlopen(url, timeout=30) as answer:
        same(answer.read(), b"presigned")
    try:
        urllib.request.urlopen(url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"), timeout=30)
    except urllib.error.HTTPError as refused:
        assert refused.code == 403 and b"SignatureDoesNotMatch" in refused.read()
    else:
        raise AssertionError("served with another expiry than was signed")

with scenario.check("a URL presigned without any setting is of signature version 2, and works as well"):
    bare = os.environ | {"AWS_CONFIG_FILE": os.devnull}
    url = aws("s3", "presign", f"s3://{BUCKET}/dir with blank/pre+signed.txt", env=bare).stdout.strip()
    assert "AWSAccessKeyId=" in url and "X-Amz-Signature=" not in url, "not signature version 2"
    with urllib.request.urlopen(url, timeout=30) as answer:
        same(answer.read(), b"presigned")

with scenario.check("website sets the index and the document for errors"):
    aws("s3", "website", f"s3://{BUCKET}", "--index-document", "start.html", "--error-document", "lost.html")
    shown = aws("s3api", "get-bucket-website", "--bucket", BUCKET, "--output", "json").stdout
    same(json.loads(shown), {"IndexDocument": {"Suffix": "start.html"}, "ErrorDocument": {"Key": "lost.html"}})

with scenario.check("rm --recursive empties the bucket"):
    aws("s3", "rm", "--recursive", f"s3://{BUCKET}", timeout=3600)
    same(aws("s3", "ls", f"s3://{BUCKET}", "--recursive").stdout, "")

with scenario.check("rb refuses a bucket with objects, --force empties it first"):
    small.write_text("last")
    aws("s3", "cp", small, f"s3://{BUCKET}/last.txt")
    assert "BucketNotEmpty" in aws("s3", "rb", f"s3://{BUCKET}", expect=None).stderr
    aws("s3", "rb", "--force", f"s3://{BUCKET}")
    assert BUCKET not in aws("s3", "ls").stdout

scenario.finish()
