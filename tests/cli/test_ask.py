"""Answers rest on evidence, cite it with numbers that exist, and say when there is none."""

import json
import re
import unittest

from support import ProgramTest, run, run_json
from test_index_search import PARAGRAPHS, QUESTION


class Ask(ProgramTest):
    def setUp(self):
        super().setUp()
        run_json("index", self.store, self.write("facts.txt", "\n\n".join(PARAGRAPHS)))

    def test_answer_with_citations(self):
        result = run_json("ask", self.store, QUESTION)
        self.assertIn("Solberg", result["answer"])
        numbers = {span["number"] for span in result["spans"]}
        self.assertEqual(numbers, set(range(1, len(result["spans"]) + 1)))
        self.assertGreater(len(result["citations"]), 0)
        for citation in result["citations"]:
            self.assertEqual(result["spans"][citation["span"]]["number"], citation["number"])
        cited = result["spans"][result["citations"][0]["span"]]
        self.assertIn("Solberg", cited["text"])
        for mark in re.findall(r"\[(\d+)\]", result["answer"]):
            self.assertIn(int(mark), numbers)
        self.assertGreater(result["ttft_ms"], 0)

    def test_text_output_streams_answer_then_evidence(self):
        done = run("ask", self.store, QUESTION)
        self.assertEqual(done.returncode, 0, msg=done.stderr)
        self.assertIn("Solberg", done.stdout)
        self.assertRegex(done.stdout, r"\[\d+\] .*facts\.txt, lines? \d+.*bytes \d+-\d+")
        self.assertIn("time to first token", done.stdout)

    def test_the_quote_is_the_documents_own_words_and_needs_no_reader(self):
        text = (self.directory / "facts.txt").read_text(encoding="utf-8")
        env = {"S3ATTN_READER": "/nonexistent.gguf"}
        quote = run_json("ask", self.store, QUESTION, "--quote", "--rerank", "off", env=env)["quote"]
        self.assertIn("Solberg", quote["text"])
        self.assertEqual(text.encode()[quote["byte_begin"]:quote["byte_end"]].decode(),
                         quote["text"])
        shown = run("ask", self.store, QUESTION, "--quote", "--rerank", "off", env=env).stdout
        self.assertIn(quote["text"], shown)
        self.assertNotIn("time to first token", shown)

    def test_sentences_say_what_supports_them_and_nothing_is_asked_when_withheld(self):
        answer = run_json("ask", self.store, QUESTION)
        self.assertEqual(answer["quote"]["span"], 0)
        self.assertGreaterEqual(len(answer["sentences"]), 1)
        self.assertGreaterEqual(answer["answerable"], answer["withhold_below"])
        withheld = run_json("ask", self.store, QUESTION, "--withhold", 1)
        self.assertTrue(withheld["withheld"])
        self.assertEqual((withheld["prompt_tokens"], withheld["reader"]), (0, ""))
        self.assertGreater(len(withheld["spans"]), 0)
        self.assertIn("does not seem to answer", run("ask", self.store, QUESTION, "--withhold",
                                                     1).stdout)

    def test_eval_quotes_counts_the_quotes_that_hold_the_answer(self):
        record = {"data": [{"title": "t", "paragraphs": [
            {"context": paragraph, "qas": []} for paragraph in PARAGRAPHS]}]}
        at = next(i for i, paragraph in enumerate(PARAGRAPHS) if "Solberg" in paragraph)
        record["data"][0]["paragraphs"][at]["qas"] = [{
            "id": "1", "question": QUESTION, "answers": [
                {"text": "Solberg", "answer_start": PARAGRAPHS[at].index("Solberg")}]}]
        data = self.write("squad.json", json.dumps(record))
        rows = self.directory / "rows.jsonl"
        for source, right in (("search", 1), ("gold", 1), ("absent", 0)):
            report = run_json("eval", "quotes", "--data", data, "--from", source, "--index",
                              self.directory / "index", "--rows", rows, "--features")
            self.assertEqual((report["questions"], report["holds"]["mean"]), (1, right), source)
            row = json.loads(rows.read_text(encoding="utf-8"))
            self.assertEqual(len(row["features"]), len(row["right"]))

    def test_greedy_is_deterministic(self):
        first = run_json("ask", self.store, QUESTION, "--max-answer", 20)
        second = run_json("ask", self.store, QUESTION, "--max-answer", 20)
        self.assertEqual(first["answer"], second["answer"])

    def test_no_evidence_is_said_not_invented(self):
        result = run_json("ask", self.store, "qzx vbnm wrtk plfd?")
        self.assertFalse(result["evidence_found"])
        self.assertEqual(result["citations"], [])
        self.assertIn("do not contain", result["answer"])

    def test_chat_answers_line_by_line(self):
        done = run("chat", self.store, "--max-answer", 24,
                   stdin=QUESTION + "\nWho studied arctic terns?\n")
        self.assertEqual(done.returncode, 0, msg=done.stderr)
        self.assertIn("Solberg", done.stdout)
        self.assertIn("Okafor", done.stdout)
        done = run("chat", self.store, "--json", "--max-answer", 8, stdin=QUESTION + "\n")
        self.assertIn("answer", json.loads(done.stdout))


if __name__ == "__main__":
    unittest.main()
