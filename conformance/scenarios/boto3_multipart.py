"""boto3, multipart uploads: through its transfer manager, and part by part.

Owns the life of an upload (create, parts, part copies, list, complete, abort), its checksums and its refusals.
"""

import io

from boto3.s3.transfer import TransferConfig
from boto3_session import client, refused

from harness.checksums import checksum, composite
from harness.scenario import Scenario, same
from harness.trees import file_digest, make_file

MIB = 1 << 20
scenario = Scenario()
BUCKET = scenario.bucket_name("boto3-multipart")
s3 = client(scenario)
transfer = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=8)


class Unseekable(io.RawIOBase):
    """A stream that can only be read once, as a pipe is."""

    def __init__(self, body: bytes):
        self._body = io.BytesIO(body)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return self._body.readinto(buffer)


def upload(key: str, parts: list[bytes], create: dict | None = None, **complete) -> dict:
    """The whole life of an upload; the answer of Complete."""
    where = {"Bucket": BUCKET, "Key": key}
    algorithm = {name: value for name, value in (create or {}).items() if name == "ChecksumAlgorithm"}
    where["UploadId"] = s3.create_multipart_upload(**where, **(create or {}))["UploadId"]
    sent = []
    for number, body in enumerate(parts, 1):
        part = s3.upload_part(**where, PartNumber=number, Body=body, **algorithm)
        checksums = {name: value for name, value in part.items() if name.startswith("Checksum")} if algorithm else {}
        sent.append({"PartNumber": number, "ETag": part["ETag"]} | checksums)
    return s3.complete_multipart_upload(**where, MultipartUpload={"Parts": sent}, **complete)


path, back = scenario.work / "file.bin", scenario.work / "back.bin"
make_file(path, 23)
whole = path.read_bytes()
five = [whole[start : start + 5 * MIB] for start in range(0, len(whole), 5 * MIB)]
s3.create_bucket(Bucket=BUCKET)

with scenario.check("the transfer manager uploads in parallel parts and downloads in ranges"):
    s3.upload_file(str(path), BUCKET, "managed", Config=transfer, ExtraArgs={"Metadata": {"m": "1"}})
    head = s3.head_object(Bucket=BUCKET, Key="managed")
    assert head["ETag"].endswith('-5"') and head["Metadata"] == {"m": "1"}, head
    s3.download_file(BUCKET, "managed", str(back), Config=transfer)
    same(file_digest(back), file_digest(path))

with scenario.check("the transfer manager uploads a stream of unknown length"):
    s3.upload_fileobj(Unseekable(whole), BUCKET, "stream", Config=transfer)
    same(s3.get_object(Bucket=BUCKET, Key="stream")["Body"].read(), whole)

with scenario.check("the transfer manager copies by parts on the server"):
    s3.copy({"Bucket": BUCKET, "Key": "managed"}, BUCKET, "managed-copy", Config=transfer)
    assert s3.head_object(Bucket=BUCKET, Key="managed-copy")["ETag"].endswith('-5"')
    same(s3.get_object(Bucket=BUCKET, Key="managed-copy")["Body"].read(), whole)

with scenario.check("parts are read by number, with their count"):
    for number in (1, 5):
        part = s3.get_object(Bucket=BUCKET, Key="managed", PartNumber=number)
        assert part["PartsCount"] == 5 and part["Body"].read() == five[number - 1], number
    refused(416, s3.head_object, Bucket=BUCKET, Key="managed", PartNumber=6)

for algorithm in ("CRC32", "CRC32C", "SHA1", "SHA256"):
    with scenario.check(f"a composite {algorithm} is the digest of the parts' digests"):
        parts = [bytes([7]) * (5 * MIB), b"tail"] if algorithm != "CRC32C" else [bytes([7]) * (5 * MIB)]
        done = upload(algorithm, parts, {"ChecksumAlgorithm": algorithm, "ChecksumType": "COMPOSITE"})
        assert done[f"Checksum{algorithm}"] == composite(algorithm, parts), done
        head = s3.head_object(Bucket=BUCKET, Key=algorithm, ChecksumMode="ENABLED")
        assert head[f"Checksum{algorithm}"] == composite(algorithm, parts) and head["ChecksumType"] == "COMPOSITE"

for algorithm in ("CRC32", "CRC64NVME"):
    with scenario.check(f"a full-object {algorithm} is the digest of the object, and a wrong one is refused"):
        parts = [bytes([8]) * (5 * MIB), b"tail"]
        right, create = (
            checksum(algorithm, b"".join(parts)),
            {"ChecksumAlgorithm": algorithm, "ChecksumType": "FULL_OBJECT"},
        )
        done = upload("full", parts, create, ChecksumType="FULL_OBJECT", **{f"Checksum{algorithm}": right})
        assert done[f"Checksum{algorithm}"] == right and done["ChecksumType"] == "FULL_OBJECT", done
        s3.delete_object(Bucket=BUCKET, Key="full")
        wrong = {"ChecksumType": "FULL_OBJECT", f"Checksum{algorithm}": checksum(algorithm, b"")}
        refused(400, lambda: upload("full", parts, create, **wrong))
        refused(404, s3.head_object, Bucket=BUCKET, Key="full")

