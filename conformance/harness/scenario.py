"""What a scenario script uses: the server's endpoint, a work directory of its own, and checks.

Owns the line protocol to the playbook: one JSON object per finished check on standard output. A failed check
is recorded and the scenario continues; only `finish` ends it. Secrets arrive by environment and are removed
from every message. Scenarios pass them to clients by environment or private file, never as arguments.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
import traceback
import uuid
from pathlib import Path

REASON_CHARACTERS = 3000


class CommandFailed(AssertionError):
    """A client ended with another status than expected; the message contains its output."""


def same(found, wanted) -> None:
    """Asserts that `found == wanted`, with both in the message."""
    if found != wanted:
        raise AssertionError(f"found {found!r}, wanted {wanted!r}")


class Scenario:
    def __init__(self):
        self.endpoint = os.environ["CONFORMANCE_ENDPOINT"]
        self.host = self.endpoint.split("://", 1)[1]
        self.access_key = os.environ["AWS_ACCESS_KEY_ID"]
        self.secret_key = os.environ["AWS_SECRET_ACCESS_KEY"]
        self.work = Path(os.environ["CONFORMANCE_WORK"])
        self.file_mib = int(os.environ["CONFORMANCE_FILE_MIB"])
        self.files = int(os.environ["CONFORMANCE_FILES"])
        self.failed = 0

    @staticmethod
    def bucket_name(purpose: str) -> str:
        return f"{purpose}-{uuid.uuid4().hex[:12]}"

    @contextlib.contextmanager
    def check(self, name: str):
        started = time.monotonic()
        reason = None
        try:
            yield
        except Exception as error:  # any failure is the result of this check
            reason = self._reason(error)
            self.failed += 1
        line = {"check": name, "seconds": round(time.monotonic() - started, 2), "reason": reason}
        print(json.dumps(line), flush=True)

    def run(self, *argv, expect: int | None = 0, timeout: float = 600, **options) -> subprocess.CompletedProcess:
        """Runs a client; `expect=None` accepts any failure."""
        done = subprocess.run(
            [str(word) for word in argv], capture_output=True, text=True, timeout=timeout, cwd=self.work, **options
        )
        if (done.returncode == 0) if expect is None else (done.returncode != expect):
            output = "\n".join(filter(None, (done.stdout.strip()[-1500:], done.stderr.strip()[-1500:])))
            raise CommandFailed(f"{' '.join(map(str, argv))[:300]}\n  exit status {done.returncode}: {output}")
        return done

    def finish(self) -> None:
        sys.exit(1 if self.failed else 0)

    def _reason(self, error: Exception) -> str:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == sys.argv[0]]
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}: {frames[-1].line}" if frames else ""
        text = f"{where}\n  {type(error).__name__}: {error}".replace(self.secret_key, "[secret]")
        return text[:REASON_CHARACTERS]
