"""kill -9 at random moments of `index`: verify stays clean, a re-run resumes to equal results."""

import os
import random
import signal
import subprocess
import time
import unittest

from support import MODEL, PROGRAM, ProgramTest, book_path, run, run_json

QUESTIONS = ["Who is speaking?", "What happened in the night?", "Where do they go?"]
KILLS = int(os.environ.get("S3ATTN_KILLS", "20"))


class Kill(ProgramTest):
    def start(self, source):
        environment = dict(os.environ, S3ATTN_MODEL=MODEL, S3ATTN_THREADS="1")
        return subprocess.Popen(
            [PROGRAM, "index", str(self.store), str(source), "--commit-tokens", "512", "--quiet"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)

    def hits(self, store):
        found = []
        for question in QUESTIONS:
            spans = run_json("search", store, question)["spans"]
            found.append([(s["byte_begin"], s["byte_end"], round(s["score"], 6)) for s in spans])
        return found

    def excerpt(self, size):
        data = book_path().read_bytes()[:size]
        return self.write("excerpt.md", data[: data.rindex(b"\n") + 1])

    def test_kill_nine(self):
        source = self.excerpt(40_000)
        whole = self.directory / "whole.s3"
        begin = time.monotonic()
        run_json("index", whole, source, "--commit-tokens", 512)
        whole_seconds = time.monotonic() - begin
        rng = random.Random(7)
        killed = 0
        for _ in range(KILLS):
            process = self.start(source)
            time.sleep(rng.uniform(0.05, max(0.3, whole_seconds / 4)))
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stderr.close()
            killed += process.returncode == -signal.SIGKILL
            if self.store.exists() and (self.store / "catalog.db").exists():
                done = run("verify", self.store)
                self.assertEqual(done.returncode, 0, msg=done.stderr)
        self.assertGreater(killed, 0)
        report = run_json("index", self.store, source, "--commit-tokens", 512)
        self.assertIn(report["files"][0]["outcome"], ("resumed", "unchanged", "indexed"))
        self.assertEqual(run("verify", self.store).returncode, 0)
        documents = run_json("list", self.store)["documents"]
        self.assertEqual([d["complete"] for d in documents], [True])
        self.assertEqual(self.hits(self.store), self.hits(whole))

    def test_interrupt_keeps_what_is_committed(self):
        source = self.excerpt(60_000)
        process = self.start(source)
        time.sleep(4)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1, msg=stderr)
        self.assertIn(b"interrupted", stderr)
        self.assertEqual(run("verify", self.store).returncode, 0)
        documents = run_json("list", self.store)["documents"]
        self.assertEqual([d["complete"] for d in documents], [False])
        self.assertGreater(documents[0]["tokens"], 0)
        resumed = run_json("index", self.store, source, "--commit-tokens", 512)
        self.assertEqual(resumed["files"][0]["outcome"], "resumed")
        self.assertEqual(resumed["tokens"] + documents[0]["tokens"], resumed["store_tokens"])

    def test_two_writers(self):
        source = self.excerpt(40_000)
        process = self.start(source)
        deadline = time.monotonic() + 20
        while not (self.store / "catalog.db").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        second = run("index", self.store, source)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
        self.assert_fails(second, str(process.pid))


if __name__ == "__main__":
    unittest.main()
