"""Runs the README's commands: each ```sh block that follows a line `<!-- run -->`.

They run in one scratch folder that holds links to build/ and examples/, in the order of the page.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import repository

BLOCK = re.compile(r"<!-- run -->\n+```sh\n(.*?)```", re.S)


def main():
    program, model = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    if not model.is_file():
        print(f"skipped: no model at {model}")
        sys.exit(77)
    blocks = BLOCK.findall((repository.root() / "README.md").read_text("utf-8"))
    problems = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        (folder / "build").mkdir()
        (folder / "build/s3attn").symlink_to(program)
        (folder / "examples").symlink_to(repository.root() / "examples")
        environment = dict(os.environ, S3ATTN_MODEL=str(model), OMP_WAIT_POLICY="PASSIVE",
                           GOMP_SPINCOUNT="2000")
        for block in blocks:
            run = subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=folder,
                                 env=environment, capture_output=True, text=True, timeout=600)
            print(f"$ {block}{run.stdout}{run.stderr}")
            if run.returncode != 0:
                problems.append(f"exit code {run.returncode}: {block}")
            elif not run.stdout.strip():
                problems.append(f"printed nothing: {block}")
    repository.finish("readme", problems, len(blocks))


main()
