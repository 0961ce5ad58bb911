"""boto3, single objects: headers, conditions, ranges, tags, checksums, copies, presigned URLs, refusals.

Owns one request at a time; multipart uploads and listings have scripts of their own.  Runs over HTTP and over TLS,
where botocore sends bodies as unsigned chunks with a trailer and no Content-Length.
"""

import base64
import concurrent.futures
import datetime
import hashlib
import io
import json
import os
import ssl
import urllib.error
import urllib.request

from awscrt.checksums import XXHash
from boto3_session import client, refused

from harness.checksums import ALGORITHMS, checksum
from harness.scenario import Scenario, same

scenario = Scenario()
BUCKET = scenario.bucket_name("boto3")
BODY = bytes(range(256)) * 40
# Each has been lost, aliased or mangled by some server.
ODD_KEYS = (
    *("blank in key", " around ", "plus+plus", "percent%20percent", "ünïcode/日本語/🗝", "amp&eq=q?#'\"<>"),
    *("a", "a/b", "a/", "double//slash", "/leading", "trailing/", ".", "..", "dots/../in/./key", "~tilde_.-!*()"),
    *("tab\tkey", "\x7f", "k" * 1024, "deep/" * 200),
)


def plain(url: str, method: str = "GET", body: bytes | None = None, headers: dict | None = None):
    """A request without any S3 client, as a browser or curl would send it."""
    context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"]) if "AWS_CA_BUNDLE" in os.environ else None
    # urllib would call a body a form.
    headers = {"Content-Type": "application/octet-stream"} | (headers or {}) if body is not None else headers or {}
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def get(key: str, **arguments) -> bytes:
    return s3.get_object(Bucket=BUCKET, Key=key, **arguments)["Body"].read()


s3 = client(scenario)

with scenario.check("create, head and locate a bucket"):
    s3.create_bucket(Bucket=BUCKET)
    s3.head_bucket(Bucket=BUCKET)
    assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] is None
    refused(404, s3.head_bucket, Bucket=scenario.bucket_name("none"))

with scenario.check("put and get return body, ETag, headers and metadata"):
    expires = datetime.datetime(2031, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)
    headers = {
        "CacheControl": "no-cache",
        "ContentDisposition": "inline",
        "ContentEncoding": "gzip",
        "ContentLanguage": "en",
        "ContentType": "application/x-test",
        "Expires": expires,
        "Metadata": {"one": "1", "two-words": "a b"},
    }
    put = s3.put_object(Bucket=BUCKET, Key="headers", Body=BODY, **headers)
    answer = s3.get_object(Bucket=BUCKET, Key="headers")
    assert answer["Body"].read() == BODY and answer["ETag"] == put["ETag"]
    head = s3.head_object(Bucket=BUCKET, Key="headers")
    for name, value in headers.items():
        assert answer[name] == value and head[name] == value, f"{name}: {answer[name]!r}, {head[name]!r}"

with scenario.check("bodies of every shape: bytes, file, empty, without checksums"):
    for key, body in (("bytes", BODY), ("file", io.BytesIO(BODY)), ("empty", b"")):
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        assert get(key) == (b"" if key == "empty" else BODY), key
        assert "ContentEncoding" not in s3.head_object(Bucket=BUCKET, Key=key), f"{key}: aws-chunked was stored"
    bare = client(scenario, request_checksum_calculation="when_required", response_checksum_validation="when_required")
    bare.put_object(Bucket=BUCKET, Key="bare", Body=io.BytesIO(BODY))
    same(get("bare"), BODY)

with scenario.check("conditional reads answer 304 and 412"):
    etag, past = put["ETag"], datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
    where = {"Bucket": BUCKET, "Key": "headers"}
    assert get("headers", IfMatch=etag) == get("headers", IfNoneMatch='"other"') == get("headers", IfModifiedSince=past)
    for call in (s3.get_object, s3.head_object):
        refused(304, call, **where, IfNoneMatch=etag)
        refused(412, call, **where, IfMatch='"other"')
        refused(412, call, **where, IfUnmodifiedSince=past)
    # If-None-Match wins over If-Modified-Since, If-Match over If-Unmodified-Since.
    refused(304, s3.get_object, **where, IfNoneMatch=etag, IfModifiedSince=past)
    same(get("headers", IfMatch=etag, IfUnmodifiedSince=past), BODY)

