"""The table of stacks on which the check runs, and a running stack.

Owns the composition: which storages are behind the server, each behind a relay that can fail, how the server
is configured for them, and the protocol of the clients. A row is data. A storage that is not consistent by
itself (`consistency --endpoint` shows this) has no row: versitygw shows new objects with old tags, and
rclone's S3 loses metadata.
"""

from dataclasses import dataclass
from pathlib import Path

from harness import upstreams
from harness.relay import Relay
from harness.s3 import Target
from harness.server import Server, Storage
from harness.upstreams import BACKENDS, Upstream


@dataclass(frozen=True)
class Stack:
    name: str
    about: str
    of: tuple[str, ...] = ()  # rows of upstreams.BACKENDS, each a backend of that name
    toml: str = ""  # further sections, after those of `of`
    default: str = ""  # the backend of new buckets, if not the local disk
    speaks: str = "http"  # or tls, or h2
    short: bool = False  # belongs to the short run, too
    self_copies: bool = True
    faults: tuple[str, ...] = ("server term", "server kill")  # rows of disturb.FAULTS
    planted: str | None = None  # the kind of violation that it is known to have and that must be found


SERVER = ("server term", "server kill")
NETWORK = (*SERVER, "storage stop", "relay reset", "relay refuse")
NO_HTTP = (*SERVER, "storage stop", "relay reset")  # storages without HTTP cannot answer 503
DISK = '[backend.disk]\ntype = "fs"\nroot = "{work}/disk"\n'
SECOND = '[backend.second]\ntype = "fs"\nroot = "{work}/second"\n'


def _over(name: str, about: str, faults: tuple[str, ...] = NETWORK, **more) -> Stack:
    return Stack(name, about, (name,), default=name, faults=faults, **more)


def _replicated(name: str, *members: str, read: str = "ordered", short: bool = False) -> Stack:
    of = tuple(member for member in members if member not in ("disk", "second"))
    listed = ", ".join(f'"{member}"' for member in members)
    toml = DISK + (SECOND if "second" in members else "")
    toml += f'[backend.store]\ntype = "replicated"\nbackends = [{listed}]\nread = "{read}"\n'
    # With two members, a quorum is both.
    toml += 'write = "quorum"\n' if len(members) > 2 else 'write = "all"\n'
    about = f"replicated over {', '.join(members)}, read {read}"
    return Stack(f"{name}-{read}", about, of, toml, "store", short=short, faults=NETWORK if of else SERVER)


def _cached(name: str, of: str) -> Stack:
    cache = 'metadata_ttl = "1m"\ndata_cache = true\n'
    memory = '[server]\ndata_cache_memory = "16MiB"\ndata_cache_disk = "1GiB"\n'
    about = f"caches of heads, listings and bytes over {of}"
    return Stack(name, about, (of,), cache + memory, of, self_copies=of != "s3_minio")


