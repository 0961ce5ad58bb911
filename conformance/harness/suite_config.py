"""Writes the configuration file that ceph/s3-tests reads while it is imported.

Owns its sections. The suite needs all of them even to collect tests. It compares owner ids and display names
of the first two users with the server's answers, so these are read from the server.
"""

import ssl
import urllib.request
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from harness.server import Identity
from harness.sigv4 import signed_headers


@dataclass(frozen=True)
class Owner:
    user_id: str
    display_name: str


def owner(endpoint: str, identity: Identity) -> Owner:
    """The owner in the reply to ListBuckets."""
    url = f"{endpoint}/"
    request = urllib.request.Request(url, headers=signed_headers("GET", url, identity.access_key, identity.secret_key))
    context = ssl._create_unverified_context() if url.startswith("https:") else None
    with urllib.request.urlopen(request, timeout=30, context=context) as answer:
        root = ElementTree.fromstring(answer.read())
    fields = {element.tag.rsplit("}", 1)[-1]: element.text or "" for element in root.iter()}
    user_id = fields.get("ID") or identity.access_key
    return Owner(user_id, fields.get("DisplayName") or user_id)


def write(path: Path, endpoint: str, users: tuple[Identity, Identity, Identity]) -> None:
    """`users` are main, alt and tenant. The IAM sections get the main one, and the last one tenant: a test may
    need another account. For the set `iam`, the plugin makes a user of main and puts it into alt."""
    parts = urlsplit(endpoint)
    names = ("s3 main", "s3 alt", "s3 tenant", "iam", "iam root", "iam alt root")
    main, alt, tenant = users
    text = f"[DEFAULT]\nhost = {parts.hostname}\nport = {parts.port}\n"
    text += f"is_secure = {parts.scheme == 'https'}\nssl_verify = False\n\n[fixtures]\nbucket prefix = cw-{{random}}-\n"
    owners = {identity: owner(endpoint, identity) for identity in set(users)}
    for name, identity in zip(names, (main, alt, tenant, main, main, tenant), strict=True):
        text += f"\n[{name}]\nuser_id = {owners[identity].user_id}\ndisplay_name = {owners[identity].display_name}\n"
        text += f"email = {name.replace(' ', '-')}@example.com\n"
        text += f"access_key = {identity.access_key}\nsecret_key = {identity.secret_key}\n"
        text += "tenant = testx\n" if name == "s3 tenant" else ""
    path.touch(mode=0o600)
    path.write_text(text)
