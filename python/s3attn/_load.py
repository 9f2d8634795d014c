"""Loads the C++ module as a program would load the library.

libgomp, on whose threads models compute, reads two variables once, when it is loaded; by default
its waiting threads spin, and everything else on the machine slows down. They are set while the
module loads, unless you set them, and then put back.
"""

from __future__ import annotations

import os

_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "2000"}
_added = {name: value for name, value in _WAITING.items() if name not in os.environ}
os.environ.update(_added)
try:
    from s3attn import _core
finally:
    for _name in _added:
        del os.environ[_name]

core = _core
