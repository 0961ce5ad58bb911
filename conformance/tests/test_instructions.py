"""The comparison of instructions with committed figures."""

import contextlib
import io
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness import instructions  # noqa: E402


def report(figures: dict[str, int], known: dict[str, int] | None) -> tuple[int, str]:
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = instructions.report("debug", figures, known)
    return code, output.getvalue()


class Report(unittest.TestCase):
    def test_figures_within_the_slack_pass(self):
        self.assertEqual(report({"head": 1049, "put": 951}, {"head": 1000, "put": 1000})[0], 0)

    def test_a_request_that_costs_more_or_less_fails_by_name(self):
        for figure in (1051, 949):
            code, text = report({"head": figure, "put": 1000}, {"head": 1000, "put": 1000})
            self.assertEqual(code, 1)
            self.assertIn("FAIL  instructions: head", text)
            self.assertIn("ok    instructions: put", text)

    def test_a_request_or_a_profile_without_a_figure_fails(self):
        self.assertEqual(report({"head": 1}, {})[0], 1)
        self.assertEqual(report({"head": 1}, None)[0], 1)
