#!/usr/bin/env python3
"""Measures the numbers of docs/measurements.md on this machine: `make bench`.

Prints how each came about, and ends with one line `name value unit` for each. Python's standard
library only. Takes about half an hour on 2 cores.

usage: bench/run.py [--build DIR] [--model GGUF] [--data DIR] [--rounds N] [--only NAME,...]
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

import haystack

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOOK = ROOT / "examples/the_phantom_of_the_opera.md"
BYTES_SCAN = 66_000  # about 15K tokens: a full prefill of 50K takes minutes a round
BYTES_50K, BYTES_1M = 220_000, 4_400_000  # about 4.4 bytes per token of English
PARTS = ("scan", "memory", "search", "musique")


def fail(message):
    sys.exit(f"error: {message}")


class Bench:
    def __init__(self, options, scratch):
        self.options = options
        self.scratch = pathlib.Path(scratch)
        self.program = ROOT / options.build / "s3attn"
        self.environment = dict(os.environ, OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="2000")
        self.results = []

    def run(self, *command):
        run = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True,
                             env=self.environment)
        if run.returncode != 0:
            fail(f"{' '.join(str(part) for part in command)}: exit code {run.returncode}")
        return run.stdout

    def s3attn(self, *arguments):
        return self.run(self.program, "--quiet", "--model", self.options.model, *arguments)

    def index(self, name, *files):
        store = self.scratch / name
        report = json.loads(self.s3attn("index", "--json", store, *files))
        return store, report

    def result(self, name, value, unit, digits):
        self.results.append(f"{name} {value:.{digits}f} {unit}")

    def scan(self):
        """index (codes and store included) against two yardsticks, alternating, medians."""
        cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
        rates = json.loads(self.run(ROOT / self.options.build / "scan_bench", self.options.model,
                                    ROOT / "models", self.sample("scan.txt", BYTES_SCAN),
                                    cache / "s3attn", self.options.rounds))
        print(f"scan: {rates['index_tokens_per_s']:.0f} tokens/s with codes and store;"
              f" plain scan to layer {rates['stop_layer']}: {rates['plain_tokens_per_s']:.0f};"
              f" full prefill of the file as shipped: {rates['full_prefill_tokens_per_s']:.0f}"
              f" (medians of {rates['rounds']} rounds, {rates['tokens']} tokens each)")
        index = rates["index_tokens_per_s"]
        self.result("scan_rate_vs_plain", 100 * index / rates["plain_tokens_per_s"], "%", 1)
        self.result("scan_rate_vs_full_prefill", index / rates["full_prefill_tokens_per_s"], "x", 2)

    def memory(self):
        """Peak resident memory of `index`: a long text against a short one."""
        peaks = {}
        for label, size in (("50k", BYTES_50K), ("1m", BYTES_1M)):
            _, report = self.index(f"{label}.s3", self.sample(f"{label}.txt", size))
            peaks[label] = report["peak_rss_bytes"]
            print(f"memory: {report['tokens']} tokens in {report['seconds']:.0f} s"
                  f" ({report['tokens_per_s']:.0f} tokens/s), peak {peaks[label] / 2**20:.0f} MiB,"
                  f" {report['bytes_per_token']:.1f} bytes per token")
        self.result("index_rss_1m_vs_50k", 100 * peaks["1m"] / peaks["50k"], "%", 1)

    def search(self):
        """A warm store of one book: the median search, without the question's forward pass."""
        store, report = self.index("book.s3", BOOK)
        questions = ROOT / "examples/questions.jsonl"
        times = []
        for _ in range(self.options.rounds):
            lines = self.s3attn("search", store, "--questions", questions, "--json").splitlines()
            for line in lines[1:]:  # the first question warms the process
                timings = json.loads(line)["timings_ms"]
                forward = timings.get("question", 0.0)
                times.append(timings["total"] - forward)
        print(f"search: {report['tokens']} tokens, {len(times)} searches, median"
              f" {statistics.median(times):.1f} ms, slowest {max(times):.1f} ms")
        self.result("search_ms_100k", statistics.median(times), "ms", 1)

    def musique(self):
        """Recall of gold paragraphs among the first ten in a pooled haystack."""
        source = self.options.data / "musique/dev_100.jsonl"
        if not source.is_file():
            fail(f"{source} is not there; --data names the folder that holds musique/")
        pool = haystack.Haystack(source)
        text, questions = self.scratch / "musique.txt", self.scratch / "musique.jsonl"
        text.write_bytes(pool.text)
        questions.write_text(pool.questions_jsonl(), encoding="utf-8")
        store, report = self.index("musique.s3", text)
        print(f"musique/dev_100: {len(pool.paragraphs)} paragraphs, {report['tokens']} tokens,"
              f" n={len(pool.gold)}")
        for method in ("s3", "bm25", "hybrid"):
            output = self.s3attn("search", store, "--questions", questions, "--json", "--method",
                                 method, "--max-spans", 10, "--budget", 100_000)
            recalls = pool.recalls([json.loads(line) for line in output.splitlines()])
            low, high = haystack.bootstrap_interval(recalls)
            mean = statistics.fmean(recalls)
            print(f"  {method}: R@10 {mean:.3f} (95 % {low:.3f} to {high:.3f}, n={len(recalls)})")
            self.result(f"musique_dev_r10_{method}", mean, "R@10", 3)

    def sample(self, name, size):
        """The first `size` bytes of real text, cut at a line's end."""
        path = self.scratch / name
        with path.open("wb") as out:
            for source in self.texts():
                block = source.read_bytes()[:size - out.tell()]
                out.write(block)
                if out.tell() >= size:
                    return path
        fail(f"only {path.stat().st_size} bytes of text under {self.options.data} and examples/,"
             f" {size} are needed")

    def texts(self):
        yield BOOK
        for folder in ("books", "corpus"):
            for path in sorted((self.options.data / folder).glob("*")):
                if path.suffix in (".txt", ".md") and path.name != BOOK.name:
                    yield path


def machine():
    model = platform.processor()
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return f"{model}, {len(os.sched_getaffinity(0))} cores, {datetime.date.today().isoformat()}"


def common_arguments(description):
    """What every bench takes: a build, a model, the folder of the data."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--build", default=os.environ.get("BUILD") or "build")
    parser.add_argument("--model", default=os.environ.get("MODEL") or
                        str(cache / "s3attn/SmolLM2-135M-Instruct.Q4_1.gguf"))
    parser.add_argument("--data", type=pathlib.Path,
                        default=os.environ.get("S3ATTN_SHARED_DATA") or ROOT.parent / "shared/data")
    return parser


def parse():
    parser = common_arguments(__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join(PARTS), help="of " + ", ".join(PARTS))
    options = parser.parse_args()
    options.parts = options.only.split(",")
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"--only knows {', '.join(PARTS)}, not {', '.join(sorted(unknown))}")
    return options


def main():
    options = parse()
    if not (ROOT / options.build / "s3attn").is_file():
        fail(f"{options.build}/s3attn is not there; run make first")
    print(f"machine: {machine()}")
    with tempfile.TemporaryDirectory(prefix="s3attn-bench-") as scratch:
        bench = Bench(options, scratch)
        for part in PARTS:
            if part in options.parts:
                getattr(bench, part)()
                sys.stdout.flush()
    print("\n".join(bench.results))


if __name__ == "__main__":
    main()
