"""The types by mypy --strict, the example, and every snippet of docs/python.md."""

import contextlib
import io
import os
import pathlib
import re
import subprocess
import sys
import unittest

import s3attn
import support

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs/python.md"
BLOCK = re.compile(r"^(<!-- ([a-z]+) -->\n)?```python\n(.*?)^```", re.M | re.S)


class Types(unittest.TestCase):
    def test_mypy_strict(self):
        package = pathlib.Path(s3attn.__file__).parent
        own = [package / f"{name}.py" for name in ("__init__", "engine", "store", "research",
                                                   "training", "evaluation", "errors")]
        done = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--cache-dir", support.folder(),
             HERE / "example.py", *own], capture_output=True, text=True,
            env={**os.environ, "MYPYPATH": str(package.parent)})
        if "No module named mypy" in done.stderr:
            self.skipTest("no mypy")
        self.assertEqual(done.returncode, 0, msg=done.stdout + done.stderr)

    def test_mypy_finds_a_wrong_type(self):
        """The stubs say something: else the test above could not fail."""
        file = support.folder() / "wrong.py"
        file.write_text("import s3attn\n"
                        "def f(span: s3attn.Span) -> int:\n    return span.text\n")
        done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--cache-dir",
                               support.folder(), file], capture_output=True, text=True,
                              env={**os.environ,
                                   "MYPYPATH": str(pathlib.Path(s3attn.__file__).parents[1])})
        if "No module named mypy" in done.stderr:
            self.skipTest("no mypy")
        self.assertIn('got "str", expected "int"', done.stdout + done.stderr)


class Snippets(support.ModelTest):
    def test_the_example_runs(self):
        top = support.folder()
        (top / "a.md").write_text(support.TEXTS["varn.md"])
        done = subprocess.run([sys.executable, HERE / "example.py", top / "a.s3", top / "a.md"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, msg=done.stderr)
        self.assertIn("document.not_found", done.stdout)

    def test_the_page_runs(self):
        """In order, in one namespace, in an empty folder with a small book."""
        top = support.folder()
        (top / "book.md").write_text("\n".join(support.TEXTS.values()), encoding="utf-8")
        before = os.getcwd()
        os.chdir(top)
        names = {"__name__": "page"}
        ran = 0
        try:
            for found in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
                mark, code = found.group(2), found.group(3)
                if mark == "frameworks" and not self.has_frameworks():
                    continue
                if mark == "norun":  # needs what a test has not: a server, an hour
                    compile(code, str(PAGE), "exec")
                    continue
                line = PAGE.read_text(encoding="utf-8")[:found.start(3)].count("\n")
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(compile("\n" * line + code, str(PAGE), "exec"), names)
                ran += 1
        finally:
            os.chdir(before)
        self.assertGreater(ran, 4)

    @staticmethod
    def has_frameworks():
        try:
            import haystack, langchain_core, llama_index.core  # noqa: E401, F401
        except ImportError:
            return False
        return True


if __name__ == "__main__":
    unittest.main()
