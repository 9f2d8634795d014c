"""What the end-to-end tests share: running the program, temporary stores, real documents."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

PROGRAM = os.environ.get("S3ATTN_PROGRAM", "build/s3attn")
MODEL = os.environ.get("S3ATTN_TEST_MODEL", "")
SOURCE = pathlib.Path(__file__).resolve().parents[2]
BOOK = SOURCE / "examples"


def book_path():
    """The example book: the only file in examples/ of more than 100 KB."""
    for path in sorted(BOOK.iterdir()):
        if path.suffix in (".md", ".txt") and path.stat().st_size > 100_000:
            return path
    raise FileNotFoundError("no book in examples/")


def environment(env=None):
    """What the program finds: nothing of the user's own but what `env` names."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("S3ATTN_")}
    # One thread: spinning OpenMP threads of several tests starve each other.
    # Nor does it matter what is installed: tests of OCR switch it on.
    clean.update({"S3ATTN_MODEL": MODEL, "S3ATTN_THREADS": "1", "S3ATTN_OCR": "off"})
    clean["XDG_CONFIG_HOME"] = "/nonexistent"
    clean.update(env or {})
    return clean


def run(*arguments, stdin=None, env=None, timeout=600, cwd=None):
    """Runs the program; returns the CompletedProcess with text output."""
    return subprocess.run(
        [PROGRAM, *map(str, arguments)],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=isinstance(stdin, str) or stdin is None,
        errors="replace" if isinstance(stdin, str) or stdin is None else None,
        env=environment(env),
        timeout=timeout,
        cwd=cwd,
    )


def run_json(*arguments, **keywords):
    done = run(*arguments, "--json", **keywords)
    if done.returncode != 0:
        raise AssertionError(f"{arguments} failed ({done.returncode}): {done.stderr}")
    return json.loads(done.stdout)


class ProgramTest(unittest.TestCase):
    """A test with a temporary directory of its own; skipped, with a reason, without the model."""

    @classmethod
    def setUpClass(cls):
        if not MODEL or not os.path.isfile(MODEL):
            raise unittest.SkipTest("no model: set S3ATTN_TEST_MODEL (make setup fetches it)")

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="s3attn-test-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.store = self.directory / "store.s3"

    def write(self, name, content):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            content = content.encode("utf-8")
        path.write_bytes(content)
        return path

    def assert_fails(self, done, *words, code=1):
        """Exit code, a message on stderr that has all the words, and no crash."""
        self.assertEqual(done.returncode, code, msg=f"stdout: {done.stdout}\nstderr: {done.stderr}")
        for word in words:
            self.assertIn(word.lower(), done.stderr.lower())
