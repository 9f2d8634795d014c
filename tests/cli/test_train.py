"""`train` end to end, with tiny settings: kill -9 and resume, sweeps, its files, bad input."""

import glob
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time
import unittest
import xml.etree.ElementTree

from support import MODEL, PROGRAM, SOURCE, ProgramTest, book_path, run, run_json

KILLS = int(os.environ.get("S3ATTN_TRAIN_KILLS", "4"))
TINY = ["--n-heads", "2", "--max-layer", "2", "--latents", "128", "--k", "4", "--sae-steps", "40",
        "--sae-tokens", "4000", "--cloze-pairs", "110", "--query-steps", "5"]


class Train(ProgramTest):
    def setUp(self):
        super().setUp()
        self.out = self.directory / "adapter"
        self.partial = self.directory / "adapter.partial"
        # Prose is what training wants: the book's paragraphs, each on one line.
        paragraphs = book_path().read_text("utf-8").split("\n\n")
        prose = [" ".join(p.split()) for p in paragraphs if 60 <= len(p.split()) <= 200]
        self.corpus = self.write("corpus.txt", "\n\n".join(prose[:330]))

    def arguments(self, out=None, *more):
        return ["train", "--corpus", str(self.corpus), "--out", str(out or self.out), *TINY, *more]

    def files(self, directory):
        """Every file of an adapter; of adapter.json what does not depend on the clock."""
        found = {}
        for path in sorted(pathlib.Path(directory).rglob("*")):
            if path.is_file():
                found[str(path.relative_to(directory))] = path.read_bytes()
        record = json.loads(found.pop("adapter.json"))
        for field in ("seconds", "stage_seconds", "peak_rss_bytes"):
            record["training"].pop(field)
        record["training"]["command"] = record["training"]["command"].replace("whole", "adapter")
        return found, record

    def start(self):
        environment = dict(os.environ, S3ATTN_MODEL=MODEL, S3ATTN_THREADS="1")
        return subprocess.Popen([PROGRAM, *self.arguments(), "--quiet"], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, env=environment)

    def stop(self, process, how):
        process.send_signal(how)
        _, stderr = process.communicate(timeout=60)
        return stderr.decode()

    def test_kill_nine_at_any_moment_and_resume(self):
        whole = self.directory / "whole"
        begin = time.monotonic()
        report = run_json(*self.arguments(whole))
        seconds = time.monotonic() - begin
        self.assertEqual(len(report["ranking"]), 27)  # three layers of nine heads
        self.assertEqual([stop["layer"] for stop in report["stop_layers"]], [0, 1, 2])
        rng = random.Random(5)
        for _ in range(KILLS):
            process = self.start()
            time.sleep(rng.uniform(0.3, 1.0) * seconds)
            self.stop(process, signal.SIGKILL)
            if self.out.exists():  # it was faster this time, or had just finished
                break
        done = run(*self.arguments()) if not self.out.exists() else None
        if done is not None:
            self.assertEqual(done.returncode, 0, msg=done.stderr)
        self.assertEqual(self.files(self.out), self.files(whole))
        refused = run(*self.arguments())
        self.assert_fails(refused, "is there already")
        self.assertFalse(self.partial.exists())
        picture = xml.etree.ElementTree.parse(self.out / "heads.svg").getroot()
        self.assertTrue(picture.tag.endswith("svg"))

    def test_interrupt_and_another_option(self):
        process = self.start()
        deadline = time.monotonic() + 120
        while not (self.partial / "selection.checkpoint").exists():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        stderr = self.stop(process, signal.SIGINT)
        self.assertEqual(process.returncode, 1, msg=stderr)
        self.assertIn("goes on", stderr)
        self.assertFalse(self.out.exists())
        done = run(*self.arguments(None, "--seed", "2"))
        self.assertEqual(done.returncode, 0, msg=done.stderr)
        self.assertIn("starts over", done.stderr)
        for words in ("scanned", "never", "bytes/token", "heads.svg"):
            self.assertIn(words, done.stdout)

    def test_sweep(self):
        work = ["--work", str(self.directory / "work")]
        arguments = ["train", "--corpus", str(self.corpus), *TINY, *work,
                     "--sweep", "k=2,6", "--sweep", "latents=64,128"]
        report = run_json(*arguments)
        self.assertEqual([(row["latents"], row["k"]) for row in report["sweep"]],
                         [(64, 2), (64, 6), (128, 2), (128, 6)])
        for row in report["sweep"]:
            self.assertGreater(row["fvu"], 0)
            self.assertGreater(row["bytes_per_token"], 1)
        self.assertLessEqual(row["recall_at_5"], row["recall_at_20"])
        begin = time.monotonic()
        done = run(*arguments, "--out", self.out)  # everything is there but the query side
        self.assertEqual(done.returncode, 0, msg=done.stderr)
        self.assertIn("best", done.stdout)
        best = report["sweep"][report["best"]]
        codes = json.loads((self.out / "adapter.json").read_text())["codes"]
        self.assertEqual((codes["latents"], codes["k"]), (best["latents"], best["k"]))
        self.assertLess(time.monotonic() - begin, 60)

    def test_own_autoencoders_come_back_and_differing_fields_are_named(self):
        run_json(*self.arguments())
        again = self.directory / "again"
        heads = ",".join(f"{h['layer']}:{h['query_head']}" for h in json.loads(
            (self.out / "adapter.json").read_text())["heads"])
        run_json(*self.arguments(again, "--sae", str(self.out), "--heads", heads))
        for path in self.out.glob("sae_*/sae_weights.safetensors"):
            self.assertEqual(path.read_bytes(),
                             (again / path.relative_to(self.out)).read_bytes())
        config = next(self.out.glob("sae_*/cfg.json"))
        wrong = json.loads(config.read_text())
        for field, value, words in (("hook_layer", 29, "field 'hook_layer' is 29"),
                                    ("hook_name", "blocks.1.hook_resid_post", "hook_name"),
                                    ("architecture", "jumprelu", "jumprelu"),
                                    ("normalize_activations", "layer_norm", "layer_norm"),
                                    ("d_in", 65, "W_enc")):
            config.write_text(json.dumps(dict(wrong, **{field: value})))
            done = run(*self.arguments(self.directory / "x", "--sae", str(self.out), "--heads",
                                       heads))
            self.assert_fails(done, words)

    def test_the_page_on_the_format_encodes_what_the_program_encodes(self):
        """docs/formats/adapter.md is run as it stands, on a fresh adapter and its dump."""
        sys.path[:0] = glob.glob(str(pathlib.Path(MODEL).parent / "test-python*"))
        try:
            import numpy as np
        except ImportError as error:
            self.skipTest(f"{error}: scripts/setup.sh --test-packages fetches it")
        file = self.directory / "held-out.npz"
        run_json(*self.arguments(None, "--dump", file))
        text = (SOURCE / "docs/formats/adapter.md").read_text("utf-8")
        page = {}
        exec(re.search(r"<!-- run: numpy -->\n```python\n(.*?)```", text, re.S)[1], page)
        adapter = page["load_adapter"](self.out)
        dump = np.load(file)
        spans = dump["paragraph_spans"]
        self.assertEqual(len(spans), len(dump["question_spans"]))
        self.assertEqual(spans[-1][1], len(dump["paragraph_tokens"]))
        for number, slot in enumerate(adapter["slots"]):
            name = f"L{slot['layer']}_H{slot['kv_head']}"
            keys = dump[f"keys_{name}"]
            self.assertEqual(keys.shape, (len(dump["paragraph_tokens"]),
                                          adapter["model"]["d_head"]))
            same = total = 0
            for token in range(0, len(keys), 7):
                features, activations = page["encode_key"](adapter, number, keys[token])
                there = dump[f"features_{name}"][token], dump[f"activations_{name}"][token]
                total += 1
                same += (np.array_equal(features, there[0]) and
                         np.abs(activations.astype(int) - there[1].astype(int)).max() <= 1)
            self.assertGreater(total, 500)
            self.assertGreaterEqual(same / total, 0.99)  # single precision may break a tie
        head = adapter["heads"][0]
        query = dump[f"queries_L{head['layer']}_Q{head['query_head']}"][0]
        weights = page["query_weights"](adapter, 0, query)
        self.assertEqual(weights.shape, (adapter["codes"]["latents"],))
        self.assertLessEqual(np.abs(weights).max(), adapter["codes"]["activation_scale"] * 1.001)
        self.assertIn("bias", head)  # the query side was trained, and the page read it

    def test_a_store_outlives_another_query_side(self):
        work = ["--work", str(self.directory / "work"), "--keep-work"]
        other = self.directory / "other"
        plain = ["train", "--corpus", str(self.corpus), *TINY[:-2], *work]  # no --query-steps
        run_json(*plain, "--out", self.out, "--query-steps", "0")
        self.assertTrue((self.directory / "work" / "selection.checkpoint").exists())
        run_json(*plain, "--out", other, "--query-steps", "30", "--negatives", "bm25",
                 "--model-questions", "1")
        # Thirty steps on a tiny corpus may change nothing: make sure that the query side differs.
        settings = json.loads((other / "adapter.json").read_text())
        for head in settings["heads"]:
            head["temperature"] *= 0.5
        (other / "adapter.json").write_text(json.dumps(settings))
        store = self.directory / "store"
        run_json("index", store, self.corpus, "--adapter", self.out)
        segments = {path: path.read_bytes() for path in store.rglob("*.seg")}
        self.assertTrue(segments)
        scores = []
        for adapter in (self.out, other):
            found = run_json("search", store, "Who haunts the opera house?", "--method", "s3",
                             "--adapter", adapter)
            self.assertTrue(found["spans"])
            scores.append([span["score"] for span in found["spans"]])
        self.assertNotEqual(scores[0], scores[1])  # the query side did change
        self.assertEqual({path: path.read_bytes() for path in store.rglob("*.seg")}, segments)
        record = json.loads((other / "adapter.json").read_text())["training"]
        self.assertEqual(record["query_side"]["negatives"], "bm25")

    def test_questions_of_another_model(self):
        work = ["--work", str(self.directory / "work"), "--keep-work"]
        plain = ["train", "--corpus", str(self.corpus), *TINY[:-2], *work, "--query-steps", "1",
                 "--model-questions", "1"]
        done = run(*plain, "--out", self.out, "--reader", self.directory / "none.gguf")
        self.assert_fails(done, "none.gguf")
        reader = self.directory / "reader.gguf"
        reader.symlink_to(MODEL)
        run_json(*plain, "--out", self.out, "--reader", reader)
        command = json.loads((self.out / "adapter.json").read_text())["training"]["command"]
        self.assertIn("--model-questions 1 --reader reader.gguf", command)

    def test_every_option_reaches_the_run(self):
        """What the options do is tested on a small model (tests/train/options_test.cpp); here, that
        each of the command line arrives."""
        out = self.directory / "all"
        done = run("train", "--corpus", self.corpus, "--out", out, "--n-heads", "3", "--max-layer",
                   "1", "--choose", "per-layer", "--latents", "96", "--k", "5", "--sae-steps", "30",
                   "--sae-patience", "2", "--sae-tokens", "3500", "--cloze-pairs", "120",
                   "--query-steps", "3", "--negatives", "document", "--seed", "7")
        self.assertEqual(done.returncode, 0, msg=done.stderr)
        self.assertNotIn("does nothing", done.stderr)
        record = json.loads((out / "adapter.json").read_text("utf-8"))["training"]
        for words in ("--n-heads 3", "--max-layer 1", "--choose per-layer", "--latents 96", "--k 5",
                      "--sae-steps 30", "--sae-patience 2", "--sae-tokens 3500",
                      "--cloze-pairs 120", "--query-steps 3", "--negatives document", "--seed 7"):
            self.assertIn(words, record["command"])
        copy = self.directory / "copy"
        report = run_json("train", "--corpus", self.corpus, "--adapter", out, "--out", copy,
                          "--context-heads-only", "--context-heads", "2", "--context-questions",
                          "3", "--context-units", "4", "--context-max-layer", "2",
                          "--context-keep-sentence")
        made = json.loads((copy / "adapter.json").read_text("utf-8"))
        self.assertEqual(len(made["context"]["heads"]), 2)
        self.assertLessEqual(max(head["layer"] for head in made["context"]["heads"]), 2)
        chosen = made["training"]["context_heads"]
        self.assertEqual((chosen["questions"], chosen["units"], chosen["sentence"]),
                         (3, 4, "kept"))
        self.assertTrue(report)

    def test_what_is_missing_or_idle_is_said_before_anything_is_trained(self):
        train = ["train", "--corpus", self.corpus, "--out", self.out]
        for more, words in ((["--sae", "/nowhere"], ("--sae", "/nowhere", "no such directory")),
                            (["--dump", "/nowhere/x.npz"], ("--dump", "no folder /nowhere")),
                            (["--dump", self.directory], ("--dump", "is a folder")),
                            (["--model-questions", "1", "--reader", "/nowhere.gguf"],
                             ("/nowhere.gguf",)),
                            (["--cloze-pairs", "99"], ("--cloze-pairs", "99", "at least 100")),
                            (["--sae-steps", "0"], ("--sae-steps",)),
                            (["--sweep", "k=4,8,4"], ("k 4", "twice")),
                            (["--context-heads", "2", "--context-max-layer", "30"],
                             ("--context-max-layer", "layer 30", "layers 0 to 29")),
                            (["--context-heads", "64", "--context-max-layer", "1"],
                             ("--context-heads", "64 heads", "has 18"))):
            self.assert_fails(run(*train, *more), *words)
        for more in (["--context-heads-only", "--fusion-questions", "50"],
                     ["--sweep", "k=4", "--fusion-questions", "50"],
                     ["--sweep", "k=4", "--context-heads-only"]):
            self.assert_fails(run(*train, *more), "give one of them", code=2)
        small = self.write("small.txt", self.corpus.read_text()[:6000])
        idle = run("train", "--corpus", small, "--out", self.out, "--fusion-questions", "50",
                   "--k", "4", "--context-heads", "2")
        for option in ("--k", "--context-heads"):
            self.assertIn(f"note: {option} does nothing with --fusion-questions", idle.stderr)
        short = run(*train, "--cloze-pairs", "5000", "--max-layer", "0")  # layer 0 finds nothing
        self.assertRegex(short.stderr, r"note: the corpus gives \d+ of 5000 sentence and paragraph")

    def test_bad_input(self):
        small = self.write("small.txt", self.corpus.read_text()[:6000])
        done = run("train", "--corpus", small, "--out", self.out)
        self.assert_fails(done, "too small", "at least 100", "missing", "paragraphs of prose")
        self.assertFalse(self.out.exists())
        lists = self.write("lists.txt", "a;b;c\n" * 40000)
        self.assert_fails(run("train", "--corpus", lists, "--out", self.out), "too small",
                          "0 paragraphs")
        binary = self.write("program.txt", bytes(range(256)) * 400)
        self.assert_fails(run("train", "--corpus", binary, "--out", self.out), "program.txt")
        for wrong in (["--k", "65"], ["--max-layer", "deep"], ["--sweep", "k=a"],
                      ["--sweep", "steps=3"], ["--heads", "5"], ["--choose", "x"],
                      ["--sweep", "k=4", "--sae", "x"]):
            self.assert_fails(run(*self.arguments(None, *wrong)), code=2)
        self.assert_fails(run("train", "--corpus", self.corpus), "--out", code=2)
        for wrong, words in ((["--heads", "5:6,5:7"], ("5:6", "--max-layer")),
                             (["--n-heads", "64"], ("--n-heads", "27")),
                             (["--sae-tokens", "100"], ("--sae-tokens", "--latents"))):
            given = self.arguments()
            if wrong[0] in given:
                given[given.index(wrong[0]) + 1] = wrong[1]
            else:
                given = [*given, *wrong]
            self.assert_fails(run(*given), *words, code=1)
        named = run("train", "--corpus", small, "--out", self.out, "--heads", "1:1", "--n-heads", "3",
                    "--choose", "recall")
        for option in ("--n-heads", "--choose"):
            self.assertIn(f"{option} does nothing with --heads", named.stderr)
        idle = run("train", "--corpus", small, "--out", self.out, "--query-steps", "0",
                   "--negatives", "bm25")
        self.assertIn("--negatives does nothing", idle.stderr)
        deep = ["train", "--corpus", self.corpus, "--out", self.out, "--max-layer", "30"]
        self.assert_fails(run(*deep), "layers 0 to 29", "all")
        self.assert_fails(run(*self.arguments(None, "--heads", "2:9")), "(2,9) does not exist")
        self.assertFalse(self.partial.exists())  # nothing was finished
        letter = self.write("adapter.partial/letter", "x")
        self.assert_fails(run(*self.arguments()), "adapter.partial", "--work")
        self.assertTrue(letter.exists())


if __name__ == "__main__":
    unittest.main()
