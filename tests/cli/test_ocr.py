"""Scanned pages and pictures, read by tesseract where it is installed."""

import os
import pathlib
import re
import shutil
import struct
import subprocess
import time
import unittest
import zlib

from support import PROGRAM, ProgramTest, environment, run, run_json

MISSING = [name for name in ("tesseract", "pdftoppm") if not shutil.which(name)]
PAGES = [
    ["The harvest of 1871", "The granary at Ostby held four hundred barrels of barley",
     "when the first snow fell. The miller was called Torvald Brenner."],
    ["The bridge", "A bridge of stone was built across the river in 1902.",
     "Its architect, Marta Lindqvist, came from the north."],
    ["The school", "Forty children went to the school in the year of its opening.",
     "Their teacher was Henrik Aasland, who played the organ."],
]


# So much that a page is a unit of its own.
FILLER = ["The days were long, and nobody in the village spoke of anything else.",
          "Carts came down from the hills every morning and went back at night.",
          "Old people said that such a summer had not been seen for thirty years.",
          "Bread was cheap in the market, and the ferry carried more than ever.",
          "In the evening the bells rang, and lamps were lit along the harbour.",
          "Letters of that time tell of it, and so do the books of the parish.",
          "What became of it later is told in another place and by other people."]


def text_page(lines):
    words = [f"BT /F1 15 Tf 60 {760 - 30 * i} Td ({line}) Tj ET"
             for i, line in enumerate(lines + FILLER)]
    return "\n".join(words).encode()


