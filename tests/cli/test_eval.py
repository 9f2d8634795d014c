"""`eval retrieval` end to end: its record, its agreement with `search`, kill -9, BM25 against
bm25s, bad input."""

import glob
import json
import os
import pathlib
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
import unittest

from support import MODEL, PROGRAM, ProgramTest, book_path, run, run_json

CACHE = pathlib.Path(MODEL).parent if MODEL else pathlib.Path("/nonexistent")
METHODS = ("bm25,s3,hybrid,int4,random-codes,layer0,layer0:1,lead,tail,random,rrf(bm25,s3),"
           "sum(s3:4,bm25:1)")
STOP = set("a an and are as at be but by for if in into is it no not of on or such that the their "
           "then there these they this to was will with".split())


class Eval(ProgramTest):
    def setUp(self):
        super().setUp()
        text = book_path().read_text("utf-8")
        paragraphs = [p for p in text.split("\n\n") if 300 <= len(p.encode()) <= 900]
        self.document = "\n\n".join(paragraphs[100:140])
        rows = []
        for number in range(0, 40, 8):
            paragraph = paragraphs[100 + number]
            words = sorted(set(re.findall(r"[A-Za-z]{5,}", paragraph)), key=len)[-4:]
            begin = len(self.document[:self.document.index(paragraph)].encode())
            rows.append({"id": f"q{number}", "document": self.document,
                         "question": "What about " + ", ".join(words) + "?",
                         "evidence": [[begin, begin + len(paragraph.encode())]]})
        self.rows = rows
        self.data = self.write("own.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        self.out = self.directory / "out"

    def retrieval(self, *more, out=None, methods="bm25,hybrid", data=None):
        return ["eval", "retrieval", "--data", data or self.data, "--methods", methods,
                "--out", out or self.out, *more]

    def record(self, out=None):
        return json.loads(((out or self.out) / "run.json").read_text("utf-8"))

    def evidence(self, record, method):
        return {row["id"]: [(e["begin"], e["end"]) for e in row["evidence"]]
                for row in record["rows"] if row["method"] == method}

    def test_every_method_and_its_record(self):
        shown = run_json(*self.retrieval(methods=METHODS))
        record = self.record()
        self.assertEqual(shown["summary"], record["summary"])
        self.assertEqual(record["format"], "s3attn-eval")
        for field in ("options", "git_commit", "machine", "seed", "finished"):
            self.assertTrue(record[field] or record[field] == 0, field)
        self.assertEqual(len(record["model"]["hash"]), 32)
        self.assertEqual(record["data"]["questions"], 5)
        names = [method["name"] for method in record["methods"]]
        self.assertEqual(",".join(names), METHODS)
        self.assertEqual(len(record["rows"]), 5 * len(names))
        raw = self.document.encode()
        for row in record["rows"]:
            for piece in row["evidence"] + row["gold"]:
                self.assertEqual(raw[piece["begin"]:piece["end"]].decode(), piece["text"])
            self.assertLessEqual(row["metrics"]["r5"], row["metrics"]["r20"])
            self.assertLessEqual(row["metrics"]["ev256"], row["metrics"]["ev4096"])
        mean = {(e["method"], e["metric"]): e["mean"] for e in record["summary"]}
        for method in ("bm25", "s3", "hybrid", "int4"):  # the words of the paragraph itself
            self.assertGreaterEqual(mean[method, "r5"], 0.8, method)
            self.assertGreater(mean[method, "r5"], mean["random", "r5"], method)
        cost = {method["name"]: method for method in record["methods"]}
        self.assertGreater(cost["s3"]["index_bytes_per_token"], 50)
        self.assertGreater(cost["int4"]["index_bytes_per_token"],
                           cost["s3"]["index_bytes_per_token"])
        self.assertEqual(cost["lead"]["index_bytes"], 0)
        self.assertGreater(cost["s3"]["stages"]["scan"], 0)
        self.assertGreater(cost["hybrid"]["peak_rss_bytes"], 1 << 20)
        first, last = (self.evidence(record, name)["q0"] for name in ("lead", "tail"))
        self.assertEqual(first, sorted(first))
        self.assertEqual(last, sorted(last, reverse=True))
        self.assert_hybrid_is_what_search_finds(record)

    def assert_hybrid_is_what_search_finds(self, record):
        """So are sums with weights of one's own; the hybrid's are the adapter's, question by question."""
        text = self.write("own.txt", self.document)
        run_json("index", self.store, text)
        for row in self.rows[:2]:
            shares = run_json("search", self.store, row["question"])["weights"]
            self.assertAlmostEqual(sum(shares.values()), 1)
            for method in ("hybrid", "sum(s3:4,bm25:1)", "s3", "bm25"):
                found = run_json("search", self.store, row["question"], "--method", method)
                self.assertEqual([(s["byte_begin"], s["byte_end"]) for s in found["spans"]],
                                 self.evidence(record, method)[row["id"]], method)

    def test_a_finished_record_is_only_shown_again(self):
        command = self.retrieval(methods="bm25,lead")
        first = run(*command)
        self.assertEqual(first.returncode, 0, first.stderr)
        before = (self.out / "run.json").read_bytes()
        moved = self.write("elsewhere/other-name.jsonl", self.data.read_bytes())
        for data in (self.data, moved):  # the same questions are the same run
            again = run(*self.retrieval(methods="bm25,lead", data=data))
            self.assertEqual(again.returncode, 0, again.stderr)
            self.assertEqual(again.stdout, first.stdout)
            self.assertEqual((self.out / "run.json").read_bytes(), before)
        shown = run("eval", "report", self.out, "--markdown").stdout
        record = self.record()
        for words in (str(self.out), record["model"]["hash"], record["model"]["name"],
                      record["data"]["xxh3"], record["git_commit"]):
            self.assertIn(words, shown)
        record["rows"].append(record["rows"][0])
        self.write("doubled/run.json", json.dumps(record))
        self.assert_fails(run("eval", "report", self.directory / "doubled"), "row", "once")

    def test_ranks_are_those_that_recall_counts(self):
        long = "0 1 2 3 4 5 6 7 8 9 " * 200  # more tokens than the evidence of a row may have
        short = "The lighthouse keeper was Marta Solberg."
        text = "\n\n".join([long, short] + [f"Bread of day {i} was sold." for i in range(12)])
        begin = len(text[:text.index(short)].encode())
        data = self.write("long.jsonl", json.dumps(
            {"document": text, "question": "Who was the lighthouse keeper?",
             "evidence": [[begin, begin + len(short)]], "answer": "Marta Solberg"}) + "\n")
        self.assertEqual(run(*self.retrieval(data=data, methods="lead")).returncode, 0)
        row, = [row for row in self.record()["rows"] if "id" in row]
        ranks = [piece["rank"] for piece in row["evidence"]]
        self.assertGreater(ranks[0], 1)  # the long one does not fit, and is not forgotten
        first = row["first_units"]
        self.assertEqual([unit["rank"] for unit in first], list(range(1, len(first) + 1)))
        passed = [unit["rank"] for unit in first if not unit["taken"]]
        self.assertEqual(passed[0], 1)
        gold, = [unit["rank"] for unit in first if unit["gold"]]
        self.assertAlmostEqual(row["metrics"]["mrr"], 1 / gold)
        for depth in (1, 5, 10, 20):
            self.assertEqual(row["metrics"][f"r{depth}"], float(gold <= depth))
        page = self.directory / "page.html"
        self.assertEqual(run("eval", "report", self.out, "--out", page).returncode, 0)
        html = page.read_text("utf-8")
        self.assertIn("Passed over", html)
        self.assertIn(f'<li class="gold" value="{gold}">', html)

    def test_offsets_in_characters(self):
        text = "Ångström überquerte den Öresund, äöüß" + 9 * " äöüßÄÖÜ" + ".\n\nDas Boot hieß Möwe, so heißt es.\n\nEnde."
        begin = text.index("Das Boot")
        end = begin + len("Das Boot hieß Möwe, so heißt es.")
        row = {"document": text, "question": "Wie hieß das Boot?", "answer": "Möwe",
               "evidence": [[begin, end]]}
        data = self.write("chars.jsonl", json.dumps(row) + "\n")
        as_bytes = run(*self.retrieval(data=data, methods="lead"))
        self.assertIn("--offsets chars", as_bytes.stderr)
        chars = run_json(*self.retrieval("--offsets", "chars", data=data, methods="lead",
                                         out=self.directory / "chars"))
        self.assertEqual(chars["options"]["offsets"], "chars")
        quoted = self.write("quoted.jsonl", json.dumps(
            {**row, "evidence": ["Das Boot hieß Möwe, so heißt es."]}) + "\n")
        run_json(*self.retrieval(data=quoted, methods="lead", out=self.directory / "quoted"))
        of = [self.record(self.directory / name)["rows"][0]["gold"] for name in ("chars", "quoted")]
        self.assertEqual(of[0], of[1])
        self.assertEqual(of[0][0]["text"], "Das Boot hieß Möwe, so heißt es.")

    def test_kill_nine_and_resume(self):
        whole = self.directory / "whole"
        started = time.monotonic()
        self.assertEqual(run(*self.retrieval(out=whole)).returncode, 0)
        seconds = time.monotonic() - started
        environment = dict(os.environ, S3ATTN_MODEL=MODEL, S3ATTN_THREADS="1")
        draw = random.Random(4)
        for _ in range(4):
            process = subprocess.Popen([PROGRAM, *map(str, self.retrieval()), "-q"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       env=environment)
            time.sleep(draw.uniform(0.2, 0.95) * seconds)
            process.send_signal(signal.SIGKILL)
            process.wait()
        done = run(*self.retrieval())
        self.assertEqual(done.returncode, 0, msg=done.stderr)
        here, there = self.record(), self.record(whole)
        self.assertEqual(here["summary"], there["summary"])
        for mine, other in zip(here["rows"], there["rows"], strict=True):
            mine.pop("seconds")
            other.pop("seconds")
            self.assertEqual(mine, other)
        refused = run(*self.retrieval("--budgets", "128"))
        self.assert_fails(refused, "other options", "budgets", "--out")

    def test_rounds_pooled_and_threads(self):
        pooled = self.retrieval("--haystack", "pooled", "--rounds", "2", "--threads", "3",
                                methods="s3,hybrid,bm25")
        record_a = run_json(*pooled)
        self.assertEqual(record_a["options"]["rounds"], 2)
        self.assertEqual(record_a["data"]["documents"], 1)
        one = self.retrieval("--haystack", "pooled", methods="s3,hybrid,bm25",
                             out=self.directory / "one")
        record_b = run_json(*one)
        self.assertEqual([e for e in record_a["summary"] if e["method"] == "bm25"],
                         [e for e in record_b["summary"] if e["method"] == "bm25"])
        done = run(*self.retrieval("--limit", "2", "--baseline", "hybrid",
                                   out=self.directory / "two"))
        self.assertEqual(done.returncode, 0, msg=done.stderr)
        for words in ("Difference to hybrid", "n = 2", "bytes/token", "ev@1024", "run.json"):
            self.assertIn(words, done.stdout)

    def test_a_second_round_brings_in_what_the_first_found_leads_to(self):
        hop = ("The Kestrel Prize of 1931 went to a bridge builder named Osric Vale.",
               "Osric Vale was born in the harbour town of Lindmouth, where his mother sold nets.")
        filler = [" ".join(p.split()) for p in self.document.split("\n\n")[:24]]
        text = self.write("hops.txt", "\n\n".join(
            [hop[0] + " " + filler[0]] + filler[1:12] + [hop[1] + " " + filler[12]] + filler[13:]))
        run_json("index", self.store, text)
        ask = ["search", self.store, "Who won the Kestrel Prize?", "--budget", "100000"]

        def place(*more):
            found = run_json(*ask, *more)
            texts = [span["text"] for span in found["spans"]]
            return [next(i for i, t in enumerate(texts) if h in t) for h in hop], found

        (first, second), once = place()
        (again, brought), twice = place("--rounds", "2")
        self.assertEqual((first, again), (0, 0))
        self.assertLess(brought, second)
        self.assertIn("rounds", twice["timings_ms"])
        self.assertNotIn("rounds", once["timings_ms"])
        (read, _), behind = place("--rounds", "2", "--round-query", "context")
        self.assertEqual(read, 0)
        self.assertNotEqual([span["score"] for span in behind["spans"]],
                            [span["score"] for span in once["spans"]])
        self.assert_fails(run(*ask, "--rounds", "2", "--round-query", "guess"), "context", code=2)
        self.assert_fails(run(*ask, "--rounds", "0"), "rounds", code=2)

    def test_runs_side_by_side_share_indexes(self):
        environment = dict(os.environ, S3ATTN_MODEL=MODEL, S3ATTN_THREADS="1",
                           XDG_CONFIG_HOME="/nonexistent")
        index = self.directory / "index"
        runs = [subprocess.Popen([PROGRAM, *map(str, self.retrieval(
                    "--index", index, "-q", out=self.directory / name))], env=environment,
                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for name in "ab"]
        for process in runs:
            error = process.communicate()[1]
            self.assertEqual(process.returncode, 0, error)
        self.assertEqual(self.record(self.directory / "a")["summary"],
                         self.record(self.directory / "b")["summary"])

    def test_questions_from_a_pipe(self):
        """A pipe gives its bytes once; its hash tells one data set from another all the same."""
        more = self.retrieval("--budgets", "64", data="/dev/stdin", methods="lead")
        done = run(*more, stdin=self.data.read_text("utf-8"))
        self.assertEqual(done.returncode, 0, msg=done.stderr)
        there = self.record()["data"]["xxh3"]
        from_file = self.retrieval(methods="lead", out=self.directory / "file")
        self.assertEqual(run(*from_file).returncode, 0)
        self.assertEqual(there, self.record(self.directory / "file")["data"]["xxh3"])
        changed = "".join(json.dumps(row) + "\n" for row in self.rows[:2])
        self.assert_fails(run(*more, stdin=changed), "other options", "data_hash")

    def test_bad_input(self):
        bad = self.write("bad.jsonl", json.dumps(self.rows[0]) + "\n{\"question\": 3}\n")
        self.assert_fails(run(*self.retrieval(data=bad)), "bad.jsonl", "line 2")
        self.assert_fails(run(*self.retrieval(data=self.directory / "none")), "none")
        self.assert_fails(run(*self.retrieval(methods="bm25,magic")), "magic", "hybrid")
        self.assert_fails(run(*self.retrieval(methods="bm25,bm25")), "twice")
        self.assert_fails(run(*self.retrieval("--baseline", "s3", methods="bm25")), "baseline")
        self.assert_fails(run(*self.retrieval("--embedder", self.data, methods="dense")), "own")
        self.assert_fails(run(*self.retrieval("--embedder", "/none.gguf", methods="dense",
                                              out=self.directory / "another")),
                          "setup.sh --embedder")  # another embedder is another run
        self.assert_fails(run("eval", "retrieval"), "--data", code=2)
        self.assert_fails(run("eval"), "retrieval", code=2)
        self.assert_fails(run(*self.retrieval("--budgets", "0")), "budgets", code=2)
        self.assert_fails(run(*self.retrieval("--limit", "-1")), "--limit", "-1", code=2)
        self.assert_fails(run(*self.retrieval("--seed", "-3")), "--seed", "-3", code=2)
        self.assert_fails(run(*self.retrieval("--round-weight", "nan")), "round-weight", code=2)
        self.assert_fails(run(*self.retrieval("--budgets", "64,64")), "64", "twice")
        config = self.write("deep.toml", f'[eval.retrieval]\nmethods = "{"rrf(" * 200_000}bm25"\n')
        done = run("--config", config, "eval", "retrieval", "--data", self.data)
        self.assert_fails(done, "nested too deeply")
        self.assertLess(len(done.stderr), 1000)

    def test_bm25_against_bm25s(self):
        sys.path[:0] = glob.glob(str(CACHE / "bm25s-*"))
        try:
            import bm25s
        except ImportError as error:
            self.skipTest(f"{error}: scripts/setup.sh --embedder fetches bm25s")
        self.assertEqual(run(*self.retrieval(methods="bm25")).returncode, 0)
        catalog = glob.glob(str(self.out / "index/*/units/catalog.db"))[0]
        database = sqlite3.connect(f"file:{catalog}?mode=ro&immutable=1", uri=True)
        units = [row[0] for row in database.execute("SELECT unit_id FROM units ORDER BY 1")]
        texts = {(b, e): i for i, b, e in
                 database.execute("SELECT unit_id, byte_begin, byte_end FROM units")}
        words = {unit: [] for unit in units}
        # Python's SQLite lacks the store's tokenizer; in English its own cuts the same words.
        own = sqlite3.connect(":memory:")
        own.execute("CREATE VIRTUAL TABLE u USING fts5(t, tokenize='porter unicode61')")
        own.executemany("INSERT INTO u(rowid, t) VALUES (?, ?)",
                        database.execute("SELECT unit_id, text FROM units"))
        own.execute("CREATE VIRTUAL TABLE w USING fts5vocab(u, instance)")
        for term, unit in own.execute("SELECT term, doc FROM w"):
            words[unit].append(term)
        model = bm25s.BM25(method="robertson", k1=1.2, b=0.75)
        model.index([words[unit] for unit in units], show_progress=False)
        own.execute("CREATE VIRTUAL TABLE q USING fts5(t, tokenize='porter unicode61')")
        own.execute("CREATE VIRTUAL TABLE v USING fts5vocab(q, instance)")
        for row in self.record()["rows"]:
            own.execute("DELETE FROM q")
            asked = [w for w in re.findall(r"\w+", row["question"].lower()) if w not in STOP]
            own.execute("INSERT INTO q VALUES (?)", (" ".join(asked),))
            terms = [term for term, in own.execute("SELECT term FROM v")]
            # bm25s leaves out the constant factor k1 + 1, which changes no order.
            scores = dict(zip(units, 2.2 * model.get_scores(terms)))
            for piece in row["evidence"][:10]:
                unit = texts[piece["begin"], piece["end"]]
                self.assertAlmostEqual(piece["score"], float(scores[unit]), delta=0.01)
            best = max(scores.values())
            self.assertAlmostEqual(row["evidence"][0]["score"], float(best), delta=0.01)


if __name__ == "__main__":
    unittest.main()
