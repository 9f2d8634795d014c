"""The small tables of docs/results_retrieval.md are what scripts/results_tables.py makes of the commands above
them, and a table that is not is told."""

import subprocess
import sys

from support import PROGRAM, SOURCE, ProgramTest, environment


class Results(ProgramTest):
    def check(self, document):
        return subprocess.run(
            [sys.executable, str(SOURCE / "scripts/results_tables.py"), str(document), "--small",
             "--check", "--program", PROGRAM, "--runs", str(self.directory / "runs")],
            capture_output=True, text=True, cwd=SOURCE, env=environment())

    def test_committed_tables_are_those_of_the_script(self):
        done = self.check(SOURCE / "docs/results_retrieval.md")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("1 tables made, 0 differ", done.stderr)
        changed = self.directory / "results_retrieval.md"
        text = (SOURCE / "docs/results_retrieval.md").read_text("utf-8")
        changed.write_text(text.replace("| lead | .", "| lead | .9", 1), "utf-8")
        told = self.check(changed)
        self.assertEqual(told.returncode, 1)
        self.assertIn("| lead |", told.stdout)
