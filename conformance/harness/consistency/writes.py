"""The requests that change something: PUT, conditional PUT, COPY, DELETE, DeleteObjects."""

import base64
import hashlib
import re
from urllib.parse import quote

from harness import checksums
from harness.consistency import reads, values
from harness.consistency.history import ABSENT, ANY, MISSING, Guard, State, Version, other_than, shows
from harness.consistency.values import Body, Piece
from harness.consistency.worker import Seen, Worker
from harness.s3 import Reply


def register(worker: Worker, kind: str, body: Body | None) -> tuple[str, dict[str, str]]:
    """A name for a new version with this `body`, and the headers that contain the name."""
    name = worker.fresh_name(kind)
    worker.records.versions[name] = Version(name, body)
    return name, headers_of(name)


def headers_of(name: str) -> dict[str, str]:
    return {
        "x-amz-meta-version": name,
        "content-type": f"version/{name}",
        "x-amz-tagging": f"version={name}",
    }


def put(
    worker: Worker,
    key: str,
    condition: Guard = ANY,
    size: int | None = None,
    more: dict[str, str] | None = None,
) -> tuple[bool, Reply | None, State]:
    """Returns whether the PUT is known to be done, the reply, and the new state of the key."""
    name = worker.fresh_name()
    body = (Piece(name, 0, worker.size(key) if size is None else size),)
    worker.records.versions[name] = Version(name, body)
    data, state = values.content(body), State(name, values.whole_etag(body))
    headers = headers_of(name) | conditional(condition) | (more or {})
    sent = None
    if worker.chance.random() < 0.6:
        few = len(data) <= reads.SMALL
        sent = worker.chance.choice(checksums.ALGORITHMS if few else ("CRC32", "SHA1", "SHA256"))
        headers[f"x-amz-checksum-{sent.lower()}"] = checksums.checksum(sent, data)
    action = "PUT" if condition == ANY else "PUT if"
    answer = worker.ask(action, "PUT", key, headers=headers, body=data, pause=worker.pause(0.12))
    done, reply = worker.written(key, action, answer, state, condition), answer[0]
    if done:
        worker.seen[key] = Seen(*state, len(data))
        if reply.etag != state.etag:
            worker.problem("ETag of another version", key, f"PUT answers {reply.etag}, not {state.etag}")
    return done, reply, state


def conditional(condition: Guard) -> dict[str, str]:
    if condition == MISSING:
        return {"if-none-match": "*"}
    return {"if-match": f'"{next(iter(condition.etags))}"'} if condition.etags else {}


def hot_put(worker: Worker) -> None:
    put(worker, worker.hot())


def hot_create(worker: Worker) -> None:
    put(worker, worker.hot(), MISSING)


def hot_replace(worker: Worker) -> None:
    key = worker.hot()
    if key not in worker.seen or worker.chance.random() < 0.5:
        reads.head(worker, key)
    if key in worker.seen:
        put(worker, key, shows(None, worker.seen[key].etag))


def hot_delete(worker: Worker) -> None:
    key = worker.hot()
    worker.written(key, "DELETE", worker.ask("DELETE", "DELETE", key), ABSENT, ANY)


def hot_delete_if(worker: Worker) -> None:
    key = worker.hot()
    if key not in worker.seen:
        return
    # Deleting a missing key succeeds, too, and a 204 does not tell which of both happened.
    condition = shows(None, worker.seen[key].etag)._replace(kind="is or absent")
    answer = worker.ask("DELETE if", "DELETE", key, headers=conditional(condition))
    worker.written(key, "DELETE if", answer, ABSENT, condition)


def hot_delete_several(worker: Worker) -> None:
    keys = worker.chance.sample(worker.plan.hot, min(len(worker.plan.hot), worker.chance.choice((1, 2, 3))))
    body = ("<Delete>" + "".join(f"<Object><Key>{key}</Key></Object>" for key in keys) + "</Delete>").encode()
    digest = base64.b64encode(hashlib.md5(body).digest()).decode()
    reply, start, end = worker.ask(
        "DeleteObjects", "POST", query={"delete": ""}, headers={"content-md5": digest}, body=body
    )
    text = reply.body.decode() if reply is not None and reply.status == 200 else ""
    done = set(re.findall(r"<Deleted>.*?<Key>(.*?)</Key>", text, re.DOTALL))
    for error in re.findall(r"<Error>.*?</Error>", text, re.DOTALL):
        if not worker.plan.disturbed and "SlowDown" not in error:
            worker.problem("5xx", ",".join(keys), f"DeleteObjects: {error}")
    for key in keys:
        worker.note(key, "DeleteObjects", start, end if key in done else None, ANY, ABSENT)


def hot_copy(worker: Worker) -> None:
    source = worker.hot()
    key = worker.chance.choice([key for key in worker.plan.hot if key != source])
    copy(worker, source, key, worker.chance.random() < 0.5)


def hot_self_copy(worker: Worker) -> None:
    key = worker.hot()
    if worker.plan.self_copies:
        copy(worker, key, key, replaces=True)


def copy(worker: Worker, source: str, key: str, replaces: bool) -> None:
    """Copies an object. `replaces`: with new metadata, so that the copy is a version with its own name."""
    headers = {"x-amz-copy-source": quote(f"/{worker.plan.bucket}/{source}", safe="/~")}
    wanted = None
    if worker.chance.random() < 0.5:
        reads.head(worker, source)
        wanted = worker.seen.get(source)
        headers |= {"x-amz-copy-source-if-match": f'"{wanted.etag}"'} if wanted else {}
    name = None
    if replaces:
        name, more = register(worker, "c", None)
        headers |= more | {"x-amz-metadata-directive": "REPLACE", "x-amz-tagging-directive": "REPLACE"}
    action = "COPY onto itself" if source == key else "COPY"
    reply, start, end = worker.ask(action, "PUT", key, headers=headers)
    if reply is None or reply.status >= 500 and reply.status != 501:
        worker.note(key, action, start, None, ANY, State(name, None))
    elif worker.failed_in_body(action, key, reply):
        worker.note(key, action, start, None, ANY, State(name, None))
    elif reply.status == 404:
        worker.note(source, "copy source", start, end, MISSING)
    elif reply.status == 412 and wanted:
        worker.note(source, "copy source", start, end, other_than(wanted.etag))
    elif reply.status == 200:
        etag = reply.field("ETag")
        if etag is None:
            worker.problem("COPY without ETag", key, reply.body[:400].decode())
        worker.seen.pop(key, None)
        worker.note(key, action, start, end, ANY, State(name, etag))
        if source != key:  # otherwise one request reads and writes the same key, in its own order
            worker.note(source, "copy source", start, end, shows(None, *([etag] if etag else [])))
    elif reply.status not in (409, 501):
        worker.problem("unexpected answer", key, f"{action}: {reply.status} {reply.body[:400].decode()}")
