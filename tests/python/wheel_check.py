"""wheel_check.py FOLDER DOCUMENT: what an installed wheel must do by itself (make wheel-test)."""

import importlib.metadata
import pathlib
import subprocess
import sys
import time

began = time.monotonic()
import s3attn

loaded = time.monotonic() - began
folder, document = pathlib.Path(sys.argv[1]), sys.argv[2]
package = pathlib.Path(s3attn.__file__).parent
assert package.is_relative_to(folder), package
assert (package / "models").is_dir() and (package / "py.typed").is_file()
engine, store = s3attn.Engine(), s3attn.Store(folder / "wheel.s3")
engine.index(store, [document])
answer = engine.ask(store, "Who translated the book?", max_answer_tokens=32)
assert answer.text and answer.search.spans and answer.quote.text, answer
print(f"s3attn {importlib.metadata.version('s3attn')}: imported in {loaded * 1e3:.0f} ms, first "
      f"answer after {time.monotonic() - began:.1f} s: {answer.text.strip()!r}")
program = package / "bin/s3attn"
shown = subprocess.run([program, "list", store.path], check=True, capture_output=True, text=True)
assert "README.md" in shown.stdout, shown.stdout