def pdf(pages):
    """A PDF of such pages: lines of text, or a grey picture (width, height, bytes)."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"",
               b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for page in pages:
        resources, stream = b"/Font << /F1 3 0 R >>", b""
        if isinstance(page, list):
            stream = text_page(page)
        else:
            width, height, data = page
            packed = zlib.compress(data)
            objects.append(b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace "
                           b"/DeviceGray /BitsPerComponent 8 /Filter /FlateDecode /Length %d >>\n"
                           b"stream\n%s\nendstream" % (width, height, len(packed), packed))
            resources = b"/XObject << /I %d 0 R >>" % len(objects)
            stream = b"q 595 0 0 842 0 0 cm /I Do Q"
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        objects.append(b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R "
                       b"/Resources << %s >> >>" % (len(objects), resources))
        kids.append(len(objects))
    objects[1] = (b"<< /Type /Pages /Count %d /Kids [%s] >>"
                  % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids)))
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return (out + b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
            + b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
            % (len(objects) + 1, len(out)))


def tiff(pictures):
    """Several grey pictures in one TIFF file."""
    out, chain = b"II*\0", 4
    out += b"\0\0\0\0"
    for width, height, data in pictures:
        place = len(out)
        out += data + b"\0" * (len(data) % 2)
        tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1),
                (273, 4, place), (277, 3, 1), (278, 4, height), (279, 4, len(data))]
        out = out[:chain] + struct.pack("<I", len(out)) + out[chain + 4:]
        out += struct.pack("<H", len(tags))
        for tag, kind, value in tags:
            out += struct.pack("<HHII", tag, kind, 1, value)
        chain = len(out)
        out += b"\0\0\0\0"
    return out


@unittest.skipIf(MISSING, f"not installed: {', '.join(MISSING)}")
class Ocr(ProgramTest):
    def setUp(self):
        super().setUp()
        cache = self.directory / "cache"
        cache.mkdir()
        for copy in pathlib.Path("~/.cache/s3attn").expanduser().glob("scan-*"):
            os.symlink(copy, cache / copy.name)
        self.env = {"S3ATTN_OCR": "auto", "S3ATTN_CACHE_DIR": str(cache)}

    def pictures(self, pages, *how):
        """The pages, drawn by pdftoppm: as PGM (width, height, bytes), or as files."""
        source = self.write("drawn.pdf", pdf(pages))
        subprocess.run(["pdftoppm", "-gray", "-r", "120", *how, source, self.directory / "drawn"],
                       check=True)
        files = sorted(self.directory.glob("drawn-*"))
        if how:
            return files
        found = []
        for file in files:
            head = re.match(rb"P5\s+(\d+)\s+(\d+)\s+255\s", file.read_bytes())
            found.append((int(head[1]), int(head[2]), file.read_bytes()[head.end():]))
        return found

    def index(self, *files, **keywords):
        return run_json("index", self.store, *files, env=self.env | keywords.get("env", {}))

    def best(self, question):
        return run_json("search", self.store, question, env=self.env)["spans"][0]

    def test_only_the_pages_without_text_are_read_and_citations_name_them(self):
        drawn = self.pictures(PAGES)
        scan = self.write("scan.pdf", pdf([PAGES[0], drawn[1], drawn[2]]))
        report = self.index(scan)
        notes = report["files"][0]["notes"]
        self.assertEqual([note["place"] for note in notes if "OCR" in note["message"]],
                         ["pages 2-3"])
        self.assertIn("2 of 3 pages read by OCR", notes[0]["message"])
        for question, name, page in (("Who was the miller?", "Torvald Brenner", 1),
                                     ("Who was the architect of the bridge?", "Lindqvist", 2),
                                     ("Who was the teacher?", "Aasland", 3)):
            span = self.best(question)
            self.assertIn(name, span["text"])
            self.assertEqual(span["page"], page)
        self.assertEqual(len(list((self.directory / "cache" / "ocr").iterdir())), 2)

    def test_pictures_of_each_format(self):
        for ending, how in (("png", "-png"), ("jpg", "-jpeg"), ("tif", "-tiff")):
            picture = self.pictures(PAGES[1:2], how)[0]
            done = self.index(picture)
            self.assertEqual(done["files"][0]["outcome"], "indexed", picture)
            span = self.best("Who was the architect of the bridge?")
            self.assertIn("Marta Lindqvist", span["text"])
            self.assertTrue(span["path"].endswith(ending))
            shutil.rmtree(self.store)
            for old in self.directory.glob("drawn*"):
                old.unlink()

    def test_every_page_of_a_tiff(self):
        self.index(self.write("fax.tiff", tiff(self.pictures(PAGES))))
        span = self.best("Who was the teacher?")
        self.assertIn("Aasland", span["text"])
        self.assertEqual(span["page"], 3)

    def test_off_and_what_to_install_are_said(self):
        scan = self.write("scan.pdf", pdf(self.pictures(PAGES[:1])))
        done = run("index", self.store, scan, env=self.env | {"S3ATTN_OCR": "off"})
        self.assert_fails(done, "run OCR")
        self.assertNotIn("apt-get", done.stderr)
        tools = self.directory / "bin"  # all that is used but tesseract
        tools.mkdir()
        for name in ("pdftotext", "pdfimages", "pdftoppm", "env"):
            os.symlink(shutil.which(name), tools / name)
        done = run("index", self.store, scan, env=self.env | {"PATH": str(tools)})
        self.assert_fails(done, "apt-get install tesseract-ocr")
        done = run("index", self.store, scan, "--ocr", "xyz", env=self.env)
        self.assert_fails(done, "'xyz'", "tesseract-ocr-xyz")
        self.assert_fails(run("index", self.store, scan, "--ocr", "a;b", env=self.env), code=2)

    def test_a_picture_without_text_and_one_that_is_too_large(self):
        white = (400, 300, b"\xff" * 120000)
        done = run("index", self.store, self.write("white.tif", tiff([white])), env=self.env)
        self.assert_fails(done, "white.tif", "no text")
        head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 60000, 60000) + bytes(50)
        done = run("index", self.store, self.write("bomb.png", head), env=self.env)
        self.assert_fails(done, "bomb.png", "pixels")

    def test_pictures_in_folders_are_read_when_languages_are_named(self):
        shutil.copy(self.pictures(PAGES[:1], "-png")[0], self.write("d/notes.md", "x").parent)
        self.assertEqual(self.index(self.directory / "d")["passed_over"], {".png": 1})
        self.index(self.directory / "d", env={"S3ATTN_OCR": "eng"})
        self.assertIn("Brenner", self.best("Who was the miller?")["text"])

    def test_doubt_is_said(self):
        width, height, data = self.pictures(PAGES[:1])[0]
        state, noisy = 1, bytearray(data)
        for i in range(len(noisy)):  # every fourth point or so is wrong
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
            if state >> 16 & 7 < 3:
                noisy[i] = state >> 20 & 255
        report = self.index(self.write("scan.pdf", pdf([PAGES[1], (width, height, bytes(noisy))])))
        messages = [note["message"] for note in report["files"][0]["notes"]]
        self.assertTrue(any("confidence" in text or "no text" in text for text in messages),
                        messages)

    def test_an_interrupted_run_goes_on_behind_the_pages_it_has_read(self):
        scan = self.write("scan.pdf", pdf(self.pictures(PAGES)))
        kept = self.directory / "cache" / "ocr"
        process = subprocess.Popen([PROGRAM, "index", str(self.store), str(scan)],
                                   env=environment(self.env), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE)
        while process.poll() is None and not list(kept.glob("*.page")):
            time.sleep(0.01)
        process.kill()
        process.communicate()
        before = {path: path.stat().st_mtime_ns for path in kept.glob("*.page")}
        self.index(scan)
        self.assertEqual(len(list(kept.glob("*.page"))), 3)
        for path, time_ns in before.items():
            self.assertEqual(path.stat().st_mtime_ns, time_ns)
        self.assertEqual(run_json("cache", "--clear", env=self.env)["ocr_pages"], 3)


if __name__ == "__main__":
    unittest.main()