with scenario.check("conditional writes: If-None-Match, If-Match, conditional delete"):
    where = {"Bucket": BUCKET, "Key": "conditional"}
    first = s3.put_object(**where, Body=b"1", IfNoneMatch="*")["ETag"]
    refused((412, "PreconditionFailed"), s3.put_object, **where, Body=b"2", IfNoneMatch="*")
    second = s3.put_object(**where, Body=b"2", IfMatch=first)["ETag"]
    refused((412, "PreconditionFailed"), s3.put_object, **where, Body=b"3", IfMatch=first)
    missing = {"Bucket": BUCKET, "Key": "never", "Body": b"", "IfMatch": first}
    refused((404, "NoSuchKey"), s3.put_object, **missing)
    same(get("conditional"), b"2")
    refused((412, "PreconditionFailed"), s3.delete_object, **where, IfMatch=first)
    s3.delete_object(**where, IfMatch=second)
    refused((404, "NoSuchKey"), s3.get_object, **where)

with scenario.check("ranges: first, middle, suffix, open, past the end"):
    s3.put_object(Bucket=BUCKET, Key="range", Body=BODY)
    size = len(BODY)
    for asked, start, end in (
        ("0-0", 0, 1),
        ("10-19", 10, 20),
        ("-5", size - 5, size),
        ("9-", 9, size),
        ("5-99999999", 5, size),
    ):
        answer = s3.get_object(Bucket=BUCKET, Key="range", Range=f"bytes={asked}")
        assert answer["Body"].read() == BODY[start:end], asked
        same(answer["ResponseMetadata"]["HTTPStatusCode"], 206)
        same(answer["ContentRange"], f"bytes {start}-{end - 1}/{size}")
        same(s3.head_object(Bucket=BUCKET, Key="range", Range=f"bytes={asked}")["ContentLength"], end - start)
    refused((416, "InvalidRange"), s3.get_object, Bucket=BUCKET, Key="range", Range=f"bytes={size}-")

for algorithm in ALGORITHMS:
    with scenario.check(f"{algorithm} is verified, kept and returned"):
        field, right, where = f"Checksum{algorithm}", checksum(algorithm, BODY), {"Bucket": BUCKET, "Key": algorithm}
        same(s3.put_object(**where, Body=io.BytesIO(BODY), ChecksumAlgorithm=algorithm)[field], right)
        same(s3.head_object(**where, ChecksumMode="ENABLED")[field], right)
        same(get(algorithm, ChecksumMode="ENABLED"), BODY)
        assert field not in s3.get_object(**where, Range="bytes=0-9", ChecksumMode="ENABLED")
        wrong = {"Bucket": BUCKET, "Key": "wrong", "Body": BODY, field: checksum(algorithm, b"")}
        refused((400, "BadDigest"), s3.put_object, **wrong)
        refused(404, s3.head_object, Bucket=BUCKET, Key="wrong")
        attributes = s3.get_object_attributes(
            **where, ObjectAttributes=["Checksum", "ETag", "ObjectSize", "StorageClass"]
        )
        assert attributes["Checksum"][field] == right and attributes["ObjectSize"] == len(BODY), attributes
        assert attributes["StorageClass"] == "STANDARD" and '"' not in attributes["ETag"], attributes

with scenario.check("the checksums that S3 has since 2026 are verified, kept and returned"):
    xxhashes = {
        "XXHASH64": XXHash.new_xxhash64,
        "XXHASH3": XXHash.new_xxhash3_64,
        "XXHASH128": XXHash.new_xxhash3_128,
    }
    digests = {"SHA512": hashlib.sha512(BODY).digest(), "MD5": hashlib.md5(BODY).digest()}
    for algorithm, new in xxhashes.items():
        running = new()
        running.update(BODY)
        digests[algorithm] = running.finalize()
    for algorithm, found in digests.items():
        field, right = f"Checksum{algorithm}", base64.b64encode(found).decode()
        where = {"Bucket": BUCKET, "Key": algorithm}
        # The SDK computes no MD5 of its own, and takes one that it is given.
        asked = {field: right} if algorithm == "MD5" else {"ChecksumAlgorithm": algorithm}
        same(s3.put_object(**where, Body=io.BytesIO(BODY), **asked)[field], right)
        same(s3.head_object(**where, ChecksumMode="ENABLED")[field], right)
        same(get(algorithm, ChecksumMode="ENABLED"), BODY)
        wrong = base64.b64encode(bytes(len(found))).decode()
        refused((400, "BadDigest"), s3.put_object, Bucket=BUCKET, Key="wrong", Body=BODY, **{field: wrong})
        refused(404, s3.head_object, Bucket=BUCKET, Key="wrong")

