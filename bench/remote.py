#!/usr/bin/env python3
"""What a reader behind a server adds to the first token over the same request sent directly.

Pairs, in turn: a question to `s3attn serve` whose reader is a server on this machine that answers
at once, retrieval left out by the server's own timings; and the request that this server got, sent
to it again. Prints the medians and the median of the differences. About a minute.

usage: bench/remote.py [--build DIR] [--pairs N]
"""
import argparse
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/cli"))
from misbehaving import Misbehaving  # noqa: E402

QUESTION = "Where was Joseph Buquet found hanging?"


def post(host, body):
    connection = http.client.HTTPConnection(host, timeout=120)
    connection.request("POST", "/v1/chat/completions", json.dumps(body),
                       {"Content-Type": "application/json"})
    return connection, connection.getresponse()


def through_us(host):
    connection, response = post(host, {"messages": [{"role": "user", "content": QUESTION}],
                                       "rerank": "off"})
    timings = json.load(response)["timings_ms"]
    connection.close()
    return timings["first_token"] - timings["retrieval"]


def directly(host, body):
    started = time.perf_counter()
    connection, response = post(host, body)
    while b"Ada" not in response.readline():
        pass
    milliseconds = (time.perf_counter() - started) * 1e3
    connection.close()
    return milliseconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--pairs", type=int, default=60)
    options = parser.parse_args()
    program = str(ROOT / options.build / "s3attn")
    with tempfile.TemporaryDirectory() as folder, Misbehaving() as good:
        store = folder + "/book.s3"
        subprocess.run([program, "-q", "index", store,
                        str(ROOT / "examples/the_phantom_of_the_opera.md")], check=True,
                       stdout=subprocess.DEVNULL)
        server = subprocess.Popen([program, "-q", "serve", store, "--port", "0", "--reader",
                                   good.url("good")], stdout=subprocess.PIPE, text=True)
        try:
            host = server.stdout.readline().split()[2].split("//")[1].rstrip("/")
            through_us(host)  # loads the models
            pairs = []
            for _ in range(options.pairs):
                ours = through_us(host)
                body = [b for _, _, b in good.server.seen if b][-1]
                pairs.append((ours, directly(good.url().split("/")[2], body)))
        finally:
            server.terminate()
            server.wait()
    ours, direct = zip(*pairs)
    print(f"first token ours {statistics.median(ours):.2f} ms, direct "
          f"{statistics.median(direct):.2f} ms; added {statistics.median(a - b for a, b in pairs):.2f} ms "
          f"(median of {len(pairs)} pairs, load {os.getloadavg()[0]:.1f})")


if __name__ == "__main__":
    main()
