#!/usr/bin/env python3
"""Measures the index at scale: `make bench-index`.

Codes of real text are recorded once with the real scan (some minutes, kept in the cache), then
replayed, each time from another place on, until a store has 100 thousand, a million and ten million
tokens. So this measures the index and not the language model. Prints what it measured, then one
line `name value unit` each. Needs 4 GB of temporary disk, which it gives back.
"""
import hashlib
import importlib
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import run as bench_run

ROOT = pathlib.Path(__file__).resolve().parent.parent
BYTES_PER_FILE = 1 << 16  # of each text: a mixture, about 200 thousand tokens of 14 files
SIZES = (("100k", 100_000), ("1m", 1_000_000), ("10m", 10_000_000))


def fail(message):
    sys.exit(f"bench: {message}")


class Bench:
    def __init__(self, options, scratch):
        self.options, self.scratch = options, pathlib.Path(scratch)
        self.results = {}
        self.environment = dict(os.environ, OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="2000")

    def tool(self, name, *arguments, prefix=""):
        """Runs a program of the build; its `name value unit` lines become results."""
        command = [str(ROOT / self.options.build / name)] + [str(a) for a in arguments]
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=self.environment)
        if run.returncode != 0:
            fail(f"{' '.join(command)}: exit code {run.returncode}")
        for line in run.stdout.splitlines():
            words = line.split()
            if len(words) == 3:
                self.result(prefix + words[0], float(words[1]), words[2])
            else:
                print(line)
        sys.stdout.flush()

    def result(self, name, value, unit):
        self.results[name] = (value, unit)
        print(f"  {name} {value:.6g} {unit}")

    def value(self, name):
        return self.results[name][0]

    def texts(self):
        folder = self.options.data
        found = [p for part in ("books", "corpus") for p in sorted((folder / part).glob("*"))
                 if p.suffix in (".txt", ".md")]
        if not found:
            print(f"bench: no texts under {folder} (--data names it): using examples/")
            found = [p for p in sorted((ROOT / "examples").glob("*.md")) if p.name != "README.md"]
        return found

    def questions(self):
        source = self.options.data / "musique/dev_100.jsonl"
        return source if source.is_file() else ROOT / "examples/questions.jsonl"

    def recording(self):
        """The recording's folder; made first if it is not there."""
        texts, questions = self.texts(), self.questions()
        key = hashlib.sha256()
        adapters = sorted((ROOT / "models").glob("*/*.json"))
        for path in texts + [questions, pathlib.Path(self.options.model)] + adapters:
            key.update(f"{path.name} {path.stat().st_size}\n".encode())
        key.update(f"{BYTES_PER_FILE} 1".encode())
        home = self.options.cache / "bench-index"
        folder = home / key.hexdigest()[:16]
        if folder.is_dir():
            print(f"recording: {folder}")
            return folder
        home.mkdir(parents=True, exist_ok=True)
        making = pathlib.Path(tempfile.mkdtemp(prefix="work.", dir=home))
        try:
            cuts = []
            (making / "texts").mkdir()
            for path in texts:
                size = BYTES_PER_FILE if len(texts) > 1 else 10 * BYTES_PER_FILE
                cut = path.read_bytes()[:size].rpartition(b"\n")[0]
                cuts.append(making / "texts" / path.name)
                cuts[-1].write_bytes(cut)
            print(f"recording codes of {len(cuts)} texts into {folder}: some minutes, once")
            sys.stdout.flush()
            self.tool("index_record", self.options.model, ROOT / "models", self.options.cache,
                      making, questions, *cuts)
            shutil.rmtree(making / "texts")
            making.rename(folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)
        return folder

    def size(self, label, tokens, recording):
        print(f"{label}:")
        store, prefix = self.scratch / f"{label}.s3", f"{label}_"
        self.tool("index_bench", "build", store, recording, tokens, prefix=prefix)
        self.tool("index_bench", "open", store, prefix=prefix)
        for features in (self.options.features, 32):
            more = "" if features == self.options.features else f"features{features}_"
            self.tool("index_bench", "search", store, recording, self.options.threads, features,
                      self.options.rounds, prefix=prefix + more)
        self.tool("index_bench", "words", store, recording, prefix=prefix)
        self.tool("dense_scan", min(tokens, 10_000_000), self.options.threads, 3, prefix=prefix)
        shutil.rmtree(store)

    def bm25s(self, recording):
        """bm25s (PyPI) on the text of the largest store."""
        target = self.options.cache / "bench-index" / "python"
        sys.path.insert(0, str(target))
        try:
            import bm25s
        except ImportError:
            subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--target",
                            str(target), "bm25s"], stderr=subprocess.DEVNULL)
            importlib.invalidate_caches()  # the folder is new
            try:
                import bm25s
            except ImportError:
                print("bm25s cannot be installed here: left out")
                return
        units = (recording / "units.txt").read_text(encoding="utf-8").split("\n")[:-1]
        questions = (recording / "questions.txt").read_text(encoding="utf-8").splitlines()
        label, tokens = self.options.sizes[-1]
        wanted = int(self.value(f"{label}_index_units"))
        texts = [units[i % len(units)] for i in range(wanted)]
        model = bm25s.BM25(k1=1.2, b=0.75)
        model.index(bm25s.tokenize(texts, show_progress=False), show_progress=False)
        times = []
        for question in questions:
            begin = time.perf_counter()
            words = bm25s.tokenize([question], show_progress=False)
            model.retrieve(words, k=min(300, wanted), show_progress=False)
            times.append(1000 * (time.perf_counter() - begin))
        self.result(f"{label}_bm25s_median", statistics.median(times), "ms")

    def ratios(self):
        for label, _ in self.options.sizes:
            own = self.value(f"{label}_retrieval_median")
            for other in ("exhaustive", "dense_4bit", "fts5", "bm25s"):
                if f"{label}_{other}_median" in self.results:
                    self.result(f"{label}_{other}_to_retrieval",
                                self.value(f"{label}_{other}_median") / own, "x")
        labels = [label for label, _ in self.options.sizes]
        for small, large in zip(labels, labels[1:]):
            self.result(f"growth_{small}_{large}", self.value(f"{large}_retrieval_median") /
                        self.value(f"{small}_retrieval_median"), "x")


def parse():
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    parser = bench_run.common_arguments(__doc__.split("\n")[0])
    parser.add_argument("--cache", type=pathlib.Path, default=cache / "s3attn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--features", type=int, default=128, help="a question token's, per head")
    parser.add_argument("--rounds", type=int, default=2, help="of all questions")
    parser.add_argument("--largest", type=int, default=SIZES[-1][1], help="tokens")
    options = parser.parse_args()
    options.data = pathlib.Path(options.data)
    options.sizes = [size for size in SIZES if size[1] <= options.largest] or [SIZES[0]]
    return options


def main():
    options = parse()
    if not (ROOT / options.build / "index_bench").is_file():
        fail(f"{options.build}/index_bench is not there; run make first")
    print(f"machine: {bench_run.machine()}, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="s3attn-bench-") as scratch:
        bench = Bench(options, scratch)
        recording = bench.recording()
        print("codecs:")
        bench.tool("codec_bench", recording)
        for label, tokens in options.sizes:
            bench.size(label, tokens, recording)
        bench.bm25s(recording)
        bench.ratios()
    print()
    for name, (value, unit) in bench.results.items():
        print(f"{name} {value:.6g} {unit}")


if __name__ == "__main__":
    main()
