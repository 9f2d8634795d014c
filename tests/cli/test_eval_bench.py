"""A researcher's bench without a model: `eval score` and `eval compare` on files of any program."""

import json
import unittest

from support import ProgramTest, run, run_json

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
                 ("ruler/vt", {"pred": "X", "outputs": []}, "outputs"),
                 ("babilong/qa1", {"output": "kitchen", "question": ROOMS}, "target"),
                 ("infinitebench/math_find", {"prediction": "3", "ground_truth": "x"}, "number"))
        for task, row, word in cases:
            file = self.lines("one.jsonl", [row])
            self.assert_fails(run("eval", "score", file, "--task", task), "line 1", word)
        good = self.lines("trec.jsonl", [{**right, "all_classes": ["Food", "City"]}])
        self.assertEqual(run_json("eval", "score", good)["trec"]["score"], 100)

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
