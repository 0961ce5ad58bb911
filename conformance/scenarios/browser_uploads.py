"""A real browser: a page of another origin uploads by presigned PUT, in parts and by form, with CORS rules and without.

Owns the page, its server, and the browser.  The page gets presigned URLs and signed forms, as the server of an
application would make them, and posts what it saw to its own server; so nothing drives the browser, and the bucket is
read by boto3.
"""

import contextlib
import hashlib
import http.server
import json
import os
import queue
import subprocess
import tempfile
import threading
import urllib.parse

from boto3_session import client
from botocore.exceptions import ClientError

from harness.scenario import Scenario, same

scenario = Scenario()
BUCKET = scenario.bucket_name("browser")
MIB = 1 << 20
SIZE, PART = 64 * MIB, 8 * MIB
PATIENCE = 300  # seconds: a page that says nothing for so long is broken

PAGE = """<!doctype html><meta charset="utf-8"><title>upload</title><script type="module">
const attempt = async (work) => { try { return await work() } catch (error) { return {error: String(error)} } };
const task = await (await fetch("/task")).json();
const bytes = new Uint8Array(task.size);
for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 31 + (i >> 13)) & 255;

const put = await attempt(async () => {
  const reply = await fetch(task.put, {method: "PUT", body: bytes, headers: {"content-type": "application/x-page"}});
  return {status: reply.status, etag: reply.headers.get("etag"), server: reply.headers.get("server")};
});
const parts = await attempt(async () => {
  const etags = [];
  for (const [n, url] of task.parts.entries()) {
    const reply = await fetch(url, {method: "PUT", body: bytes.subarray(n * task.part, (n + 1) * task.part)});
    etags.push(reply.headers.get("etag"));
  }
  const all = etags.map((etag, n) => `<Part><PartNumber>${n + 1}</PartNumber><ETag>${etag}</ETag></Part>`).join("");
  const body = `<CompleteMultipartUpload>${all}</CompleteMultipartUpload>`;
  const reply = await fetch(task.complete, {method: "POST", body, headers: {"content-type": "application/xml"}});
  return {status: reply.status, text: (await reply.text()).slice(0, 500)};
});
const form = await attempt(async () => {
  const data = new FormData();
  for (const [name, value] of Object.entries(task.form.fields)) data.append(name, value);
  data.append("file", new Blob([bytes]), "page.bin");
  const reply = await fetch(task.form.url, {method: "POST", body: data});
  return {status: reply.status, etag: reply.headers.get("etag"), text: (await reply.text()).slice(0, 500)};
});
const plain = await attempt(async () => {
  const element = (name, properties) => Object.assign(document.createElement(name), properties);
  const shown = element("form", {method: "post", enctype: "multipart/form-data", action: task.plain.url, target: "reply"});
  for (const [name, value] of Object.entries(task.plain.fields)) shown.append(element("input", {type: "hidden", name, value}));
  const chosen = new DataTransfer();
  chosen.items.add(new File([bytes], "page.bin"));
  shown.append(element("input", {type: "file", name: "file", files: chosen.files}));
  const frame = element("iframe", {name: "reply"});
  document.body.append(frame, shown);
  const loaded = new Promise((done) => frame.addEventListener("load", done, {once: true}));
  shown.submit();
  await loaded;
  return {went: frame.contentWindow.location.href};
});
const read = await attempt(async () => {
  const reply = await fetch(task.get);
  const digest = await crypto.subtle.digest("SHA-256", await reply.arrayBuffer());
  const hex = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return {status: reply.status, sha256: hex};
});
const missing = await attempt(async () => ({status: (await fetch(task.missing)).status}));
await fetch("/saw", {method: "POST", body: JSON.stringify({put, parts, form, plain, read, missing})});
</script>"""


