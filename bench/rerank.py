#!/usr/bin/env python3
"""What the second stage costs on this machine: `make bench-rerank`.

The default model indexes the first part of the example book; each model with context heads then
reads the 20 best passages of ten questions again. Ends with one line for each model: the median
time of a question's second stage, its tokens, and the whole search without it. Models are those
named, or what the cache holds of Qwen2.5-Coder 1.5B and 0.5B (`scripts/setup.sh --large` fetches
the first). Some minutes on 2 cores.

usage: bench/rerank.py [--program FILE] [--scan-model GGUF] [--device cpu|cuda|auto] [--units N]
                       [--questions N] [MODEL...]
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOOK = ROOT / "examples/the_phantom_of_the_opera.md"
QUESTIONS = ROOT / "examples/questions.jsonl"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "s3attn"
BOOK_BYTES = 160_000  # about 40,000 tokens: enough for 20 passages that fit a question
KNOWN = ("Qwen2.5-Coder-1.5B-Instruct.Q4_K_M.gguf", "Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf")


def program(options, *arguments):
    command = [str(options.program), *map(str, arguments), "--device", options.device, "-q"]
    if options.scan_model:
        command += ["--model", str(options.scan_model)]
    environment = dict(os.environ, OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="2000")
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command)}: {done.stderr}")
    return done.stdout


def ask(options, store, questions, *more):
    lines = program(options, "search", store, "--questions", questions, "--json", *more)
    return [json.loads(line) for line in lines.splitlines()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=pathlib.Path)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/s3attn")
    parser.add_argument("--scan-model", type=pathlib.Path, help="that makes the index")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--units", type=int, default=20)
    parser.add_argument("--questions", type=int, default=10)
    options = parser.parse_args()
    models = options.models or [CACHE / name for name in KNOWN if (CACHE / name).is_file()]
    if not models:
        sys.exit("error: no model with context heads is here: name one, or `make setup` and "
                 "`scripts/setup.sh --large`")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        text = folder / "book.md"
        text.write_bytes(BOOK.read_bytes()[:BOOK_BYTES].rsplit(b"\n\n", 1)[0])
        questions = folder / "questions.jsonl"
        lines = QUESTIONS.read_text("utf-8").splitlines()[:options.questions]
        questions.write_text("\n".join(lines) + "\n", "utf-8")
        store = folder / "store.s3"
        program(options, "index", store, text)
        plain = statistics.median(found["timings_ms"]["total"]
                                  for found in ask(options, store, questions, "--rerank", "off"))
        rows = []
        for model in models:
            read = [found["rerank"] for found in
                    ask(options, store, questions, "--rerank", options.units,
                        "--rerank-model", model)]
            rows.append((model.stem, read))
        on_card = rows[0][1][0]["device"] == "cuda"
        where = "the card" if on_card else f"{len(os.sched_getaffinity(0))} cores"
        for name, read in rows:
            times = [each["milliseconds"] for each in read]
            print(f"second stage of {read[0]['units']} passages by {name} on {where}: median "
                  f"{statistics.median(times):,.0f} ms (largest {max(times):,.0f}), "
                  f"{statistics.median(each['tokens'] for each in read):,.0f} tokens; "
                  f"search without it {plain:,.0f} ms; n = {len(read)}")


if __name__ == "__main__":
    main()
