"""The third voice: an embedder's vectors in the store. Skipped where no embedder was fetched."""

import os
import pathlib
import unittest

from support import ProgramTest, run, run_json

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "s3attn"
MINILM = CACHE / "all-MiniLM-L6-v2.F16.gguf"
MILL = "The mill at Ost grinds rye and barley.\n\nA flood took its wheel in 1926.\n"
FERRY = "The boat across the fjord runs twice a day.\n"
VESSEL = "Is there a ship over the water?"


@unittest.skipUnless(MINILM.is_file(), "no embedder: scripts/setup.sh --embedder fetches it")
class Dense(ProgramTest):
    def test_vectors_are_made_kept_up_asked_and_verified(self):
        mill, ferry = self.write("mill.txt", MILL), self.write("ferry.txt", FERRY)
        self.assertEqual(run_json("index", self.store, mill, "--embed", "default")["vectors"], 1)
        self.assertEqual(run_json("index", self.store, ferry)["vectors"], 1)
        found = run_json("search", self.store, VESSEL, "--method", "dense")
        self.assertIn("boat", found["spans"][0]["text"])
        self.assertGreater(found["spans"][0]["score_dense"], found["spans"][1]["score_dense"])
        mixed = run_json("search", self.store, VESSEL, "--method", "sum(s3:4,bm25:1,dense:4)")
        self.assertIn("score_dense", mixed["spans"][0])
        self.assertEqual(run("verify", self.store).returncode, 0)

    def test_what_is_missing_is_named(self):
        mill = self.write("mill.txt", MILL)
        self.assertEqual(run_json("index", self.store, mill)["vectors"], 0)
        done = run("search", self.store, VESSEL, "--method", "dense")
        self.assertEqual(done.returncode, 1)
        self.assertIn("--embed", done.stderr)
        run_json("index", self.store, mill, "--embed", MINILM)
        other = self.directory / "other.gguf"
        other.write_bytes(MINILM.read_bytes() + bytes(32))
        done = run("search", self.store, VESSEL, "--method", "dense", "--embedder", other)
        self.assertEqual(done.returncode, 1)
        self.assertIn("all-MiniLM-L6-v2.F16.gguf", done.stderr)


if __name__ == "__main__":
    unittest.main()
