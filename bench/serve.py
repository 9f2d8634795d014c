#!/usr/bin/env python3
"""Measures `s3attn serve` on this machine: `make bench-serve`.

What the server adds to the engine's time to first token, eight clients at once over 500 requests,
and the web page's cold load (with Chromium and playwright, where these can be had). Ends with one
line `name value unit` for each number. Some minutes on 2 cores.

usage: bench/serve.py [--build DIR] [--model GGUF] [--requests N] [--questions N] [--loads N]
"""
import argparse
import collections
import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOOK = ROOT / "examples/the_phantom_of_the_opera.md"
QUESTIONS = ROOT / "examples/questions.jsonl"
CLIENTS = 8
PAGE_FILES = ("/", "/style.css", "/app.js", "/uploads.js", "/view.js", "/favicon.svg")
results = []


def result(name, value, unit, digits):
    results.append(f"{name} {value:.{digits}f} {unit}")


class Server:
    def __init__(self, options, store):
        environment = dict(os.environ, OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="2000")
        model = ["--model", options.model] if options.model else []
        self.process = subprocess.Popen(
            [str(ROOT / options.build / "s3attn"), "serve", store, *model, "--port", "0"],
            stdout=subprocess.PIPE, text=True, env=environment)
        found = re.search(r":(\d+)/", self.process.stdout.readline())
        if not found:
            sys.exit("error: the server did not start")
        self.port = int(found.group(1))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)

    def get(self, path):
        connection = self.connect()
        connection.request("GET", path)
        return connection.getresponse().read()

    def resident(self):
        for line in self.get("/metrics").decode().splitlines():
            if line.startswith("s3attn_resident_memory_bytes "):
                return float(line.split()[1])
        return 0.0

    def ask(self, connection, question, tokens, budget):
        """Streams an answer: milliseconds to its first text, and the last chunk."""
        body = json.dumps({"messages": [{"role": "user", "content": question}], "stream": True,
                           "max_tokens": tokens, "budget_tokens": budget})
        started = time.perf_counter()
        connection.request("POST", "/v1/chat/completions", body)
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"status {response.status}: {response.read()[:200]}")
        first, last = None, None
        for line in response:
            if not line.startswith(b"data: {"):
                continue
            chunk = json.loads(line[6:])
            if "error" in chunk:
                raise RuntimeError(chunk["error"]["message"])
            if first is None and chunk["choices"][0]["delta"].get("content"):
                first = 1e3 * (time.perf_counter() - started)
            last = chunk
        return first, last


def measure_overhead(server, questions, count):
    """The client's clock against the engine's own, for the same answers, one at a time."""
    connection = server.connect()
    server.ask(connection, questions[0], 2, 300)  # the models are loaded by the first question
    overheads = []
    for i in range(count):
        first, last = server.ask(connection, questions[i % len(questions)], 4, 300)
        overheads.append(first - last["timings_ms"]["engine_first_token"])
    print(f"overhead: n = {count}, median {statistics.median(overheads):.2f} ms,"
          f" largest {max(overheads):.2f} ms")
    result("serve_ttft_overhead", statistics.median(overheads), "ms", 2)


def measure_load(server, questions, total):
    """Eight clients that ask again as soon as they are answered."""
    taken = iter(range(total))
    lock = threading.Lock()
    counts, waits, failures, memory = collections.Counter(), [], [], []

    def client(number):
        connection = server.connect()
        while True:
            with lock:
                turn = next(taken, None)
            if turn is None:
                return
            started = time.perf_counter()
            try:
                server.ask(connection, questions[turn % len(questions)], 1, 100)
            except Exception as error:  # counted, and the client goes on
                failures.append(repr(error))
                connection = server.connect()
            with lock:
                counts[number] += 1
                waits.append(time.perf_counter() - started)
                if len(waits) % 50 == 0:
                    memory.append(server.resident())

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        for future in [pool.submit(client, number) for number in range(CLIENTS)]:
            future.result()
    mib = [value / 2**20 for value in memory]
    print("memory after every 50 requests, MiB: " + " ".join(f"{value:.0f}" for value in mib))
    print(f"answers per client: {sorted(counts.values())}; waits: median"
          f" {statistics.median(waits):.2f} s, longest {max(waits):.2f} s")
    for failure in failures[:5]:
        print("failed:", failure)
    result("serve_failures", len(failures), f"of_{total}", 0)
    result("serve_fewest_to_most_answers_of_a_client", min(counts.values()) / max(counts.values()),
           "ratio", 2)
    # The first tenth of the run warms up: contexts grow to the longest prompt.
    result("serve_memory_growth", 100 * (max(mib) / mib[0] - 1), "%", 1)


def measure_page(server, loads):
    result("serve_page_weight", sum(len(server.get(path)) for path in PAGE_FILES) / 1024, "KiB", 1)
    browser_path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        browser_path = None
    if browser_path is None:
        print("page: not measured, needs chromium and playwright (scripts/setup.sh "
              "--test-packages; PYTHONPATH)")
        return
    times = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for _ in range(loads):
            context = browser.new_context()  # nothing cached
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{server.port}/")
            page.wait_for_selector("html[data-ready]")
            times.append(page.evaluate("performance.getEntriesByName('ready')[0].startTime"))
            context.close()
        browser.close()
    print(f"page: n = {loads}, " + " ".join(f"{value:.0f}" for value in times) + " ms")
    result("serve_page_ready", statistics.median(times), "ms", 0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--model", default="")
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--questions", type=int, default=50)
    parser.add_argument("--loads", type=int, default=10)
    options = parser.parse_args()
    questions = [json.loads(line)["question"]
                 for line in QUESTIONS.read_text("utf-8").splitlines()]
    with tempfile.TemporaryDirectory(prefix="s3attn-bench-") as scratch:
        text = pathlib.Path(scratch) / "book.md"
        text.write_bytes(BOOK.read_bytes()[:80_000])
        store = scratch + "/book.s3"
        model = ["--model", options.model] if options.model else []
        subprocess.run([str(ROOT / options.build / "s3attn"), "--quiet", "index", *model, store,
                        str(text)], check=True, stdout=subprocess.DEVNULL)
        server = Server(options, store)
        try:
            measure_page(server, options.loads)
            measure_overhead(server, questions, options.questions)
            measure_load(server, questions, options.requests)
        finally:
            if server.stop() != 0:
                sys.exit("error: the server did not end cleanly")
    print("\n".join(results))


if __name__ == "__main__":
    main()
