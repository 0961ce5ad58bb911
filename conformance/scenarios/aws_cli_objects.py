"""aws-cli, `s3api` and checksums: what a script asks of single objects.

Owns checksums by every algorithm, conditional puts, metadata and copies, each as exit status and output.  Every
command starts Python anew, most of a second: what boto3 can show as well is boto3's.
"""

import json

from harness.checksums import ALGORITHMS, checksum
from harness.scenario import Scenario, same
from harness.trees import file_digest, make_file

scenario = Scenario()
BUCKET = scenario.bucket_name("aws-cli-objects")


def s3api(command: str, *argv, **options) -> dict:
    done = scenario.run(
        "aws", "--endpoint-url", scenario.endpoint, "s3api", command, "--bucket", BUCKET, *argv, **options
    )
    return json.loads(done.stdout) if done.stdout.strip() else {}


def refusal(command: str, *argv) -> str:
    argv = ["aws", "--endpoint-url", scenario.endpoint, "s3api", command, "--bucket", BUCKET, *argv]
    return scenario.run(*argv, expect=None).stderr


body = b"The quick brown fox jumps over the lazy dog.\n" * 40
small = scenario.work / "small.txt"
small.write_bytes(body)
out = scenario.work / "out"

with scenario.check("create-bucket and head-bucket"):
    s3api("create-bucket")
    s3api("head-bucket")

for algorithm in ALGORITHMS:
    with scenario.check(f"put-object --checksum-algorithm {algorithm} stores and returns the right value"):
        field = f"Checksum{algorithm}"
        put = s3api("put-object", "--key", algorithm, "--body", small, "--checksum-algorithm", algorithm)
        assert put[field] == checksum(algorithm, body), put
        head = s3api("head-object", "--key", algorithm, "--checksum-mode", "ENABLED")
        assert head[field] == checksum(algorithm, body) and head["ChecksumType"] == "FULL_OBJECT", head

parts = scenario.work / "parts.bin"
make_file(parts, 17)
for algorithm in ALGORITHMS:
    with scenario.check(f"multipart cp --checksum-algorithm {algorithm} comes back verified"):
        url = f"s3://{BUCKET}/multipart-{algorithm}"
        aws = ["aws", "--endpoint-url", scenario.endpoint, "s3", "cp", "--no-progress"]
        scenario.run(*aws, parts, url, "--checksum-algorithm", algorithm)
        head = s3api("head-object", "--key", f"multipart-{algorithm}", "--checksum-mode", "ENABLED")
        kind = head["ChecksumType"]
        assert head["ETag"].endswith('-3"') and f"Checksum{algorithm}" in head, head
        # CRC64NVME is never composite; the two SHAs are never anything else.
        same(kind, {"CRC64NVME": "FULL_OBJECT", "SHA1": "COMPOSITE", "SHA256": "COMPOSITE"}.get(algorithm, kind))
        assert head[f"Checksum{algorithm}"].endswith("-3") == (kind == "COMPOSITE"), head
        scenario.run(*aws, url, out, "--checksum-mode", "ENABLED")
        same(file_digest(out), file_digest(parts))

with scenario.check("put-object --if-none-match '*' succeeds once, then 412"):
    s3api("put-object", "--key", "once", "--body", small, "--if-none-match", "*")
    assert "PreconditionFailed" in refusal("put-object", "--key", "once", "--body", small, "--if-none-match", "*")

with scenario.check("put-object --if-match replaces only the version it names"):
    etag = s3api("head-object", "--key", "once")["ETag"]
    stale = refusal("put-object", "--key", "once", "--body", small, "--if-match", '"00000000000000000000000000000000"')
    assert "PreconditionFailed" in stale, stale
    s3api("put-object", "--key", "once", "--body", small, "--if-match", etag)

with scenario.check("head-object returns metadata and headers as they were put"):
    metadata = {"colour": "blue", "with-blank": "two words"}
    headers = ["--content-type", "text/x-fox", "--cache-control", "max-age=60", "--content-language", "de"]
    headers += ["--content-disposition", 'attachment; filename="fox.txt"', "--content-encoding", "identity"]
    s3api("put-object", "--key", "meta", "--body", small, "--metadata", json.dumps(metadata), *headers)
    head = s3api("head-object", "--key", "meta")
    assert head["Metadata"] == metadata, head
    same([head["ContentType"], head["CacheControl"], head["ContentLanguage"]], ["text/x-fox", "max-age=60", "de"])
    assert head["ContentDisposition"] == 'attachment; filename="fox.txt"' and head["ContentEncoding"] == "identity"
    assert head["ContentLength"] == len(body) and head["AcceptRanges"] == "bytes"

with scenario.check("copy-object keeps metadata, or replaces it when told to"):
    source = f"{BUCKET}/meta"
    s3api("copy-object", "--key", "copied", "--copy-source", source)
    same(s3api("head-object", "--key", "copied")["Metadata"], metadata)
    replace = ["--metadata-directive", "REPLACE", "--metadata", "new=yes", "--content-type", "text/plain"]
    s3api("copy-object", "--key", "copied", "--copy-source", source, *replace)
    head = s3api("head-object", "--key", "copied")
    assert head["Metadata"] == {"new": "yes"} and head["ContentType"] == "text/plain", head
    assert "CacheControl" not in head, head

with scenario.check("get-object --range returns the slice alone"):
    head = s3api("get-object", "--key", "meta", "--range", "bytes=4-8", out)
    assert out.read_bytes() == body[4:9] and head["ContentRange"] == f"bytes 4-8/{len(body)}", head

with scenario.check("put-object-tagging and get-object-tagging"):
    tags = [{"Key": "team", "Value": "blue / green+1"}]
    s3api("put-object-tagging", "--key", "meta", "--tagging", json.dumps({"TagSet": tags}))
    same(s3api("get-object-tagging", "--key", "meta")["TagSet"], tags)

with scenario.check("delete-objects empties the bucket, delete-bucket removes it"):
    everything = [{"Key": entry["Key"]} for entry in s3api("list-objects-v2")["Contents"]]
    deleted = s3api("delete-objects", "--delete", json.dumps({"Objects": everything}))
    assert len(deleted["Deleted"]) == len(everything) and "Errors" not in deleted, deleted
    s3api("delete-bucket")
    assert "404" in refusal("head-bucket")

scenario.finish()
