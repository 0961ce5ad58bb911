"""s3fs (fsspec) with its defaults: files and folders over a bucket, as pandas, Dask and others use it.

Owns what s3fs decides by errors: whether a file exists, whether `xb` may create it.
"""

import base64
import urllib.error
import urllib.request
from email.header import decode_header

import s3fs

from harness import trees
from harness.scenario import Scenario, same

scenario = Scenario()
BUCKET = scenario.bucket_name("s3fs")
REFUSED_BYTES = 20 << 20


def connect(secret: str, **options) -> s3fs.S3FileSystem:
    # fsspec hands out the same object for the same arguments, with its cache of listings.
    return s3fs.S3FileSystem(
        key=scenario.access_key, secret=secret, endpoint_url=scenario.endpoint, skip_instance_cache=True, **options
    )


def refused(wanted: type[Exception], call, *arguments, **options) -> Exception:
    try:
        call(*arguments, **options)
    except wanted as error:
        return error
    raise AssertionError(f"was accepted, wanted {wanted.__name__}")


def presigned(files: s3fs.S3FileSystem, mark: str) -> None:
    """GET and PUT by URLs that `files` signed; `mark` stands in those of the signature version."""
    files.pipe(f"{BUCKET}/pre signed+ü", b"presigned")
    url = files.url(f"{BUCKET}/pre signed+ü", expires=60)
    assert mark in url, url
    with urllib.request.urlopen(url, timeout=30) as answer:
        same(answer.read(), b"presigned")
    url = files.url(f"{BUCKET}/pre signed+ü", expires=60, client_method="put_object")
    request = urllib.request.Request(url, data=b"sent", method="PUT", headers={"Content-Type": ""})
    urllib.request.urlopen(request, timeout=30).close()
    same(connect(scenario.secret_key).cat(f"{BUCKET}/pre signed+ü"), b"sent")
    error = refused(urllib.error.HTTPError, urllib.request.urlopen, url.replace("signed", "other"), timeout=30)
    assert error.code == 403 and b"SignatureDoesNotMatch" in error.read(), error


files = connect(scenario.secret_key)

with scenario.check("mkdir makes a bucket that ls shows"):
    files.mkdir(BUCKET)
    assert BUCKET in files.ls("")

with scenario.check("exists tells files, folders and what is not there apart"):
    assert not files.exists(f"{BUCKET}/folder/file ü.txt")
    files.pipe(f"{BUCKET}/folder/file ü.txt", b"bytes")
    assert files.exists(f"{BUCKET}/folder/file ü.txt") and files.isfile(f"{BUCKET}/folder/file ü.txt")
    assert files.isdir(f"{BUCKET}/folder") and not files.exists(f"{BUCKET}/folder/fil")
    refused(FileNotFoundError, files.cat, f"{BUCKET}/none")
    refused(FileNotFoundError, files.info, f"{BUCKET}-none/none")

with scenario.check("open with 'xb' creates a file once, then raises FileExistsError"):
    with files.open(f"{BUCKET}/once", "xb") as file:
        file.write(b"first")

    def again() -> None:
        with connect(scenario.secret_key).open(f"{BUCKET}/once", "xb") as file:
            file.write(b"second")

    refused(FileExistsError, again)
    refused(FileExistsError, files.pipe, f"{BUCKET}/once", b"third", mode="create")
    same(files.cat(f"{BUCKET}/once"), b"first")

large = scenario.work / "large.bin"
trees.make_file(large, 60)
with scenario.check("put and get keep a file that goes up in parts"):
    files.put(str(large), f"{BUCKET}/large.bin")
    files.get(f"{BUCKET}/large.bin", str(scenario.work / "back.bin"))
    same(trees.file_digest(scenario.work / "back.bin"), trees.file_digest(large))

