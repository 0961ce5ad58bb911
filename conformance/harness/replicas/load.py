"""A mixed load on keys that each have one writer, and an exact model of what was acknowledged.

Owns the model: for each key, the version that certainly exists, and versions that may exist because their
write got no reply or an error. Once one of these was seen, the version before it no longer exists.
"""

import random
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import quote

from harness.consistency.values import Piece, content, digest
from harness.replicas.gateway import Gateway
from harness.replicas.members import BUCKET
from harness.s3 import Broken, Client, Reply

NAMES = [f"d{number % 5}/k{number:02}" for number in range(40)] + ["sp ace/ü+1.txt", "sp ace/a=b&c.txt"]
LARGE = 2 << 20


class Content(NamedTuple):
    digest: str
    size: int


@dataclass
class Known:
    """The possible contents of a key. None means that there is no object."""

    surely: Content | None = None
    perhaps: list[Content | None] = field(default_factory=list)

    def allows(self, found: Content | None) -> bool:
        return found == self.surely or found in self.perhaps

    def saw(self, found: Content | None) -> None:
        if found != self.surely:
            self.surely = found
            self.perhaps.remove(found)


class Load:
    def __init__(self, gateway: Gateway, seed: int, workers: int = 6, rate: float = 60, prefix: str = "w"):
        self.gateway, self.rate, self.workers = gateway, rate, workers
        self.model: dict[str, Known] = {}
        self.replies: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.slowest = 0.0
        self.over, self.began = threading.Event(), time.monotonic()
        self.threads = [
            threading.Thread(target=_Writer(self, f"{prefix}{number}", seed).run, daemon=True)
            for number in range(workers)
        ]
        for thread in self.threads:
            thread.start()

    def end(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def certain(self) -> list[str]:
        """The keys whose content is certain."""
        return sorted(key for key, known in self.model.items() if known.surely and not known.perhaps)


class _Writer:
    def __init__(self, load: Load, name: str, seed: int):
        self.load, self.name, self.client = load, name, load.gateway.client()
        self.chance, self.serial = random.Random(f"{seed}/{name}"), 0

    def run(self) -> None:
        operations = ((40, self.put), (10, self.delete), (5, self.copy), (4, self.upload), (6, self.list))
        operations += ((10, self.head), (25, self.get))
        weights, functions = zip(*operations, strict=True)
        pause = self.load.workers / self.load.rate
        while not self.load.over.wait(self.chance.uniform(0, 2 * pause)):
            key = f"{self.name}/{self.chance.choice(NAMES)}"
            try:
                self.chance.choices(functions, weights)[0](key)
            except Exception as error:  # a failure of the load itself fails the trial
                self.wrong(key, f"the load broke: {type(error).__name__}: {error}")

    def ask(self, action: str, method: str, key: str = "", **request) -> Reply | None:
        started = time.monotonic()
        try:
            reply = self.client.ask(method, BUCKET, key, **request)
        except Broken:
            self.load.replies[f"{action} broken"] += 1
            return None
        self.load.slowest = max(self.load.slowest, time.monotonic() - started)
        self.load.replies[f"{action} {reply.status}"] += 1
        if reply.broken:
            self.load.replies[f"{action} broke off"] += 1
            return None
        return reply

    def wrong(self, key: str, text: str) -> None:
        self.load.wrong.append(f"{time.monotonic() - self.load.began:6.1f} s {key}: {text}")

    def known(self, key: str) -> Known:
        return self.load.model.setdefault(key, Known())

    def changing(self, key: str, new: Content | None) -> None:
        """Must be called before the request: from now on the new content may exist."""
        self.known(key).perhaps.append(new)

    def changed(self, key: str, action: str, new: Content | None, reply: Reply | None, done: bool) -> None:
        if done:
            self.load.model[key] = Known(new)
        elif reply is not None and 400 <= reply.status < 500:
            self.wrong(key, f"{action} is answered {reply.status} {reply.code}")

    def fresh(self, key: str) -> tuple[bytes, Content]:
        self.serial += 1
        size = int(2 ** self.chance.uniform(8, 21 if self.chance.random() < 0.1 else 16))
        name = f"w{int(self.name[1:])}.{self.serial}"
        body = content((Piece(name, 0, min(size, LARGE)),))
        return body, Content(digest(body), len(body))

    def put(self, key: str) -> None:
        body, new = self.fresh(key)
        self.changing(key, new)
        reply = self.ask("PUT", "PUT", key, body=body)
        self.changed(key, "PUT", new, reply, reply is not None and reply.status == 200)

    def delete(self, key: str) -> None:
        self.changing(key, None)
        reply = self.ask("DELETE", "DELETE", key)
        self.changed(key, "DELETE", None, reply, reply is not None and reply.status == 204)

    def copy(self, key: str) -> None:
        source = f"{self.name}/{self.chance.choice(NAMES)}"
        known = self.known(source)
        if known.surely is None or known.perhaps or source == key:
            return
        new = known.surely
        self.changing(key, new)
        reply = self.ask("COPY", "PUT", key, headers={"x-amz-copy-source": quote(f"/{BUCKET}/{source}")})
        done = reply is not None and reply.status == 200 and reply.field("ETag") is not None
        self.changed(key, "COPY", new, reply, done)

    def upload(self, key: str) -> None:
        reply = self.ask("create upload", "POST", key, query={"uploads": ""})
        if reply is None or reply.status != 200:
            return
        upload, (body, new) = reply.field("UploadId"), self.fresh(key)
        part = self.ask("part", "PUT", key, query={"partNumber": 1, "uploadId": upload}, body=body)
        done = False
        if part is not None and part.status == 200:
            self.changing(key, new)
            document = f"<Part><PartNumber>1</PartNumber><ETag>{part.etag}</ETag></Part>"
            document = f"<CompleteMultipartUpload>{document}</CompleteMultipartUpload>".encode()
            reply = self.ask("complete upload", "POST", key, query={"uploadId": upload}, body=document)
            done = reply is not None and reply.status == 200 and reply.field("ETag") is not None
            self.changed(key, "complete upload", new, reply, done)
        if not done:
            self.ask("abort upload", "DELETE", key, query={"uploadId": upload})

    def list(self, key: str) -> None:
        prefix = f"{self.name}/d1/"
        reply = self.ask("LIST", "GET", query={"list-type": 2, "prefix": prefix})
        if reply is None or reply.status != 200:
            return
        page = ElementTree.fromstring(reply.body)
        space = page.tag.split("}")[0] + "}" if "}" in page.tag else ""
        found = {
            item.findtext(space + "Key"): int(item.findtext(space + "Size"))
            for item in page.iter(space + "Contents")
        }
        for key in found.keys() | {key for key in self.load.model.copy() if key.startswith(prefix)}:
            known = self.known(key)
            sizes = [state and state.size for state in (known.surely, *known.perhaps)]
            if found.get(key) not in sizes:
                self.wrong(key, f"LIST shows {found.get(key)} bytes, not one of {sizes}")

    def head(self, key: str) -> None:
        reply = self.ask("HEAD", "HEAD", key)
        if reply is None or reply.status not in (200, 404):
            return
        known = self.known(key)
        sizes = [state and state.size for state in (known.surely, *known.perhaps)]
        found = int(reply.headers["content-length"]) if reply.status == 200 else None
        if found not in sizes:
            self.wrong(key, f"HEAD shows {found} bytes, not one of {sizes}")

    def get(self, key: str) -> None:
        reply = self.ask("GET", "GET", key)
        if reply is None or reply.status not in (200, 404):
            return
        known = self.known(key)
        found = Content(digest(reply.body), len(reply.body)) if reply.status == 200 else None
        if known.allows(found):
            known.saw(found)
        else:
            self.wrong(key, f"GET shows {found}, neither {known.surely} nor one of {known.perhaps}")


def settled(client: Client, key: str) -> Content | None:
    """The content that a GET shows after the load."""
    reply = client.ask("GET", BUCKET, key)
    if reply.status not in (200, 404) or reply.broken:
        raise OSError(f"GET {key} is answered {reply.status} {reply.code} {reply.broken or ''}")
    return Content(digest(reply.body), len(reply.body)) if reply.status == 200 else None
