"""eval()'s rows, BEIR folders, TREC runs; measures against pytrec_eval where it is there."""

import json
import os
import random
import unittest

import s3attn
import support
from s3attn import evaluation

DOCUMENTS = {
    "d1": "The lighthouse on Varn was built by Ada Solberg in 1871.",
    "d2": "The mill at Ost grinds rye and barley for three villages.",
    "d3": "A flood took the wheel of the mill in the spring of 1926.",
    "d4": "The harbour freezes every January.",
}
QUERIES = {"q1": "Who built the lighthouse?", "q2": "What happened to the mill?"}
QRELS = {"q1": {"d1": 2}, "q2": {"d3": 2, "d2": 1}}


def beir():
    top = support.folder()
    (top / "qrels").mkdir()
    (top / "corpus.jsonl").write_text("".join(
        json.dumps({"_id": name, "title": "", "text": text}) + "\n"
        for name, text in DOCUMENTS.items()))
    (top / "queries.jsonl").write_text("".join(
        json.dumps({"_id": name, "text": text}) + "\n" for name, text in QUERIES.items()))
    (top / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(
        f"{query}\t{name}\t{grade}\n" for query, judged in QRELS.items()
        for name, grade in judged.items()))
    return top


class Measures(unittest.TestCase):
    def test_by_hand(self):
        got = evaluation.measures({"q": {"a": 1, "b": 1}}, {"q": {"a": 3.0, "x": 2.0, "b": 1.0}})
        self.assertAlmostEqual(got["q"]["map"], (1 + 2 / 3) / 2)
        self.assertAlmostEqual(got["q"]["ndcg_cut_10"], (1 + 1 / 2) / (1 + 0.6309297535714575))
        self.assertEqual((got["q"]["recall_10"], got["q"]["recall_100"]), (1, 1))

    def test_like_pytrec_eval(self):
        try:
            import pytrec_eval
        except ImportError:
            self.skipTest("no pytrec_eval")
        rng = random.Random(7)
        qrels, run = {}, {}
        for q in range(60):  # graded, with ties, unjudged and negative ones
            names = [f"d{i}" for i in range(rng.randint(1, 150))]
            qrels[f"q{q}"] = {n: rng.choice([-1, 0, 0, 1, 2, 3]) for n in rng.sample(
                names, rng.randint(1, len(names)))}
            run[f"q{q}"] = {n: float(rng.randint(0, 20)) for n in rng.sample(
                names, rng.randint(1, len(names)))}
        theirs = pytrec_eval.RelevanceEvaluator(
            qrels, {"ndcg_cut.10", "map", "recall.10,100"}).evaluate(run)
        ours = evaluation.measures(qrels, run)
        self.assertEqual(ours.keys(), theirs.keys())
        for query, figures in ours.items():
            for name, value in figures.items():
                self.assertAlmostEqual(value, theirs[query][name], places=6, msg=f"{query} {name}")

    def test_damaged_folders_are_named_by_line(self):
        top = beir()
        with open(top / "corpus.jsonl", "a", encoding="utf-8") as file:
            file.write('{"_id": "d9"}\n')
        with self.assertRaisesRegex(s3attn.CorruptError, "corpus.jsonl:5"):
            evaluation.load_beir(top)
        with self.assertRaises(s3attn.NotFoundError):
            evaluation.load_beir(beir(), split="dev")


class Data(support.ModelTest):
    def test_a_beir_folder_becomes_trec_runs(self):
        out = support.folder() / "out"
        rows = s3attn.evaluate_beir(beir(), out, engine=support.engine(), methods=["bm25", "s3"])
        self.assertEqual([(row["method"], row["n"]) for row in rows], [("bm25", 2), ("s3", 2)])
        for row in rows:
            lines = [line.split() for line in
                     (out / f"{row['method']}.trec").read_text().splitlines()]
            self.assertEqual({len(line) for line in lines}, {6})
            run = {}
            for query, q0, name, place, score, tag in lines:
                run.setdefault(query, {})[name] = float(score)
                self.assertEqual((q0, tag, int(place)), ("Q0", row["method"], len(run[query])))
            again = evaluation.measures(QRELS, run)
            self.assertAlmostEqual(sum(each["map"] for each in again.values()) / 2, row["map"])
        self.assertEqual(rows[1]["recall_100"], 1)

    def test_ir_datasets_is_read_and_gives_pytrec_evals_numbers(self):
        """The package's own readers of BEIR's files, on files of this test: nothing is fetched."""
        os.environ["IR_DATASETS_HOME"] = str(support.folder())
        try:
            import ir_datasets
            import pytrec_eval
            from ir_datasets.datasets import beir as theirs
        except ImportError as error:
            self.skipTest(f"{error}: make test-python fetches it")
        top = beir()
        local = ir_datasets.util.LocalDownload
        dataset = ir_datasets.Dataset(
            theirs.BeirDocs("varn", local(top / "corpus.jsonl"), theirs.BeirTitleDoc),
            theirs.BeirQueries("varn", local(top / "queries.jsonl"), ir_datasets.formats.GenericQuery),
            theirs.BeirQrels(local(top / "qrels/test.tsv"), {}))
        documents, queries, qrels = evaluation.from_ir_datasets(dataset)
        self.assertEqual((queries, qrels), (QUERIES, QRELS))
        self.assertEqual({name: text.strip() for name, text in documents.items()}, DOCUMENTS)
        again = support.folder() / "again"
        evaluation.write_beir(again, documents, queries, qrels)
        self.assertEqual(evaluation.load_beir(again), (documents, queries, qrels))
        out = support.folder() / "out"
        rows = s3attn.evaluate_beir(dataset, out, engine=support.engine(), methods=["bm25", "s3"])
        judge = pytrec_eval.RelevanceEvaluator(
            QRELS, {"ndcg_cut.10", "map", "recall.10,100"})
        for row in rows:
            with open(out / f"{row['method']}.trec", encoding="utf-8") as file:
                figures = judge.evaluate(pytrec_eval.parse_run(file))
            for name in ("ndcg_cut_10", "map", "recall_10", "recall_100"):
                expected = sum(each[name] for each in figures.values()) / len(figures)
                self.assertAlmostEqual(row[name], expected, places=6, msg=f"{row} {name}")

    def test_eval_gives_flat_rows(self):
        text = "\n\n".join(DOCUMENTS.values())
        data = support.folder() / "own.jsonl"
        data.write_text(json.dumps({"document": text, "question": QUERIES["q1"],
                                    "evidence": [[0, len(DOCUMENTS["d1"])]]}) + "\n")
        rows = s3attn.eval(data, methods=["bm25", "s3"], budgets=[64], model=support.MODEL)
        self.assertEqual([row["method"] for row in rows], ["bm25", "s3"])
        self.assertTrue(all(isinstance(value, (str, int, float)) for row in rows
                            for value in row.values()))
        self.assertIn("ev64", rows[0])
        with self.assertRaises(s3attn.Error) as caught:
            s3attn.eval(data, methods="guess", model=support.MODEL)
        self.assertIn("guess", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
