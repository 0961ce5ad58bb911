"""What it costs to go through the server: small objects, one big one, one call after the other.

Run by harness/measure.py with the Python of boto3; prints one JSON object.  Every byte that comes back is compared.
"""

import concurrent.futures
import hashlib
import http.client
import json
import os
import random
import re
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

WORKERS = 8
PART = 16 << 20


class Gateway:
    """Its client, and what the kernel and its metrics say of it."""

    def __init__(self, endpoint: str, admin: str, pid: str):
        self.client, self.admin, self.pid = client(endpoint, os.environ["MEASURE_KEY"], os.environ["MEASURE_SECRET"]), admin, pid

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self) -> float:
        return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())[1]) / 1024

    def requests(self) -> int | None:
        """Sent to the storage so far."""
        with urllib.request.urlopen(f"http://{self.admin}/-/metrics", timeout=60) as reply:
            found = re.search(r"^causeway_backend_requests_total\{[^}]*\} (\d+)", reply.read().decode(), re.MULTILINE)
        return int(found[1]) if found else None


def client(endpoint: str, access_key: str, secret_key: str):
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        retries={"max_attempts": 4},
        max_pool_connections=2 * WORKERS,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        read_timeout=600,
    )
    keys = {"aws_access_key_id": access_key, "aws_secret_access_key": secret_key, "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=endpoint, config=config, **keys)


def small(gateway: Gateway, bucket: str, count: int) -> dict:
    """`count` objects put, listed, read and deleted, eight at a time."""
    s3, source = gateway.client, random.Random(7)
    bodies = {f"d{n % 20:02}/object-{n:05}": source.randbytes(source.randrange(0, 16 << 10)) for n in range(count)}
    figures = {}

    def phase(name: str, work) -> None:
        before, cpu, started = gateway.requests(), gateway.cpu(), time.monotonic()
        work()
        figures[name] = {"seconds": time.monotonic() - started, "cpu_ms": (gateway.cpu() - cpu) / count * 1000}
        if before is not None:
            figures[name]["requests"] = (gateway.requests() - before) / count

    def each(call) -> None:
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            for done in [pool.submit(call, key) for key in bodies]:
                done.result()

    def read(key: str) -> None:
        if s3.get_object(Bucket=bucket, Key=key)["Body"].read() != bodies[key]:
            raise AssertionError(f"{key} came back changed")

    def listed() -> list[str]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def expect(keys: list[str]) -> None:
        found = listed()
        if found != sorted(keys):
            raise AssertionError(f"{len(found)} keys are listed, {len(keys)} are there")

    phase("put", lambda: each(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=bodies[key])))
    phase("list", lambda: expect(list(bodies)))
    phase("get", lambda: each(read))
    phase("delete", lambda: each(lambda key: s3.delete_object(Bucket=bucket, Key=key)))
    expect([])
    return figures


class Stream:
    """`size` bytes that do not repeat, and their digest once they were read."""

    def __init__(self, size: int):
        self.left, self.block, self.digest, self.number = size, os.urandom(1 << 20), hashlib.sha256(), 0
        self.rest = b""

    def read(self, amount: int = -1) -> bytes:
        wanted = self.left if amount < 0 else min(amount, self.left)
        pieces = []
        while wanted > 0:
            if not self.rest:
                self.number += 1
                self.rest = self.number.to_bytes(16, "big") + self.block[16:]
            piece, self.rest = self.rest[:wanted], self.rest[wanted:]
            pieces.append(piece)
            wanted -= len(piece)
            self.left -= len(piece)
        data = b"".join(pieces)
        self.digest.update(data)
        return data


def big(gateway: Gateway, bucket: str, mib: int) -> dict:
    """One object up in parallel parts and down again."""
    s3, size = gateway.client, mib << 20
    transfer = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=WORKERS)
    body = Stream(size)
    before, cpu, started = carried(), gateway.cpu(), time.monotonic()
    s3.upload_fileobj(body, bucket, "big", Config=transfer)
    up = {"seconds": time.monotonic() - started, "cpu_ms_per_mib": (gateway.cpu() - cpu) / mib * 1000}
    sent = carried()
    if before is not None:
        up["sent_share"], up["received_share"] = (sent[0] - before[0]) / size, (sent[1] - before[1]) / size
    cpu, started, digest = gateway.cpu(), time.monotonic(), hashlib.sha256()
    reply = s3.get_object(Bucket=bucket, Key="big")["Body"]
    while piece := reply.read(1 << 20):
        digest.update(piece)
    down = {"seconds": time.monotonic() - started, "cpu_ms_per_mib": (gateway.cpu() - cpu) / mib * 1000}
    if before is not None:
        down["received_share"] = (carried()[1] - sent[1]) / size
    if digest.digest() != body.digest.digest():
        raise AssertionError("the big object came back changed")
    s3.delete_object(Bucket=bucket, Key="big")
    return {"up": up, "down": down, "peak_mib": gateway.peak_mib()}


def carried() -> tuple[int, int] | None:
    """Bytes to the storage and from it, as the relay between counts them."""
    path = os.environ.get("MEASURE_RELAY")
    if not path:
        return None
    to, back = Path(path).read_text().split()
    return int(to), int(back)


def latency(gateway: Gateway, bucket: str, count: int = 400) -> dict | None:
    """One GET of 4 KiB after the other, through the server and past it, in turn; medians."""
    direct = os.environ.get("MEASURE_DIRECT")
    if not direct:
        return None
    storage = client(direct, os.environ["MEASURE_DIRECT_KEY"], os.environ["MEASURE_DIRECT_SECRET"])
    gateway.client.put_object(Bucket=bucket, Key="four", Body=bytes(4096))
    storage.create_bucket(Bucket="measure-direct")
    storage.put_object(Bucket="measure-direct", Key="four", Body=bytes(4096))
    ways = {
        "through": gateway.client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "four"}),
        "direct": storage.generate_presigned_url("get_object", {"Bucket": "measure-direct", "Key": "four"}),
    }
    calls = {name: [] for name in ways}
    connections = {}
    for name, url in ways.items():
        parts = urllib.parse.urlsplit(url)
        connections[name] = (http.client.HTTPConnection(parts.netloc, timeout=60), f"{parts.path}?{parts.query}")
    for number in range(count + 50):
        for name, (connection, target) in connections.items():
            started = time.perf_counter()
            connection.request("GET", target)
            reply = connection.getresponse()
            if len(reply.read()) != 4096 or reply.status != 200:
                raise AssertionError(f"{name}: {reply.status}")
            if number >= 50:
                calls[name].append(time.perf_counter() - started)
    gateway.client.delete_object(Bucket=bucket, Key="four")
    medians = {name: sorted(times)[len(times) // 2] * 1000 for name, times in calls.items()}
    return medians | {"added_ms": medians["through"] - medians["direct"]}


def main() -> None:
    gateway = Gateway(os.environ["MEASURE_ENDPOINT"], os.environ["MEASURE_ADMIN"], os.environ["MEASURE_PID"])
    count, mib, bucket = int(os.environ["MEASURE_SMALL"]), int(os.environ["MEASURE_BIG_MIB"]), "measure"
    gateway.client.create_bucket(Bucket=bucket)
    figures = {"idle_mib": gateway.peak_mib(), "latency": latency(gateway, bucket)}
    if count:
        figures["small"] = small(gateway, bucket, count)
    if mib:
        figures["big"] = big(gateway, bucket, mib)
    json.dump(figures, sys.stdout)


main()
