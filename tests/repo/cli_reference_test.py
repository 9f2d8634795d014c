"""docs/cli.md is what scripts/gen_cli_docs.sh makes from the program's own help."""
import difflib
import os
import subprocess
import sys

import repository


def main():
    generated = subprocess.run(
        [str(repository.root() / "scripts/gen_cli_docs.sh"), sys.argv[2]],
        capture_output=True, text=True, env=dict(os.environ, HOME="/nonexistent"))
    problems = []
    if generated.returncode != 0:
        problems.append(f"gen_cli_docs.sh failed: {generated.stderr.strip()}")
    written = (repository.root() / "docs/cli.md").read_text("utf-8")
    difference = list(difflib.unified_diff(written.splitlines(), generated.stdout.splitlines(),
                                           "docs/cli.md", "the program's help", lineterm="", n=1))
    if difference:
        problems += difference[:40] + ["docs/cli.md is out of date: run `make docs`"]
    repository.finish("cli_reference", problems, len(written.splitlines()))


main()