with scenario.check("open writes in parts with 'xb' as well, and 'rb' seeks"):
    content = large.read_bytes()[: 12 << 20]
    with files.open(f"{BUCKET}/parts", "xb", block_size=5 << 20) as file:
        file.write(content)
    with files.open(f"{BUCKET}/parts", "rb") as file:
        file.seek(6 << 20)
        same(file.read(1000), content[6 << 20 : (6 << 20) + 1000])
        file.seek(-10, 2)
        same(file.read(), content[-10:])

    def again() -> None:
        with files.open(f"{BUCKET}/parts", "xb", block_size=5 << 20) as file:
            file.write(content[::-1])

    refused(FileExistsError, again)
    same(files.cat(f"{BUCKET}/parts"), content)

tree = scenario.work / "tree"
trees.make_tree(tree, 60)
with scenario.check("put and get of a tree, which find and ls show"):
    files.put(f"{tree}/", f"{BUCKET}/tree/", recursive=True)
    same({name.removeprefix(f"{BUCKET}/tree/") for name in files.find(f"{BUCKET}/tree")}, set(trees.tree_digests(tree)))
    same(files.ls(f"{BUCKET}/tree", detail=False), [f"{BUCKET}/tree/d{number}" for number in range(7)])
    down = scenario.work / "down"
    files.get(f"{BUCKET}/tree/", f"{down}/", recursive=True)
    trees.assert_same_tree(tree, down)

with scenario.check("cp and mv happen on the server, also of a large file"):
    files.cp(f"{BUCKET}/folder/file ü.txt", f"{BUCKET}/copy +ü")
    files.mv(f"{BUCKET}/large.bin", f"{BUCKET}/moved.bin")
    same(files.cat(f"{BUCKET}/copy +ü"), b"bytes")
    same([files.exists(f"{BUCKET}/{name}") for name in ("large.bin", "moved.bin")], [False, True])
    same(files.info(f"{BUCKET}/moved.bin")["size"], large.stat().st_size)

with scenario.check("metadata outside ASCII, as an encoded word, comes back as such"):
    # botocore sends no other: "Non ascii characters found in S3 metadata".
    word = f"=?UTF-8?B?{base64.b64encode('grün 日本'.encode()).decode()}?="
    files.pipe(f"{BUCKET}/metadata", b"", Metadata={"note": word})
    ((found, charset),) = decode_header(files.metadata(f"{BUCKET}/metadata", refresh=True)["note"])
    same(found.decode(charset), "grün 日本")

with scenario.check("URLs presigned by default, with version 2, work for GET and PUT"):
    presigned(files, "AWSAccessKeyId=")

with scenario.check("URLs presigned with version 4 work for GET and PUT"):
    presigned(connect(scenario.secret_key, config_kwargs={"signature_version": "s3v4"}), "X-Amz-Signature=")

with scenario.check("an upload of 20 MiB with a wrong secret is PermissionError"):
    stranger = connect("not-the-secret-of-anybody")
    error = refused(PermissionError, stranger.pipe, f"{BUCKET}/refused", bytes(REFUSED_BYTES))
    assert "signature" in str(error), error

with scenario.check("an upload of 20 MiB that asks for what is not there is told so"):
    encrypted = connect(scenario.secret_key, s3_additional_kwargs={"ServerSideEncryption": "aws:kms"})
    error = refused(OSError, encrypted.pipe, f"{BUCKET}/refused", bytes(REFUSED_BYTES))
    assert "not implemented" in str(error).lower(), repr(error)
    files.invalidate_cache()
    assert not files.exists(f"{BUCKET}/refused")

with scenario.check("rm removes one file, a folder, and all of a bucket with it"):
    files.rm(f"{BUCKET}/once")
    assert not files.exists(f"{BUCKET}/once")
    files.rm(f"{BUCKET}/tree", recursive=True)
    assert not files.exists(f"{BUCKET}/tree")
    files.rm(BUCKET, recursive=True)
    assert not files.exists(BUCKET)

scenario.finish()
