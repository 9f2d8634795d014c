"""doctor: what is there, what would be chosen, and what would leave the machine."""

import json
import os
import pathlib
import unittest

from support import MODEL, ProgramTest, run


class Doctor(ProgramTest):
    def doctor(self, *arguments, code=0, **keywords):
        done = run("doctor", "--json", *arguments, **keywords)
        self.assertEqual(done.returncode, code, msg=done.stderr)
        return json.loads(done.stdout)

    def test_says_what_there_is_and_what_would_be_chosen(self):
        report = self.doctor()
        self.assertGreater(report["memory"]["total_bytes"], report["memory"]["available_bytes"] // 2)
        self.assertEqual(report["processor"]["cores"], len(os.sched_getaffinity(0)))
        self.assertIn("cpu", [device["kind"] for device in report["devices"]])
        self.assertEqual(report["openmp"]["OMP_WAIT_POLICY"], "PASSIVE")
        fitting = [each["directory"] for each in report["adapters"] if each["fits"]]
        self.assertIn(report["scan"]["adapter"], fitting)
        self.assertLess(report["scan"]["layers"], report["scan"]["layers_of"])
        self.assertFalse(report["reader"]["sends_passages_away"])

    def test_programs_that_read_documents_are_named_or_missed(self):
        """A wheel brings none of them along."""
        there = {each["name"]: each for each in self.doctor()["converters"]}
        for name in ("pdftotext", "soffice", "en_US.dic"):
            self.assertIn(name, there)
        self.assertTrue(there["pdftotext"]["file"])  # what set-up installs
        empty = {each["name"]: each for each in
                 self.doctor(env={"PATH": "/nowhere"})["converters"]}
        self.assertIsNone(empty["pdftotext"]["file"])
        shown = run("doctor", env={"PATH": "/nowhere"}).stdout
        self.assertIn("pdftotext is missing (apt-get install poppler-utils)", shown)

    def test_an_adapter_fits_every_quantisation_of_its_model(self):
        model = pathlib.Path(MODEL)
        other = model.parent / "quantised" / (model.stem + ".Q8_0.gguf")
        if not other.exists():
            self.skipTest(f"{other}: made by the model tests")
        report = self.doctor("--model", str(other))
        fitting = [each["directory"] for each in report["adapters"] if each["fits"]]
        self.assertEqual(fitting, [report["scan"]["adapter"]])

    def test_one_page_for_people(self):
        done = run("doctor")
        self.assertEqual(done.returncode, 0, msg=done.stderr)
        for word in ("versions", "processor", "memory", "disk", "adapter", "scans", "answers",
                     "nothing leaves this machine"):
            self.assertIn(word, done.stdout)
        self.assertLess(len(done.stdout.splitlines()), 50)

    def test_a_reader_elsewhere_is_told(self):
        away = self.doctor("--reader", "https://example.org/v1#some")["reader"]
        self.assertTrue(away["sends_passages_away"])
        near = self.doctor("--reader", "http://127.0.0.1:9/v1#some")["reader"]
        self.assertFalse(near["sends_passages_away"])
        refused = self.doctor("--reader", "https://example.org/v1#some", "--offline", code=1)
        self.assertFalse(refused["reader"]["sends_passages_away"])
        self.assertIn("offline", refused["reader"]["problem"])

    def test_what_is_missing_is_a_problem(self):
        report = self.doctor("--model", "absent.gguf", code=1)
        self.assertIn("absent.gguf", report["scan"]["problem"])
        self.assertTrue(report["devices"], "the rest is said all the same")


if __name__ == "__main__":
    unittest.main()
