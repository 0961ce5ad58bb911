"""Members that speak S3 themselves: MinIO, versitygw, rclone's S3."""

import xml.etree.ElementTree as ElementTree

from harness.replicas.members import BUCKET, Member
from harness.s3 import Client, Target


def pages(client: Client, bucket: str) -> dict[str, int]:
    """All sizes that LIST shows, by key; empty if there is no bucket."""
    found, token = {}, None
    while True:
        more = {"continuation-token": token} if token else {}
        reply = client.ask("GET", bucket, query={"list-type": 2} | more)
        if reply.code == "NoSuchBucket":
            return {}
        if reply.status != 200:
            raise OSError(f"LIST of {client.host} is answered {reply.status} {reply.body[:200]!r}")
        page = ElementTree.fromstring(reply.body)
        space = page.tag.split("}")[0] + "}" if "}" in page.tag else ""
        for item in page.iter(space + "Contents"):
            found[item.findtext(space + "Key")] = int(item.findtext(space + "Size"))
        token = page.findtext(space + "NextContinuationToken")
        if page.findtext(space + "IsTruncated") != "true" or not token:
            return found


class ObjectStore(Member):
    def client(self) -> Client:
        keys = self.upstream.values
        return Client(Target(f"http://{self.address}", keys["access_key"], keys["secret_key"]), timeout=30)

    def keys(self) -> dict[str, int]:
        return pages(self.client(), BUCKET)

    def read(self, key: str) -> bytes | None:
        reply = self.client().ask("GET", BUCKET, key)
        return reply.body if reply.status == 200 else None

    def uploads(self) -> int:
        reply = self.client().ask("GET", BUCKET, query={"uploads": ""})
        return reply.body.count(b"<Upload>") if reply.status == 200 else 0

    def remains(self) -> list[str]:
        reply = self.client().ask("GET", "", "")
        page = ElementTree.fromstring(reply.body)
        space = page.tag.split("}")[0] + "}" if "}" in page.tag else ""
        return [f"the bucket {name.text}" for name in page.iter(space + "Name")]


class Minio(ObjectStore):
    row = "s3_minio"


class Versity(ObjectStore):
    row = "s3_versitygw"

    def corrupt(self, key: str) -> None:
        path = self.root / BUCKET / key
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        with open(path, "r+b") as file:
            file.write(data)


class RcloneS3(ObjectStore):
    row = "s3_rclone"
