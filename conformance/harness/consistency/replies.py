"""Checks that each reply is of one version: body, ETag, length, metadata, type, tags and checksums.

Owns the checks of a reply alone, whatever other clients did meanwhile. The metadata name the version; the
records of its writer say what that version contains.
"""

from harness import checksums
from harness.consistency import values
from harness.consistency.history import Problem, Records, Sight
from harness.consistency.values import Body


class Bodies:
    """Finds the body of a version or of an ETag."""

    def __init__(self, records: Records):
        self.versions = records.versions
        self.by_etag: dict[str, Body] = {}
        for version in records.versions.values():
            if version.body is not None:
                self.by_etag |= dict.fromkeys(values.etags(version.body), version.body)

    def of(self, name: str | None, etag: str) -> Body | None:
        version = self.versions.get(name)
        if version is not None and version.body is not None:
            return version.body
        return self.by_etag.get(etag)

    def alike(self, etag: str) -> frozenset[str]:
        """All ETags that the body of `etag` may have."""
        body = self.by_etag.get(etag)
        return frozenset((etag,)) if body is None else values.etags(body)


def check(records: Records) -> list[Problem]:
    bodies = Bodies(records)
    found = [
        Problem(kind, sight.key, f"{text}\n{_told(sight)}", sight.start)
        for sight in records.sights
        for kind, text in _problems(sight, bodies)
    ]
    for key, etag, size, at in records.listed:
        body = bodies.by_etag.get(etag)
        if body is not None and values.length(body) != size:
            text = f"LIST shows {size} bytes with ETag {etag}, which has {values.length(body)}"
            found.append(Problem("size of another version", key, text, at))
    return found


def _problems(sight: Sight, bodies: Bodies):
    if sight.name is None:
        yield "no metadata", "the reply has no metadata of any version: the key is shown as a foreign file"
        return
    body = bodies.of(sight.name, sight.etag)
    if sight.name not in bodies.versions or body is None:
        yield "unknown version", f"nobody wrote {sight.name} with ETag {sight.etag}"
        return
    if sight.etag not in values.etags(body):
        yield "ETag of another version", f"{sight.name} has {' or '.join(sorted(values.etags(body)))}"
    if sight.content_type != f"version/{sight.name}":
        yield "content type of another version", f"it is {sight.content_type}"
    if sight.tag_count not in (None, "1"):
        yield "tag count of another version", f"x-amz-tagging-count is {sight.tag_count}, not 1"
    if sight.asked_range is None:
        yield from _whole(sight, body)
    else:
        yield from _part(sight, body)


def _whole(sight: Sight, body: Body):
    if sight.length != values.length(body):
        yield "length of another version", f"Content-Length is {sight.length}, not {values.length(body)}"
    if sight.digest is not None and sight.digest != values.digest(values.content(body)):
        yield (
            "body of another version",
            f"its {sight.size} bytes are not those of {sight.name}: {_owners(sight)}",
        )
    for algorithm, value in sight.checksums.items():
        if value not in _checksums(algorithm, body):
            yield "checksum of another version", f"{algorithm} is {value}"


def _part(sight: Sight, body: Body):
    size = values.length(body)
    first, last = _resolved(sight.asked_range, size)
    if sight.content_range != f"bytes {first}-{last}/{size}":
        yield (
            "range of another version",
            f"asked for {sight.asked_range} of {size} bytes, got Content-Range {sight.content_range}",
        )
    elif sight.digest is not None and sight.digest != values.digest(values.content(body)[first : last + 1]):
        yield (
            "body of another version",
            f"its {sight.size} bytes are not those of {sight.name}: {_owners(sight)}",
        )


def _resolved(asked: str, size: int) -> tuple[int, int]:
    first, last = asked.removeprefix("bytes=").split("-")
    return (max(0, size - int(last)), size - 1) if not first else (int(first), min(int(last), size - 1))


def _checksums(algorithm: str, body: Body) -> set[str]:
    """The possible checksums: of the whole, or of the parts' checksums. The ETag of a copy does not show
    which."""
    parts = [values.content((piece,)) for piece in body]
    return {checksums.checksum(algorithm, b"".join(parts)), checksums.composite(algorithm, parts)}


def _owners(sight: Sight) -> str:
    return f"they are of {', '.join(sight.owners) or 'nobody'}"


def _told(sight: Sight) -> str:
    its = f"version {sight.name}, ETag {sight.etag}, length {sight.length}"
    return f"{sight.action} by worker {sight.worker}: {its}"
