"""The requests that read: GET, ranges, conditions, HEAD, tags, LIST."""

import re
import xml.etree.ElementTree as ElementTree
from typing import NamedTuple

from harness.consistency import values
from harness.consistency.history import MISSING, Guard, Sight, other_than, shows
from harness.consistency.worker import Seen, Worker
from harness.s3 import Reply

KIB, MIB = 1 << 10, 1 << 20
CHECKSUMS = {
    "x-amz-checksum-" + name.lower(): name for name in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")
}
SMALL = 128 * KIB  # CRC32C and CRC64NVME are slow in Python


def hot_get(worker: Worker) -> None:
    get(worker, worker.hot())


def hot_head(worker: Worker) -> None:
    head(worker, worker.hot())


def hot_tags(worker: Worker) -> None:
    tags(worker, worker.hot())


def hot_condition(worker: Worker) -> None:
    key = worker.hot()
    if key in worker.seen:
        header = worker.chance.choice(("if-match", "if-none-match"))
        worker.chance.choice((get, head))(worker, key, (header, worker.seen[key].etag))


def hot_range(worker: Worker) -> None:
    key = worker.hot()
    first = worker.chance.choice((0, 3, 1000, 64 * KIB, MIB - 5, 5 * MIB - 7))
    count = worker.chance.choice((1, 9, 4096, 70_000, 2 * MIB))
    asked = f"bytes=-{count}" if worker.chance.random() < 0.2 else f"bytes={first}-{first + count - 1}"
    condition = None
    if key in worker.seen and worker.chance.random() < 0.3:
        condition = ("if-match", worker.seen[key].etag)
    get(worker, key, condition, asked)


def get(worker: Worker, key: str, condition=None, asked_range: str | None = None) -> Reply | None:
    headers = {"x-amz-checksum-mode": "ENABLED"} | (dict([condition]) if condition else {})
    headers |= {"range": asked_range} if asked_range else {}
    action = "GET range" if asked_range else "GET"
    reply, _, _ = worker.ask(action, "GET", key, headers=headers, pause=worker.pause(0.15))
    take(worker, key, action, reply, condition, asked_range)
    return reply


def head(worker: Worker, key: str, condition=None) -> Reply | None:
    headers = {"x-amz-checksum-mode": "ENABLED"} | (dict([condition]) if condition else {})
    reply, _, _ = worker.ask("HEAD", "HEAD", key, headers=headers)
    take(worker, key, "HEAD", reply, condition)
    return reply


def take(worker: Worker, key, action, reply: Reply | None, condition=None, asked_range=None) -> None:
    """Records what a reply to GET or HEAD shows."""
    if reply is None or reply.status >= 500 or reply.status == 416:
        return
    header, wanted = condition or (None, None)
    if reply.status == 404:
        worker.note(key, action, reply.asked, reply.headed, MISSING)
    elif reply.status == 304 and header == "if-none-match":
        worker.note(key, action, reply.asked, reply.headed, shows(None, wanted))
    elif reply.status == 412 and header == "if-match":
        worker.note(key, action, reply.asked, reply.headed, other_than(wanted))
    elif reply.status != (206 if asked_range else 200):
        worker.problem("unexpected answer", key, f"{action}: {reply.status} {reply.body[:400].decode()}")
    else:
        sight = _sight(worker, key, action, reply, asked_range)
        worker.records.sights.append(sight)
        if (header, reply.etag == wanted) in (("if-match", False), ("if-none-match", True)):
            worker.problem("condition that did not hold", key, f"{action} {header} {wanted}: {reply.etag}")
        if sight.name:
            worker.note(key, action, reply.asked, reply.headed, shows(sight.name, sight.etag))
            worker.seen[key] = Seen(sight.name, sight.etag, None if asked_range else sight.length)


def _sight(worker: Worker, key, action, reply: Reply, asked_range) -> Sight:
    headers, whole = reply.headers, action != "HEAD" and reply.broken is None
    length = int(headers["content-length"]) if "content-length" in headers else None
    few = length is not None and length <= SMALL
    return Sight(
        *(key, action, worker.number, reply.asked, reply.headed, reply.ended),
        name=headers.get("x-amz-meta-version"),
        etag=reply.etag,
        content_type=headers.get("content-type"),
        length=length,
        tag_count=headers.get("x-amz-tagging-count"),
        checksums={
            name: headers[header]
            for header, name in CHECKSUMS.items()
            if header in headers and (few or name not in ("CRC32C", "CRC64NVME"))
        },
        asked_range=asked_range,
        content_range=headers.get("content-range"),
        digest=values.digest(reply.body) if whole else None,
        size=len(reply.body) if whole else None,
        owners=tuple(values.owners(reply.body)),
    )


def tags(worker: Worker, key: str) -> None:
    reply, start, end = worker.ask("GET tags", "GET", key, query={"tagging": ""})
    if reply is None or reply.status >= 500:
        return
    if reply.status == 404:
        worker.note(key, "GET tags", start, end, MISSING)
        return
    found = re.findall(r"<Key>(.*?)</Key>\s*<Value>(.*?)</Value>", reply.body.decode())
    if reply.status != 200 or len(found) != 1 or found[0][0] != "version":
        worker.problem("tags of no version", key, f"{reply.status}: {found or reply.body[:400].decode()}")
        return
    worker.note(key, "GET tags", start, end, shows(found[0][1]))


class Entry(NamedTuple):
    key: str
    etag: str
    size: int


def pages(worker: Worker, prefix: str, **query) -> tuple[list[Entry] | None, int, int]:
    """All entries under `prefix` (None if a page failed), the time of the first request, and that of the
    last reply."""
    entries, token, first = [], None, None
    while True:
        more = {"continuation-token": token} if token else {}
        question = {"list-type": 2, "prefix": prefix} | query | more
        reply, start, end = worker.ask("LIST", "GET", query=question)
        first = start if first is None else first
        if reply is None or reply.status != 200 or reply.broken:
            if reply is not None and reply.status < 500 and reply.status != 200:
                worker.problem(
                    "unexpected answer", prefix, f"LIST: {reply.status} {reply.body[:400].decode()}"
                )
            return None, first, end
        page = ElementTree.fromstring(reply.body)
        space = page.tag.split("}")[0] + "}" if "}" in page.tag else ""
        for item in page.iter(space + "Contents"):
            texts = [item.findtext(space + name) for name in ("Key", "ETag", "Size")]
            entries.append(Entry(texts[0], texts[1].strip('"'), int(texts[2])))
        following = page.findtext(space + "NextContinuationToken")
        if page.findtext(space + "IsTruncated") != "true":
            return entries, first, end
        if not following or following == token:
            worker.problem("LIST without progress", prefix, f"the next page begins at {following} again")
            return None, first, end
        token = following


def hot_list(worker: Worker) -> None:
    query = {"max-keys": 3} if worker.chance.random() < 0.3 else {}
    entries, start, end = pages(worker, "hot/", **query)
    if entries is None:
        return
    names = [entry.key for entry in entries]
    if names != sorted(set(names)):
        worker.problem("LIST out of order", "hot/", f"{names}")
    found = {entry.key: entry for entry in entries}
    for key in worker.plan.hot:
        worker.note(key, "LIST", start, end, shown(found.get(key)))
        if key in found:
            worker.records.listed.append((key, found[key].etag, found[key].size, start))


def shown(entry: Entry | None) -> Guard:
    return MISSING if entry is None else shows(None, entry.etag)
