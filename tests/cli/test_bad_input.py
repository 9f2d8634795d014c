"""Bad input gets a clear error, the right exit code, and nothing is lost."""

import json
import os
import pathlib
import shutil
import unittest
import zipfile

from support import MODEL, SOURCE, ProgramTest, run, run_json
from test_index_search import PARAGRAPHS, QUESTION


class WrongUsage(ProgramTest):
    def test_exit_code_two(self):
        for arguments in ([], ["index"], ["frobnicate"], ["search", self.store],
                          ["search", self.store, "q", "--budget", "0"],
                          ["search", self.store, "q", "--budget", "many"],
                          ["search", self.store, "q", "--method", "psychic"],
                          ["ask", self.store, "q", "--no-such-option"],
                          ["index", self.store, "x", "--chunk", "3"]):
            done = run(*arguments)
            self.assertEqual(done.returncode, 2, msg=f"{arguments}: {done.stdout}{done.stderr}")
            self.assertTrue(done.stderr.strip() or done.stdout.strip())

    def test_help_teaches(self):
        done = run("--help")
        self.assertEqual(done.returncode, 0)
        for word in ("index", "ask", "search", "chat", "list", "remove", "verify", "inspect",
                     "train", "S3ATTN_", "Exit codes"):
            self.assertIn(word, done.stdout)
        for command in ("index", "ask", "search", "chat", "list", "remove", "verify", "inspect",
                        "train"):
            done = run(command, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertIn("--model", done.stdout)


class BadDocuments(ProgramTest):
    def test_the_good_file_is_indexed_the_bad_one_reported(self):
        good = self.write("good.txt", "\n\n".join(PARAGRAPHS))
        empty = self.write("empty.txt", "")
        binary = self.write("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)
        missing = self.directory / "missing.txt"
        done = run("index", self.store, empty, binary, missing, good, "--json")
        self.assertEqual(done.returncode, 1, msg=done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual([f["path"] for f in report["files"]], [str(good)])
        reasons = {pathlib.Path(s["path"]).name: s["reason"] for s in report["skipped"]}
        self.assertEqual(set(reasons), {"empty.txt", "picture.png", "missing.txt"})
        self.assertTrue(all(reasons.values()))
        self.assertIn("Solberg", run_json("search", self.store, QUESTION)["spans"][0]["text"])
        self.assertEqual(run("verify", self.store).returncode, 0)

    def test_what_cannot_be_read_of_a_document_is_named(self):
        """A damaged chapter: the others are indexed; the summary, the JSON and the code say so."""
        def book(name, chapters):
            path = self.directory / name
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("META-INF/container.xml", "<container><rootfiles><rootfile "
                                 "full-path='b.opf'/></rootfiles></container>")
                archive.writestr("b.opf", "<package><manifest>" + "".join(
                    f"<item id='{c}' href='{c}.xhtml' media-type='application/xhtml+xml'/>"
                    for c in "abc") + "</manifest><spine>" + "".join(
                    f"<itemref idref='{c}'/>" for c in "abc") + "</spine></package>")
                for chapter in chapters:
                    archive.writestr(f"{chapter}.xhtml", f"<html><body><p>The lamp of chapter "
                                     f"{chapter} was lit by Ana Bello.</p></body></html>")
            return path

        damaged, whole = book("damaged.epub", "ac"), book("whole.epub", "abc")
        done = run("index", self.store, damaged, whole, "--json", "--quiet")
        self.assertEqual(done.returncode, 1, msg=done.stderr)
        self.assertIn("not read: " + str(damaged) + ": b.xhtml: missing", done.stderr)
        files = {pathlib.Path(f["path"]).name: f for f in json.loads(done.stdout)["files"]}
        self.assertTrue(files["damaged.epub"]["partly_read"])
        self.assertFalse(files["whole.epub"]["partly_read"])
        self.assertEqual(files["whole.epub"]["notes"], [])
        (note,) = files["damaged.epub"]["notes"]
        self.assertEqual((note["kind"], note["place"], note["count"]), ("unread", "b.xhtml", 1))
        self.assertIn("missing", note["message"])
        again = run("index", self.store, damaged)
        self.assertEqual(again.returncode, 1)
        self.assertIn("1 unchanged, 1 only in part", again.stdout)
        self.assertEqual(run("index", self.store, whole).returncode, 0)

    def test_other_encodings_are_converted_and_still_sliced(self):
        text = ("Die Fähre über den Großen See fährt täglich, außer bei Sturm. Der Fährmann heißt "
                "Jörg Müller und trinkt gern süßen Kaffee mit Käsekuchen in der Küche. ") * 3
        for encoding in ("latin-1", "utf-16-le", "utf-8-sig"):
            data = text.encode(encoding)
            if encoding == "utf-16-le":
                data = b"\xff\xfe" + data
            store = self.directory / f"{encoding}.s3"
            source = self.write(f"{encoding}.txt", data)
            run_json("index", store, source)
            spans = run_json("search", store, "Wie heißt der Fährmann?")["spans"]
            self.assertGreater(len(spans), 0)
            for span in spans:
                raw = data[span["byte_begin"]:span["byte_end"]]
                plain = raw.decode("utf-8" if encoding == "utf-8-sig" else encoding)
                self.assertEqual(plain, span["text"], msg=encoding)


class BadQuestions(ProgramTest):
    def test_questions_and_budgets(self):
        run_json("index", self.store, self.write("facts.txt", "\n\n".join(PARAGRAPHS)))
        self.assert_fails(run("search", self.store, ""), "empty")
        self.assert_fails(run("ask", self.store, " \n\t "), "empty")
        self.assert_fails(run("search", self.store, "word " * 20_000), "tokens", "question")
        self.assert_fails(run("ask", self.store, QUESTION, "--budget", "500000"), "window", "budget")
        self.assert_fails(run("search", self.store, QUESTION, "--budget", "2"), "budget")
        for odd in ('"quotes" AND (NEAR OR *', "-- ; DROP TABLE units;", "\u0000x".replace("\u0000", ""),
                    "مرحبا 你好 👋", "a" * 3000):
            done = run("search", self.store, odd, "--json")
            self.assertEqual(done.returncode, 0, msg=f"{odd!r}: {done.stderr}")


class BadStoresAndModels(ProgramTest):
    def test_stores(self):
        self.assert_fails(run("search", self.directory / "absent.s3", QUESTION), "absent.s3")
        self.assert_fails(run("list", self.directory / "absent.s3"), "absent.s3")
        plain = self.write("file.s3", "not a store")
        self.assert_fails(run("verify", plain), "file.s3")
        source = self.write("facts.txt", PARAGRAPHS[0])
        self.assert_fails(run("index", plain, source), "file.s3")
        full = self.directory / "full"
        full.mkdir()
        (full / "precious.txt").write_text("mine")
        self.assert_fails(run("index", full, source), "full")
        self.assertEqual((full / "precious.txt").read_text(), "mine")

    def test_damage_is_found_and_named(self):
        run_json("index", self.store, self.write("facts.txt", "\n\n".join(PARAGRAPHS)))
        segment = sorted(self.store.glob("*.seg"))[0]
        data = bytearray(segment.read_bytes())
        data[len(data) // 2] ^= 0x40
        segment.write_bytes(data)
        self.assert_fails(run("verify", self.store), segment.name)

    def test_models(self):
        source = self.write("facts.txt", PARAGRAPHS[0])
        self.assert_fails(run("index", self.store, source, "--model", "/no/such.gguf"), "such.gguf")
        self.assert_fails(run("index", self.store, source, "--model",
                              self.write("junk.gguf", b"GGUF" + os.urandom(500))), "junk.gguf")
        whole = pathlib.Path(MODEL).read_bytes()
        cut = self.write("cut.gguf", whole[: len(whole) * 2 // 3])
        self.assert_fails(run("index", self.store, source, "--model", cut), "cut.gguf")
        self.assertFalse(self.store.exists(), "a failed run leaves no store behind")

    def test_another_adapter_is_refused_with_the_field_named(self):
        adapter = next(p.parent for p in sorted((SOURCE / "models").glob("*/adapter.json"))
                       if "smollm2" in p.parent.name)
        run_json("index", self.store, self.write("facts.txt", PARAGRAPHS[0]))
        other = self.directory / "other-adapter"
        shutil.copytree(adapter, other)
        settings = json.loads((other / "adapter.json").read_text())
        settings["codes"]["activation_scale"] *= 1.25  # another meaning of every stored activation
        (other / "adapter.json").write_text(json.dumps(settings))
        self.assert_fails(run("search", self.store, QUESTION, "--adapter", other), "key_side_hash")
        self.assert_fails(run("index", self.store, self.write("b.txt", PARAGRAPHS[1]), "--adapter",
                              other), "key_side_hash")
        self.assert_fails(run("search", self.store, QUESTION, "--adapter", self.directory / "none"),
                          "none")
        weights = sorted(other.glob("*/sae_weights.safetensors"))[0]
        data = bytearray(weights.read_bytes())
        data[-2] ^= 1
        weights.write_bytes(data)
        self.assert_fails(run("search", self.store, QUESTION, "--adapter", other), str(weights))

    def test_config_file_and_environment(self):
        source = self.write("facts.txt", "\n\n".join(PARAGRAPHS))
        run_json("index", self.store, source)
        config = self.write("config.toml", f'model = "{MODEL}"\n[search]\nbudget = 60\nmethod = "bm25"\n')
        result = run_json("search", self.store, QUESTION, "--config", config)
        self.assertEqual((result["budget_tokens"], result["method"]), (60, "bm25"))
        result = run_json("search", self.store, QUESTION, "--config", config,
                          env={"S3ATTN_BUDGET": "70"})
        self.assertEqual(result["budget_tokens"], 70)
        result = run_json("search", self.store, QUESTION, "--config", config, "--budget", 80,
                          env={"S3ATTN_BUDGET": "70"})
        self.assertEqual(result["budget_tokens"], 80)
        bad = self.write("bad.toml", "no_such_option = 3\n")
        self.assertEqual(run("list", self.store, "--config", bad).returncode, 2)


if __name__ == "__main__":
    unittest.main()