READS = ("ordered", "fastest", "hedged")
KILLED = (*NETWORK, "storage kill")  # the storage is on disk, so it survives a kill
STACKS = (
    Stack("local", "local disk", short=True),
    Stack("local-tls", "local disk, over TLS", speaks="tls"),
    Stack("local-h2", "local disk, over HTTP/2 and TLS", speaks="h2", short=True),
    Stack("memory", "memory", toml='[backend.store]\ntype = "memory"\n', default="store", faults=()),
    Stack(
        "limited",
        "local disk, at most 100 operations a second and 4 at once",
        toml=DISK + "request_rate = 100\nconcurrency = 4\n",
        default="disk",
    ),
    Stack(
        "planted",
        "a backend whose listings are old at times, which has to be found",
        toml=DISK + '[backend.store]\ntype = "faulty"\nbackend = "disk"\nstale_list = 0.3\n',
        default="store",
        short=True,
        planted="LIST behind what was acknowledged",
        faults=(),
    ),
    _over("s3_causeway", "Causeway, over local disk", KILLED),
    _over("s3_minio", "MinIO", KILLED, self_copies=False),  # MinIO itself answers them with torn bodies
    _over("s3_moto", "moto"),
    _over("azblob", "Azurite"),
    _over("gcs_fake", "our fake of Google Cloud Storage"),
    _over("sftp", "OpenSSH", (*NO_HTTP, "storage kill"), short=True),
    _over("ftp", "pyftpdlib", (*NO_HTTP, "storage kill"), short=True),
    _over("webdav_wsgidav", "WsgiDAV", KILLED, short=True),
    _over("webdav_rclone", "rclone serve webdav", KILLED),
    _over("gdrive_fake", "our fake of Google Drive"),
    _over("onedrive_fake", "our fake of OneDrive"),
    _over("dropbox_fake", "our fake of Dropbox"),
    _over("b2_fake", "our fake of Backblaze B2, through OpenDAL"),
    _over("swift", "OpenStack Swift, through OpenDAL", KILLED),
    *(_replicated("two-disks", "disk", "second", read=read, short=read == "ordered") for read in READS),
    *(_replicated("disk-sftp", "disk", "sftp", read=read, short=read == "hedged") for read in READS),
    *(_replicated("disk-webdav", "disk", "webdav_wsgidav", read=read) for read in READS),
    *(_replicated("disk-minio", "disk", "s3_minio", read=read) for read in READS),
    *(_replicated("disk-minio-sftp", "disk", "s3_minio", "sftp", read=read) for read in READS),
    _cached("cached-minio", "s3_minio"),
    _cached("cached-sftp", "sftp"),
)
NAMES = tuple(stack.name for stack in STACKS)


def rows(stack: Stack) -> list[upstreams.Backend]:
    return [backend for backend in BACKENDS if backend.name in stack.of]


def absent(stack: Stack) -> str | None:
    """The reason why this machine cannot run the stack, or None."""
    return next((why for row in rows(stack) if (why := upstreams.absent(row))), None)


class Running:
    """A server and the storages behind it."""

    def __init__(self, stack: Stack, binary: Path, cache: Path, work: Path):
        self.stack = stack
        self.relays: dict[str, Relay] = {}
        self.storages: dict[str, Upstream] = {}
        self.server = None
        try:
            sections = [self._storage(row, binary, cache, work) for row in rows(stack)]
            toml = "".join(sections) + stack.toml.format(work=work)
            toml += f'[default]\nbackend = "{stack.default}"\n' if stack.default else ""
            parts = [upstream.storage for upstream in self.storages.values()]
            environment = {name: value for part in parts for name, value in part.environment.items()}
            secrets = tuple(secret for part in parts for secret in part.secrets)
            self.server = Server(
                binary,
                work / "server",
                tls=stack.speaks != "http",
                storage=Storage(toml, environment, secrets),
            )
        except BaseException:
            self.stop()
            raise

    def _storage(self, row: upstreams.Backend, binary: Path, cache: Path, work: Path) -> str:
        home = upstreams.prepare(row, cache)

        def between(address: str) -> str:
            self.relays[row.name] = relay = Relay(address)
            return relay.address

        upstream = self.storages[row.name] = Upstream(row, home, work / row.name, binary, between)
        return f"[backend.{row.name}]\n{upstream.toml}"

    def target(self) -> Target:
        server = self.server
        keys = (server.root.access_key, server.root.secret_key)
        return Target(server.endpoint, *keys, server.certificate, self.stack.speaks == "h2")

    def start_storage_again(self, name: str) -> None:
        self.relays[name].move(self.storages[name].start_again())

    def stop(self) -> list[str]:
        """Stops everything, and returns the problems found at the end."""
        ends = [self.server.stop(), *self.server.panics()] if self.server else []
        if self.server and self.server.leaked_secret():
            ends.append("a secret is in the log")
        ends += [upstream.stop() for upstream in self.storages.values()]
        for relay in self.relays.values():
            relay.stop()
        return [end for end in ends if end]