with scenario.check("copies keep or replace metadata, and honour their conditions"):
    source = {"Bucket": BUCKET, "Key": "headers"}
    copied = s3.copy_object(Bucket=BUCKET, Key="copy +ü", CopySource=source)["CopyObjectResult"]
    same(copied["ETag"], put["ETag"])
    same(s3.head_object(Bucket=BUCKET, Key="copy +ü")["Metadata"], headers["Metadata"])
    s3.copy_object(**source, CopySource=source, MetadataDirective="REPLACE", Metadata={"three": "3"})
    same(s3.head_object(**source)["Metadata"], {"three": "3"})
    refused((400, "InvalidRequest"), s3.copy_object, **source, CopySource=source)
    conditional = {"Bucket": BUCKET, "Key": "no", "CopySource": source, "CopySourceIfMatch": '"other"'}
    refused((412, "PreconditionFailed"), s3.copy_object, **conditional)
    refused((404, "NoSuchKey"), s3.copy_object, Bucket=BUCKET, Key="no", CopySource=f"{BUCKET}/none")

with scenario.check("odd keys are keys of their own: put, got, copied, listed, deleted"):
    for key in ODD_KEYS:
        s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    for key in ODD_KEYS:
        same(get(key), key.encode())
        same(s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"], len(key.encode()))
        s3.copy_object(Bucket=BUCKET, Key="odd-copy", CopySource={"Bucket": BUCKET, "Key": key})
        same(get("odd-copy"), key.encode())
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    same(set(ODD_KEYS) - set(keys), set())
    same(keys, sorted(keys, key=str.encode))
    for key in ODD_KEYS:
        s3.delete_object(Bucket=BUCKET, Key=key)
        refused(404, s3.head_object, Bucket=BUCKET, Key=key)

with scenario.check("tags are put, counted, copied, replaced, deleted"):
    where = {"Bucket": BUCKET, "Key": "tags"}
    s3.put_object(**where, Body=b"", Tagging="a=1&b%20c=d%2F%2Be")
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b c", "Value": "d/+e"}]
    same(sorted(s3.get_object_tagging(**where)["TagSet"], key=lambda tag: tag["Key"]), tags)
    same(s3.get_object(**where)["TagCount"], 2)
    s3.copy_object(Bucket=BUCKET, Key="tags-copy", CopySource=where)
    same(len(s3.get_object_tagging(Bucket=BUCKET, Key="tags-copy")["TagSet"]), 2)
    s3.copy_object(Bucket=BUCKET, Key="tags-new", CopySource=where, TaggingDirective="REPLACE", Tagging="z=9")
    same(s3.get_object_tagging(Bucket=BUCKET, Key="tags-new")["TagSet"], [{"Key": "z", "Value": "9"}])
    many = [{"Key": str(number), "Value": ""} for number in range(11)]
    refused(400, s3.put_object_tagging, **where, Tagging={"TagSet": many})
    s3.delete_object_tagging(**where)
    same(s3.get_object_tagging(**where)["TagSet"], [])

with scenario.check("presigned GET, HEAD, PUT and DELETE work without a client"):

    def presigned(operation: str, key: str, seconds: int = 60, **arguments) -> str:
        return s3.generate_presigned_url(operation, {"Bucket": BUCKET, "Key": key} | arguments, ExpiresIn=seconds)

    same(plain(presigned("put_object", "presigned"), "PUT", b"presigned body")[0], 200)
    status, headers, body = plain(presigned("get_object", "presigned", ResponseContentType="text/x-override"))
    same((status, headers["Content-Type"], body), (200, "text/x-override", b"presigned body"))
    same(plain(presigned("head_object", "presigned"), "HEAD")[::2], (200, b""))
    same(plain(presigned("delete_object", "presigned"), "DELETE")[0], 204)
    status, headers, body = plain(presigned("get_object", "presigned"))
    assert status == 404 and headers["x-amz-request-id"].encode() in body, body

with scenario.check("presigned forms upload as their conditions say"):

    def form(key: str, body: bytes, fields: dict | None = None, conditions: list | None = None, more: dict | None = None):
        signed = s3.generate_presigned_post(BUCKET, key, Fields=fields, Conditions=conditions, ExpiresIn=60)
        boundary, parts = "form-boundary", (signed["fields"] | (more or {})).items()
        lines = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in parts]
        file = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        whole = ("".join(lines) + file).encode() + body + f"\r\n--{boundary}--\r\n".encode()
        return plain(signed["url"], "POST", whole, {"Content-Type": f"multipart/form-data; boundary={boundary}"})

    typed = {"Content-Type": "text/x-form", "x-amz-meta-from": "form", "success_action_status": "201"}
    conditions = [{name: text} for name, text in typed.items()] + [["content-length-range", 1, 10_000_000]]
    status, headers, body = form("forms/${filename}", BODY * 100, typed, conditions)
    assert status == 201 and b"<Key>forms/a.txt</Key>" in body, (status, body)
    answer = s3.get_object(Bucket=BUCKET, Key="forms/a.txt")
    same((answer["ContentType"], answer["Metadata"]), ("text/x-form", {"from": "form"}))
    assert answer["Body"].read() == BODY * 100 and answer["ETag"] == headers["ETag"]
    status, _, body = form("forms/large", b"12345", conditions=[["content-length-range", 1, 4]])
    assert status == 400 and b"EntityTooLarge" in body, (status, body)
    status, _, body = form("forms/extra", b"1", more={"acl": "public-read"})
    assert status == 403 and b"Extra input fields: acl" in body, (status, body)
    same(s3.list_objects_v2(Bucket=BUCKET, Prefix="forms/")["KeyCount"], 1)

