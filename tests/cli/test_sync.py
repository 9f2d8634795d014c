"""A store kept in step with folders."""

import json
import os
import pty
import shutil
import signal
import subprocess
import time
import unittest

from support import PROGRAM, ProgramTest, environment, run, run_json

GIT = shutil.which("git")


class Sync(ProgramTest):
    def setUp(self):
        super().setUp()
        self.notes = self.directory / "notes"
        self.notes.mkdir()

    def note(self, name, text=None):
        return self.write(f"notes/{name}", text or f"The note called {name} speaks of {name}.")

    def sync(self, *more, **keywords):
        done = run("sync", self.store, self.notes, "--json", *more, **keywords)
        self.assertIn(done.returncode, (0, 1), msg=done.stderr)
        return json.loads(done.stdout)

    def counts(self, *more):
        report = self.sync(*more)
        names = ("added", "replaced", "renamed", "dropped", "unchanged", "skipped", "ignored",
                 "kept")
        return {name: report[name] for name in names if report[name]}

    def documents(self):
        return sorted(os.path.relpath(document["path"], self.notes)
                      for document in run_json("list", self.store)["documents"])

    def test_adds_replaces_renames_and_drops(self):
        for name in ("a.md", "b.md", "sub/c.md", "sub/d.md"):
            self.note(name)
        self.assertEqual(self.counts(), {"added": 4})
        self.assertEqual(self.counts(), {"unchanged": 4})
        # Of the same length, with the time of before: contents count, not times.
        before = (self.notes / "a.md").stat()
        self.note("a.md", "The note called a.md speaks of b.md.")
        os.utime(self.notes / "a.md", ns=(before.st_atime_ns, before.st_mtime_ns))
        os.rename(self.notes / "sub", self.notes / "moved")
        os.remove(self.notes / "b.md")
        report = self.sync()
        self.assertEqual((report["replaced"], report["renamed"], report["dropped"]), (1, 2, 1))
        self.assertEqual([os.path.basename(each["path"]) for each in report["dropped_documents"]],
                         ["b.md"])
        self.assertEqual(self.documents(), ["a.md", "moved/c.md", "moved/d.md"])
        run_json("verify", self.store)
        os.utime(self.notes / "a.md")  # touched, and nothing else: no model is opened for it
        self.assertEqual(run_json("sync", self.store, self.notes,
                                  env={"S3ATTN_MODEL": "/nonexistent.gguf"})["unchanged"], 3)

    def test_an_empty_folder_gives_an_empty_store_and_a_missing_one_changes_nothing(self):
        self.assertEqual(self.counts(), {})
        self.note("a.md")
        self.sync()
        os.rename(self.notes, self.directory / "away")
        self.assert_fails(run("sync", self.store, self.notes), "notes", "nothing was changed")
        os.rename(self.directory / "away", self.notes)
        self.assertEqual(self.counts(), {"unchanged": 1})
        self.assert_fails(run("sync", self.store, self.notes / "a.md"), "no folder")

    def test_what_a_folder_that_cannot_be_listed_holds_stays(self):
        self.note("sub/a.md")
        self.note("b.md")
        self.sync()
        if os.geteuid() == 0:
            self.skipTest("root may list every folder")
        os.chmod(self.notes / "sub", 0)
        try:
            self.sync()
        finally:
            os.chmod(self.notes / "sub", 0o700)
        self.assertEqual(self.documents(), ["b.md", "sub/a.md"])

    def test_when_all_is_gone_somebody_has_to_say_so(self):
        for name in ("a.md", "b.md", "c.md"):
            self.note(name)
        self.sync()
        os.remove(self.notes / "a.md")
        os.remove(self.notes / "b.md")
        self.assertEqual(self.counts(), {"dropped": 2, "unchanged": 1})
        os.remove(self.notes / "c.md")
        self.assertEqual(self.counts(), {"kept": 1})
        self.assertEqual(len(self.documents()), 1)
        self.assertEqual(self.counts("--yes"), {"dropped": 1})
        self.assertEqual(self.documents(), [])

    def test_a_terminal_is_asked_before_more_than_half_goes(self):
        for name in ("a.md", "b.md", "c.md"):
            self.note(name)
        self.sync()
        os.remove(self.notes / "a.md")
        os.remove(self.notes / "b.md")
        for answer, left in ((b"n\n", 3), (b"y\n", 1)):
            terminal, side = pty.openpty()
            process = subprocess.Popen([PROGRAM, "sync", str(self.store), str(self.notes)],
                                       stdin=side, stderr=side, stdout=subprocess.DEVNULL,
                                       env=environment())
            os.close(side)
            said = b""
            while b"[y/N]" not in said:
                said += os.read(terminal, 1000)
            self.assertIn(b"2 of 3", said)
            os.write(terminal, answer)
            process.wait(60)
            os.close(terminal)
            self.assertEqual(len(self.documents()), left)

    @unittest.skipUnless(GIT, "no git")
    def test_ignore_files_are_followed_as_git_follows_them(self):
        rules = "*.log\n/build/\n!keep.log\ndocs/**/draft-*.md\n"
        self.note(".gitignore", rules)
        self.note("sub/.gitignore", "local.md\n")
        for name in ("a.md", "b.log", "keep.log", "build/x.md", "sub/build/y.md", "sub/local.md",
                     "docs/one/two/draft-1.md", "docs/final.md", "with space.md"):
            self.note(name)
        kept = ["a.md", "docs/final.md", "keep.log", "sub/build/y.md", "with space.md"]
        self.assertEqual(self.sync()["ignored"], 4)  # outside a repository
        self.assertEqual(self.documents(), kept)
        self.note("sub/.gitignore", "local.md\nbuild/\n")
        report = self.sync()
        self.assertEqual([each["path"] for each in report["dropped_documents"]],
                         [str(self.notes / "sub/build/y.md")])
        kept.remove("sub/build/y.md")
        git = lambda *words: subprocess.run(
            ["git", "-C", self.notes, "-c", "user.name=n", "-c", "user.email=e", *words],
            check=True, stdout=subprocess.DEVNULL)
        git("init", "-q")
        git("add", "-f", "b.log")  # tracked: not ignored, whatever the rules say
        self.write("notes/.git/info/exclude", "docs/final.md\n")
        self.sync()
        kept.remove("docs/final.md")
        self.assertEqual(self.documents(), sorted(kept + ["b.log"]))
        listed = subprocess.run(["git", "-C", self.notes, "ls-files", "-co", "--exclude-standard"],
                                capture_output=True, text=True, check=True).stdout.split("\n")
        self.assertEqual(self.documents(),
                         sorted(name for name in listed if name and not name.endswith("ignore")))
        self.assertEqual(self.sync("--no-ignore")["ignored"], 0)
        self.assertEqual(len(self.documents()), 9)

    def test_without_git_it_is_said_that_nothing_is_ignored(self):
        self.note(".gitignore", "b.md\n")
        self.note("a.md")
        self.note("b.md")
        done = run("sync", self.store, self.notes, env={"PATH": "/nonexistent"})
        self.assertIn("git is not installed", done.stderr)
        self.assertEqual(self.documents(), ["a.md", "b.md"])

    def test_the_summary_and_what_cannot_be_read(self):
        self.note("a.md")
        self.note("bad.docx", "PK\x03\x04 no archive")
        for _ in range(2):
            done = run("sync", self.store, self.notes)
            self.assertEqual(done.returncode, 1)
            self.assertIn("bad.docx", done.stderr)
            self.assertIn("1 skipped", done.stdout)
        self.assertIn("1 unchanged", done.stdout)

    def test_an_interrupted_run_goes_on(self):
        for i in range(12):
            self.note(f"{i:02}.md", "\n\n".join(f"Note {i} tells of day {k} and what was sown then."
                                                for k in range(60)))
        process = subprocess.Popen([PROGRAM, "sync", str(self.store), str(self.notes)],
                                   env=environment(), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        while process.poll() is None and not (self.store / "catalog.db").exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.sync()
        self.assertEqual(self.counts(), {"unchanged": 12})
        run_json("verify", self.store)


class Watch(ProgramTest):
    def setUp(self):
        super().setUp()
        self.notes = self.directory / "notes"
        self.write("notes/a.md", "The first note speaks of apples.")

    def start(self):
        process = subprocess.Popen(
            [PROGRAM, "sync", str(self.notes / "store.s3"), str(self.notes), "--watch", "--json",
             "--quiet-seconds", "0.3"],
            env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_changes_in_old_and_new_folders_are_read_when_all_is_quiet(self):
        process = self.start()
        line = lambda: json.loads(process.stdout.readline())
        self.assertEqual(line()["added"], 1)
        self.write("notes/new/deeper/b.md", "The second note speaks of pears.")
        self.assertEqual(line()["added"], 1)
        self.write("notes/new/deeper/c.md", "The third note speaks of plums.")
        self.assertEqual(line()["added"], 1)
        os.rename(self.notes / "new", self.notes / "old")
        self.assertEqual(line()["renamed"], 2)
        self.write("notes/old/deeper/b.md", "The second note speaks of quinces.")
        self.assertEqual(line()["replaced"], 1)
        shutil.rmtree(self.notes / "old")
        self.assertEqual(line()["dropped"], 2)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(60), 0)
        # Its own writes, which lie in the folder, were no changes.
        self.assertEqual(process.stdout.read(), "")

    def test_a_served_store_is_kept_in_step(self):
        store = self.directory / "served.s3"
        process = subprocess.Popen(
            [PROGRAM, "serve", str(store), "--port", "0", "--watch", str(self.notes)],
            env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)

        def told():
            for line in process.stderr:
                if line.startswith("watch: "):
                    return line
            self.fail("the server ended")

        self.assertIn("1 added", told())
        self.write("notes/new/b.md", "The second note speaks of pears.")
        self.assertIn("1 added", told())
        os.remove(self.notes / "a.md")
        self.assertIn("1 dropped", told())
        documents = run_json("list", store)["documents"]
        self.assertEqual([document["path"] for document in documents],
                         [str(self.notes / "new/b.md")])
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(60), 0)
        self.assert_fails(run("serve", store, self.directory / "other.s3", "--watch", self.notes),
                          "one store")


if __name__ == "__main__":
    unittest.main()
