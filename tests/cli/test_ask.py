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
