"""progress=: nothing, a tqdm bar, or a callable of yours."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol, Union

ProgressOption = Union[bool, "Callable[[Progress], object]", None]


class Progress(NamedTuple):  # a dataclass would take a quarter of the time of `import s3attn`
    """One report of a running call. ``total`` is 0 while it is not known."""

    stage: str  #: "scan", "train sae", ...
    item: str  #: what is being worked on: a path, a head
    done: int  #: in ``unit``
    total: int  #: in ``unit``
    unit: str  #: "bytes", "tokens", "steps"
    tokens_per_s: float  #: 0 when the stage does not count tokens


class Sink(Protocol):
    def update(self, stage: str, item: str, done: int, total: int, unit: str,
               tokens_per_s: float) -> None: ...

    def note(self, message: str) -> None: ...


class _Calls:
    def __init__(self, function: Callable[[Progress], object]) -> None:
        self._function = function

    def update(self, stage: str, item: str, done: int, total: int, unit: str,
               tokens_per_s: float) -> None:
        self._function(Progress(stage, item, done, total, unit, tokens_per_s))

    def note(self, message: str) -> None:
        warnings.warn(message, stacklevel=4)


class _Bar:
    """One tqdm bar a stage, on standard error."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage = ""

    def update(self, stage: str, item: str, done: int, total: int, unit: str,
               tokens_per_s: float) -> None:
        from tqdm.auto import tqdm  # type: ignore[import-untyped,unused-ignore]

        if self._bar is None or stage != self._stage:
            self.close()
            self._stage = stage
            self._bar = tqdm(total=total or None, desc=stage, unit=f" {unit}", file=sys.stderr,
                             unit_scale=unit in ("bytes", "tokens"))
        if total and self._bar.total != total:
            self._bar.total = total
        self._bar.set_postfix_str(
            f"{tokens_per_s:,.0f} tokens/s {item}" if tokens_per_s else item, refresh=False)
        self._bar.update(done - self._bar.n)

    def note(self, message: str) -> None:
        from tqdm.auto import tqdm  # type: ignore[import-untyped,unused-ignore]

        tqdm.write(f"note: {message}", file=sys.stderr)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


@contextlib.contextmanager
def sink_of(progress: ProgressOption) -> Iterator[Sink | None]:
    """What the C++ module reports to, for the length of a call."""
    if progress is True:
        bar = _Bar()
        try:
            yield bar
        finally:
            bar.close()
    elif callable(progress):
        yield _Calls(progress)
    else:
        yield None
