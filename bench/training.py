#!/usr/bin/env python3
"""Measures what an adapter retrieves, through the program: `make bench-training`.

Pooled haystacks of the evaluation files, an index on disk, `--method s3`; BM25 on the same store
beside it. Ends with one line `name value unit` for each figure. Python's standard library only.

usage: bench/training.py [--build DIR] [--model GGUF] [--models NAME=GGUF[:ADAPTER],...]
                         [--split dev|train] [--data DIR] [--only retrieval,train]
"""
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import haystack
import run as bench_run

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "s3attn"
FILES = (("musique", "musique"), ("hotpot", "hotpotqa"))
BUDGET, NO_BUDGET = 1024, 100_000  # tokens
PARTS = ("retrieval", "train")


def note(text):
    print(text, flush=True)


class Bench:
    def __init__(self, options, scratch):
        self.options = options
        self.scratch = pathlib.Path(scratch)
        self.program = pathlib.Path(options.build) / "s3attn"
        if not self.program.is_absolute():
            self.program = ROOT / self.program
        self.environment = dict(os.environ, OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="2000")
        self.results = []

    def s3attn(self, model, *arguments):
        path, adapter = model
        command = [self.program, "--quiet", "--model", path]
        command += ["--adapter", adapter] if adapter else []
        command = [str(part) for part in command + list(arguments)]
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=self.environment)
        if run.returncode != 0:
            bench_run.fail(f"{' '.join(command)}: exit code {run.returncode}")
        return run.stdout

    def result(self, name, value, unit, digits=3):
        self.results.append(f"{name} {value:.{digits}f} {unit}")

    def answers(self, model, store, questions, method, *limits):
        output = self.s3attn(model, "search", store, "--questions", questions, "--json",
                             "--method", method, *limits)
        return [json.loads(line) for line in output.splitlines()]

    def retrieval(self, name, model):
        for short, folder in FILES:
            source = self.options.data / folder / f"{self.options.split}_100.jsonl"
            self.pool(name, model, short, source)

    def pool(self, name, model, short, source):
        if not source.is_file():
            bench_run.fail(f"{source} is not there; --data names the folder that holds musique/ and"
                           " hotpotqa/")
        pool = haystack.Haystack(source)
        text = self.scratch / f"{name}-{short}.txt"
        questions = self.scratch / f"{name}-{short}.jsonl"
        text.write_bytes(pool.text)
        questions.write_text(pool.questions_jsonl(), encoding="utf-8")
        store = self.scratch / f"{name}-{short}.s3"
        report = json.loads(self.s3attn(model, "index", "--json", store, text))
        segments = sum(path.stat().st_size for path in store.rglob("*.seg"))
        note(f"{name}, {source.parent.name}/{source.stem}: {len(pool.paragraphs)} paragraphs, "
             f"{report['tokens']} tokens at {report['tokens_per_s']:.0f} tokens/s, "
             f"{segments / report['tokens']:.0f} bytes of segments per token, n={len(pool.gold)}")
        prefix = f"{name}_{short}_{self.options.split}"
        figures = {}
        for method in ("s3", "bm25", "hybrid"):
            for figure, limits in (("r5", ("--max-spans", 5, "--budget", NO_BUDGET)),
                                   ("r10", ("--max-spans", 10, "--budget", NO_BUDGET)),
                                   ("ev1024", ("--budget", BUDGET))):
                answers = self.answers(model, store, questions, method, *limits)
                figures[method, figure] = pool.recalls(answers)
                if (method, figure) == ("s3", "r10"):
                    self.postings(prefix, answers)
        for (method, figure), values in figures.items():
            low, high = haystack.bootstrap_interval(values)
            mean = statistics.fmean(values)
            note(f"  {method:6} {figure:6} {mean:.3f} (95 % {low:.3f} to {high:.3f})")
            suffix = "" if method == "s3" else f"_{method}"
            self.result(f"{prefix}_{figure}{suffix}", mean, "share")
        self.paired(prefix, figures)
        self.result(f"{prefix}_index_bytes_per_token", segments / report["tokens"], "bytes", 1)

    def paired(self, prefix, figures):
        """S3 against BM25 at the budget, question by question."""
        differences = [a - b for a, b in zip(figures["s3", "ev1024"], figures["bm25", "ev1024"])]
        low, high = haystack.bootstrap_interval(differences)
        mean = statistics.fmean(differences)
        note(f"  s3 - bm25, evidence at {BUDGET} tokens: {mean:+.3f}"
             f" (95 % {low:+.3f} to {high:+.3f})")
        self.result(f"{prefix}_ev1024_minus_bm25", mean, "share")
        self.result(f"{prefix}_ev1024_minus_bm25_low", low, "share")

    def postings(self, prefix, answers):
        """Distinct postings read for a question, of all postings of the adapter's heads."""
        shares = [answer["postings_read_share"] for answer in answers]
        self.result(f"{prefix}_postings_read_share", 100 * statistics.fmean(shares), "%", 2)

    def train(self):
        """The whole default training of the shipped adapter, on this machine's cores."""
        out = self.scratch / "adapter"
        corpus = self.options.data / "corpus"
        if not corpus.is_dir():
            bench_run.fail(f"{corpus} is not there; --data names the folder that holds corpus/")
        begin = time.monotonic()
        model = self.options.models[0][1]
        report = json.loads(self.s3attn((model[0], None), "train", "--json", "--corpus", corpus,
                                        "--out", out))
        minutes = (time.monotonic() - begin) / 60
        note(f"train: {minutes:.1f} minutes, peak {report['peak_rss_bytes'] / 2**20:.0f} MiB, "
             f"held-out R@10 with codes {report['recall_at_10']:.3f}")
        self.result("train_minutes_cpu", minutes, "minutes", 1)
        self.result("train_peak_rss", report["peak_rss_bytes"] / 2**20, "MiB", 0)


def default_models(small):
    models = [("smollm2", (small, None))]
    large = CACHE / "Qwen2.5-Coder-1.5B-Instruct.Q4_K_M.gguf"
    if large.is_file():
        models.append(("qwen1.5b", (str(large), None)))
    else:
        note("qwen1.5b: skipped, the model is not there (scripts/setup.sh --large fetches it)")
    return models


def parse_models(text):
    models = []
    for entry in text.split(","):
        name, equals, rest = entry.partition("=")
        if not equals:
            bench_run.fail(f"--models {entry}: not of the form NAME=GGUF or NAME=GGUF:ADAPTER")
        path, _, adapter = rest.partition(":")
        models.append((name, (path, adapter or None)))
    return models


def parse():
    parser = bench_run.common_arguments(__doc__.split("\n")[0])
    parser.add_argument("--models", help="NAME=GGUF[:ADAPTER],...")
    parser.add_argument("--split", choices=("dev", "train"), default="dev")
    parser.add_argument("--only", default=",".join(PARTS), help="of " + ", ".join(PARTS))
    options = parser.parse_args()
    options.data = pathlib.Path(options.data)
    options.parts = options.only.split(",")
    if not set(options.parts) <= set(PARTS):
        bench_run.fail(f"--only {options.only}: the parts are {', '.join(PARTS)}")
    options.models = (parse_models(options.models) if options.models
                      else default_models(options.model))
    return options


def main():
    options = parse()
    with tempfile.TemporaryDirectory(prefix="s3attn-bench-") as scratch:
        bench = Bench(options, scratch)
        if "retrieval" in options.parts:
            for name, model in options.models:
                bench.retrieval(name, model)
        if "train" in options.parts:
            bench.train()
        print("\n".join(bench.results))


if __name__ == "__main__":
    main()
