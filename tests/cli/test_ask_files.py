"""Questions about files that are in no store: read once, kept in the cache, cleared by hand."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import unittest

from support import PROGRAM, ProgramTest, environment, run, run_json
from test_index_search import PARAGRAPHS, QUESTION

LONG = "\n\n".join(f"Paragraph {i} speaks of mills, rivers and the price of grain in that year."
                   for i in range(400))


class AskFiles(ProgramTest):
    def setUp(self):
        super().setUp()
        self.cache = self.directory / "cache"
        self.cache.mkdir()
        # The scan copy of the model is made once, not in every test.
        for copy in pathlib.Path("~/.cache/s3attn").expanduser().glob("scan-*"):
            os.symlink(copy, self.cache / copy.name)
        self.env = {"S3ATTN_CACHE_DIR": str(self.cache)}
        self.facts = self.write("facts.txt", "\n\n".join(PARAGRAPHS))

    def search(self, *files, question=QUESTION, **keywords):
        return run_json("search", *files, question, env=self.env, **keywords)

    def cached(self):
        return run_json("cache", env=self.env)["files"]

    def test_the_second_question_reads_nothing_and_finds_what_a_store_finds(self):
        first = self.search(self.facts)
        self.assertFalse(first["files"]["from_cache"])
        second = self.search(self.facts)
        self.assertTrue(second["files"]["from_cache"])
        run_json("index", self.store, self.facts)
        stored = run_json("search", self.store, QUESTION)
        for found in (first, second):
            self.assertEqual([(s["text"], s["score"], s["path"]) for s in found["spans"]],
                             [(s["text"], s["score"], s["path"]) for s in stored["spans"]])
        answer = run_json("ask", self.facts, QUESTION, env=self.env)
        self.assertIn("Solberg", answer["answer"])
        self.assertTrue(answer["files"]["from_cache"])

    def test_contents_are_what_counts_and_names_are_those_of_now(self):
        self.search(self.facts)
        copy = self.write("elsewhere/copy.txt", self.facts.read_bytes())
        found = self.search(copy)
        self.assertTrue(found["files"]["from_cache"])
        self.assertEqual({span["path"] for span in found["spans"]}, {str(copy)})
        copy.write_text(copy.read_text().replace("Solberg", "Lindqvist"))
        changed = self.search(copy)
        self.assertFalse(changed["files"]["from_cache"])
        self.assertIn("Lindqvist", changed["spans"][0]["text"])
        self.assertEqual(len(self.cached()), 2)

    def test_several_files_and_a_folder_whose_names_change_hands(self):
        other = self.write("other.txt", "Bread in Hamar is baked by Olga Moe.")
        found = self.search(self.facts, other, question="Who bakes the bread in Hamar?")
        self.assertIn("Olga Moe", found["spans"][0]["text"])
        swap = self.directory / "swap"
        os.rename(self.facts, swap)
        os.rename(other, self.facts)
        os.rename(swap, other)
        found = self.search(self.facts, other, question="Who bakes the bread in Hamar?")
        self.assertTrue(found["files"]["from_cache"])
        self.assertEqual(found["spans"][0]["path"], str(self.facts))
        folder = self.directory / "folder"
        folder.mkdir()
        for path in (self.facts, other):
            shutil.copy(path, folder)
        self.assertTrue(self.search(folder)["files"]["from_cache"])

    def test_what_cannot_be_read_is_said_each_time(self):
        bad = self.write("bad.docx", b"PK\x03\x04 no archive")
        for cached in (False, True):
            done = run("search", self.facts, bad, QUESTION, "--json", env=self.env)
            files = json.loads(done.stdout)["files"]
            self.assertEqual(files["from_cache"], cached)
            self.assertIn("bad.docx", files["not_read"][0])
            self.assertIn("bad.docx", done.stderr)
        self.assert_fails(run("search", bad, QUESTION, env=self.env), "bad.docx")
        self.assert_fails(run("ask", self.directory / "none", QUESTION, env=self.env), "none")
        self.assert_fails(run("ask", self.facts, env=self.env), "question", code=2)

    def test_a_store_is_asked_alone(self):
        run_json("index", self.store, self.facts)
        self.assert_fails(run("search", self.store, self.facts, QUESTION, env=self.env),
                          "is a store")

    def test_standard_input(self):
        for cached in (False, True):
            found = run_json("search", "-", QUESTION, env=self.env,
                             stdin="\n\n".join(PARAGRAPHS))
            self.assertEqual(found["files"]["from_cache"], cached)
            self.assertIn("Solberg", found["spans"][0]["text"])

    def test_killed_while_reading_it_goes_on_and_two_at_once_read_once(self):
        book = self.write("long.txt", LONG)
        arguments = [PROGRAM, "search", str(book), "What of paragraph 7?", "--json"]
        start = lambda: subprocess.Popen(arguments, env=environment(self.env),
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        first = start()
        while first.poll() is None and not list(self.cache.glob("files/*/store/catalog.db")):
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
        first.communicate()
        self.assertEqual([entry["complete"] for entry in self.cached()], [False])
        both = [start(), start()]
        found = [json.loads(process.communicate()[0]) for process in both]
        self.assertEqual(sorted(each["files"]["from_cache"] for each in found), [False, True])
        self.assertEqual(found[0]["spans"], found[1]["spans"])
        self.assertEqual([entry["complete"] for entry in self.cached()], [True])

    def test_the_cache_is_listed_and_cleared(self):
        self.search(self.facts)
        self.search(self.write("other.txt", "Bread in Hamar is baked by Olga Moe."))
        entries = self.cached()
        self.assertEqual(sorted(path for entry in entries for path in entry["paths"]),
                         sorted([str(self.facts), str(self.directory / "other.txt")]))
        self.assertTrue(all(entry["bytes"] > 1000 for entry in entries))
        shown = run("cache", env=self.env).stdout
        self.assertIn("facts.txt", shown)
        self.assertIn("MiB", shown)
        clear = lambda *more: run_json("cache", *more, "--clear", env=self.env)["removed"]
        self.assertEqual(clear("--older-than", 1), [])
        self.assertEqual(clear(entries[0]["key"][:8]), [entries[0]["key"]])
        self.assert_fails(run("cache", "--clear", "nosuchkey", env=self.env), "key")
        self.assertEqual(clear(), [entries[1]["key"]])
        self.assertEqual(self.cached(), [])
        self.assert_fails(run("cache", "--older-than", 3, env=self.env), "--clear", code=2)

    def test_one_that_is_asked_is_not_cleared(self):
        self.search(self.facts)
        chat = subprocess.Popen([PROGRAM, "chat", str(self.facts)], env=environment(self.env),
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True)
        try:
            chat.stdin.write(QUESTION + "\n")
            chat.stdin.flush()
            while "time to first token" not in chat.stdout.readline():
                self.assertIsNone(chat.poll())
            report = run_json("cache", "--clear", env=self.env)
            self.assertEqual((report["removed"], len(report["in_use"])), ([], 1))
        finally:
            chat.communicate()
        self.assertEqual(len(run_json("cache", "--clear", env=self.env)["removed"]), 1)


if __name__ == "__main__":
    unittest.main()
