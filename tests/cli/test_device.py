"""--device: what is asked for is used, or a clear error says what is missing."""

import os
import unittest

from support import ProgramTest, run, run_json
from test_index_search import PARAGRAPHS, QUESTION


class Devices(ProgramTest):
    def test_cpu_is_always_there(self):
        path = self.write("a.txt", "\n\n".join(PARAGRAPHS))
        report = run_json("index", self.store, path, "--device", "cpu")
        self.assertEqual(report["device"], "cpu")
        self.assertGreater(report["tokens"], 0)
        found = run_json("search", self.store, QUESTION, "--device", "cpu")
        self.assertTrue(found["spans"])

    def test_cuda_or_a_clear_error(self):
        path = self.write("a.txt", "\n\n".join(PARAGRAPHS))
        done = run("index", self.store, path, "--device", "cuda", "--json")
        if done.returncode == 0:
            self.assertIn('"device": "cuda"', done.stdout)
            return
        self.assertEqual(done.returncode, 1)
        self.assertIn("CUDA", done.stderr)
        self.assertIn("--device cpu", done.stderr)
        self.assertFalse(os.path.exists(self.store), "nothing was made")

    def test_every_command_that_runs_a_model_refuses_likewise(self):
        path = self.write("a.txt", "\n\n".join(PARAGRAPHS))
        run_json("index", self.store, path, "--device", "cpu")
        if run("search", self.store, QUESTION, "--device", "cuda").returncode == 0:
            self.skipTest("there is a CUDA device")
        corpus = self.write("corpus.txt", "\n\n".join(PARAGRAPHS))
        for arguments in (["ask", self.store, QUESTION], ["search", self.store, QUESTION],
                          ["chat", self.store],
                          ["train", "--corpus", corpus, "--out", f"{self.store}-adapter"]):
            done = run(*arguments, "--device", "cuda")
            self.assertEqual(done.returncode, 1, msg=arguments)
            self.assertIn("--device cpu", done.stderr, msg=arguments)

    def test_an_unknown_device_is_wrong_usage(self):
        done = run("search", self.store, QUESTION, "--device", "tpu")
        self.assertEqual(done.returncode, 2)

    def test_the_environment_names_it_too(self):
        done = run("search", self.store, QUESTION, env={"S3ATTN_DEVICE": "tpu"})
        self.assertEqual(done.returncode, 2)


if __name__ == "__main__":
    unittest.main()
