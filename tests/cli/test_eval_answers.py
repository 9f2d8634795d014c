"""`eval answers`, `eval report` and `eval score` end to end: records, budgets, truncation, kill -9,
joined runs, bad input."""

import collections
import json
import os
import signal
import subprocess
import time

from support import MODEL, PROGRAM, ProgramTest, book_path, run, run_json

FACTS = ["The lighthouse on Skarv island was built in 1887 by the engineer Marta Solberg.",
         "The harbour of Skarv freezes every winter, and the ferry stops until the end of March.",
         "Bread on the island is baked twice a week in the old school."]
QUESTIONS = [("Who built the lighthouse?", "Marta Solberg", 0),
             ("When does the ferry stop?", "every winter", 1)]


class Answers(ProgramTest):
    def setUp(self):
        super().setUp()
        self.document = "\n\n".join(FACTS)
        rows = []
        for number, (question, answer, fact) in enumerate(QUESTIONS):
            begin = self.document.index(FACTS[fact])
            rows.append({"id": f"q{number}", "document": self.document, "question": question,
                         "answers": [answer], "evidence": [[begin, begin + len(FACTS[fact])]]})
        self.data = self.write("own.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        self.out = self.directory / "out"

    def answers(self, *more, out=None, data=None, methods="full,none,gold,bm25"):
        return ["eval", "answers", "--data", data or self.data, "--methods", methods, "--budgets",
                "64", "--max-answer", "24", "--out", out or self.out, "--quiet", *more]

    def record(self, out=None):
        return json.loads(((out or self.out) / "run.json").read_text("utf-8"))

    def longbench(self):
        """Three tasks in LongBench's format, from the example book."""
        folder = self.directory / "bench"
        (folder / "data").mkdir(parents=True)
        self.write("bench/dataset2prompt.json", json.dumps({
            "qasper": "Article: {context}\n\nQuestion: {input}\n\nAnswer:",
            "multi_news": "News:\n{context}\n\nSum up.", "trec": "Types.\n\n{context}\n{input}"}))
        self.write("bench/dataset2maxlen.json",
                   json.dumps({"qasper": 8, "multi_news": 12, "trec": 6}))
        book = book_path().read_text("utf-8")[20_000:24_000]
        common = {"answers": ["the Opera"], "all_classes": None, "length": 700, "_id": "a"}
        shots = "".join(f"Question: What is {n} ?\nType: {t}\n" for n, t in
                        [("bread", "Food"), ("Paris", "City"), ("rice", "Food")] * 4)
        self.write("bench/data/qasper.jsonl", json.dumps(
            {**common, "context": book, "input": "Where does the ghost live?"}) + "\n")
        self.write("bench/data/multi_news_e.jsonl",
                   json.dumps({**common, "context": book, "input": ""}) + "\n")
        self.write("bench/data/trec.jsonl", json.dumps(
            {**common, "context": shots, "input": "Question: What is Rome ?\nType:",
             "answers": ["City"], "all_classes": ["Food", "City"]}) + "\n")
        return folder

    def test_every_method_of_a_file_of_ones_own(self):
        methods = "none,bm25,s3,hybrid,rerank(bm25),gold,full"
        shown = run_json(*self.answers("--may-withhold", methods=methods))
        record = self.record()
        self.assertEqual(shown["summary"], record["summary"])
        self.assertEqual(len(record["rows"]), 2 * 7)
        raw = self.document.encode()
        for row in record["rows"]:
            metrics = row["metrics"]
            self.assertEqual(metrics["right"] + metrics["withheld"] + metrics["invented"], 1)
            if row["method"] == "full":  # first, whatever its place: the others refer to it
                self.assertNotIn("kl", metrics)
                self.assertFalse(row["truncated"])
            elif "nll" in metrics:
                self.assertGreaterEqual(metrics["kl"], 0)
            budgeted = row["method"] not in ("none", "gold", "full")
            self.assertEqual(row["budget"], 64 if budgeted else None)
            if budgeted:
                self.assertLessEqual(row["evidence_tokens"], 64)
            for piece in row["evidence"] + row["gold"]:
                self.assertEqual(raw[piece["begin"]:piece["end"]].decode(), piece["text"])
        of = {(row["id"], row["method"]): row for row in record["rows"]}
        self.assertEqual(record["rows"][0]["method"], "full")
        self.assertIn("Solberg", of["q0", "gold"]["answer"])
        self.assertEqual(of["q0", "gold"]["metrics"]["in_context"], 1)
        self.assertEqual(of["q0", "none"]["metrics"]["in_context"], 0)
        self.assertLess(of["q0", "gold"]["metrics"]["nll"], of["q0", "none"]["metrics"]["nll"])
        self.assertTrue(of["q0", "bm25"]["evidence"][0]["gold"])
        self.assertEqual(len(record["reader"]["hash"]), 32)
        cost = {method["name"]: method for method in record["methods"]}
        self.assertGreater(cost["hybrid"]["stages"]["scan"], 0)
        self.assertGreater(cost["hybrid"]["index_bytes_per_token"], 0)
        self.assertGreater(cost["full"]["stages"]["prefill"], 0)
        self.assertGreater(cost["none"]["peak_rss_bytes"], 50 << 20)
        self.assertFalse((self.out / "index").exists())
        # Done is done; other options are another run.
        before = (self.out / "run.json").stat().st_mtime_ns
        self.assertEqual(run(*self.answers("--may-withhold", methods=methods)).returncode, 0)
        self.assertEqual((self.out / "run.json").stat().st_mtime_ns, before)
        self.assert_fails(run(*self.answers(methods=methods)), "may_withhold")
        page = self.directory / "page.html"
        done = run("eval", "report", self.out, "--out", page)
        self.assertEqual(done.returncode, 0, done.stderr)
        html = page.read_text("utf-8")
        self.assertIn("Marta Solberg", html)
        self.assertIn("<mark>", html)
        self.assertIn('class="plot"', html)
        self.assertNotIn("http://", html)

    def test_longbench_tasks_and_joined_runs(self):
        folder = self.longbench()
        more = ["--reader-context", "512"]
        for name, tasks in (("a", "qasper,trec"), ("b", "multi_news_e")):
            done = run(*self.answers("--task", tasks, *more, data=folder, methods="bm25,full",
                                     out=self.directory / name))
            self.assertEqual(done.returncode, 0, done.stderr)
        rows = {(row["task"], row["method"]): row
                for name in "ab" for row in self.record(self.directory / name)["rows"]}
        self.assertEqual(len(rows), 6)
        for task, tokens in (("qasper", 8), ("multi_news_e", 12), ("trec", 6)):
            for method in ("full", "bm25"):
                row = rows[task, method]
                self.assertLessEqual(row["answer_tokens"], tokens)
                self.assertLessEqual(row["prompt_tokens"], 512 - tokens)
                self.assertEqual(row["truncated"], method == "full" and task != "trec")
        self.assertGreater(rows["qasper", "full"]["whole_tokens"], 512)
        self.assertEqual(rows["multi_news_e", "bm25"]["question"], "Sum up.")
        self.assertEqual(rows["multi_news_e", "bm25"]["bucket"], "0-4k")
        counts = self.record(self.directory / "a")["counts"]
        self.assertEqual(sum(count["truncated"] for count in counts), 1)
        shown = run("eval", "report", self.directory / "a", self.directory / "b", "--markdown")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertEqual(shown.stdout.count("### answers"), 1, "two runs read as one")
        self.assertIn("**all tasks**", shown.stdout)

    def test_the_chat_template_is_recorded_and_a_choice(self):
        asked = {}
        for name in ("auto", "own", "plain"):
            out = self.directory / name
            done = run(*self.answers("--chat-template", name, "--no-likelihood", out=out,
                                     methods="none"))
            self.assertEqual(done.returncode, 0, done.stderr)
            record = self.record(out)
            asked[name] = (record["options"]["chat_template"],
                           record["rows"][0]["prompt_tokens"])
            shown = run("eval", "report", out, "--markdown").stdout
            self.assertIn("chat template " + record["options"]["chat_template"], shown)
        self.assertEqual(asked["auto"], asked["own"])
        self.assertEqual((asked["own"][0], asked["plain"][0]), ("own", "plain"))
        self.assertNotEqual(asked["own"][1], asked["plain"][1])
        refused = run(*self.answers("--chat-template", "own", methods="none"))
        self.assertEqual(refused.returncode, 0)
        self.assert_fails(run(*self.answers("--chat-template", "plain", methods="none")),
                          "chat_template")

    def test_the_same_questions_under_another_name_go_on(self):
        done = run(*self.answers("--no-likelihood", methods="none"))
        self.assertEqual(done.returncode, 0, done.stderr)
        before = (self.out / "run.json").read_bytes()
        moved = self.write("elsewhere/renamed.jsonl", self.data.read_bytes())
        again = run(*self.answers("--no-likelihood", methods="none", data=moved))
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual((self.out / "run.json").read_bytes(), before)

    def test_records_of_ruler_babilong_and_infinitebench(self):
        number = "One of the special magic numbers for tame-owl is: 4071823."
        book = " ".join(book_path().read_text("utf-8")[20_000:22_000].split())
        niah = ("A special magic number is hidden within the following text. Make sure to memorize "
                "it. I will quiz you about the number afterwards.\n" + book + "\n\n" + number +
                "\n\n" + book[:500] + "\nWhat is the special magic number for tame-owl mentioned in the "
                "provided text? The special magic number for tame-owl mentioned in the provided "
                "text is")
        self.write("suites/niah_single_2/validation.jsonl", json.dumps(
            {"index": 7, "input": niah, "outputs": ["4071823"], "length": 700}) + "\n")
        self.write("suites/qa1.jsonl", json.dumps(
            {"input": book[:600] + " Mary went to the kitchen. " + book[600:900],
             "question": "Where is Mary?", "target": "kitchen"}) + "\n")
        self.write("suites/passkey.jsonl", json.dumps(
            {"id": 3, "context": book[:400] + " The pass key is 71432. " + book[400:800],
             "input": "What is the pass key?", "answer": ["71432"], "options": []}) + "\n")
        tasks = "ruler/niah_single_2,babilong/qa1,infinitebench/passkey"
        done = run(*self.answers("--task", tasks, "--no-likelihood", methods="full,bm25,none",
                                 data=self.directory / "suites"))
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = {(row["task"], row["method"]): row for row in self.record()["rows"]}
        self.assertEqual(len(rows), 9)
        for task in tasks.split(","):
            self.assertEqual(rows[task, "full"]["metrics"]["in_context"], 1, task)
            self.assertEqual(rows[task, "none"]["metrics"]["in_context"], 0, task)
            self.assertIn(rows[task, "full"]["metrics"]["score"], (0, 1))
            self.assertNotIn("invented", rows[task, "full"]["metrics"])
        self.assertEqual(rows["ruler/niah_single_2", "full"]["id"], "7")
        self.assertIn("tame-owl", rows["ruler/niah_single_2", "full"]["question"])
        full = rows["ruler/niah_single_2", "full"]
        self.assertEqual(full["metrics"]["score"], float("4071823" in full["answer"]))
        lost = self.write("lost.jsonl", json.dumps({"input": "x", "outputs": ["y"]}) + "\n")
        self.assert_fails(run(*self.answers("--task", "ruler/vt", data=lost)), "line 1", "question")

    def test_a_killed_run_goes_on(self):
        command = [PROGRAM, *map(str, self.answers(methods="full,none,bm25,lead,tail"))]
        environment = dict(os.environ, S3ATTN_MODEL=MODEL, S3ATTN_THREADS="1",
                           XDG_CONFIG_HOME="/nonexistent")
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        rows = self.out / "rows.jsonl"
        for _ in range(3000):
            if process.poll() is not None or (rows.exists() and rows.stat().st_size > 0):
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.assertFalse((self.out / "run.json").exists(), "killed too late to test anything")
        before = rows.read_bytes()
        with rows.open("ab") as file:
            file.write(b'{"id": "to')  # what a kill leaves in the middle of a line
        self.assert_fails(run("eval", "report", self.out), "not finished")
        done = run(*self.answers(methods="full,none,bm25,lead,tail"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(rows.read_bytes().startswith(before[:before.rfind(b"\n") + 1]))
        record = self.record()
        seen = collections.Counter((row["id"], row["method"]) for row in record["rows"])
        self.assertEqual(len(seen), 10)
        self.assertEqual(set(seen.values()), {1})
        # As if it had never been killed, several questions at a time or one.
        other = self.directory / "other"
        self.assertEqual(run(*self.answers("--parallel", "2", out=other,
                                           methods="full,none,bm25,lead,tail")).returncode, 0)
        pick = lambda rows: {(row["id"], row["method"]): (row["answer"], row["metrics"]["score"])
                             for row in rows}
        self.assertEqual(pick(record["rows"]), pick(self.record(other)["rows"]))

    def test_score(self):
        lines = [{"pred": "\n\nParis\nLyon", "answers": ["Paris", "x"], "all_classes": None},
                 {"pred": "Lyon", "answers": ["Paris"], "all_classes": None}]
        file = self.write("triviaqa.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
        few = {"low": None, "high": None}
        self.assertEqual(run_json("eval", "score", file),
                         {"triviaqa": {"score": 50.0, **few, "n": 2}})
        same = self.write("result.json", '{"triviaqa": 50.0}')
        self.assertEqual(run("eval", "score", file, "--compare", same).returncode, 0)
        other = self.write("other.json", '{"triviaqa": 50.01}')
        done = run("eval", "score", file, "--compare", other)
        self.assertEqual(done.returncode, 1)
        self.assertIn("DIFFERENT", done.stdout)
        # Two files of one task: refused, or read as one where that is said.
        twin = self.write("more/triviaqa.jsonl", json.dumps(lines[0]) + "\n")
        self.assert_fails(run("eval", "score", file, twin), "triviaqa", "--task")
        self.assertEqual(run_json("eval", "score", file, twin, "--task", "triviaqa"),
                         {"triviaqa": {"score": 66.67, **few, "n": 3}})
        # LongBench-E, against what eval.py --e writes.
        rows = [("Paris", 100), ("Lyon", 5000), ("Paris", 9000)]
        by_length = self.write("triviaqa_e.jsonl", "".join(json.dumps(
            {"pred": pred, "answers": ["Paris"], "length": n}) + "\n" for pred, n in rows))
        theirs = self.write("result_e.json", json.dumps(
            {"triviaqa": {"0-4k": 100.0, "4-8k": 0.0, "8k+": 100.0}}))
        done = run("eval", "score", by_length, "--compare", theirs)
        self.assertEqual((done.returncode, done.stdout.count("equal")), (0, 3), done.stdout)
        short = self.write("trec_e.jsonl", '{"pred": "a", "answers": ["a"], "all_classes": ["a"]}\n')
        self.assert_fails(run("eval", "score", short), "trec_e.jsonl, line 1", "length")
        deep = self.write("qmsum.jsonl", '{"pred": "a", "answers": ' + "[" * 300000 + "\n")
        self.assert_fails(run("eval", "score", deep), "line 1", "nested")
        bad = self.write("bad.jsonl", '{"pred": 1}\n')
        self.assert_fails(run("eval", "score", "--task", "qasper", bad), "bad.jsonl, line 1")
        self.assert_fails(run("eval", "score", bad), "--task")

    def test_bad_input(self):
        folder = self.longbench()
        self.assert_fails(run(*self.answers("--task", "dureader", data=folder)), "narrativeqa")
        self.assert_fails(run(*self.answers("--task", "musique", data=folder)), "musique.jsonl")
        self.assert_fails(run(*self.answers("--task", "trec,trec", data=folder)), "trec", "twice")
        self.assert_fails(run(*self.answers(methods="bm26")), "bm26")
        self.assert_fails(run(*self.answers(methods="none,none")), "none", "twice")
        self.assert_fails(run(*self.answers("--baseline", "s3")), "--baseline s3")
        self.assert_fails(run(*self.answers("--budgets", "32,32")), "32", "twice")
        self.assert_fails(run(*self.answers("--limit", "-1")), "--limit", "-1", code=2)
        self.assert_fails(run(*self.answers(methods="gold", data=self.write(
            "plain.jsonl", json.dumps({"document": "A.", "question": "Q?",
                                       "evidence": [[0, 1]]}) + "\n"))), "answers")
        self.assert_fails(run(*self.answers("--reader-context", "32")), "--reader-context")
        self.assert_fails(run("eval", "answers"), "--data", code=2)
        self.assert_fails(run("eval", "report", self.directory), "run.json")
        self.assert_fails(run("eval", "report"), code=2)
