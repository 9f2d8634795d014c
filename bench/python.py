"""What the Python package costs over the library: `make bench-python` (some minutes).

Prints, as JSON: import time; what engine.search takes beyond the library's own clock; resident
memory before and after many calls; how long after SIGINT a call has ended.
"""
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import s3attn

CALLS = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
BOOK = pathlib.Path(__file__).resolve().parents[1] / "examples/the_phantom_of_the_opera.md"


def resident():
    for line in pathlib.Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def imported():
    script = "import time; t = time.perf_counter(); import s3attn; print(time.perf_counter() - t)"
    return statistics.median(float(subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
        for _ in range(7)) * 1e3


def interrupted(engine, folder):
    sent = []

    def fire():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    def watch(progress):
        if progress.done and not timer.is_alive() and not sent:
            timer.start()
    waits = []
    for run in range(5):
        sent.clear()
        timer = threading.Timer(0.3 + run * 0.11, fire)
        try:
            engine.index(folder / f"stopped{run}.s3", BOOK, progress=watch)
        except KeyboardInterrupt:
            waits.append((time.perf_counter() - sent[0]) * 1e3)
    return waits


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        (folder / "a.txt").write_text("The mill at Ost grinds rye.\n\nThe harbour freezes.\n")
        engine, store = s3attn.Engine(), s3attn.Store(folder / "a.s3")
        engine.index(store, folder / "a.txt")
        beyond, memory = [], []
        for call in range(CALLS):
            began = time.perf_counter()
            found = engine.search(store, "What grinds rye?", method="bm25" if call % 2 else "s3")
            beyond.append((time.perf_counter() - began) * 1e3 - found.timings_ms["total"])
            if call % (CALLS // 10) == CALLS // 10 - 1:
                memory.append(round(resident(), 1))
        print(json.dumps({
            "import_ms": round(imported(), 1),
            "search_beyond_the_library_ms_median": round(statistics.median(beyond), 3),
            "calls": CALLS, "resident_mib": memory,
            "sigint_to_end_ms": [round(wait) for wait in interrupted(engine, folder)],
        }))


main()
