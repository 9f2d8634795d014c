"""The arithmetic of bench/haystack.py, on a haystack small enough to check by hand."""
import json
import sys
import tempfile
import unittest

sys.path.insert(0, sys.argv[1] + "/bench")
import haystack  # noqa: E402  (found through the path above)


def paragraph(title, text, gold=False):
    return {"title": title, "text": text, "is_supporting": gold}


class HaystackTest(unittest.TestCase):
    def setUp(self):
        records = [
            {"question": "q1?", "paragraphs": [paragraph("A", "über alpha ", True),
                                               paragraph("B", "beta"), paragraph("A", "other")]},
            {"question": "q2?", "paragraphs": [paragraph("B", "beta", True),
                                               paragraph("C", "gamma", True)]},
        ]
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
            file.write("\n".join(json.dumps(record) for record in records))
            file.flush()
            self.haystack = haystack.Haystack(file.name)

    def test_paragraphs_are_pooled_once(self):
        self.assertEqual(sorted(self.haystack.paragraphs), [
            ("A", "other"), ("A", "über alpha "), ("B", "beta"), ("C", "gamma")])

    def test_gold_ranges_slice_the_text(self):
        slices = [[self.haystack.text[a:b].decode() for a, b in ranges]
                  for ranges in self.haystack.gold]
        self.assertEqual([sorted(texts) for texts in slices],
                         [["über alpha"], ["beta", "gamma"]])

    def test_recall_counts_covered_paragraphs(self):
        (alpha,), (first, second) = self.haystack.gold
        whole = {"byte_begin": 0, "byte_end": len(self.haystack.text)}
        part = {"byte_begin": first[0], "byte_end": first[1]}
        short = {"byte_begin": alpha[0], "byte_end": alpha[1] - 1}
        self.assertEqual(self.haystack.recalls([{"spans": [whole]}, {"spans": [part]}]), [1.0, 0.5])
        self.assertEqual(self.haystack.recalls([{"spans": [short]}, {"spans": []}]), [0.0, 0.0])

    def test_answers_must_match_the_questions(self):
        with self.assertRaises(SystemExit):
            self.haystack.recalls([{"spans": []}])


class CoveredTest(unittest.TestCase):
    def test_neighbouring_spans_add_up_and_gaps_do_not(self):
        self.assertTrue(haystack.covered((5, 10), [(7, 12), (0, 7)]))
        self.assertFalse(haystack.covered((5, 10), [(0, 6), (7, 12)]))
        self.assertFalse(haystack.covered((5, 10), []))


class IntervalTest(unittest.TestCase):
    def test_it_holds_the_mean_and_repeats(self):
        values = [0.0, 1.0] * 50
        low, high = haystack.bootstrap_interval(values)
        self.assertTrue(0.35 < low < 0.5 < high < 0.65)
        self.assertEqual((low, high), haystack.bootstrap_interval(values))
        self.assertEqual(haystack.bootstrap_interval([1.0] * 10), (1.0, 1.0))


unittest.main(argv=sys.argv[:1])
