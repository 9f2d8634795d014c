"""A researcher's bench without a model: `eval score` and `eval compare` on files of any program."""

import glob
import json
import pathlib
import sys
import unittest

from support import MODEL, ProgramTest, run, run_json

ROOMS = "Where is Mary?"


class Bench(ProgramTest):
    def lines(self, name, rows):
        return self.write(name, "".join(json.dumps(row) + "\n" for row in rows))

    def test_no_answer_is_scored_without_what_its_metric_needs(self):
        right = {"pred": "Food", "answers": ["Food"]}
        cases = (("trec", right, "all_classes"),
                 ("trec", {**right, "all_classes": []}, "all_classes"),
                 ("trec", {**right, "all_classes": ["City"]}, "none of"),
                 ("hotpotqa", {"pred": "x", "answers": []}, "answers"),
                 ("passage_count", {"pred": "3", "answers": ["three"]}, "no number"),
                 ("passage_retrieval_en", {"pred": "Paragraph 3", "answers": ["third"]},
                  "paragraph"),
                 ("hotpotqa", {"pred": "x", "answers": ["", " "]}, "blank"),
                 ("lcc", {"pred": "x", "answers": ["\t"]}, "blank"),
                 ("ruler/vt", {"pred": "X", "outputs": []}, "outputs"),
                 ("ruler/vt", {"pred": "X", "outputs": ["A", ""]}, "blank"),
                 ("babilong/qa1", {"output": "attic", "target": "attic", "question": ROOMS},
                  "no answer that qa1 can have"),
                 ("infinitebench/passkey", {"prediction": "3", "ground_truth": "key"}, "number"),
                 ("infinitebench/code_run", {"prediction": "3", "ground_truth": "x"}, "number"),
                 ("infinitebench/math_calc", {"prediction": "3", "ground_truth": ["a"]}, "numbers"),
                 ("infinitebench/kv_retrieval", {"prediction": "3", "ground_truth": ""}, "blank"),
                 ("infinitebench/code_debug", {"prediction": "A", "ground_truth": ["f"]},
                  "letter"),
                 ("infinitebench/longbook_choice_eng",
                  {"prediction": "A", "ground_truth": ["Mary", "E"]}, "letter"),
                 ("babilong/qa1", {"output": "kitchen", "question": ROOMS}, "target"),
                 ("infinitebench/math_find", {"prediction": "3", "ground_truth": "x"}, "number"))
        for task, row, word in cases:
            file = self.lines("one.jsonl", [row])
            self.assert_fails(run("eval", "score", file, "--task", task), "line 1", word)
        good = self.lines("trec.jsonl", [{**right, "all_classes": ["Food", "City"]}])
        self.assertEqual(run_json("eval", "score", good)["trec"]["score"], 100)

    def test_rows_out_of_reach_are_counted(self):
        """BABILong's own rule looks for "one" in "none": not an error of the file, and said."""
        row = {"question": "How many objects is Mary carrying?", "output": "none"}
        file = self.lines("qa7.jsonl", [{**row, "target": "none"}, {**row, "target": "two"}])
        done = run("eval", "score", file)
        self.assertIn("1 of 2 rows score 0 by this metric whatever the answer", done.stderr)
        self.assertIn("first: #1", done.stderr)
        words = self.lines("hotpotqa.jsonl", [{"pred": "a", "answers": ["The"]}] * 2)
        self.assertIn("2 of 2", run("eval", "score", words).stderr)

    def test_rows_are_the_scores_one_a_line(self):
        rows = [{"pred": pred, "answers": ["Paris"]} for pred in ("Paris", "Rome", "Paris Rome")]
        done = run("eval", "score", self.lines("hotpotqa.jsonl", rows), "--rows")
        self.assertEqual([round(float(line), 3) for line in done.stdout.split()], [1, 0, 0.667])

    def test_a_missing_file_is_called_missing(self):
        done = run("eval", "score", self.directory / "nowhere.jsonl")
        self.assert_fails(done, "nowhere.jsonl", "no such file")
        self.assertNotIn("metric", done.stderr)

    def test_an_answer_counts_once(self):
        rows = [{"_id": name, "pred": "Paris", "answers": ["Paris"]} for name in "abcab"]
        doubled = self.lines("hotpotqa.jsonl", rows)
        self.assert_fails(run("eval", "score", doubled), "line 4", "line 1", '"a"')
        single = self.lines("musique.jsonl", rows[:3])
        self.assertEqual(run_json("eval", "score", single)["musique"]["n"], 3)

    def test_intervals_from_five_rows_on(self):
        rows = [{"pred": "Paris", "answers": ["Paris" if i % 2 else "Rome"]} for i in range(6)]
        of = run_json("eval", "score", self.lines("hotpotqa.jsonl", rows))["hotpotqa"]
        self.assertEqual(of["score"], 50)
        self.assertLess(of["low"], 50)
        self.assertGreater(of["high"], 50)
        few = run_json("eval", "score", self.lines("musique.jsonl", rows[:4]))["musique"]
        self.assertEqual((few["low"], few["high"]), (None, None))
        shown = run("eval", "score", self.lines("qasper.jsonl", rows)).stdout
        self.assertIn("50.00 [", shown)

    def test_score_knows_the_other_suites(self):
        ruler = self.lines("vt.jsonl", [
            {"index": 0, "pred": "VAR ABC and xyz", "outputs": ["abc", "XYZ"]},
            {"index": 1, "pred": "abc", "outputs": ["ABC", "DEF"]}])
        self.assertEqual(run_json("eval", "score", ruler)["vt"]["score"], 75)
        rooms = self.lines("qa1.jsonl", [
            {"output": "The kitchen. Then the garden.", "target": "kitchen", "question": ROOMS},
            {"output": "kitchen or garden", "target": "kitchen", "question": ROOMS}])
        self.assertEqual(run_json("eval", "score", rooms)["qa1"]["score"], 50)
        passkey = self.lines("preds_passkey.jsonl", [
            {"id": 1, "prediction": "It is 71432.", "ground_truth": "71432"},
            {"id": 2, "prediction": "17143", "ground_truth": ["71432"]}])
        self.assertEqual(run_json("eval", "score", passkey)["preds_passkey"]["score"], 50)

    def test_compare_files_question_by_question(self):
        base = [{"_id": f"q{i}", "pred": "Paris" if i < 4 else "Rome", "answers": ["Paris"]}
                for i in range(10)]
        better = [{**row, "pred": "Paris" if i < 8 else "Rome"} for i, row in enumerate(base)]
        one = self.lines("a/hotpotqa.jsonl", base + [{**base[0], "_id": "alone"}])
        two = self.lines("b/hotpotqa.jsonl", list(reversed(better)))  # the order does not matter
        out = run_json("eval", "compare", one, two)
        self.assertEqual(out["questions"], {"both": 10, "only_a": 1, "only_b": 0})
        entry, = out["differences"]
        self.assertAlmostEqual(entry["a"], 0.4)
        self.assertAlmostEqual(entry["b"], 0.8)
        self.assertAlmostEqual(entry["difference"], 0.4)
        self.assertLess(entry["low"], 0.4)
        self.assertGreater(entry["low"], -0.1)
        shown = run("eval", "compare", one, two).stdout
        self.assertIn("+0.400 [", shown)
        self.assertIn("1 in A alone", shown)
        self.assert_fails(run("eval", "compare", one, self.directory / "none"), "none", "no such")
        other = self.lines("c/musique.jsonl", base)
        self.assert_fails(run("eval", "compare", one, other), "--task")
        seeds = [run_json("eval", "compare", one, two, "--seed", seed)["differences"][0]["low"]
                 for seed in (0, 0, 7)]
        self.assertEqual(seeds[0], seeds[1])

    def test_beir_folder_and_trec_files_as_pytrec_eval_reads_them(self):
        subjects = ("lighthouse", "harbour", "bakery", "ferry", "school", "chapel")
        corpus = [{"_id": f"d{i}", "title": subjects[i % 6].title(),
                   "text": f"The {subjects[i % 6]} of Skarv was built in {1800 + i}. "
                           f"It stands beside the {subjects[(i + i // 6) % 6]}."}
                  for i in range(36)]
        self.lines("set/corpus.jsonl", corpus)
        self.lines("set/queries.jsonl", [{"_id": f"q{i}", "text": f"When was the {name} built?"}
                                         for i, name in enumerate(subjects)] +
                   [{"_id": "unjudged", "text": "Who?"}])
        grades = {(f"q{q}", f"d{d}"): (2 if d % 4 == 0 else 1)
                  for q in range(6) for d in range(36) if d % 6 == q or (d + d // 6) % 6 == q}
        grades["q0", "d1"] = 0
        grades["q1", "d2"] = -1  # judged as spam
        grades["q1", "gone"] = 3  # a corpus that was cut down
        grades["unfound", "d3"] = 1
        bare = "".join(f"{q}\t{d}\t{g}\n" for (q, d), g in grades.items())
        self.write("set/qrels/test.tsv", "query-id\tcorpus-id\tscore\n" + bare)
        trec = self.write("judged.qrels",
                          "".join(f"{q} 0 {d} {g}\n" for (q, d), g in grades.items()))
        out = self.directory / "out"
        command = ["eval", "retrieval", "--data", self.directory / "set", "--methods",
                   "bm25,lead,random", "--out", out]
        record = run_json(*command)
        self.assertEqual(record["data"]["questions"], 6)
        self.assertEqual(record["options"]["format"], "beir")
        said = run(*command[:-1], self.directory / "said").stderr
        self.assertIn("judged documents that the corpus lacks: 1;", said)
        self.assertIn("judged queries that queries.jsonl lacks, left out: 1 of 7", said)
        again = run_json(*command[:-1], self.directory / "trec", "--qrels", trec)
        mean = {(e["method"], e["metric"]): e["mean"] for e in record["summary"]}
        for entry in again["summary"]:
            self.assertAlmostEqual(entry["mean"], mean[entry["method"], entry["metric"]])
        rows = json.loads((out / "run.json").read_text("utf-8"))["rows"]
        lines = [line.split() for line in (out / "trec/bm25.run").read_text().splitlines()]
        self.assertEqual([int(line[3]) for line in lines if line[0] == "q0"][:3], [1, 2, 3])
        self.assert_fails(run(*command[:-1], out, "--haystack", "pooled"), "--haystack")
        doubled = self.lines("set/corpus.jsonl", corpus + corpus[:1])
        self.assert_fails(run(*command), "line 37", "d0")
        self.assertTrue(doubled.exists())
        sys.path[:0] = glob.glob(str(pathlib.Path(MODEL).parent / "test-python*"))
        try:
            import pytrec_eval
        except ImportError as error:
            self.skipTest(f"{error}: scripts/setup.sh --test-packages fetches it")
        qrels = {}
        for line in (out / "trec/qrels").read_text().splitlines():
            query, _, document, grade = line.split()
            qrels.setdefault(query, {})[document] = int(grade)
        given = {}
        for (query, document), grade in grades.items():
            given.setdefault(query, {})[document] = grade
        given.pop("unfound")
        self.assertEqual(qrels, given)
        judge = pytrec_eval.RelevanceEvaluator(
            qrels, {"ndcg_cut_10", "map", "recall_100", "recip_rank"})
        averages = {(e["method"], e["metric"]): e["mean"] for e in record["summary"]}
        theirs = {"doc_ndcg10": "ndcg_cut_10", "doc_map": "map", "doc_recall100": "recall_100",
                  "doc_rr": "recip_rank"}
        for method in ("bm25", "lead", "random"):
            ranking = {}
            for line in (out / f"trec/{method}.run").read_text().splitlines():
                query, _, document, _, score, _ = line.split()
                ranking.setdefault(query, {})[document] = float(score)
            expected = judge.evaluate(ranking)
            for ours, name in theirs.items():
                values = [each[name] for each in expected.values()]
                self.assertAlmostEqual(averages[method, ours], sum(values) / len(values), places=6)
            for row in rows:
                if row["method"] != method:
                    continue
                for ours, name in theirs.items():
                    self.assertAlmostEqual(row["metrics"][ours], expected[row["id"]][name],
                                           places=6, msg=(method, row["id"], ours))

    def a_run(self, name, values, method="s3", adapter="x", question="Who?"):
        rows = [{"id": f"q{i}", "group": "", "question": question, "method": method,
                 "metrics": {"ev1024": value, "mrr": 1 - value}} for i, value in enumerate(values)]
        self.write(f"{name}/run.json", json.dumps(
            {"format": "s3attn-eval", "version": 1, "task": "retrieval", "methods": [],
             "summary": [], "data": {"xxh3": "d"}, "rows": rows, "seed": 0,
             "model": {"name": "m.gguf", "hash": "mm"}, "adapter": {"path": adapter, "hash": "aa"},
             "options": {"adapter": adapter, "seed": 0}}))
        return self.directory / name

    def test_compare_runs_of_two_adapters(self):
        one = self.a_run("one", [0, 0, 1, 0, 1, 0])
        two = self.a_run("two", [1, 0, 1, 1, 1, 0], adapter="y")
        out = run_json("eval", "compare", one, two, "--metric", "ev1024")
        self.assertEqual(out["options_that_differ"], {"adapter": {"a": "x", "b": "y"}})
        entry, = out["differences"]
        self.assertEqual((entry["metric"], entry["n"]), ("ev1024", 6))
        self.assertAlmostEqual(entry["difference"], 2 / 6)
        self.assertEqual(len(run_json("eval", "compare", one, two)["differences"]), 2)
        shown = run("eval", "compare", one, two).stdout
        for words in ("ev@1024", "adapter: \"x\" in A", "+0.333 ["):
            self.assertIn(words, shown)
        few = run_json("eval", "compare", self.a_run("few", [0, 1]), two)["differences"][0]
        self.assertEqual((few["n"], few["low"]), (2, None))
        other = self.a_run("other", [1] * 6, method="bm25")
        self.assert_fails(run("eval", "compare", one, other), "no method", "--method-a")
        pair = ["--method-a", "s3", "--method-b", "bm25", "--metric", "ev1024"]
        mixed, = run_json("eval", "compare", one, other, *pair)["differences"]
        self.assertAlmostEqual(mixed["difference"], 4 / 6)
        asked = self.a_run("asked", [1] * 6, question="What?")
        self.assert_fails(run("eval", "compare", one, asked), "something else")


if __name__ == "__main__":
    unittest.main()