with scenario.check("get_object_attributes lists the parts of an upload, in pages"):
    attributes = s3.get_object_attributes(
        Bucket=BUCKET, Key="SHA256", ObjectAttributes=["ObjectParts", "Checksum", "ObjectSize"], MaxParts=1
    )
    parts = attributes["ObjectParts"]
    assert parts["TotalPartsCount"] == 2 and parts["IsTruncated"] and parts["NextPartNumberMarker"] == 1, parts
    assert [part["Size"] for part in parts["Parts"]] == [5 * MIB] and attributes["ObjectSize"] == 5 * MIB + 4

with scenario.check("a part of another object's range can be copied in"):
    where = {"Bucket": BUCKET, "Key": "part-copy"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    source = {"CopySource": {"Bucket": BUCKET, "Key": "managed"}, "CopySourceRange": f"bytes=10-{5 * MIB + 9}"}
    copied = s3.upload_part_copy(**where, PartNumber=1, **source)["CopyPartResult"]
    last = s3.upload_part(**where, PartNumber=2, Body=b"end")
    parts = [{"PartNumber": 1, "ETag": copied["ETag"]}, {"PartNumber": 2, "ETag": last["ETag"]}]
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    same(s3.get_object(Bucket=BUCKET, Key="part-copy")["Body"].read(), whole[10 : 5 * MIB + 10] + b"end")

with scenario.check("a part sent twice counts once, and parts may come in any order"):
    where = {"Bucket": BUCKET, "Key": "resent"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    tags = {2: s3.upload_part(**where, PartNumber=2, Body=b"tail")["ETag"]}
    s3.upload_part(**where, PartNumber=1, Body=five[0])
    tags[1] = s3.upload_part(**where, PartNumber=1, Body=five[1])["ETag"]
    sizes = [part["Size"] for part in s3.list_parts(**where)["Parts"]]
    same(sizes, [5 * MIB, 4])
    s3.complete_multipart_upload(
        **where, MultipartUpload={"Parts": [{"PartNumber": number, "ETag": tags[number]} for number in (1, 2)]}
    )
    same(s3.get_object(Bucket=BUCKET, Key="resent")["Body"].read(), five[1] + b"tail")

with scenario.check("Complete honours If-None-Match: *"):
    refused((412, "PreconditionFailed"), lambda: upload("resent", [b"late"], IfNoneMatch="*"))
    upload("fresh", [b"new"], IfNoneMatch="*")

with scenario.check("Complete refuses small, missing and misordered parts"):
    where = {"Bucket": BUCKET, "Key": "refused"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    tags = [s3.upload_part(**where, PartNumber=number, Body=b"small")["ETag"] for number in (1, 2)]
    both = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
    complete = s3.complete_multipart_upload
    refused((400, "EntityTooSmall"), complete, **where, MultipartUpload={"Parts": both})
    refused((400, "InvalidPartOrder"), complete, **where, MultipartUpload={"Parts": both[::-1]})
    absent = [{"PartNumber": 3, "ETag": tags[0]}]
    refused((400, "InvalidPart"), complete, **where, MultipartUpload={"Parts": absent})
    refused(404, s3.head_object, Bucket=BUCKET, Key="refused")
    s3.abort_multipart_upload(**where)
    refused((404, "NoSuchUpload"), s3.list_parts, **where)

with scenario.check("uploads and parts are listed in pages"):
    uploads = [s3.create_multipart_upload(Bucket=BUCKET, Key=f"open/{number // 2}")["UploadId"] for number in range(5)]
    pages = s3.get_paginator("list_multipart_uploads").paginate(
        Bucket=BUCKET, Prefix="open/", PaginationConfig={"PageSize": 2}
    )
    found = [(entry["Key"], entry["UploadId"]) for page in pages for entry in page.get("Uploads", [])]
    assert sorted(found) == sorted((f"open/{number // 2}", upload_id) for number, upload_id in enumerate(uploads)), (
        found
    )
    same([key for key, _ in found], sorted(key for key, _ in found))
    where = {"Bucket": BUCKET, "Key": "open/0", "UploadId": uploads[0]}
    for number in (1, 2, 7, 10_000):
        s3.upload_part(**where, PartNumber=number, Body=b"x")
    pages = s3.get_paginator("list_parts").paginate(**where, PaginationConfig={"PageSize": 3})
    same([part["PartNumber"] for page in pages for part in page.get("Parts", [])], [1, 2, 7, 10_000])
    refused(400, s3.upload_part, **where, PartNumber=10_001, Body=b"x")
    for key, upload_id in found:
        s3.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload_id)
    assert not s3.list_multipart_uploads(Bucket=BUCKET, Prefix="open/").get("Uploads")

with scenario.check("a bucket with objects is not deleted, an emptied one is"):
    refused((409, "BucketNotEmpty"), s3.delete_bucket, Bucket=BUCKET)
    objects = [{"Key": entry["Key"]} for entry in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": objects, "Quiet": True})
    s3.delete_bucket(Bucket=BUCKET)

scenario.finish()
