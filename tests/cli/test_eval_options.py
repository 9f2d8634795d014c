"""Every option of `eval` that ranks or asks: another value, another outcome, as documented; given
where it can do nothing, it says so; and a finished run is not taken for one with other options."""

import json
import pathlib
import shutil

from support import MODEL, SOURCE, ProgramTest, run, run_json

CACHE = pathlib.Path(MODEL).parent if MODEL else pathlib.Path("/nonexistent")
MINILM = CACHE / "all-MiniLM-L6-v2.F16.gguf"
PLACES = "lighthouse harbour ferry school chapel mill bakery tower bridge well".split()


def sentences():
    return [f"The {PLACES[i % 10]} of Skarv, number {i}, was opened in {1800 + 7 * i} by the family "
            f"of the {PLACES[(3 * i + 1) % 10]} keeper, who kept {i + 2} goats behind it and sold "
            f"their milk on market days." for i in range(24)]


class EvalOptions(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.texts = sentences()
        cls.document = "\n\n".join(cls.texts)

    def setUp(self):
        super().setUp()
        self.runs = 0
        self.data = self.write("own.jsonl", self.questions(range(0, 24, 4)))

    def questions(self, numbers):
        rows = []
        for i in numbers:
            begin = len(self.document[:self.document.index(self.texts[i])].encode())
            rows.append(json.dumps({
                "id": f"q{i}", "document": self.document,
                "question": f"Who opened the {PLACES[i % 10]} in {1800 + 7 * i}?",
                "answers": [f"{PLACES[(3 * i + 1) % 10]} keeper"],
                "evidence": [[begin, begin + len(self.texts[i].encode())]]}))
        return "".join(row + "\n" for row in rows)

    def record(self, *more, task="retrieval", methods="bm25", data=None, fails=None):
        """The record of a fresh run, and what the program said beside it."""
        self.runs += 1
        out = self.directory / f"run{self.runs}"
        if task == "answers":
            more = ("--no-likelihood", *more) if "--likelihood" not in more else tuple(
                each for each in more if each != "--likelihood")
            more = ("--limit", "1", *more) if "--limit" not in more else more
        budgets = () if "--budgets" in more else ("--budgets", "64,256")
        index = () if "--index" in more else ("--index", self.directory / "index")
        done = run("eval", task, "--data", data or self.data, "--methods", methods, *budgets,
                   *index, "--out", out, *more)
        self.assertEqual(done.returncode, 0, msg=f"{more}: {done.stderr}")
        self.said = done.stderr
        self.out = out
        return json.loads((out / "run.json").read_text("utf-8"))

    def order(self, record, method=None):
        return [(row["id"], [(e["begin"], e["end"]) for e in row["evidence"]])
                for row in record["rows"] if method in (None, row["method"])]

    def mean(self, record, metric, method=None):
        value, = {e["mean"] for e in record["summary"] if e["group"] == "all"
                  and e["metric"] == metric and method in (None, e["method"])}
        return value

    # ---- ranking by attention

    def test_scoring_max_features_and_rounds(self):
        some = ["--limit", "2"]
        plain = self.record(*some, methods="s3")
        self.assertNotIn("does nothing", self.said)
        scores = {"plain": self.order(plain)}
        for name, more in (("eq7", ["--scoring", "eq7"]),
                           ("no-idf", ["--scoring", "eq7-no-idf"]),
                           ("features", ["--max-features", "1"]),
                           ("rounds", ["--rounds", "2"]),
                           ("evidence", ["--rounds", "2", "--round-query", "evidence"]),
                           ("weight", ["--rounds", "2", "--round-weight", "50"])):
            scores[name] = self.order(self.record(*some, *more, methods="s3"))
            self.assertNotIn("does nothing", self.said, name)
        for name in ("eq7", "no-idf", "features", "rounds"):
            self.assertNotEqual(scores[name], scores["plain"], name)
        self.assertNotEqual(scores["evidence"], scores["rounds"])
        self.assertNotEqual(scores["weight"], scores["rounds"])
        none = self.record(*some, "--rounds", "2", "--round-weight", "0", methods="s3")
        self.assertEqual(self.order(none), scores["plain"])  # a round that counts nothing

    def test_options_without_a_method_for_them_say_so(self):
        ranking = ["--scoring", "eq7", "--max-features", "2", "--rounds", "2", "--round-query",
                   "evidence", "--round-weight", "1"]
        second = ["--rerank", "5", "--rerank-model", MODEL, "--rerank-adapter", "x"]
        plain = self.record()
        idle = self.record(*ranking, *second, "--embedder", "/none")
        self.assertEqual(self.order(idle), self.order(plain))
        for option in [*ranking, *second, "--embedder"]:
            if option.startswith("--"):
                self.assertIn(f"note: {option} does nothing", self.said)
        self.record("--round-query", "evidence", methods="s3")
        self.assertIn("--round-query does nothing without a second round", self.said)
        self.record(*ranking, *second, "--quiet")
        self.assertEqual(self.said, "")

    def test_the_second_stage(self):
        """On the test's model, with heads that nobody chose: an adapter of its own says which."""
        shipped = SOURCE / "models/smollm2-135m-instruct"
        adapters = []
        for name, layer in (("one", 3), ("two", 6)):
            adapter = self.directory / name
            shutil.copytree(shipped, adapter)
            settings = json.loads((adapter / "adapter.json").read_text("utf-8"))
            settings["context"] = {"heads": [{"layer": layer, "query_head": head}
                                             for head in (0, 4)],
                                   "mass": "share", "first_weight": 0.0}
            (adapter / "adapter.json").write_text(json.dumps(settings), "utf-8")
            adapters.append(adapter)
        stage = ["--rerank-model", MODEL, "--limit", "1"]
        orders = []
        for more in (["--rerank", "6", "--rerank-adapter", adapters[0]],
                     ["--rerank", "2", "--rerank-adapter", adapters[0]],
                     ["--rerank", "6", "--rerank-adapter", adapters[1]]):
            record = self.record(*stage, *more, methods="context(bm25)")
            orders.append((record["options"]["rerank"], self.order(record)))
        self.assertNotEqual(orders[0][1], orders[1][1])
        self.assertNotEqual(orders[0][0], orders[2][0])

    # ---- what is asked and searched

    def test_limit_seed_methods_baseline_and_budgets(self):
        whole = self.record(methods="bm25,random")
        self.assertEqual(whole["baseline"] if "baseline" in whole else "bm25", "bm25")
        self.assertEqual(len(self.record("--limit", "2")["rows"]), 2)
        other = self.record("--seed", "7", methods="bm25,random")
        self.assertNotEqual(self.order(other, "random"), self.order(whole, "random"))
        self.assertEqual(self.order(other, "bm25"), self.order(whole, "bm25"))
        turned = self.record("--baseline", "random", methods="bm25,random")
        self.assertEqual({e["method"] for e in whole["paired"]}, {"random"})
        self.assertEqual({e["method"] for e in turned["paired"]}, {"bm25"})
        wide = self.record("--budgets", "2000")
        self.assertEqual(self.mean(wide, "ev2000"), 1)
        self.assertLess(self.mean(whole, "ev64", "bm25"), 1)

    def test_format_offsets_haystack_and_extra(self):
        as_array = json.loads("[" + self.data.read_text().replace("\n", ",").rstrip(",") + "]")
        hotpot = [{"_id": f"h{n}", "question": row["question"], "answer": row["answers"][0],
                   "type": "bridge", "supporting_facts": [[f"T{n}", 0]],
                   "context": [[f"T{n + j}", [self.texts[(4 * n + j) % 24]]] for j in range(3)]}
                  for n, row in enumerate(as_array)]
        data = self.write("hotpot.json", json.dumps(hotpot))
        pooled = self.record(data=data)
        self.assertEqual(pooled["data"]["documents"], 1)
        own = self.record("--haystack", "own", data=data)
        self.assertEqual(own["data"]["documents"], 6)  # its paragraphs, joined
        self.assert_fails(run("eval", "retrieval", "--data", data, "--offsets", "chars", "--out",
                              self.directory / "x"), "--offsets chars", "plain")
        extra = self.write("extra.json", json.dumps(
            [{**hotpot[0], "_id": "x", "supporting_facts": [["E", 0]],
              "context": [["E", ["A heron stood in the marsh."]]]}]))
        more = self.record("--extra", extra, data=data)
        self.assertGreater(more["data"]["tokens"], pooled["data"]["tokens"])
        self.assertEqual(self.record("--format", "hotpotqa", data=data)["options"]["format"],
                         "hotpotqa")
        wrong = run("eval", "retrieval", "--data", data, "--format", "musique", "--out",
                    self.directory / "x")
        self.assert_fails(wrong, "hotpot.json", "record 1")

    def test_reader_and_chunk_count_and_cut(self):
        plain = self.record(methods="s3")
        self.assertEqual(plain["options"]["reader"], None)
        counted = self.record("--reader", MODEL, methods="s3")
        self.assertEqual(len(counted["options"]["reader"]), 32)
        cut = self.record("--chunk", "64", methods="s3", data=self.data)
        self.assertEqual(cut["options"]["chunk"], 64)

    def test_index_and_memory(self):
        kept = self.directory / "kept"
        first = self.record("--index", kept, "--memory", "64", methods="s3")
        self.assertTrue(list(kept.rglob("*.seg")))
        again = self.record("--index", kept, methods="s3")
        self.assertEqual(self.order(first), self.order(again))
        cost = [each["methods"][0]["stages"]["scan"] for each in (first, again)]
        self.assertEqual(*cost)  # it was not made a second time
        small = ["eval", "retrieval", "--data", self.data, "--methods", "s3", "--out",
                 self.directory / "small", "--memory"]
        self.assert_fails(run(*small, "16"), "16 are allowed", "--memory")
        self.assert_fails(run(*small, "15"), "--memory", code=2)

    def test_a_finished_run_is_not_taken_for_another(self):
        """Whatever decides the rows is an option of the record."""
        if not MINILM.is_file():
            self.skipTest("no embedder: scripts/setup.sh --embedder")
        other = self.directory / "other.gguf"
        shutil.copy(MINILM, other)
        with open(other, "r+b") as file:
            file.seek(-3, 2)
            last = file.read(1)
            file.seek(-3, 2)
            file.write(bytes([last[0] ^ 1]))
        dense = ["eval", "retrieval", "--data", self.data, "--methods", "dense", "--budgets", "64",
                 "--out", self.directory / "dense", "--limit", "1"]
        self.assertEqual(run(*dense).returncode, 0)
        self.assert_fails(run(*dense, "--embedder", other), "other options", "embedder")
        answers = ["eval", "answers", "--data", self.data, "--methods", "bm25", "--budgets", "64",
                   "--limit", "1", "--no-likelihood", "--out", self.directory / "answers"]
        self.assertEqual(run(*answers, "--max-answer", "4").returncode, 0)
        for more, word in ((["--max-answer", "5"], "max_answer"),
                           (["--max-answer", "4", "--haystack", "pooled"], "haystack"),
                           (["--max-answer", "4", "--may-withhold"], "may_withhold")):
            self.assert_fails(run(*answers, *more), "other options", word)
        idle = run(*answers, "--max-answer", "4", "--rerank", "3")
        self.assertEqual(idle.returncode, 0, idle.stderr)  # nothing is put in a new order

    # ---- answers

    def test_answers_likelihood_length_and_parallel(self):
        short = self.record("--max-answer", "2", task="answers", methods="none")
        self.assertEqual(short["rows"][0]["answer_tokens"], 2)
        self.assertNotIn("nll", short["rows"][0]["metrics"])
        likely = self.record("--likelihood", "--max-answer", "2", task="answers", methods="none")
        self.assertIn("nll", likely["rows"][0]["metrics"])
        one = self.record("--limit", "2", "--max-answer", "4", task="answers", methods="bm25")
        two = self.record("--limit", "2", "--max-answer", "4", "--parallel", "2", task="answers",
                          methods="bm25")
        self.assertEqual((one["parallel"], two["parallel"]), (1, 2))
        self.assertEqual({row["id"]: row["answer"] for row in one["rows"]},
                         {row["id"]: row["answer"] for row in two["rows"]})

    def test_answers_rerank_and_idle_options(self):
        # Words favour the first unit; to a model that has just read it, the question is likelier
        # behind the second.
        question = "What is the password of the harbour master?"
        words = ("password harbour master " * 20).strip() + "."
        asked = ("The clerk leaned on the counter, looked at the rain, and said nothing for a while. "
                 "Then he read aloud what stood in the letter, slowly, as if each word were new to "
                 f"him: {question} " * 2).strip()
        data = self.write("two.jsonl", json.dumps(
            {"document": f"{words}\n\n{asked}", "question": question, "answers": ["none"],
             "evidence": [asked]}) + "\n")
        found = {}
        for n in ("1", "2"):
            record = self.record("--rerank", n, "--max-answer", "1", "--budgets", "150", data=data,
                                 task="answers", methods="rerank(bm25)")
            self.assertEqual(record["options"]["rerank"], int(n))
            found[n] = [piece["text"][:8] for piece in record["rows"][0]["evidence"]]
        self.assertEqual(found, {"1": ["password"], "2": ["The cler"]})
        self.record("--rerank", "3", "--max-answer", "1", task="answers", methods="none")
        self.assertIn("--rerank does nothing", self.said)
        self.assertIn("--budgets does nothing", self.said)

    # ---- the rest

    def test_report_compare_and_quotes_say_what_does_nothing(self):
        self.record()
        page = self.directory / "page.html"
        shown = run("eval", "report", self.out, "--markdown", "--out", page, "--questions", "3")
        for option in ("--out", "--questions"):
            self.assertIn(f"{option} does nothing with --markdown", shown.stderr)
        self.assertFalse(page.exists())
        sizes = []
        for most in ("1", "0"):
            done = run("eval", "report", self.out, "--out", page, "--questions", most)
            self.assertEqual(done.returncode, 0, done.stderr)
            sizes.append(page.stat().st_size)
        self.assertLess(*sizes)
        task = run("eval", "compare", self.out, self.out, "--task", "hotpotqa")
        self.assertIn("--task does nothing", task.stderr)
        file = self.write("hotpotqa.jsonl", json.dumps({"pred": "a b", "answers": ["b"]}) + "\n")
        files = run("eval", "compare", file, file, "--method-a", "s3", "--method-b", "bm25")
        self.assertIn("--method-a does nothing", files.stderr)

    def test_quotes(self):
        rows = self.directory / "rows.jsonl"
        quotes = ["eval", "quotes", "--data", self.data, "--index", self.directory / "index"]
        whole = run_json(*quotes, "--limit", "3", "--rows", rows)
        self.assertEqual(whole["questions"], 3)
        self.assertTrue((self.directory / "index").is_dir())
        lines = [json.loads(line) for line in rows.read_text("utf-8").splitlines()]
        self.assertEqual(len(lines), 3)
        run_json(*quotes, "--limit", "3", "--rows", rows, "--features")
        more = json.loads(rows.read_text("utf-8").splitlines()[0])
        self.assertGreater(set(more), set(lines[0]))
        gold = run_json(*quotes, "--limit", "3", "--from", "gold")
        absent = run_json(*quotes, "--limit", "3", "--from", "absent")
        self.assertEqual(absent["holds"]["mean"], 0)
        self.assertGreaterEqual(gold["holds"]["mean"], absent["holds"]["mean"])
        small = run_json(*quotes, "--limit", "3", "--budget", "16")
        self.assertNotEqual((small["bytes"], small["sentences"]),
                            (whole["bytes"], whole["sentences"]))
        idle = run(*quotes, "--limit", "1", "--features")
        self.assertIn("--features does nothing without --rows", idle.stderr)
        self.assertEqual(run_json(*quotes, "--haystack", "own", "--limit", "2")["questions"], 2)
        self.assert_fails(run(*quotes, "--format", "musique"), "own.jsonl")
        self.assert_fails(run(*quotes, "--from", "nowhere"), "--from", code=2)
