"""What the tests of the Python package share: a small store and one engine over the real model."""

import atexit
import os
import pathlib
import shutil
import tempfile
import unittest

MODEL = os.environ.get("S3ATTN_TEST_MODEL", "")
TEXTS = {
    "varn.md": "# Varn\n\nThe lighthouse on Varn was built by Ada Solberg in 1871.\n\n"
               "Its lamp burned whale oil until the winter of 1903.\n\n"
               "The harbour below it freezes every January.\n",
    "ost.txt": "The mill at Ost grinds rye and barley for three villages.\n\n"
               "A flood took its wheel in the spring of 1926.\n\n"
               "Café Ærø stands beside it; its owner is Bjørn Dahl.\n",
}
QUESTION = "Who built the lighthouse on Varn?"

if MODEL:
    os.environ["S3ATTN_MODEL"] = MODEL

_made = {}


def folder():
    """A temporary folder, removed at the end."""
    path = tempfile.mkdtemp(prefix="s3attn python ")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return pathlib.Path(path)


def engine():
    import s3attn

    if "engine" not in _made:
        _made["engine"] = s3attn.Engine()
    return _made["engine"]


def store():
    """Of TEXTS."""
    import s3attn

    if "store" not in _made:
        top = folder()
        for name, text in TEXTS.items():
            (top / name).write_text(text, encoding="utf-8")
        made = s3attn.Store(top / "small.s3")
        engine().index(made, [top / name for name in TEXTS])
        _made["store"] = made
    return _made["store"]


@unittest.skipUnless(pathlib.Path(MODEL).is_file(), "no model")
class ModelTest(unittest.TestCase):
    pass
