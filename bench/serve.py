#!/usr/bin/env python3
"""Measures `s3attn serve` on this machine: `make bench-serve`.

On the example book (112K tokens): what the server adds to the engine's time to first token; how long
evidence takes with one client, and with eight over 500 requests while documents are being scanned
into another store; memory over 5,000 requests; the web page's cold load and how long after Enter the
evidence is on the screen (with Chromium and playwright, where these can be had). Ends with one line
`name value unit` for each number. Figures of one run compare with each other, also on a machine that
does other things meanwhile. Half an hour on 2 cores.

usage: bench/serve.py [--build DIR] [--model GGUF] [--requests N] [--questions N] [--loads N]
                      [--memory-requests N] [--store DIR]
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
WEB = ROOT / "apps/server/web"
results = []


def result(name, value, unit, digits):
    results.append(f"{name} {value:.{digits}f} {unit}")


class Server:
    def __init__(self, options, *stores):
        environment = dict(os.environ, OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="2000")
        model = ["--model", options.model] if options.model else []
        self.process = subprocess.Popen(
            [str(ROOT / options.build / "s3attn"), "serve", *stores, *model, "--port", "0"],
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
        """Streams an answer: milliseconds to the evidence and to its first text, the last chunk."""
        body = json.dumps({"messages": [{"role": "user", "content": question}], "stream": True,
                           "evidence": True, "store": ["book"], "max_tokens": tokens,
                           "budget_tokens": budget})
        started = time.perf_counter()
        connection.request("POST", "/v1/chat/completions", body)
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"status {response.status}: {response.read()[:200]}")
        found, first, last = None, None, None
        for line in response:
            if not line.startswith(b"data: {"):
                continue
            chunk = json.loads(line[6:])
            if "error" in chunk:
                raise RuntimeError(chunk["error"]["message"])
            if found is None and "evidence" in chunk:
                found = 1e3 * (time.perf_counter() - started)
            if first is None and chunk["choices"][0]["delta"].get("content"):
                first = 1e3 * (time.perf_counter() - started)
            last = chunk
        return found, first, last

    def search(self, connection, question):
        connection.request("POST", "/v1/search", json.dumps(
            {"question": question, "store": ["book"], "budget_tokens": 300}))
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(f"status {response.status}: {body[:200]}")

    def upload(self, name, data):
        """The number of the job that reads it; None where there is no room."""
        connection = self.connect()
        connection.request("POST", f"/v1/documents?store=other&name={name}", data)
        response = connection.getresponse()
        body = json.loads(response.read())
        return body["id"] if response.status == 202 else None

    def scanning(self):
        return any(job["state"] in ("queued", "scanning")
                   for job in json.loads(self.get("/v1/documents/jobs"))["data"])


class Scan:
    """Documents that are read one after the other, as long as it is open."""

    def __init__(self, server):
        self.server, self.over, self.documents = server, threading.Event(), 0
        self.thread = threading.Thread(target=self.run)

    def run(self):
        text = BOOK.read_bytes()
        while not self.over.is_set():
            if not self.server.scanning():
                self.documents += 1
                self.server.upload(f"copy-{self.documents}.md", text)
            self.over.wait(1)

    def __enter__(self):
        self.thread.start()
        while not self.server.scanning():
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        for job in json.loads(self.server.get("/v1/documents/jobs"))["data"]:
            connection = self.server.connect()
            connection.request("POST", f"/v1/documents/jobs/{job['id']}/cancel")
            connection.getresponse().read()
        while self.server.scanning():
            time.sleep(0.2)


def measure_overhead(server, questions, count):
    """The client's clock against the engine's own, for the same answers, one at a time."""
    connection = server.connect()
    overheads = []
    for i in range(count):
        _, first, last = server.ask(connection, questions[i % len(questions)], 4, 300)
        overheads.append(first - last["timings_ms"]["engine_first_token"])
    print(f"overhead: n = {count}, median {statistics.median(overheads):.2f} ms,"
          f" largest {max(overheads):.2f} ms")
    result("serve_ttft_overhead", statistics.median(overheads), "ms", 2)


def measure_idle(server, questions, count):
    """How long evidence takes where nothing else goes on; its median."""
    connection = server.connect()
    waits = [server.ask(connection, questions[i % len(questions)], 1, 100)[0]
             for i in range(count)]
    print(f"evidence, one client, nothing else: n = {count}, median"
          f" {statistics.median(waits):.0f} ms, longest {max(waits):.0f} ms")
    result("serve_evidence_idle", statistics.median(waits), "ms", 1)
    return statistics.median(waits)


def run_clients(server, total, work):
    """Eight clients that ask again as soon as they are answered. work(connection, turn) gives a
    number or nothing. Numbers, answers per client, failures, memory (MiB) after every twentieth."""
    taken = iter(range(total))
    lock = threading.Lock()
    counts, numbers, failures, memory = collections.Counter(), [], [], []

    def client(number):
        connection = server.connect()
        while True:
            with lock:
                turn = next(taken, None)
            if turn is None:
                return
            value = None
            try:
                value = work(connection, turn)
            except Exception as error:  # counted, and the client goes on
                failures.append(repr(error))
                connection = server.connect()
            with lock:
                counts[number] += 1
                if value is not None:
                    numbers.append(value)
                if sum(counts.values()) % max(1, total // 20) == 0:
                    memory.append(server.resident() / 2**20)

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        for future in [pool.submit(client, number) for number in range(CLIENTS)]:
            future.result()
    for failure in failures[:5]:
        print("failed:", failure)
    return numbers, counts, failures, memory


def measure_load(server, questions, total, idle):
    with Scan(server) as scan:
        waits, counts, failures, _ = run_clients(
            server, total,
            lambda connection, turn: server.ask(connection, questions[turn % len(questions)], 1,
                                                100)[0])
    print(f"evidence, {CLIENTS} clients and a scan ({scan.documents} documents begun): n ="
          f" {len(waits)}, median {statistics.median(waits):.0f} ms, longest {max(waits):.0f} ms;"
          f" answers per client {sorted(counts.values())}")
    result("serve_failures", len(failures), f"of_{total}", 0)
    result("serve_fewest_to_most_answers_of_a_client", min(counts.values()) / max(counts.values()),
           "ratio", 2)
    result("serve_evidence_loaded", statistics.median(waits), "ms", 1)
    result("serve_evidence_loaded_to_idle", statistics.median(waits) / idle, "ratio", 2)


def measure_memory(server, questions, total):
    """Searches, and an answer in ten."""
    def work(connection, turn):
        question = questions[turn % len(questions)]
        if turn % 10 == 0:
            server.ask(connection, question, 1, 100)
        else:
            server.search(connection, question)

    _, _, failures, memory = run_clients(server, total, work)
    print("memory after every twentieth of the requests, MiB: "
          + " ".join(f"{value:.0f}" for value in memory))
    result("serve_memory_failures", len(failures), f"of_{total}", 0)
    # The first tenth warms up: contexts grow to the longest prompt.
    result("serve_memory_growth", 100 * (max(memory[2:]) / memory[1] - 1), "%", 1)


# From Enter to the frame that shows the evidence.
ENTER_TO_EVIDENCE = """() => new Promise((resolve) => {
    const begin = performance.now();
    new MutationObserver((_, observer) => {
        const article = document.querySelector('#turns').lastElementChild;
        if (!article || !article.querySelector('.sources li')) return;
        observer.disconnect();
        requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - begin)));
    }).observe(document.querySelector('#turns'), { childList: true, subtree: true });
    document.querySelector('#ask').requestSubmit();
})"""


def measure_enter(browser, server, questions):
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.port}/")
    page.wait_for_selector("html[data-ready]")
    page.select_option("#store", "book")
    times = []
    for question in questions:
        page.fill("#question", question)
        times.append(page.evaluate(ENTER_TO_EVIDENCE))
        page.click("#stop", timeout=5000) if page.is_visible("#stop") else None
        page.wait_for_selector("#send:visible")
    page.close()
    print(f"Enter to evidence on the screen: n = {len(times)}, "
          + " ".join(f"{value:.0f}" for value in times) + " ms")
    result("serve_enter_to_evidence", statistics.median(times), "ms", 0)


def measure_page(server, loads, questions):
    weight = sum(len(server.get("/" if path.name == "index.html" else f"/{path.name}"))
                 for path in WEB.iterdir())
    result("serve_page_weight", weight / 1024, "KiB", 1)
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
        measure_enter(browser, server, questions)
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
    parser.add_argument("--memory-requests", type=int, default=5000)
    parser.add_argument("--store", help="of the book, made before (a copy is used)")
    options = parser.parse_args()
    questions = [json.loads(line)["question"]
                 for line in QUESTIONS.read_text("utf-8").splitlines()]
    with tempfile.TemporaryDirectory(prefix="s3attn-bench-") as scratch:
        store = scratch + "/book.s3"
        model = ["--model", options.model] if options.model else []
        if options.store:
            shutil.copytree(options.store, store)
        else:
            subprocess.run([str(ROOT / options.build / "s3attn"), "--quiet", "index", *model, store,
                            str(BOOK)], check=True, stdout=subprocess.DEVNULL)
        server = Server(options, store, scratch + "/other.s3")
        try:
            server.ask(server.connect(), questions[0], 2, 300)  # loads the models
            measure_page(server, options.loads, questions)
            measure_overhead(server, questions, options.questions)
            idle = measure_idle(server, questions, options.questions)
            measure_load(server, questions, options.requests, idle)
            measure_memory(server, questions, options.memory_requests)
        finally:
            if server.stop() != 0:
                sys.exit("error: the server did not end cleanly")
    print("\n".join(results))


if __name__ == "__main__":
    main()
