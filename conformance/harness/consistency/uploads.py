"""Multipart uploads: of new bodies, of ranges of an object that never changes, and of hot objects.

Owns the plan of an upload, which determines the content of its object before it begins. Only the last request
publishes.
"""

import hashlib
from dataclasses import dataclass
from urllib.parse import quote

from harness import checksums
from harness.consistency import reads, values
from harness.consistency.history import ANY, MISSING, State, other_than
from harness.consistency.reads import MIB
from harness.consistency.values import Piece
from harness.consistency.worker import Worker
from harness.consistency.writes import conditional, register
from harness.s3 import Reply

PART = 5 * MIB  # S3's minimum for all parts but the last


@dataclass(frozen=True)
class Part:
    piece: Piece
    source: str | None = None  # the key from which it is copied
    if_match: str | None = None  # copies the whole of a hot object, if it has this ETag


def hot_upload(worker: Worker) -> None:
    upload(worker, worker.hot())


def upload(worker: Worker, key: str) -> None:
    count = worker.chance.choice((1, 2, 2, 3))
    parts = [_part(worker, last=number == count) for number in range(1, count + 1)]
    body = tuple(part.piece for part in parts)
    name, headers = register(worker, "m", body)
    algorithm = worker.chance.choice(("CRC32", "SHA256", None, None))
    headers |= {"x-amz-checksum-algorithm": algorithm} if algorithm else {}
    reply, _, _ = worker.ask("create upload", "POST", key, query={"uploads": ""}, headers=headers)
    if reply is None or reply.status != 200:
        return
    upload_id = reply.field("UploadId")
    sent = [_send(worker, key, upload_id, number, part, algorithm) for number, part in enumerate(parts, 1)]
    if not all(sent) or worker.chance.random() < 0.1:
        worker.ask("abort upload", "DELETE", key, query={"uploadId": upload_id})
        return
    document = f"<CompleteMultipartUpload>{''.join(sent)}</CompleteMultipartUpload>".encode()
    condition = worker.chance.choice((ANY, ANY, ANY, MISSING))
    answer = worker.ask(
        "complete upload",
        "POST",
        key,
        query={"uploadId": upload_id},
        headers=conditional(condition),
        body=document,
    )
    _published(worker, key, answer, State(name, values.parts_etag(body)), condition, upload_id)


def _published(worker: Worker, key, answer, state: State, condition, upload_id: str) -> None:
    reply, start, _ = answer
    if reply is not None and worker.failed_in_body("complete upload", key, reply):
        worker.note(key, "complete upload", start, None, condition, state)
        return
    if worker.written(key, "complete upload", answer, state, condition):
        if reply.field("ETag") != state.etag:
            worker.problem("ETag of another version", key, f"complete upload answers {reply.field('ETag')}")
    elif reply is None or reply.status in (409, 412, 501):
        worker.ask("abort upload", "DELETE", key, query={"uploadId": upload_id})


def _part(worker: Worker, last: bool) -> Part:
    size = worker.chance.choice((10, 4096, 70 * 1024)) if last else PART
    if worker.chance.random() < 0.35:
        start = worker.chance.choice((0, 4097))
        return Part(Piece(worker.plan.source_body[0].name, start, size), worker.plan.source)
    if last and worker.chance.random() < 0.4:
        hot = worker.hot()
        reads.head(worker, hot)
        seen = worker.seen.get(hot)
        if seen and seen.name and seen.name.startswith("w") and seen.length:
            return Part(Piece(seen.name, 0, seen.length), hot, seen.etag)
    return Part(Piece(worker.fresh_name(), 0, size))


def _send(worker: Worker, key, upload_id, number: int, part: Part, algorithm: str | None) -> str | None:
    """Sends a part, and returns its element in the closing document, or None if it failed."""
    query = {"partNumber": number, "uploadId": upload_id}
    data = values.content((part.piece,))
    if part.source is None:
        headers = (
            {f"x-amz-checksum-{algorithm.lower()}": checksums.checksum(algorithm, data)} if algorithm else {}
        )
        reply, start, end = worker.ask("part", "PUT", key, query=query, headers=headers, body=data)
        etag = reply.etag if reply is not None else None
    else:
        headers = {"x-amz-copy-source": quote(f"/{worker.plan.bucket}/{part.source}", safe="/~")}
        if part.if_match:
            headers["x-amz-copy-source-if-match"] = f'"{part.if_match}"'
        else:
            first, last = part.piece.start, part.piece.start + part.piece.length - 1
            headers["x-amz-copy-source-range"] = f"bytes={first}-{last}"
        reply, start, end = worker.ask("part copy", "PUT", key, query=query, headers=headers)
        etag = reply.field("ETag") if reply is not None else None
    if reply is None or reply.status != 200:
        _refused(worker, key, part, reply, start, end)
        return None
    if etag != hashlib.md5(data).hexdigest():
        worker.problem(
            "body of another version", key, f"part {number} of {part.source or 'its own'} is {etag}"
        )
    element = f"<PartNumber>{number}</PartNumber><ETag>{etag}</ETag>"
    if algorithm:
        element += f"<Checksum{algorithm}>{checksums.checksum(algorithm, data)}</Checksum{algorithm}>"
    return f"<Part>{element}</Part>"


def _refused(worker: Worker, key, part: Part, reply: Reply | None, start: int, end: int) -> None:
    if reply is None or reply.status >= 500:
        return
    if part.if_match and reply.status == 404:
        worker.note(part.source, "part source", start, end, MISSING)
    elif part.if_match and reply.status == 412:
        worker.note(part.source, "part source", start, end, other_than(part.if_match))
    else:
        how = "part copy" if part.source else "part"
        worker.problem("unexpected answer", key, f"{how}: {reply.status} {reply.body[:400].decode()}")
