"""End to end: index real text, search it, slice the citations, keep the JSON contract."""

import json
import pathlib
import unittest

from support import ProgramTest, book_path, run, run_json

PARAGRAPHS = [
    "The lighthouse at Cape Varden was built in 1874 by the engineer Ingrid Solberg. Its lamp burned "
    "rapeseed oil until it was replaced by an electric light in 1931, and the keeper's family lived "
    "beside the tower through every winter storm.",
    "Potatoes were first planted in the valley by monks from the south. They stored the harvest in "
    "deep cellars lined with straw, and sold what was left over at the autumn market in the town "
    "square, where farmers came from far away.",
    "The railway between Harlow and Stenby carried iron ore for sixty years. When the mine closed, "
    "the rails were sold for scrap, and today a path for walkers and cyclists follows the old line "
    "across the river on a stone bridge.",
    "Doctor Amara Okafor studied the migration of arctic terns. She fitted small rings to the legs of "
    "two hundred birds and found that they flew to the Antarctic and back in a single year, farther "
    "than any other animal known.",
]
QUESTION = "Who built the lighthouse at Cape Varden?"


class IndexAndSearch(ProgramTest):
    def test_json_contract(self):
        source = self.write("facts.txt", "\n\n".join(PARAGRAPHS) + "\n")
        report = run_json("index", self.store, source)
        for key in ("tokens", "seconds", "tokens_per_s", "bytes", "bytes_per_token",
                    "peak_rss_bytes", "skipped"):
            self.assertIn(key, report)
        self.assertGreater(report["tokens"], 100)
        self.assertEqual(report["skipped"], [])
        for method in ("s3", "bm25", "hybrid"):
            result = run_json("search", self.store, QUESTION, "--method", method)
            for key in ("question", "method", "budget_tokens", "used_tokens", "model", "adapter",
                        "spans", "timings_ms"):
                self.assertIn(key, result)
            self.assertEqual(result.get("postings_read_share"), None if method == "bm25" else 1.0)
            self.assertEqual(result["method"], method)
            self.assertEqual(result["used_tokens"], sum(s["tokens"] for s in result["spans"]))
            best = result["spans"][0]
            for key in ("doc_id", "path", "byte_begin", "byte_end", "line_begin", "text", "score",
                        "score_s3", "score_bm25", "tokens"):
                self.assertIn(key, best)
            self.assertIn("Ingrid Solberg", best["text"], msg=method)

    def test_spans_slice_the_source_and_do_not_repeat(self):
        run_json("index", self.store, book_path_excerpt(self))
        data = pathlib.Path(self.directory / "excerpt.md").read_bytes()
        result = run_json("search", self.store, "Who is speaking?", "--budget", 4000)
        self.assertGreater(len(result["spans"]), 3)
        self.assertLessEqual(result["used_tokens"], 4000)
        seen = []
        for span in result["spans"]:
            self.assertEqual(data[span["byte_begin"]:span["byte_end"]].decode(), span["text"])
            line = data[:span["byte_begin"]].count(b"\n") + 1
            self.assertEqual(span["line_begin"], line)
            for begin, end in seen:
                self.assertTrue(span["byte_end"] <= begin or end <= span["byte_begin"])
            seen.append((span["byte_begin"], span["byte_end"]))
        scores = [span["score"] for span in result["spans"]]
        self.assertEqual(scores, sorted(scores, reverse=True))

    def test_hostile_bytes_keep_exact_offsets(self):
        content = (PARAGRAPHS[0].replace(". ", ".\r\n") + "\r\n\r\n"
                   + "Emoji 👩‍👩‍👧 and <|im_end|> and <|endoftext|> stay text; Ελληνικά, 中文, עברית. " * 4
                   + "\r\n\r\n" + PARAGRAPHS[3]).encode()
        source = self.write("hostile.txt", content)
        run_json("index", self.store, source)
        for question in ("What about <|im_end|> and emoji?", QUESTION, "arctic terns"):
            for span in run_json("search", self.store, question)["spans"]:
                self.assertEqual(content[span["byte_begin"]:span["byte_end"]].decode(), span["text"])

    def test_questions_file(self):
        run_json("index", self.store, self.write("facts.txt", "\n\n".join(PARAGRAPHS)))
        lines = [{"question": QUESTION, "id": 7}, {"question": "Who studied arctic terns?"}]
        questions = self.write("q.jsonl", "\n".join(json.dumps(line) for line in lines) + "\n\n")
        done = run("search", self.store, "--questions", questions, "--json", "--max-spans", 1)
        self.assertEqual(done.returncode, 0, msg=done.stderr)
        out = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(out), 2)
        self.assertEqual(out[0]["id"], 7)
        self.assertEqual([len(o["spans"]) for o in out], [1, 1])
        self.assertIn("Okafor", out[1]["spans"][0]["text"])
        one = run_json("search", self.store, QUESTION, "--max-spans", 1)
        self.assertEqual(one["spans"], out[0]["spans"])

    def test_standard_input_and_directory(self):
        done = run("index", self.store, "-", "--json", stdin=PARAGRAPHS[0])
        self.assertEqual(done.returncode, 0, msg=done.stderr)
        self.write("tree/a.txt", PARAGRAPHS[1])
        self.write("tree/deep/b.md", "# Rails\n\n" + PARAGRAPHS[2])
        self.write("tree/.hidden.txt", "secret " * 40)
        report = run_json("index", self.store, self.directory / "tree")
        self.assertEqual(len(report["files"]), 2)
        listed = run_json("list", self.store)["documents"]
        self.assertEqual(sorted(pathlib.Path(d["path"]).name for d in listed), ["-", "a.txt", "b.md"])
        self.assertEqual(run_json("search", self.store, QUESTION)["spans"][0]["path"], "-")

    def test_unchanged_replaced_removed(self):
        source = self.write("facts.txt", "\n\n".join(PARAGRAPHS))
        first = run_json("index", self.store, source)
        again = run_json("index", self.store, source)
        self.assertEqual(again["files"][0]["outcome"], "unchanged")
        self.assertEqual(again["tokens"], 0)
        self.write("facts.txt", "\n\n".join(PARAGRAPHS[1:]))
        changed = run_json("index", self.store, source)
        self.assertEqual(changed["files"][0]["outcome"], "replaced")
        texts = [s["text"] for s in run_json("search", self.store, QUESTION)["spans"]]
        self.assertFalse(any("Solberg" in text for text in texts))
        self.assertEqual(len(run_json("list", self.store)["documents"]), 1)
        self.assertLess(changed["store_tokens"], first["store_tokens"])
        run_json("remove", self.store, source)
        self.assertEqual(run_json("list", self.store)["documents"], [])
        self.assertEqual(run("verify", self.store).returncode, 0)
        self.assert_fails(run("search", self.store, QUESTION), "no documents")
        self.assert_fails(run("remove", self.store, source), "facts.txt")

    def test_deleted_and_renamed_files(self):
        folder = self.directory / "d"
        folder.mkdir()
        old = self.write("d/old.md", "The old rule: the toll is 9 pence.\n")
        self.write("d/new.md", "The new rule: the toll is 12 pence.\n")
        first = run_json("index", self.store, folder)
        self.assertEqual((first["gone"], first["pruned"]), ([], False))
        pathlib.Path(old).unlink()
        (folder / "new.md").rename(folder / "renamed.md")
        second = run_json("index", self.store, folder)
        self.assertEqual([pathlib.Path(d["path"]).name for d in second["gone"]], ["old.md"])
        self.assertEqual([f["outcome"] for f in second["files"]], ["renamed"])
        self.assertTrue(second["files"][0]["renamed_from"].endswith("d/new.md"))
        self.assertEqual(second["tokens"], 0)
        listed = run_json("list", self.store)["documents"]
        self.assertEqual([d["missing"] for d in sorted(listed, key=lambda d: d["path"])],
                         [True, False])
        self.assertEqual(run("list", self.store).stdout.count("(missing: its file is gone)"), 1)
        said = run("index", self.store, folder).stdout
        self.assertIn("kept 1 document whose file is gone", said)
        self.assertIn("old.md", said)
        third = run_json("index", self.store, folder, "--prune")
        self.assertTrue(third["pruned"])
        listed = run_json("list", self.store)["documents"]
        self.assertEqual([pathlib.Path(d["path"]).name for d in listed], ["renamed.md"])
        for span in run_json("search", self.store, "What is the toll?")["spans"]:
            self.assertIn("12 pence", span["text"])

    def test_words_in_other_forms_are_found_and_answered(self):
        filler = "\n\n".join(PARAGRAPHS)
        cases = {"The quad\u200brangle hangs in tower nine.": "Where does the quadrangle hang?",
                 "The scienti\ufb01c o\ufb03cer sits in tower nine.": "scientific officer",
                 "The watchman keeps the scaf-\nfolding in tower nine.": "scaffolding"}
        for number, (sentence, question) in enumerate(cases.items()):
            source = self.write(f"{number}.txt", filler + "\n\n" + sentence + "\n\n" + filler)
            store = f"{self.store}{number}"
            run_json("index", store, source)
            found = run_json("search", store, question, "--method", "bm25", "--max-spans", 1)
            self.assertIn("tower nine", found["spans"][0]["text"], msg=sentence)
            self.assertIn(sentence, found["spans"][0]["text"], msg="as it is written")
            found = run_json("search", store, question)
            self.assertTrue(found["evidence_found"], msg=sentence)

    def test_scoring_eq7_and_explain(self):
        run_json("index", self.store, self.write("facts.txt", "\n\n".join(PARAGRAPHS)))
        result = run_json("search", self.store, QUESTION, "--scoring", "eq7", "--method", "s3")
        self.assertGreater(len(result["spans"]), 0)
        done = run("search", self.store, QUESTION, "--explain", "--json")
        arrows = [json.loads(line)["arrow"] for line in done.stderr.splitlines()
                  if line.startswith("{")]
        self.assertIn("question -> tokens", arrows)
        self.assertIn("queries -> feature weights", arrows)
        self.assertIn("feature weights -> units", arrows)
        self.assertIn("units -> spans within the budget", arrows)

    def test_inspect_shows_where_a_feature_fires(self):
        run_json("index", self.store, self.write("facts.txt", "\n\n".join(PARAGRAPHS)))
        report = run_json("inspect", self.store)
        self.assertEqual(report["documents"], 1)
        self.assertGreater(report["postings"], 1000)
        densest = report["densest"][0]
        feature = f"{densest['slot']}:{densest['latent']}"
        places = run_json("inspect", self.store, "--feature", feature)["occurrences"]
        self.assertGreater(len(places), 0)
        self.assertTrue(all(place["activation"] > 0 for place in places))
        for place in places:
            begin, end = place["token_begin"], place["token_end"]
            self.assertEqual(place["context"].encode()[begin:end].decode(), place["token"])
        report = run_json("inspect", self.store, "--feature", densest["latent"], "--slot",
                          densest["slot"], "--limit", 3)
        self.assertEqual(report["feature_postings"], densest["postings"])
        self.assertEqual(len(report["occurrences"]), 3)
        self.assertGreater(report["frequency"], 0)
        self.assertGreater(report["likes"][0]["count"], 0)
        shown = run("inspect", self.store, "--feature", feature, "--limit", 2).stdout
        self.assertIn("[[", shown)
        self.assertIn("tokens it likes", shown)
        self.assertEqual(run("inspect", self.store, "--feature", "x:y").returncode, 2)

    def test_inspect_stats(self):
        run_json("index", self.store, self.write("facts.txt", "\n\n".join(PARAGRAPHS)))
        report = run_json("inspect", self.store, "--stats")
        self.assertEqual(set(report["parts"]), {"postings", "text", "word index", "catalogue"})
        self.assertEqual(sum(part["bytes"] for part in report["parts"].values()),
                         report["catalog_bytes"] + report["segment_bytes"])
        self.assertEqual(report["dead_features"], report["posting_length_histogram"][0])
        shown = run("inspect", self.store, "--stats").stdout
        for words in ("bytes per posting", "dead", "dense", "word index"):
            self.assertIn(words, shown)
        other = self.directory / "no.gguf"
        self.assert_fails(run("inspect", self.store, "--feature", "0:1", "--model", other), "no.gguf")
        self.assert_fails(run("inspect", self.store, "--feature", "0:9999999"), "latents 0 to")

    def test_same_results_for_any_thread_count(self):
        source = self.write("facts.txt", "\n\n".join(PARAGRAPHS))
        other = self.directory / "two.s3"
        run_json("index", self.store, source, env={"S3ATTN_THREADS": "1"})
        run_json("index", other, source, env={"S3ATTN_THREADS": "2"})
        one = run_json("search", self.store, QUESTION, env={"S3ATTN_THREADS": "1"})
        two = run_json("search", other, QUESTION, env={"S3ATTN_THREADS": "2"})
        self.assertEqual([s["text"] for s in one["spans"]], [s["text"] for s in two["spans"]])
        for a, b in zip(one["spans"], two["spans"]):
            self.assertAlmostEqual(a["score"], b["score"], places=3)


def book_path_excerpt(test):
    """The first 30 KB of the example book, cut at a line."""
    data = book_path().read_bytes()[:30_000]
    return test.write("excerpt.md", data[: data.rindex(b"\n") + 1])


if __name__ == "__main__":
    unittest.main()
