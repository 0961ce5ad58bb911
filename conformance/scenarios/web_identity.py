"""Keycloak as the provider: boto3's and the Go SDK's own web-identity providers, and the sign-in of a person.

The scenario starts a server of its own, because its configuration names the provider.
"""

import base64
import concurrent.futures
import html
import http.client
import json
import os
import re
import subprocess
import threading
import time
import urllib.parse
from pathlib import Path

import boto3
from boto3_session import refused
from botocore.config import Config

from harness.keycloak import USER, Keycloak
from harness.scenario import Scenario, same
from harness.server import Server, Storage, find_binary

scenario = Scenario()
AUDIENCE, OTHER = "causeway", "another-application"
REDIRECT = "http://localhost/sign-in/callback"
BUCKET, ROLE = Scenario.bucket_name("web-identity"), "web"
ROTATIONS = 3
# The gateway asks a provider for its keys no more often than this.
PAUSE_SECONDS = 2
WORKERS = 2


def payload(token: str) -> dict:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def root(service: str, server: Server):
    return boto3.client(
        service,
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=server.root.access_key,
        aws_secret_access_key=server.root.secret_key,
        config=Config(s3={"addressing_style": "path"}),
    )


def prepare(server: Server, keycloak: Keycloak) -> str:
    """Makes a bucket, and a role that trusts the user of the provider. Returns the ARN of the role."""
    s3 = root("s3", server)
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"open")
    return make_role(server, ROLE, keycloak.issuer, keycloak.token(AUDIENCE), AUDIENCE)


def make_role(server: Server, name: str, issuer: str, token: str, audience: str) -> str:
    """Makes a role that trusts the subject of a token. Returns its ARN."""
    iam, account = root("iam", server), root("sts", server).get_caller_identity()["Account"]
    provider = issuer.split("://", 1)[1]
    condition = {f"{provider}:sub": payload(token)["sub"], f"{provider}:aud": audience}
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": f"arn:aws:iam::{account}:oidc-provider/{provider}"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringEquals": condition},
            }
        ],
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    return role


class TokenFile:
    """A file with a token, replaced as a whole, as Kubernetes replaces it."""

    def __init__(self, path: Path, keycloak: Keycloak):
        self.path, self.keycloak = path, keycloak
        self.renew()

    def renew(self) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(self.keycloak.token(AUDIENCE))
        new.replace(self.path)


def session(path: Path):
    """A client of S3 by boto3's own chain of credentials, which finds the file in the environment."""
    new = boto3.session.Session(region_name="us-east-1")
    found = new.get_credentials()
    same(found.method, "assume-role-with-web-identity")
    return new.client("s3", config=Config(s3={"addressing_style": "path"}))


def reads(path: Path) -> None:
    client = session(path)
    same(client.get_object(Bucket=BUCKET, Key="a")["Body"].read(), b"open")


def rotate(keycloak: Keycloak, tokens: TokenFile) -> None:
    keycloak.rotate()
    tokens.renew()


def main(server: Server, keycloak: Keycloak) -> None:
    role = prepare(server, keycloak)
    tokens = TokenFile(scenario.work / "token", keycloak)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del os.environ[name]
    os.environ |= {
        "AWS_ROLE_ARN": role,
        "AWS_ROLE_SESSION_NAME": "work",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tokens.path),
        "AWS_ENDPOINT_URL_STS": server.endpoint,
        "AWS_ENDPOINT_URL_S3": server.endpoint,
    }
    with scenario.check("boto3 finds role and token in its environment, and reads what the role may read"):
        reads(tokens.path)
        client = session(tokens.path)
        refused((403, "AccessDenied"), client.put_object, Bucket=BUCKET, Key="b", Body=b"b")
        arn = boto3.client("sts", region_name="us-east-1").get_caller_identity()["Arn"]
        assert arn.endswith(f":assumed-role/{ROLE}/work"), arn

    with scenario.check("a token for an unknown audience is refused"):
        anonymous = boto3.client("sts", region_name="us-east-1")
        call = {"RoleArn": role, "RoleSessionName": "work", "WebIdentityToken": keycloak.token(OTHER)}
        refused((400, "InvalidIdentityToken"), anonymous.assume_role_with_web_identity, **call)

    with scenario.check("a provider that was made by API vouches until it is deleted"):
        iam, client = root("iam", server), "admin-cli"
        made_role = make_role(server, "made", keycloak.own_issuer, keycloak.own_token(), client)

        def wanted() -> dict:
            return {"RoleArn": made_role, "RoleSessionName": "work", "WebIdentityToken": keycloak.own_token()}

        refused((400, "InvalidIdentityToken"), anonymous.assume_role_with_web_identity, **wanted())
        made = iam.create_open_id_connect_provider(Url=keycloak.own_issuer, ClientIDList=[client])
        provider = made["OpenIDConnectProviderArn"]
        got = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider)
        same((got["Url"], got["ClientIDList"]), (keycloak.own_issuer, [client]))
        said = anonymous.assume_role_with_web_identity(**wanted())
        same((said["Provider"], said["Audience"]), (provider, client))
        iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)
        refused((400, "InvalidIdentityToken"), anonymous.assume_role_with_web_identity, **wanted())
        foreign = {"Url": "http://elsewhere.example", "ClientIDList": [client]}
        refused((403, "AccessDenied"), iam.create_open_id_connect_provider, **foreign)

    with scenario.check("a token that was changed is refused"):
        call = {"RoleArn": role, "RoleSessionName": "work"}
        head, body, signature = keycloak.token(AUDIENCE).split(".")
        forged = base64.urlsafe_b64encode(json.dumps(payload(f".{body}.") | {"sub": "eve"}).encode()).decode()
        call |= {"WebIdentityToken": f"{head}.{forged.rstrip('=')}.{signature}"}
        refused((400, "InvalidIdentityToken"), anonymous.assume_role_with_web_identity, **call)

    with scenario.check("sessions begin and read while the keys of the provider are rotated"):
        stop, counts = threading.Event(), []

        def work() -> None:
            done = 0
            while not stop.is_set() or done == 0:
                reads(tokens.path)
                done += 1
            counts.append(done)

        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            workers = [pool.submit(work) for _ in range(WORKERS)]
            try:
                for _ in range(ROTATIONS):
                    time.sleep(PAUSE_SECONDS)  # the traffic of this time, and the pause that the guide promises
                    rotate(keycloak, tokens)
                reads(tokens.path)
            finally:
                stop.set()
            for worker in workers:
                worker.result()
        assert min(counts) >= ROTATIONS, counts

    with scenario.check("a token of a key that was withdrawn is refused once the new keys are known"):
        old = keycloak.token(AUDIENCE)
        time.sleep(PAUSE_SECONDS)
        rotate(keycloak, tokens)
        reads(tokens.path)
        call |= {"WebIdentityToken": old}
        refused((400, "InvalidIdentityToken"), anonymous.assume_role_with_web_identity, **call)

    go(keycloak, tokens)
    person(server, keycloak)