with scenario.check("what is not signed right is refused"):
    url = presigned("get_object", "range")
    same(plain(url.replace("/range?", "/bytes?"))[0], 403)
    same(plain(url, headers={"Range": "bytes=0-1"})[0], 206)  # an unsigned header that S3 allows
    same(plain(presigned("put_object", "stolen"), "PUT", b"", {"x-amz-copy-source": f"/{BUCKET}/range"})[0], 403)
    same(plain(f"{scenario.endpoint}/{BUCKET}/range")[0], 403)
    bad_secret = client(scenario, secret_key="not-the-secret")
    refused((403, "SignatureDoesNotMatch"), bad_secret.get_object, Bucket=BUCKET, Key="range")
    unknown = client(scenario, access_key="AKIANOBODYATALL00000")
    refused((403, "InvalidAccessKeyId"), unknown.list_buckets)

with scenario.check("a bucket policy lets anybody read until it is deleted, and a block keeps it out"):
    s3.put_object(Bucket=BUCKET, Key="open/a", Body=b"open")
    url = f"{s3.meta.endpoint_url}/{BUCKET}/open/a"
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/open/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    same(plain(url)[0], 403)
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy)
    same(plain(url)[2], b"open")
    same(s3.get_bucket_policy(Bucket=BUCKET)["Policy"], policy)
    same(s3.get_bucket_policy_status(Bucket=BUCKET)["PolicyStatus"]["IsPublic"], True)
    rules = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=rules)
    same(s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"], rules)
    same(plain(url)[0], 403)
    refused((403, "AccessDenied"), s3.put_bucket_policy, Bucket=BUCKET, Policy=policy)
    s3.delete_public_access_block(Bucket=BUCKET)
    same(plain(url)[0], 200)
    s3.delete_bucket_policy(Bucket=BUCKET)
    same(plain(url)[0], 403)
    refused((404, "NoSuchBucketPolicy"), s3.get_bucket_policy, Bucket=BUCKET)

with scenario.check("16 threads over one client keep their bodies apart"):

    def round_trip(number: int) -> bool:
        key, body = f"threads/{number}", bytes([number % 256]) * (number * 997 % 70_000)
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        return get(key) == body

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(pool.map(round_trip, range(200)))

with scenario.check("delete_objects reports each key and forgives missing ones"):
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    objects = [{"Key": key} for key in [*keys, "never there"]]
    deleted = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": objects})
    assert {entry["Key"] for entry in deleted["Deleted"]} == {*keys, "never there"} and "Errors" not in deleted
    same(s3.list_objects_v2(Bucket=BUCKET)["KeyCount"], 0)
    too_many = {"Objects": [{"Key": str(number)} for number in range(1001)]}
    refused((400, "MalformedXML"), s3.delete_objects, Bucket=BUCKET, Delete=too_many)
    s3.delete_bucket(Bucket=BUCKET)
    refused((404, "NoSuchBucket"), s3.put_object, Bucket=BUCKET, Key="late", Body=b"")

scenario.finish()