class PageServer(http.server.ThreadingHTTPServer):
    """The origin of the page: another port is another origin."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), PageHandler)
        self.task: dict = {}
        self.saw: queue.Queue[dict] = queue.Queue()
        self.origin = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class PageHandler(http.server.BaseHTTPRequestHandler):
    server: PageServer

    def do_GET(self):
        if self.path == "/task":
            self.reply(json.dumps(self.server.task).encode(), "application/json")
        elif self.path.startswith("/done?"):
            self.reply(b"done", "text/plain")
        elif self.path == "/":
            self.reply(PAGE.encode(), "text/html")
        else:
            self.send_error(404)

    def do_POST(self):
        self.server.saw.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.reply(b"", "text/plain")

    def reply(self, body: bytes, kind: str):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """URLs are presigned: they do not belong in any output."""


def expected_bytes() -> bytes:
    # The same for each block of 8 KiB, but for a shift that grows by one.
    blocks = {shift: bytes((i * 31 + shift) & 255 for i in range(8192)) for shift in range(256)}
    return b"".join(blocks[n & 255] for n in range(SIZE // 8192))


def visit(pages: PageServer, name: str) -> dict:
    """What the page saw in a browser that has never been there."""
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=f"{name}-parts")["UploadId"]

    def signed(call: str, key: str, **arguments) -> str:
        return s3.generate_presigned_url(call, Params={"Bucket": BUCKET, "Key": key} | arguments, ExpiresIn=600)

    def signed_form(key: str, fields: dict[str, str]) -> dict:
        conditions = [*({name: value} for name, value in fields.items()), ["content-length-range", SIZE, SIZE]]
        return s3.generate_presigned_post(BUCKET, key, Fields=dict(fields), Conditions=conditions, ExpiresIn=600)

    parts = [
        signed("upload_part", f"{name}-parts", UploadId=upload, PartNumber=n + 1) for n in range(SIZE // PART)
    ]
    pages.task = {
        "size": SIZE,
        "part": PART,
        "put": signed("put_object", f"{name}-put"),
        "parts": parts,
        "complete": signed("complete_multipart_upload", f"{name}-parts", UploadId=upload),
        "form": signed_form(f"{name}-form", {"success_action_status": "201"}),
        "plain": signed_form(f"{name}-plain", {"success_action_redirect": f"{pages.origin}/done"}),
        "get": signed("get_object", "present"),
        "missing": signed("get_object", "missing"),
    }
    profile = scenario.work / f"profile-{name}"
    # Without its sandbox the browser runs as root; it opens nothing but the page above.
    argv = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    argv += ["--disable-background-networking", f"--user-data-dir={profile}", "--remote-debugging-port=0"]
    log = scenario.work / f"{name}.log"
    # Its socket is there, and the path of a socket has 107 characters at most.
    sockets = tempfile.TemporaryDirectory(prefix="cw-", dir="/tmp", ignore_cleanup_errors=True)
    with sockets, open(log, "wb") as output:
        environment = os.environ | {"TMPDIR": sockets.name}
        browser = subprocess.Popen([*argv, pages.origin], stdout=output, stderr=output, env=environment)
        try:
            return pages.saw.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"the page said nothing; the browser: {log.read_text()[-1500:]}") from None
        finally:
            browser.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                browser.wait(20)
            browser.kill()


def went_to(saw: dict, name: str):
    """A form that is no script is sent without asking, and the browser follows its redirect."""
    went = urllib.parse.urlsplit(saw["plain"]["went"])
    same(f"{went.scheme}://{went.netloc}{went.path}", f"{pages.origin}/done")
    query = urllib.parse.parse_qs(went.query)
    same((query["bucket"], query["key"]), ([BUCKET], [f"{name}-plain"]))


def is_there(key: str) -> bool:
    try:
        s3.head_object(Bucket=BUCKET, Key=key)
    except ClientError as error:
        same(error.response["ResponseMetadata"]["HTTPStatusCode"], 404)
        return False
    return True


s3 = client(scenario)
s3.create_bucket(Bucket=BUCKET)
s3.put_object(Bucket=BUCKET, Key="present", Body=b"hello")
pages = PageServer()

SCRIPTED = ("put", "parts", "form", "read", "missing")

with scenario.check("without CORS rules the page can neither upload nor read"):
    saw = visit(pages, "refused")
    for what in SCRIPTED:
        assert "Failed to fetch" in saw[what].get("error", ""), (what, saw[what])
    assert not is_there("refused-put") and not is_there("refused-parts")
    # Browsers send a form without asking first: its policy lets it in, and the page cannot read the reply.
    assert is_there("refused-form")
    went_to(saw, "refused")

with scenario.check("rules for another origin do not help"):
    rule = {
        "AllowedOrigins": ["http://127.0.0.1:1"],
        "AllowedMethods": ["GET", "PUT", "POST"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag"],
    }
    s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [rule]})
    saw = visit(pages, "elsewhere")
    assert all("error" in saw[what] for what in SCRIPTED), saw
    assert not is_there("elsewhere-put") and not is_there("elsewhere-parts")

with scenario.check(f"with CORS rules the page uploads {SIZE // MIB} MiB by presigned PUT, in parts and by form"):
    s3.put_bucket_cors(
        Bucket=BUCKET, CORSConfiguration={"CORSRules": [rule | {"AllowedOrigins": ["http://127.0.0.1:*"]}]}
    )
    saw = visit(pages, "allowed")
    same(saw["put"]["status"], 200)
    assert saw["put"]["etag"] and saw["put"]["server"] is None, saw["put"]  # exposed, and not exposed
    same(saw["parts"]["status"], 200)
    assert "CompleteMultipartUploadResult" in saw["parts"]["text"], saw["parts"]
    same(saw["form"]["status"], 201)
    assert saw["form"]["etag"] and "<PostResponse" in saw["form"]["text"], saw["form"]
    went_to(saw, "allowed")
    wanted = hashlib.sha256(expected_bytes()).hexdigest()
    for key in ("allowed-put", "allowed-parts", "allowed-form", "allowed-plain"):
        found = s3.get_object(Bucket=BUCKET, Key=key)
        same(hashlib.sha256(found["Body"].read()).hexdigest(), wanted)
    same(s3.head_object(Bucket=BUCKET, Key="allowed-put")["ContentType"], "application/x-page")

with scenario.check("the page reads objects and the status of errors"):
    same(saw["read"], {"status": 200, "sha256": hashlib.sha256(b"hello").hexdigest()})
    same(saw["missing"], {"status": 404})

pages.shutdown()
scenario.finish()