class Browser:
    """Keeps cookies by name, and follows no redirect by itself."""

    def __init__(self):
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, url: str, form: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Status, `Location` and body."""
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        body = None
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urllib.parse.urlencode(form)
        connection.request(method, parts._replace(scheme="", netloc="").geturl(), body, headers)
        answer = connection.getresponse()
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = cookie.split(";", 1)[0].partition("=")
            self.cookies[name] = value
        text = answer.read().decode(errors="replace")
        connection.close()
        return answer.status, answer.headers.get("Location", ""), text


def person(server: Server, keycloak: Keycloak) -> None:
    gateway = f"http://{server.admin}"
    with scenario.check("a person signs in by the page of the provider, is known, and signs out"):
        browser, elsewhere = Browser(), Browser()
        status, login, _ = browser.ask("GET", f"{gateway}/sign-in")
        same((status, login.startswith(keycloak.issuer)), (303, True))
        status, _, page = elsewhere.ask("GET", login)
        same(status, 200)
        action = html.unescape(re.search(r'<form[^>]*action="([^"]+)"', page)[1])
        form = {"username": USER, "password": keycloak.password, "credentialId": ""}
        status, back, page = elsewhere.ask("POST", action, form)
        same((status, back.startswith(f"{REDIRECT}?")), (302, True))
        callback = f"{gateway}/sign-in/callback?{back.partition('?')[2]}"
        same(Browser().ask("GET", callback)[0], 400)  # another browser
        status, landing, _ = browser.ask("GET", callback)
        same((status, landing), (303, "/sign-in/who"))
        status, _, who = browser.ask("GET", f"{gateway}{landing}")
        known = json.loads(who)
        same((status, known["email"], known["issuer"]), (200, "bob@example.com", keycloak.issuer))
        assert known["role"].endswith(f":role/{ROLE}"), known
        same(browser.ask("GET", callback)[0], 400)  # a code counts once
        same(browser.ask("POST", f"{gateway}/sign-out")[0], 204)
        same(browser.ask("GET", f"{gateway}/sign-in/who")[0], 401)


def go(keycloak: Keycloak, tokens: TokenFile) -> None:
    """Runs the program of the Go SDK, which reports its own checks, while keys are rotated."""
    stop = scenario.work / "stop"
    program = Path(os.environ["CONFORMANCE_HOME_AWS_SDK_GO"]) / "bin" / "scenario"
    environment = os.environ | {"CONFORMANCE_PROGRAM": "web-identity", "CONFORMANCE_STOP": str(stop)}
    environment |= {"CONFORMANCE_BUCKET": BUCKET}
    process = subprocess.Popen([program], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        for _ in range(ROTATIONS):
            time.sleep(PAUSE_SECONDS)
            rotate(keycloak, tokens)
    finally:
        stop.touch()
        said, _ = process.communicate(timeout=300)
    print(said, end="", flush=True)
    with scenario.check("the program of the Go SDK runs to its end"):
        same(process.returncode, 0)
        same(said.count('"reason":null'), 2)


provider = Keycloak(Path(os.environ["CONFORMANCE_HOME_KEYCLOAK"]), scenario.work, (AUDIENCE, OTHER), (REDIRECT,))
try:
    sections = (
        f'[[oidc]]\nissuer = "{provider.issuer}"\naudience = "{AUDIENCE}"\nprivate = true\n'
        f'[[oidc_allowed]]\nissuer = "{provider.own_issuer}"\nprivate = true\n'
        f'[sign_in]\nissuer = "{provider.issuer}"\nclient_id = "{AUDIENCE}"\nclient_secret = "{provider.secret}"\n'
        f'redirect = "{REDIRECT}"\nrole = "{ROLE}"\n'
    )
    binary = find_binary(Path(os.environ["CONFORMANCE_BINARY"]) if "CONFORMANCE_BINARY" in os.environ else None)
    gateway = Server(binary, scenario.work / "gateway", storage=Storage(sections=sections, secrets=(provider.secret,)))
    try:
        main(gateway, provider)
    finally:
        ended = gateway.stop()
    with scenario.check("the server ends well, and its log has neither a panic nor a secret"):
        same((ended, gateway.panics(), gateway.leaked_secret()), (None, [], False))
finally:
    provider.stop()
scenario.finish()
