"""Stores that travel: export and import, shards and merge, through the program."""

import random
import unittest

from support import ProgramTest, book_path, run, run_json
from test_index_search import PARAGRAPHS, QUESTION


def listed(store):
    documents = run_json("list", store)["documents"]
    for document in documents:
        del document["indexed_at"]
    return documents


def found(store):
    results = []
    for question in (QUESTION, "Who studied arctic terns?", "railway iron ore"):
        for method in ("s3", "bm25", "hybrid"):
            result = run_json("search", store, question, "--method", method, "--budget", 300)
            del result["timings_ms"]
            results.append(result)
    return results


class ExportImport(ProgramTest):
    def setUp(self):
        super().setUp()
        run_json("index", self.store, self.write("facts.txt", "\n\n".join(PARAGRAPHS)),
                 self.write("more.txt", PARAGRAPHS[2] * 3))
        self.file = self.directory / "facts.s3x"
        self.copy = self.directory / "copy.s3"

    def test_round_trip(self):
        report = run_json("export", self.store, self.file)
        self.assertEqual(report["documents"], 2)
        self.assertEqual(report["bytes"], self.file.stat().st_size)
        report = run_json("import", self.file, self.copy)
        self.assertTrue(report["ok"])
        self.assertEqual(run_json("list", self.copy), run_json("list", self.store))
        self.assertEqual(found(self.copy), found(self.store))
        self.assertEqual(run("verify", self.copy).returncode, 0)

    def test_nothing_is_overwritten(self):
        run_json("export", self.store, self.file)
        self.assert_fails(run("export", self.store, self.file), "facts.s3x", "exists")
        self.assert_fails(run("import", self.file, self.store), "exists")
        self.assert_fails(run("import", self.directory / "none.s3x", self.copy), "none.s3x")
        self.assertFalse(self.copy.exists())

    def test_damage_is_named_and_leaves_nothing(self):
        run_json("export", self.store, self.file)
        whole = self.file.read_bytes()
        rng = random.Random(5)
        segment = whole.index(b"\x89S3SEG")
        damaged = self.directory / "damaged.s3x"
        for data in ([whole[:n] for n in (0, 1, 30, segment, len(whole) // 2, len(whole) - 1)]
                     + [rng.randbytes(5000), b"PK\x05\x06" + bytes(18)]):
            damaged.write_bytes(data)
            self.assert_fails(run("import", damaged, self.copy), "damaged.s3x")
            self.assertFalse(self.copy.exists())
        data = bytearray(whole)
        data[segment + 200] ^= 4
        damaged.write_bytes(data)
        self.assert_fails(run("import", damaged, self.copy), "damaged.s3x", "segment-0")
        self.assertEqual(sorted(p.name for p in self.directory.glob("copy*")), [])


class Shards(ProgramTest):
    def sources(self):
        rng = random.Random(3)
        files = []
        for i in range(7):
            text = "\n\n".join(rng.sample(PARAGRAPHS, 1 + i % 4)) + f"\n\nNumber {i}.\n"
            files.append(self.write(f"tree/{i}.txt", text))
        files.insert(3, self.write("empty.txt", " \n"))  # skipped by whoever meets it
        return files

    def test_merged_shards_equal_a_single_run(self):
        files = self.sources()
        single = self.directory / "single.s3"
        self.assertEqual(run("index", single, *files).returncode, 1)  # the empty one
        parts = []
        for shard in (3, 1, 2):
            parts.append(self.directory / f"part{shard}.s3")
            for _ in range(2 if shard == 2 else 1):  # written twice: harmless
                run("index", parts[-1], "--shard", f"{shard}/3", *files)
        report = run_json("merge", self.store, *parts, parts[0])
        self.assertEqual(report["added"], 7)
        self.assertEqual(listed(self.store), listed(single))
        self.assertEqual(found(self.store), found(single))
        self.assertEqual(run("verify", self.store).returncode, 0)
        again = run_json("merge", self.store, *parts)
        self.assertEqual((again["added"], again["unchanged"]), (0, 7))
        self.assertEqual(found(self.store), found(single))

    def test_what_cannot_be_merged(self):
        source = self.write("a.txt", PARAGRAPHS[0])
        run_json("index", self.store, source)
        other = self.directory / "other.s3"
        run_json("index", other, source, "--chunk", 64)
        out = self.directory / "out.s3"
        self.assert_fails(run("merge", out, self.store, other), "chunk_tokens", "other.s3")
        self.assertFalse(out.exists())
        self.assert_fails(run("merge", self.store, self.store), "itself")
        self.assert_fails(run("merge", out, self.directory / "none.s3"), "none.s3")
        for bad in ("3/2", "1", "a/b", "1/0", "-1/2"):
            self.assertEqual(run("index", out, "--shard", bad, source).returncode, 2, msg=bad)
        self.assertEqual(run("merge", out).returncode, 2)


class Documents(ProgramTest):
    def test_ids_are_stable(self):
        a, b = self.write("a.txt", PARAGRAPHS[0]), self.write("b.txt", PARAGRAPHS[1])
        run_json("index", self.store, a, b)
        ids = {d["path"]: d["doc_id"] for d in run_json("list", self.store)["documents"]}
        run_json("index", self.store, a, self.write("c.txt", PARAGRAPHS[2]))  # append
        now = {d["path"]: d["doc_id"] for d in run_json("list", self.store)["documents"]}
        self.assertEqual({path: now[path] for path in ids}, ids)
        self.write("a.txt", PARAGRAPHS[3])  # replace: a new number, the others keep theirs
        run_json("index", self.store, a)
        last = {d["path"]: d["doc_id"] for d in run_json("list", self.store)["documents"]}
        self.assertGreater(last[str(a)], max(now.values()))
        self.assertEqual(last[str(b)], ids[str(b)])
        run_json("remove", self.store, b)
        run_json("index", self.store, b)  # never a number again that was given out
        final = {d["path"]: d["doc_id"] for d in run_json("list", self.store)["documents"]}
        self.assertGreater(final[str(b)], last[str(a)])
        spans = run_json("search", self.store, "arctic terns")["spans"]
        self.assertEqual(spans[0]["doc_id"], final[str(a)])

    def test_little_memory(self):
        source = self.write("book.txt", book_path().read_bytes()[:20_000])
        run_json("index", self.store, source, "--memory", 40, "--commit-tokens", 256)
        run_json("index", self.directory / "b.s3", source, "--commit-tokens", 256)
        self.assertEqual(found(self.store), found(self.directory / "b.s3"))
        self.assert_fails(run("index", self.directory / "c.s3", source, "--memory", 16), "MiB",
                          "--memory")
        self.assertFalse((self.directory / "c.s3").exists())
        self.assertEqual(run("index", self.store, source, "--memory", 0).returncode, 2)


if __name__ == "__main__":
    unittest.main()
