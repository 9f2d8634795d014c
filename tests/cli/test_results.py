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
        for page in ("results.md", "results_retrieval.md", "results_answers.md", "results_languages.md"):
            listed = subprocess.run(
                [sys.executable, str(SOURCE / "scripts/results_tables.py"),
                 str(SOURCE / "docs" / page), "--list"], capture_output=True, text=True)
            self.assertEqual(listed.returncode, 0, listed.stdout)
        changed = self.directory / "results_retrieval.md"
        text = (SOURCE / "docs/results_retrieval.md").read_text("utf-8")
        changed.write_text(text.replace("| lead | .", "| lead | .9", 1), "utf-8")
        told = self.check(changed)
        self.assertEqual(told.returncode, 1)
        self.assertIn("| lead |", told.stdout)
        unknown = self.directory / "unknown.md"
        unknown.write_text("# A\n\n| fruit | R@5 |\n| --- | --- |\n| pear | .5 |\n", "utf-8")
        listed = subprocess.run([sys.executable, str(SOURCE / "scripts/results_tables.py"),
                                 str(unknown), "--list"], capture_output=True, text=True)
        self.assertEqual(listed.returncode, 1)
        self.assertIn("NOT MADE", listed.stdout)

    def test_every_kind_of_table_is_made_of_a_record(self):
        """On a record of two methods in numbers that can be read off."""
        sys.path.insert(0, str(SOURCE / "scripts"))
        self.addCleanup(sys.path.pop, 0)
        import results_tables

        def entry(group, method, metric, mean, budget=None, **more):
            return {"group": group, "method": method, "metric": metric, "budget": budget,
                    "mean": mean, "low": mean - .1, "high": mean + .1, "n": 9, **more}

        paired = {"baseline": "bm25", "difference": -.25, "ratio": .5}
        stages = {"scan": 2, "encode": 1, "index_write": .5, "retrieve": 3.6}
        record = {
            "task": "retrieval", "baseline": "bm25", "data": {"questions": 9},
            "methods": [{"name": name, "stages": stages, "index_seconds": 3.5,
                         "index_bytes_per_token": 121.44, "index_peak_rss_bytes": 3 << 20,
                         "retrieve_peak_rss_bytes": 4 << 20} for name in ("bm25", "s3")],
            "summary": [entry("all", "bm25", "ev1024", .75), entry("all", "s3", "ev1024", .5),
                        entry("all", "s3", "withheld", .125),
                        entry("evidence absent", "s3", "withheld", .625)],
            "paired": [entry("all", "s3", "ev1024", 0, **paired)]}

        def made(heads, kind="", of=record):
            old = results_tables.line(heads) + "\n|" + " --- |" * len(heads) + "\n"
            asked.clear()
            table = results_tables.make_table(old, kind,
                                              lambda values: asked.append(values) or of)
            return table.rstrip("\n").split("\n")[2:]

        asked = []
        self.assertEqual(made(["method", "ev@1024", "ev@1024 - bm25"]),
                         ["| bm25 | .750 |  |", "| s3 | .500 | -0.250 [-0.100, +0.100] |"])
        self.assertEqual(made(["method", "ev1024"], "differences"),
                         ["| s3 | -0.250 [-0.100, +0.100] |"])
        self.assertEqual(made(["ev@1024 against bm25", "difference"]),
                         ["| s3 | -0.250 [-0.100, +0.100] |"])
        self.assertEqual(made(["method", "all (n = 9)", "absent (3)"], "groups withheld")[1],
                         "| s3 | .125 | .625 |")
        costs = made(["method", "index, s", "of this scan / encode / write", "bytes per token",
                      "ms per question", "peak MiB: index / questions"])
        self.assertEqual(costs[0], "| bm25 | 3.5 | 2.0 / 1.0 / 0.5 | 121.4 | 400 | 3 / 4 |")
        runs = made(["text", "method", "ev@1024"], "runs German LANG=de; Dutch LANG=nl,N=2")
        self.assertEqual(runs, ["| German | bm25 | .750 |", "|  | s3 | .500 |",
                                "| Dutch | bm25 | .750 |", "|  | s3 | .500 |"])
        self.assertEqual(asked, [{"LANG": "de"}, {"LANG": "nl", "N": "2"}])
        answers = {"task": "answers", "baseline": "full",
                   "methods": [{"name": "full", "budget": None}, {"name": "s3", "budget": 1024}],
                   "summary": [entry("trec", "full", "score", .25),
                               entry("trec", "s3", "score", .5, 1024),
                               entry("all tasks", "full", "score", .25),
                               entry("all tasks", "s3", "score", .5, 1024)],
                   "paired": [entry("all tasks", "s3", "score", 0, 1024, **paired)]}
        self.assertEqual(made(["method", "n", "score", "share of its score"], of=answers),
                         ["| full | 9 | .250 |  |", "| s3, 1,024 tokens | 9 | .500 | 50.0 % |"])
        self.assertEqual(made(["task", "n", "full", "s3, 1,024"], of=answers),
                         ["| trec | 9 | .250 | .500 |"])
