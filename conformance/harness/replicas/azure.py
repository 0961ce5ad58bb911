"""Azurite as a member, on disk so that it survives a kill."""

import base64
import datetime
import hashlib
import hmac
import http.client
import xml.etree.ElementTree as ElementTree
from urllib.parse import quote, urlencode

from harness.replicas.members import BUCKET, Member

VERSION = "2021-08-06"


class Azurite(Member):
    row = "azblob"
    starts = (
        *(
            "{home}/bin/azurite-blob",
            "--blobHost",
            "127.0.0.1",
            "--blobPort",
            "0",
            "--location",
            "{work}/data",
        ),
        *("--silent", "--disableTelemetry", "--skipApiVersionCheck"),
    )

    def lock_out(self) -> None:
        self._with_secret("another" + self.upstream.identity.secret_key[7:])

    def let_in(self) -> None:
        self._with_secret(self.upstream.identity.secret_key)

    def _with_secret(self, secret: str) -> None:
        self.kill()
        self.start(secret_base64=base64.b64encode(secret.encode()).decode())

    def ask(self, method: str, path: str, query: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Sends a request with Azure's own signature, SharedKey."""
        account, key = self.upstream.identity.access_key, self.upstream.identity.secret_key.encode()
        now = datetime.datetime.now(datetime.UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        path, query = quote(f"/{account}{path}"), query or {}
        headers = {"x-ms-date": now, "x-ms-version": VERSION}
        resource = f"/{account}{path}" + "".join(f"\n{name}:{query[name]}" for name in sorted(query))
        lines = [
            method,
            *[""] * 11,
            *(f"{name}:{value}" for name, value in sorted(headers.items())),
            resource,
        ]
        signature = base64.b64encode(hmac.digest(key, "\n".join(lines).encode(), hashlib.sha256)).decode()
        headers["Authorization"] = f"SharedKey {account}:{signature}"
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            connection.request(method, path + ("?" + urlencode(query) if query else ""), headers=headers)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def _blobs(self, **more: str) -> dict[str, int]:
        found, marker = {}, ""
        while True:
            query = {"restype": "container", "comp": "list"} | more | ({"marker": marker} if marker else {})
            status, body = self.ask("GET", f"/{BUCKET}", query)
            if status == 404:
                return {}
            if status != 200:
                raise OSError(f"{self.name}: the list of blobs is answered {status} {body[:200]!r}")
            page = ElementTree.fromstring(body.decode("utf-8-sig"))
            for blob in page.iter("Blob"):
                found[blob.findtext("Name")] = int(blob.findtext("Properties/Content-Length") or 0)
            marker = page.findtext("NextMarker") or ""
            if not marker:
                return found

    def keys(self) -> dict[str, int]:
        return {key: size for key, size in self._blobs().items() if not key.startswith(".causeway")}

    def read(self, key: str) -> bytes | None:
        status, body = self.ask("GET", f"/{BUCKET}/{key}")
        return body if status == 200 else None

    def remove_bucket(self) -> None:
        self.ask("DELETE", f"/{BUCKET}", {"restype": "container"})

    def wipe(self) -> None:
        self.remove_bucket()

    def remains(self) -> list[str]:
        status, body = self.ask("GET", "/", {"comp": "list"})
        page = ElementTree.fromstring(body.decode("utf-8-sig"))
        return [f"the container {name.findtext('Name')}" for name in page.iter("Container")]
