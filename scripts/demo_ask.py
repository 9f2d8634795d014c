#!/usr/bin/env python3
"""Runs a command that asks, shows its output as it comes, and ends with the demo's closing line.

usage: demo_ask.py INDEX.json COMMAND...   (INDEX.json: what `s3attn index --json` printed)
"""
import json
import os
import re
import subprocess
import sys


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        index = json.load(file)
    child = subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE)
    shown = bytearray()
    while True:
        block = os.read(child.stdout.fileno(), 4096)  # whatever is there: the answer streams
        if not block:
            break
        sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
        shown += block
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        return os.waitstatus_to_exitcode(status) or 1
    first = re.search(rb"time to first token ([0-9.]+) ms", shown)
    peak = max(index["peak_rss_bytes"], usage.ru_maxrss * 1024)
    print(f"\ntokens scanned {index['tokens']}"
          f" | {index['tokens_per_s']:.0f} tokens/s"
          f" | peak memory {peak / 2**20:.0f} MiB"
          f" | index {index['bytes_per_token']:.0f} bytes per token"
          f" | time to first token {first.group(1).decode() if first else '?'} ms")
    return 0


sys.exit(main())
