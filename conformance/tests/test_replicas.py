"""What trials of replicas rely on: the model of what was acknowledged, the table, the relay that fails."""

import http.server
import socket
import sys
import threading
import unittest
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.relay import Relay  # noqa: E402
from harness.replicas import cases, grow, kinds  # noqa: E402
from harness.replicas.faults import FAULTS  # noqa: E402
from harness.replicas.load import Content, Known  # noqa: E402
from harness.replicas.table import TRIALS  # noqa: E402

OLD, NEW = Content("old", 1), Content("new", 2)


class Model(unittest.TestCase):
    def test_what_was_acknowledged_is_all_that_may_be_there(self):
        known = Known(OLD)
        self.assertTrue(known.allows(OLD))
        self.assertFalse(known.allows(NEW) or known.allows(None))

    def test_a_change_without_an_answer_may_be_there_or_not_until_it_is_seen(self):
        known = Known(OLD, [NEW])
        self.assertTrue(known.allows(OLD) and known.allows(NEW))
        known.saw(OLD)
        self.assertTrue(known.allows(NEW))
        known.saw(NEW)
        self.assertFalse(known.allows(OLD))

    def test_a_deletion_without_an_answer_cannot_be_taken_back_once_it_was_seen(self):
        known = Known(OLD, [None])
        known.saw(None)
        self.assertFalse(known.allows(OLD))


class Table(unittest.TestCase):
    def test_names_are_unique(self):
        names = [one.name for one in (*TRIALS, *cases.CASES, *grow.GROWTHS)]
        self.assertEqual(len(names), len(set(names)))

    def test_every_fault_and_kind_and_policy_is_tried(self):
        self.assertEqual({trial.fault for trial in TRIALS}, FAULTS.keys() | {"none", "gateway"})
        named = {member.rstrip("0123456789") for trial in TRIALS for member in trial.members}
        self.assertEqual(named, kinds.KINDS.keys())
        self.assertEqual({trial.write for trial in TRIALS}, {"all", "quorum", "first", "best-effort"})
        self.assertEqual({trial.read for trial in TRIALS}, {"ordered", "fastest", "hedged"})

    def test_faults_hit_members_of_their_trial_that_can_have_them(self):
        for trial in TRIALS:
            self.assertEqual(bool(trial.hits), trial.fault not in ("none", "gateway"), trial.name)
            for hit in trial.hits:
                self.assertIn(hit, trial.members, trial.name)
                if trial.fault == "503":
                    self.assertTrue(kinds.kind(hit).refuses, trial.name)
                if trial.fault in ("kill", "stop", "reset", "slow", "credentials"):
                    self.assertTrue(kinds.kind(hit).row, f"{trial.name}: a directory has no process")


class _Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", str(1 << 20))
        self.end_headers()
        self.wfile.write(bytes(1 << 20))

    def log_message(self, *_):
        pass


class RelayModes(unittest.TestCase):
    def setUp(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        relay = self.relay = Relay("127.0.0.1:%d" % server.server_port)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.addCleanup(relay.stop)

    def get(self) -> int:
        with urllib.request.urlopen(f"http://{self.relay.address}", timeout=10) as reply:
            return len(reply.read())

    def test_it_passes_all_bytes_on_resets_refuses_and_passes_again(self):
        self.assertEqual(self.get(), 1 << 20)
        self.relay.tell("refuse")
        with self.assertRaises(urllib.error.HTTPError) as refused:
            self.get()
        self.assertEqual(refused.exception.code, 503)
        refused.exception.close()
        self.relay.tell("reset")
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.get()
        self.relay.tell("slow")
        self.assertEqual(self.get(), 1 << 20)
        self.relay.tell("pass")
        self.assertEqual(self.get(), 1 << 20)

    def test_its_address_outlives_what_is_behind_it(self):
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            address = "127.0.0.1:%d" % nobody.getsockname()[1]
        self.relay.move(address)
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.get()


if __name__ == "__main__":
    unittest.main()
