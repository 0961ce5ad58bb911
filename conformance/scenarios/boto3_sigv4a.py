"""boto3 with SigV4A, which its C runtime (awscrt) signs: headers, presigned URLs, bodies of every kind, regions.

Owns how requests are signed; what the operations of S3 do is in the other scripts.
"""

import io
import urllib.request

import boto3
from boto3_session import refused
from botocore.config import Config

from harness.scenario import Scenario, same

scenario = Scenario()
BUCKET = scenario.bucket_name("sigv4a")
BODY = bytes(range(256)) * 400


def client(service: str = "s3", *, regions: str = "*", secret_key: str | None = None, **options):
    version = "s3v4a" if service == "s3" else "v4a"
    config = Config(
        signature_version=version, sigv4a_signing_region_set=regions, s3={"addressing_style": "path"}, **options
    )
    return boto3.client(
        service,
        endpoint_url=scenario.endpoint,
        region_name="us-east-1",
        aws_access_key_id=scenario.access_key,
        aws_secret_access_key=secret_key or scenario.secret_key,
        config=config,
    )


s3 = client()
signed = []
s3.meta.events.register("before-send.s3", lambda request, **_: signed.append(request.headers.get("Authorization")))

with scenario.check("requests carry a signature of SigV4A"):
    s3.create_bucket(Bucket=BUCKET)
    texts = [text.decode() if isinstance(text, bytes) else str(text) for text in signed]
    assert texts and all(text.startswith("AWS4-ECDSA-P256-SHA256 ") for text in texts), texts

with scenario.check("objects are put, read, listed, copied and deleted"):
    for key in ("plain", "blank in key", "ünïcode/日本語", "plus+plus", "a//b"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=BODY, Metadata={"colour": "b  lue"})
        found = s3.get_object(Bucket=BUCKET, Key=key)
        same((found["Body"].read(), found["Metadata"]), (BODY, {"colour": "b  lue"}))
    same(s3.list_objects_v2(Bucket=BUCKET)["KeyCount"], 5)
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "plain"})
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "a//b"}, {"Key": "copy"}]})

with scenario.check("a stream is put, and an upload in parts is completed"):
    s3.put_object(Bucket=BUCKET, Key="stream", Body=io.BytesIO(BODY), ChecksumAlgorithm="CRC32")
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
    names = {"Bucket": BUCKET, "Key": "parts", "UploadId": upload}
    part = s3.upload_part(**names, PartNumber=1, Body=BODY)
    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
    s3.complete_multipart_upload(**names, MultipartUpload={"Parts": parts})
    same(s3.get_object(Bucket=BUCKET, Key="parts")["Body"].read(), BODY)

with scenario.check("a presigned URL is served"):
    url = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "plain"}, ExpiresIn=60)
    assert "X-Amz-Region-Set" in url and "AWS4-ECDSA-P256-SHA256" in url, url
    with urllib.request.urlopen(url, timeout=30) as answer:
        same((answer.status, answer.read()), (200, BODY))

with scenario.check("a call of STS is answered"):
    assert len(client("sts").get_caller_identity()["Account"]) == 12

with scenario.check("another secret is refused"):
    refused((403, "SignatureDoesNotMatch"), client(secret_key="wrong").list_objects_v2, Bucket=BUCKET)

scenario.finish()
