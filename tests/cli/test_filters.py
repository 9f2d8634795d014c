"""Headings, dates and properties: kept with what is indexed, shown with what is found, and what
searches are narrowed by."""

import os
import unittest

from support import ProgramTest, run, run_json

LIGHT = """---
title: Coast book
author: Ada Solberg
date: 2020-05-06
tags: [sea, light]
---

# Lighthouses

## Varn

The lighthouse on Varn was built in 1871 by a crew of thirty men who lived in tents on the rock for
two summers. Its lamp burned whale oil until the winter of 1903, when a new burner was brought over
the ice from the mainland.
"""
MILL = """<html><head><title>Mills</title><meta name="author" content="Bo Lund">
<meta name="date" content="2022-01-31"></head><body><h1>Ost</h1>
<p>The mill at Ost grinds rye and barley for three villages. A flood took its wheel in the spring of
1926, and the lamp of the miller was found a mile downstream among the reeds of the far bank.</p>
</body></html>
"""
TABLE = "City,Year,Paid\n" + "".join(f"Town {i},2019,{1000 + i}\n" for i in range(40))
SUBTITLES = """1
00:01:05,000 --> 00:01:09,500
The lamp of the harbour was lit by hand every evening.
"""
QUESTION = "Which lamp burned whale oil?"


class Filters(ProgramTest):
    def setUp(self):
        super().setUp()
        self.light = self.write("notes/light.md", LIGHT)
        self.mill = self.write("notes/old/mill.html", MILL)
        self.table = self.write("paid.csv", TABLE)
        self.film = self.write("film.srt", SUBTITLES)
        for path in (self.table, self.film):
            os.utime(path, (1_500_000_000, 1_500_000_000))  # 2017-07-14
        run_json("index", self.store, self.directory / "notes", self.table, self.film)

    def found(self, *options, question=QUESTION):
        result = run_json("search", self.store, question, "--method", "bm25", *options)
        return {span["path"].rsplit("/", 1)[-1] for span in result["spans"]}

    def test_every_part_of_a_filter(self):
        lamps = {"light.md", "mill.html", "film.srt"}
        self.assertEqual(self.found(), lamps)
        for options, expected in (
                (["--in", "*.md"], {"light.md"}),
                (["--in", "notes"], {"light.md", "mill.html"}),
                (["--in", "notes/*", "--in", "*.srt"], {"light.md", "film.srt"}),
                (["--type", "html,srt"], {"mill.html", "film.srt"}),
                (["--after", "2020"], {"light.md", "mill.html"}),
                (["--before", "2020-05-06"], {"film.srt"}),
                (["--after", "2020-05-06", "--before", "2021"], {"light.md"}),
                (["--where", "author=ada solberg"], {"light.md"}),
                (["--where", "tags=sea", "--where", "author=Ada*"], {"light.md"}),
                (["--where", "author=bo lund"], {"mill.html"})):
            self.assertEqual(self.found(*options), expected, msg=options)

    def test_scores_are_those_of_a_store_of_what_passes(self):
        alone = self.directory / "alone.s3"
        run_json("index", alone, self.light, self.film)
        for method in ("s3", "bm25", "hybrid"):
            filtered = run_json("search", self.store, QUESTION, "--method", method,
                                "--in", "*.md", "--in", "*.srt")
            expected = run_json("search", alone, QUESTION, "--method", method)
            for one, other in zip(filtered["spans"], expected["spans"], strict=True):
                self.assertEqual(one["text"], other["text"])
                self.assertAlmostEqual(one["score"], other["score"], places=12)
                self.assertAlmostEqual(one["score_bm25"], other["score_bm25"], places=12)
            self.assertEqual(filtered["documents_searched"], 2)
            self.assertEqual(filtered["documents_in_store"], 4)

    def test_nothing_left_and_nothing_meant(self):
        search = ("search", self.store, QUESTION)
        self.assert_fails(run(*search, "--type", "pdf"), "none of the 4 documents", "markdown")
        self.assert_fails(run("ask", self.store, QUESTION, "--in", "*.txt"), "no path matches")
        self.assert_fails(run(*search, "--where", "status=final"), "'status'", "author")
        self.assert_fails(run(*search, "--after", "2030"), "2017-07-14", "2022-01-31")
        for option, value, word in (("--in", "notes/[a", "'['"), ("--type", "spreadsheet", "xlsx"),
                                    ("--after", "soon", "2021-05-03"), ("--before", "1.1", "date"),
                                    ("--where", "author", "key=value")):
            done = run(*search, option, value)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(word, done.stderr, msg=option)

    def test_headings_columns_and_times_are_shown(self):
        light = run_json("search", self.store, QUESTION, "--in", "*.md")["spans"][0]
        self.assertEqual(light["heading"], "Coast book > Lighthouses > Varn")
        text = run("search", self.store, QUESTION).stdout
        self.assertIn("in Coast book > Lighthouses > Varn", text)
        self.assertIn("at 0:01:05-0:01:09", text)
        row = run_json("search", self.store, "What did Town 31 pay?", "--type", "csv")["spans"][0]
        self.assertEqual(row["columns"], "City | Year | Paid")
        film = run_json("search", self.store, "harbour lamp", "--type", "srt")["spans"][0]
        self.assertEqual((film["time_begin_ms"], film["time_end_ms"]), (65000, 69500))
        answer = run_json("ask", self.store, QUESTION, "--in", "*.md")
        for citation in answer["citations"]:
            self.assertEqual(citation["heading"], "Coast book > Lighthouses > Varn")
        # Words of a heading alone are found.
        self.assertEqual(self.found(question="lighthouses of Coast book"), {"light.md"})

    def test_documents_say_what_they_are(self):
        listed = {document["path"].rsplit("/", 1)[-1]: document
                  for document in run_json("list", self.store)["documents"]}
        light, mill, film = (listed[name] for name in ("light.md", "mill.html", "film.srt"))
        self.assertEqual((light["title"], light["date"], light["date_of"]),
                         ("Coast book", "2020-05-06", "document"))
        self.assertEqual(light["properties"]["tags"], "sea, light")
        self.assertEqual((mill["title"], mill["date"]), ("Mills", "2022-01-31"))
        self.assertEqual(mill["properties"]["author"], "Bo Lund")
        self.assertEqual((film["date"], film["date_of"]), ("2017-07-14T02:40:00", "file"))


if __name__ == "__main__":
    unittest.main()
