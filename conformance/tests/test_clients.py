"""What the scenarios rely on: which of them run, how their clients are pinned, what the documents say of both."""

import re
import sys
import tomllib
import unittest
from pathlib import Path
from unittest import mock

CONFORMANCE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CONFORMANCE))

from harness import clients, playbook  # noqa: E402
from harness.playbook import SCENARIOS, Scenario, choose, lacking  # noqa: E402

README = CONFORMANCE / "README.md"


def version(client: str) -> str:
    """As a person would name it: without Debian's revision, and a commit of Go by its hash."""
    (pins,) = clients.REQUIREMENTS.glob(f"{client}.*")
    if pins.suffix == ".txt":
        return re.search(rf"^{client}(?:-bin)?==(\S+)", pins.read_text(), re.MULTILINE)[1]
    pinned = tomllib.loads(pins.read_text())["version"]
    commit = re.fullmatch(r"v0\.0\.0-\d{14}-(\w{12})", pinned)
    return commit[1] if commit else pinned.split("-")[0]


class Choice(unittest.TestCase):
    def test_heavy_scenarios_run_only_with_all_or_by_name(self):
        heavy = {scenario.name for scenario in SCENARIOS if scenario.heavy}
        self.assertIn("mc", heavy)
        self.assertEqual({scenario.name for scenario in choose(None, False)} & heavy, set())
        self.assertEqual(choose(None, True), list(SCENARIOS))
        self.assertEqual([scenario.name for scenario in choose(["mc"], False)], ["mc"])

    def test_a_scenario_without_its_programs_is_skipped(self):
        scenario = Scenario("x", "x.mjs", needs=("python3", "no-such-program"))
        self.assertEqual(lacking(scenario), ["no-such-program"])

    def test_every_scenario_has_its_script_and_something_that_runs_it(self):
        for scenario in SCENARIOS:
            script = CONFORMANCE / "scenarios" / scenario.script
            self.assertTrue(script.is_file(), script)
            self.assertIn(script.suffix, {".py", *playbook.PROGRAMS})


class Pins(unittest.TestCase):
    def test_the_document_names_the_version_of_every_client(self):
        text = README.read_text()
        for client in {scenario.client for scenario in SCENARIOS if scenario.client}:
            self.assertTrue(f" {version(client)} " in text, f"{README} does not name {version(client)} of {client}")

    def test_the_version_of_a_client_with_a_folder_is_the_one_its_package_manager_pins(self):
        for pins in clients.REQUIREMENTS.glob("*.toml"):
            pinned = tomllib.loads(pins.read_text())
            if pinned["from"] == "folder":
                folder = CONFORMANCE / "scenarios" / pinned["folder"]
                manifests = [folder / name for name in ("package.json", "go.mod", "pom.xml")]
                text = "".join(path.read_text() for path in manifests if path.is_file())
                self.assertTrue(pinned["version"] in text, f"{pins.name} and {folder} name different versions")

    def test_a_change_of_the_program_or_of_the_pins_installs_a_client_anew(self):
        pins = clients.REQUIREMENTS / "aws-sdk-js.toml"
        before = clients._wanted(pins)
        self.assertEqual(clients._wanted(pins), before)
        read = Path.read_bytes
        for changed in ("objects.mjs", "package-lock.json", "aws-sdk-js.toml"):
            other = lambda path: read(path) + (b"\n" if path.name == changed else b"")  # noqa: E731, B023
            with mock.patch.object(Path, "read_bytes", other):
                self.assertNotEqual(clients._wanted(pins), before, changed)


if __name__ == "__main__":
    unittest.main()
