"""What of a folder or a document is not in the store is named, counted and in the exit code."""

import base64
import io
import json
import os
import pathlib
import random
import unittest
import zipfile

from support import ProgramTest, run, run_json


def zip_of(entry):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(entry, "<x/>")
    return data.getvalue()


class Folders(ProgramTest):
    def test_nothing_of_a_folder_vanishes(self):
        folder = self.directory / "d"
        self.write("d/good.txt", "The mill was built in 1804.")
        self.write("d/half.docx", zip_of("word/document.xml")[:60])
        self.write("d/old.ps", "%!PS-Adobe-3.0 The sheriff is Nils Aster.")
        for name in ("a.xlsb", "b.xlsb"):
            self.write("d/" + name, zip_of("xl/workbook.bin"))
        self.write("d/letter.odg", zip_of("content.xml"))
        self.write("d/picture.png", b"\x89PNG\r\n\x1a\n" + bytes(50))
        self.write("d/syslog.log", bytes(3000) + b"2024-05-01 the keeper is Greta Stone\n" * 40)
        self.write("outside/a.md", "The ferryman is Hugo Brandt.")
        os.symlink(self.directory / "outside", folder / "linked_vault")
        done = run("index", self.store, folder, "--json")
        self.assertEqual(done.returncode, 1, msg=done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual({pathlib.Path(f["path"]).name for f in report["files"]},
                         {"good.txt", "syslog.log", "a.md"})
        self.assertEqual({pathlib.Path(f["path"]).name for f in report["skipped"]},
                         {"half.docx", "old.ps", "a.xlsb", "b.xlsb", "letter.odg"})
        self.assertTrue(all(f["reason"] for f in report["skipped"]))
        notes = [n for n in report["notes"] if n["kind"] == "unread"]
        self.assertEqual([n["count"] for n in notes], [4])
        self.assertIn("2 .xlsb", notes[0]["message"])
        self.assertEqual(report["passed_over"][".png"], 1)
        self.assertIn("2 .xlsb", done.stderr)
        self.assertIn("half.docx", done.stderr)

    def test_a_folder_with_pictures_alone_beside_its_text_is_fine(self):
        self.write("d/good.txt", "The mill was built in 1804.")
        self.write("d/picture.png", b"\x89PNG\r\n\x1a\n" + bytes(50))
        done = run("index", self.store, self.directory / "d")
        self.assertEqual(done.returncode, 0, msg=done.stderr)
        self.assertNotIn("png", done.stderr)


    def test_a_store_in_the_folder_is_none_of_its_documents(self):
        self.write("d/good.txt", "The mill was built in 1804.")
        store = self.directory / "d" / "notes.s3"
        for _ in range(2):
            report = run_json("index", store, self.directory / "d")
            self.assertEqual([pathlib.Path(f["path"]).name for f in report["files"]], ["good.txt"])
        self.assertEqual(report["passed_over"], {"stores of s3attn": 1})

    def test_shards_of_one_folder_by_any_of_its_names(self):
        """Each shard on a machine that spells the path its own way; what a shard does not have
        is not what is gone."""
        for i in range(1, 7):
            self.write(f"d/f{i}.txt", f"The toll of gate {i} is {i * 3} pence.")
        os.symlink(self.directory / "d", self.directory / "link")
        os.symlink("f1.txt", self.directory / "d" / "z1.txt")
        names = [self.directory / "d", str(self.directory) + "/./d/", self.directory / "link"]
        shards = []
        for shard, name in enumerate(names, 1):
            shards.append(self.directory / f"{shard}.s3")
            report = run_json("index", shards[-1], name, "--shard", f"{shard}/3")
            self.assertEqual(len(report["files"]), 2)
        run_json("merge", self.store, *shards)

        def listed():
            documents = run_json("list", self.store)["documents"]
            return [pathlib.Path(document["path"]).name for document in documents]
        everything = [f"f{i}.txt" for i in range(1, 7)]
        self.assertEqual(listed(), everything)
        report = run_json("index", self.store, self.directory / "d")
        self.assertEqual({f["outcome"] for f in report["files"]}, {"unchanged"})
        run_json("index", self.store, names[2], "--shard", "2/3", "--prune")
        self.assertEqual(listed(), everything)

    def test_the_list_is_aligned(self):
        self.write("a.srt", "1\n00:00:01,000 --> 00:00:02,000\nHello there.\n")
        self.write("b.txt", "The mill was built in 1804.")
        run_json("index", self.store, self.directory / "a.srt", self.directory / "b.txt")
        lines = run("list", self.store).stdout.splitlines()
        self.assertEqual(len({line.index(str(self.directory)) for line in lines}), 1, lines)


class Contents(ProgramTest):
    def test_what_is_not_read_is_named_on_every_run(self):
        random.seed(5)
        self.write("d/uri.md", "# Report\n\n" +
                   base64.b64encode(random.randbytes(3000)).decode() + "\n\nThe end.\n")
        self.write("d/hole.log", b"first line\n" + bytes(4096) + b"last line\n")
        self.write("d/win.txt", b"It wasn\x92t the quartermaster\x92s caf\xe9.\n")

        def notes():
            report = run_json("index", self.store, self.directory / "d")
            return {f["outcome"] for f in report["files"]}, [
                (pathlib.Path(f["path"]).name, f["notes"]) for f in report["files"]]
        first, again = notes(), notes()
        self.assertEqual((first[0], again[0]), ({"indexed"}, {"unchanged"}))
        self.assertEqual(first[1], again[1])
        self.assertTrue(all(n for _, n in again[1]), again[1])

    def test_mail_is_decoded(self):
        body = "The quay rent was raised by Petra Holm to 75 marks, and the café keeps the ledger.\n"
        mail = self.write("a.eml", "From: a@example.com\nSubject: Quay\nMIME-Version: 1.0\n"
                          "Content-Type: text/plain; charset=utf-8\n"
                          "Content-Transfer-Encoding: base64\n\n" +
                          base64.encodebytes(body.encode()).decode())
        run_json("index", self.store, mail)
        spans = run_json("search", self.store, "Who raised the quay rent?")["spans"]
        self.assertIn("café keeps", spans[0]["text"])

    def test_a_picture_in_a_text_costs_nothing(self):
        random.seed(4)
        picture = base64.b64encode(random.randbytes(20000)).decode()
        text = "# Report\n\nThe survey was led by Petra Holm.\n\n![figure](%s)\n\nThe lake is deep.\n"
        plain = run_json("index", self.store, self.write("plain.md", text % "figure.png"))
        other = self.directory / "other.s3"
        source = self.write("uri.md", text % ("data:image/png;base64," + picture))
        report = run_json("index", other, source)
        self.assertLessEqual(report["tokens"], plain["tokens"] + 10)
        notes = report["files"][0]["notes"]
        self.assertEqual([(n["kind"], n["count"], n["place"]) for n in notes],
                         [("left out", 1, "from line 5")])
        span = run_json("search", other, "How deep is the lake?")["spans"][0]
        raw = source.read_bytes()[span["byte_begin"]:span["byte_end"]]
        self.assertEqual(raw.decode(), span["text"])
        text = run("list", other, "--text", "1").stdout
        self.assertIn(picture, text)


if __name__ == "__main__":
    unittest.main()
