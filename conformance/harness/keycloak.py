"""One running Keycloak: a realm with two clients and one user, tokens of both, and keys that are rotated.

Owns the process and its realm, in memory. The realm is made through Keycloak's own API for administrators.
"""

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

START_SECONDS = 300
STOP_SECONDS = 30
STARTS = 3
REALM = "people"
USER = "bob"


class KeycloakError(Exception):
    """Keycloak did not start, or refused a request; the message says which."""


class Keycloak:
    """`clients` are the names of clients, which are the audiences of tokens."""

    def __init__(self, home: Path, work: Path, clients: tuple[str, ...], redirects: tuple[str, ...] = ()):
        self.log = work / "keycloak.log"
        self.admin, self.password, self.secret = (secrets.token_hex(12) for _ in range(3))
        self.priority = 1000
        for attempt in range(1, STARTS + 1):
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            self.address = f"http://127.0.0.1:{port}"
            try:
                self._start(home, port)
                break
            except KeycloakError:
                # Another program may have taken the port.
                if attempt == STARTS or "Address already in use" not in self._tail():
                    raise
        self.issuer = f"{self.address}/realms/{REALM}"
        try:
            self._administrate("POST", "/admin/realms", self._realm(clients, redirects))
        except BaseException:
            self.stop()
            raise

    def _start(self, home: Path, port: int) -> None:
        argv = [home / "bin" / "kc.sh", "start", "--optimized", "--http-enabled=true", "--hostname-strict=false"]
        argv += ["--http-host=127.0.0.1", f"--http-port={port}"]
        foreign = ("KC_", "AWS_", "JAVA_OPTS")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        # Starts sooner, and keeps the memory of the machine for others.
        environment["JAVA_OPTS_APPEND"] = "-XX:TieredStopAtLevel=1 -Xmx512m"
        environment |= {"KC_BOOTSTRAP_ADMIN_USERNAME": "admin", "KC_BOOTSTRAP_ADMIN_PASSWORD": self.admin}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # the script and Java end together
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise KeycloakError(f"Keycloak ended with {self.process.returncode}\n{self._tail()}")
            try:
                with urllib.request.urlopen(f"{self.address}/realms/master", timeout=START_SECONDS):
                    return
            except (OSError, http.client.HTTPException):
                time.sleep(0.2)
        self.stop()
        raise KeycloakError(f"no answer of Keycloak within {START_SECONDS} s\n{self._tail()}")

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def _tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def _realm(self, clients: tuple[str, ...], redirects: tuple[str, ...]) -> dict:
        user = {
            "username": USER,
            "enabled": True,
            "email": "bob@example.com",
            "emailVerified": True,
            "firstName": "Bob",
            "lastName": "Example",
            "credentials": [{"type": "password", "value": self.password, "temporary": False}],
        }
        client = {
            "enabled": True,
            "secret": self.secret,
            "publicClient": False,
            "directAccessGrantsEnabled": True,
            "standardFlowEnabled": True,
            "redirectUris": list(redirects),
        }
        return {
            "realm": REALM,
            "enabled": True,
            "sslRequired": "none",
            "users": [user],
            "clients": [client | {"clientId": name} for name in clients],
        }

    def token(self, client: str) -> str:
        """An ID token of the user, for a client."""
        form = {"grant_type": "password", "scope": "openid", "client_id": client, "client_secret": self.secret}
        form |= {"username": USER, "password": self.password}
        return self._post(f"{self.issuer}/protocol/openid-connect/token", form)["id_token"]

    @property
    def own_issuer(self) -> str:
        """The issuer of Keycloak's own realm, of which there is nothing in the settings of the gateway."""
        return f"{self.address}/realms/master"

    def own_token(self) -> str:
        """An ID token of the administrator, of Keycloak's own realm, for the client `admin-cli`."""
        return self._of_administrator("openid")["id_token"]

    def rotate(self) -> None:
        """From now on, tokens are signed with a new key. The older ones are withdrawn."""
        kind, path = "org.keycloak.keys.KeyProvider", f"/admin/realms/{REALM}/components"
        older = self._administrate("GET", f"{path}?type={kind}")
        self.priority += 1
        config = {"priority": [str(self.priority)], "enabled": ["true"], "active": ["true"], "algorithm": ["RS256"]}
        new = {"name": f"key-{self.priority}", "providerId": "rsa-generated", "providerType": kind, "config": config}
        self._administrate("POST", path, new)
        for key in older:
            if key["providerId"] == "rsa-generated":
                self._administrate("DELETE", f"{path}/{key['id']}")

    def _administrate(self, method: str, path: str, content: dict | None = None):
        token = self._of_administrator("profile")["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        body = None if content is None else json.dumps(content).encode()
        return self._ask(urllib.request.Request(self.address + path, body, headers, method=method))

    def _of_administrator(self, scope: str) -> dict[str, str]:
        form = {"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": self.admin}
        return self._post(f"{self.own_issuer}/protocol/openid-connect/token", form | {"scope": scope})

    def _post(self, url: str, form: dict[str, str]):
        return self._ask(urllib.request.Request(url, urllib.parse.urlencode(form).encode()))

    @staticmethod
    def _ask(request: urllib.request.Request):
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            words = error.read().decode(errors="replace")[:500]
            raise KeycloakError(f"{request.get_method()} {request.full_url}: {error.code} {words}") from error
        return json.loads(text) if text else None
