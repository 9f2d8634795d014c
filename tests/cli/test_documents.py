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


class Contents(ProgramTest):
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
