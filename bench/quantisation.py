#!/usr/bin/env python3
"""What other quantisations of a model lose: `make bench-quantisation DATA=FILE`.

SmolLM2 as F16, Q8_0 and Q4_K_M (made once by build/quantisation_tests, beside the model) indexes
and searches FILE's paragraphs with the shipped adapter, each with an index of its own. Prints a
table: recall and evidence with their intervals, and the difference to the file that the adapter was
trained with, question by question. FILE is any that `s3attn eval retrieval` reads; without one it is the
example book, whose ten questions say little.

usage: bench/quantisation.py [FILE] [--build DIR] [--limit N] [--method hybrid] [--budget 1024]
                             [--index DIR]
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples/evidence.jsonl"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "s3attn"
MODEL = CACHE / "SmolLM2-135M-Instruct.Q4_1.gguf"
NAMES = ("F16", "Q8_0", "Q4_K_M")


def run(command):
    environment = dict(os.environ, OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="2000",
                       S3ATTN_TEST_MODEL=str(MODEL))
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True,
                          env=environment, cwd=ROOT)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(map(str, command))}: {done.stderr or done.stdout}")


def interval(values, rounds=2000):
    draw = random.Random(1)
    means = sorted(sum(draw.choices(values, k=len(values))) / len(values) for _ in range(rounds))
    return means[int(0.025 * rounds)], means[int(0.975 * rounds)]


def cell(values, signed=False):
    low, high = interval(values)
    sign = "+" if signed else ""
    return f"{sum(values) / len(values):{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def evaluate(options, model, folder):
    out = pathlib.Path(folder) / model.stem
    run([options.build / "s3attn", "eval", "retrieval", "--model", model, "--data", options.data,
         "--haystack", "pooled", "--methods", f"bm25,{options.method}", "--budgets",
         options.budget, "--limit", options.limit, "--out", out, "--index",
         options.index or pathlib.Path(folder) / "index", "--device", "cpu", "-q"])
    rows = {}
    for line in (out / "rows.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["method"] == options.method:
            rows[row["id"]] = row["metrics"]
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", default=EXAMPLE, type=pathlib.Path)
    parser.add_argument("--build", default=ROOT / "build", type=pathlib.Path)
    parser.add_argument("--limit", type=int, default=0, help="questions; 0: all")
    parser.add_argument("--method", default="hybrid")
    parser.add_argument("--budget", type=int, default=1024)
    parser.add_argument("--index", help="keeps the indexes there")
    options = parser.parse_args()
    options.data = options.data.resolve()
    if not MODEL.is_file():
        sys.exit(f"error: {MODEL} is not there: `make setup` fetches it")
    options.build = options.build.resolve()
    run([options.build / "quantisation_tests"])
    evidence = f"ev{options.budget}"
    with tempfile.TemporaryDirectory() as folder:
        first = evaluate(options, MODEL, folder)
        print(f"{options.data.name}, pooled, n = {len(first)}, {options.method}\n")
        shown = f"ev@{options.budget}"
        print(f"| file | R@1 | R@5 | R@10 | {shown} | {shown} - the adapter's own file |")
        print("| --- | --- | --- | --- | --- | --- |")
        for name in ("", *NAMES):
            model = CACHE / "quantised" / f"{MODEL.stem}.{name}.gguf" if name else MODEL
            rows = evaluate(options, model, folder) if name else first
            columns = [cell([row[metric] for row in rows.values()])
                       for metric in ("r1", "r5", "r10", evidence)]
            change = cell([rows[q][evidence] - first[q][evidence] for q in first], True) \
                if name else ""
            print(f"| {name or MODEL.stem.split('.')[-1]} | {' | '.join(columns)} | {change} |",
                  flush=True)


if __name__ == "__main__":
    main()
