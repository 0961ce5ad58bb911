"""The server in front of the members, and the output of its commands about the replicated bucket."""

import json
import subprocess
import time
from pathlib import Path

from harness.replicas.members import BUCKET, Member
from harness.s3 import Client, Target
from harness.server import Server, Storage

COMMAND_SECONDS = 300


class Gateway:
    def __init__(
        self, binary: Path, work: Path, members: dict[str, Member], write: str, read: str, more: str = ""
    ):
        self.members, self.write, self.read, self.more = members, write, read, more
        secrets = tuple(secret for member in members.values() for secret in member.secrets)
        self.server = Server(binary, work, storage=Storage(self.sections(tuple(members)), {}, secrets))

    def sections(self, names: tuple[str, ...]) -> str:
        """The configuration in which `names` are the replicas."""
        text = "".join(f"[backend.{member.name}]\n{member.toml}" for member in self.members.values())
        text += f'[backend.replicas]\ntype = "replicated"\nbackends = {json.dumps(names)}\n'
        text += f'write = "{self.write}"\nread = "{self.read}"\n'
        return text + self.more + '[default]\nbackend = "replicas"\n'

    def client(self, timeout: float = 40) -> Client:
        root = self.server.root
        return Client(Target(self.server.endpoint, root.access_key, root.secret_key), timeout)

    def run(self, command: str, *more: str, bucket: str = BUCKET) -> tuple[int, dict]:
        """Runs `causeway replicate …`, and returns its exit code and its document."""
        done = subprocess.run(self.argv(command, bucket, *more), **self.options(), timeout=COMMAND_SECONDS)
        try:
            return done.returncode, json.loads(done.stdout)
        except ValueError:
            return done.returncode, {"error": (done.stdout + done.stderr).strip()[-400:]}

    def argv(self, command: str, *more: str) -> list[str]:
        server = self.server
        argv = [server.argv[0], "replicate", command, *more, "--json", "--data", server.work / "data"]
        return [str(word) for word in [*argv, "--config", server.work / "causeway.toml"]]

    def options(self) -> dict:
        return {"capture_output": True, "text": True, "env": self.server.environment}

    def scan(self) -> int:
        argv = self.argv("scan", BUCKET)
        argv[1] = "bucket"
        argv.remove("--json")
        argv.append("--full")
        return subprocess.run(argv, **self.options(), timeout=COMMAND_SECONDS).returncode

    def until_clean(self, seconds: float) -> tuple[float | None, dict]:
        """The seconds until `status` had exit code 0, or None; and its last document."""
        begun = time.monotonic()
        while True:
            code, said = self.run("status")
            took = time.monotonic() - begun
            if code == 0:
                return round(took, 1), said
            if took > seconds:
                return None, said
            time.sleep(0.5)

    def restart(self) -> None:
        self.server.kill()
        self.server.start()
