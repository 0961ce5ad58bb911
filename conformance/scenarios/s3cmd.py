"""s3cmd over signature version 4, path-style: buckets, single files, a synchronised tree; signurl, which knows only
version 2.
"""

import time
import urllib.error
import urllib.request
from email.header import decode_header

from harness import trees
from harness.scenario import Scenario, same

scenario = Scenario()
BUCKET = scenario.bucket_name("s3cmd")
config = scenario.work / "s3cfg"
config.touch(mode=0o600)
config.write_text(
    f"""[default]
access_key = {scenario.access_key}
secret_key = {scenario.secret_key}
host_base = {scenario.host}
host_bucket = {scenario.host}
bucket_location = us-east-1
use_https = False
signature_v2 = False
multipart_chunk_size_mb = 5
progress_meter = False
max_retries = 1
"""
)


def s3cmd(*argv, **options) -> str:
    done = scenario.run("s3cmd", f"--config={config}", *argv, **options)
    return done.stdout if done.returncode == 0 else done.stderr


with scenario.check("mb makes a bucket that ls shows"):
    s3cmd("mb", f"s3://{BUCKET}")
    assert f"s3://{BUCKET}" in s3cmd("ls")

small, large, back = scenario.work / "small +ü.txt", scenario.work / "large.bin", scenario.work / "back"
small.write_text("small")
trees.make_file(large, 12)
with scenario.check("put and get keep a small file under an odd name"):
    s3cmd("put", small, f"s3://{BUCKET}/odd/small +ü.txt")
    s3cmd("get", "--force", f"s3://{BUCKET}/odd/small +ü.txt", back)
    same(back.read_text(), "small")

with scenario.check("put and get keep a file of three parts"):
    s3cmd("put", large, f"s3://{BUCKET}/large.bin")
    s3cmd("get", "--force", f"s3://{BUCKET}/large.bin", back)
    same(trees.file_digest(back), trees.file_digest(large))

with scenario.check("info shows size, type and checksum of an object, and the bucket's place"):
    shown = s3cmd("info", f"s3://{BUCKET}/odd/small +ü.txt")
    assert "File size: 5" in shown and "MD5 sum:   eb5c1399a871211c7e7ed732d15e3a8b" in shown, shown
    assert "us-east-1" in s3cmd("info", f"s3://{BUCKET}").lower()

tree, down = scenario.work / "tree", scenario.work / "down"
trees.make_tree(tree, 60)
with scenario.check("sync brings a tree up and down, and a second time transfers nothing"):
    s3cmd("sync", f"{tree}/", f"s3://{BUCKET}/tree/")
    assert "upload:" not in s3cmd("sync", f"{tree}/", f"s3://{BUCKET}/tree/")
    down.mkdir()
    s3cmd("sync", f"s3://{BUCKET}/tree/", f"{down}/")
    trees.assert_same_tree(tree, down)
    assert "download:" not in s3cmd("sync", f"s3://{BUCKET}/tree/", f"{down}/")

with scenario.check("ls --recursive shows every key"):
    lines = s3cmd("ls", "--recursive", f"s3://{BUCKET}/tree/").splitlines()
    keys = {line.split(maxsplit=3)[3].removeprefix(f"s3://{BUCKET}/tree/") for line in lines}
    assert keys == set(trees.tree_digests(tree)), keys ^ set(trees.tree_digests(tree))

with scenario.check("cp and mv happen on the server"):
    s3cmd("cp", f"s3://{BUCKET}/large.bin", f"s3://{BUCKET}/copy.bin")
    s3cmd("mv", f"s3://{BUCKET}/copy.bin", f"s3://{BUCKET}/moved.bin")
    listed = s3cmd("ls", f"s3://{BUCKET}/")
    assert "moved.bin" in listed and "copy.bin" not in listed, listed

with scenario.check("ws-create makes a website that ws-info shows, and ws-delete removes it"):
    s3cmd("ws-create", "--ws-index=start.html", "--ws-error=lost.html", f"s3://{BUCKET}")
    shown = s3cmd("ws-info", f"s3://{BUCKET}")
    assert "start.html" in shown and "lost.html" in shown, shown
    s3cmd("ws-delete", f"s3://{BUCKET}")
    assert "start.html" not in s3cmd("ws-info", f"s3://{BUCKET}")

with scenario.check("signurl makes a URL of signature version 2, which is refused once it was tampered with"):
    url = s3cmd("signurl", f"s3://{BUCKET}/odd/small +ü.txt", "+60").strip()
    assert "AWSAccessKeyId=" in url and "X-Amz-Signature=" not in url, url
    with urllib.request.urlopen(url, timeout=30) as answer:
        same(answer.read(), b"small")
    for tampered in (url.replace("small", "smaller"), url.replace("Expires=", "Expires=1")):
        try:
            urllib.request.urlopen(tampered, timeout=30)
        except urllib.error.HTTPError as refused:
            assert refused.code == 403 and b"<Code>SignatureDoesNotMatch</Code>" in refused.read(), refused
        else:
            raise AssertionError("served with another key or expiry than was signed")

with scenario.check("a URL of signurl that has expired is refused"):
    url = s3cmd("signurl", f"s3://{BUCKET}/odd/small +ü.txt", int(time.time()) - 60).strip()
    try:
        urllib.request.urlopen(url, timeout=30)
    except urllib.error.HTTPError as refused:
        assert refused.code == 403 and b"<Code>AccessDenied</Code>" in refused.read(), refused
    else:
        raise AssertionError("served a minute after its end")

with scenario.check("metadata outside ASCII that put sends is what info shows"):
    s3cmd("put", small, f"s3://{BUCKET}/metadata", "--add-header=x-amz-meta-note:grün 日本")
    shown = s3cmd("info", f"s3://{BUCKET}/metadata")
    assert "x-amz-meta-note: " in shown, shown
    (note,) = (line.split(": ", 1)[1] for line in shown.splitlines() if "x-amz-meta-note: " in line)
    words = decode_header(note)
    same("".join(text if charset is None else text.decode(charset) for text, charset in words), "grün 日本")

refused_file = scenario.work / "refused.bin"
trees.make_file(refused_file, 20)
with scenario.check("a put of 20 MiB with a wrong secret tells SignatureDoesNotMatch"):
    wrong = "--secret_key=not-the-secret-of-anybody"
    told = s3cmd("put", refused_file, f"s3://{BUCKET}/refused", "--multipart-chunk-size-mb=30", wrong, expect=None)
    assert "403 (SignatureDoesNotMatch)" in told, told

with scenario.check("a put of 20 MiB that asks for what is not there tells NotImplemented"):
    options = ("--multipart-chunk-size-mb=30", "--server-side-encryption")
    told = s3cmd("put", refused_file, f"s3://{BUCKET}/refused", *options, expect=None)
    assert "501 (NotImplemented)" in told, told
    assert "refused" not in s3cmd("ls", f"s3://{BUCKET}/")

with scenario.check("del removes one key, and with --recursive all of them"):
    s3cmd("del", f"s3://{BUCKET}/moved.bin")
    assert "moved.bin" not in s3cmd("ls", f"s3://{BUCKET}/")
    s3cmd("del", "--recursive", "--force", f"s3://{BUCKET}")
    same(s3cmd("ls", "--recursive", f"s3://{BUCKET}"), "")

with scenario.check("rb removes the bucket"):
    s3cmd("rb", f"s3://{BUCKET}")
    assert BUCKET not in s3cmd("ls")

scenario.finish()
