"""Which files of a model an adapter serves, and what is said about a model without one."""

import json
import shutil
import struct
import unittest

from support import MODEL, SOURCE, ProgramTest, book_path, run, run_json


def offset_of_a_norm(path):
    """Where in a GGUF file (version 3) the first norm's weights begin."""
    with open(path, "rb") as file:
        _, _, tensors, fields = struct.unpack("<4sIQQ", file.read(24))

        def text():
            return file.read(struct.unpack("<Q", file.read(8))[0]).decode()

        sizes = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8]

        def skip(kind):
            if kind == 8:
                text()
            elif kind == 9:
                inner, count = struct.unpack("<IQ", file.read(12))
                if inner != 8:
                    file.seek(count * sizes[inner], 1)
                for _ in range(count if inner == 8 else 0):
                    text()
            else:
                file.seek(sizes[kind], 1)

        for _ in range(fields):
            text()
            skip(struct.unpack("<I", file.read(4))[0])
        wanted = None
        for _ in range(tensors):
            name = text()
            file.seek(8 * struct.unpack("<I", file.read(4))[0], 1)
            offset = struct.unpack("<IQ", file.read(12))[1]
            if wanted is None and name.endswith("attn_norm.weight"):
                wanted = offset
        return (file.tell() + 31) // 32 * 32 + wanted


class Adapters(ProgramTest):
    def copy(self, name):
        path = self.directory / name
        shutil.copyfile(MODEL, path)
        return path

    def test_another_file_of_the_model_needs_no_adapter_of_its_own(self):
        source = self.write("a.txt", "The mill was built in 1804.\n\nWolves came in winter.\n")
        self.assertEqual(run("index", self.store, source).returncode, 0)
        other = self.copy("other.gguf")
        with open(other, "ab") as file:  # bytes behind the last tensor: another hash
            file.write(bytes(32))
        question = (self.store, "When was the mill built?", "--method", "s3")
        found = run_json("search", *question, "--model", other)
        plain = run_json("search", *question)
        self.assertEqual([span["text"] for span in found["spans"]],
                         [span["text"] for span in plain["spans"]])
        self.assertIn("another quantisation", found["notes"][0])
        self.assertNotIn("notes", plain)
        said = run("search", *question, "--model", other).stderr
        self.assertIn("note: the store was made with another quantisation", said)
        added = run("index", self.store, source, "--model", other)
        self.assertEqual(added.returncode, 1)
        self.assertIn("another quantisation", added.stderr)

    def test_weights_are_fitted(self):
        shipped = SOURCE / "models" / "smollm2-135m-instruct"
        fitted = self.directory / "fitted"
        report = run_json("train", "--corpus", book_path(), "--adapter", shipped, "--out", fitted,
                          "--fusion-questions", 50)
        self.assertEqual(report["questions"], 50)
        self.assertGreaterEqual(report["worth"]["fitted"], report["worth"]["one_weight"] - 0.02)
        fusion = json.loads((fitted / "adapter.json").read_text())["fusion"]
        self.assertEqual([each["name"] for each in fusion["features"]],
                         ["agreement", "bm25_gap", "words"])
        source = self.write("a.txt", "The mill was built in 1804.\n\nWolves came in winter.\n")
        run_json("index", self.store, source)
        found = run_json("search", self.store, "When was the mill built?", "--adapter", fitted)
        self.assertAlmostEqual(sum(found["weights"].values()), 1)

    def test_the_best_heads_make_a_smaller_index(self):
        shipped = SOURCE / "models" / "smollm2-135m-instruct"
        small = self.directory / "small"
        done = run("train", "--keep-heads", 4, "--adapter", shipped)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--out", done.stderr)
        kept = run_json("train", "--keep-heads", 4, "--adapter", shipped, "--out", small)
        self.assertEqual((kept["heads"], kept["slots"], kept["slots_before"]), (4, 3, 7))
        paragraphs = book_path().read_text("utf-8").split("\n\n")[100:130]
        source = self.write("a.txt", "\n\n".join(paragraphs))
        stores = self.directory / "whole.s3", self.directory / "small.s3"
        sizes = [run_json("index", store, source, "--adapter", adapter)["bytes_per_token"]
                 for store, adapter in zip(stores, (shipped, small))]
        self.assertLess(sizes[1], 0.75 * sizes[0])
        ask = "search", stores[1], "the Opera ghost", "--method", "s3", "--adapter"
        self.assertTrue(run_json(*ask, small)["spans"])
        mixed = run(*ask, shipped)
        self.assertEqual(mixed.returncode, 1, "another adapter's codes are not taken for its own")

    def test_a_model_without_an_adapter_gets_two_ways_on(self):
        other = self.copy("other-training.gguf")
        with open(other, "r+b") as file:
            file.seek(offset_of_a_norm(other))
            weight = struct.unpack("<f", file.read(4))[0]
            file.seek(-4, 1)
            file.write(struct.pack("<f", weight * 1.01))
        done = run("index", self.store, self.write("a.txt", "Some text."), "--model", other)
        self.assertEqual(done.returncode, 1)
        first, use, train = done.stderr.strip().splitlines()
        self.assertIn("no adapter fits other-training.gguf", first)
        self.assertRegex(first, r"about \d+ minutes? on this machine")
        self.assertIn(f"--reader {other}", use)
        self.assertIn(f"train --model {other}", train)
        self.assertNotRegex(done.stderr, r"[0-9a-f]{32}")  # no hashes
        self.assertLessEqual(len(first), 250)


if __name__ == "__main__":
    unittest.main()
