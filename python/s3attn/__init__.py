"""s3attn: answers from documents far longer than a language model's window, with their evidence.

    import s3attn
    store = s3attn.Store("notes.s3")
    engine = s3attn.Engine()
    engine.index(store, ["book.md"], progress=True)
    for span in engine.search(store, "Who translated it?"):
        print(span.path, span.lines, span.text)
    print(engine.ask(store, "Who translated it?").text)

``Engine`` reads documents into a ``Store``, finds passages and answers. ``Probe`` looks inside.
``train`` makes an adapter for a model, ``eval`` measures. ``s3attn.langchain``,
``s3attn.llama_index`` and ``s3attn.haystack`` are retrievers for those frameworks. Errors are
``s3attn.Error`` and its subclasses. docs/python.md is the guide.
"""

from __future__ import annotations

import typing as _typing

from s3attn._load import core as _core
from s3attn._progress import Progress
from s3attn.engine import Engine
from s3attn.errors import (
    BusyError,
    CancelledError,
    CorruptError,
    Error,
    ExhaustedError,
    InternalError,
    InvalidArgumentError,
    IoError,
    MismatchError,
    NotFoundError,
    UnsupportedError,
)
from s3attn.research import Probe
from s3attn.store import Store
from s3attn.training import train

from s3attn._core import (  # isort: skip  (the module is loaded by _load, in its own way)
    Answer,
    AnswerSentence,
    CancelToken,
    Captured,
    Citation,
    Codes,
    DocumentInfo,
    DocumentRange,
    ExportReport,
    FileOutcome,
    IndexReport,
    LaneScores,
    MergeReport,
    ProbeInfo,
    Quote,
    QueryWeights,
    ReadNote,
    SearchResult,
    Span,
    SparseCodes,
    TrainReport,
    UnfoundedWord,
    UnitText,
    VerifyReport,
)

if _typing.TYPE_CHECKING:
    from s3attn.evaluation import eval, evaluate_beir

__version__ = _core.version()


def __getattr__(name: str) -> _typing.Any:
    # What measures needs a quarter of the standard library, and most programs never measure.
    if name in ("eval", "evaluate_beir"):
        from s3attn import evaluation

        return getattr(evaluation, name)
    raise AttributeError(f"module 's3attn' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "Answer", "AnswerSentence", "BusyError", "CancelToken", "CancelledError", "Captured", "Citation", "Codes",
    "CorruptError", "DocumentInfo", "DocumentRange", "Engine", "Error", "ExhaustedError",
    "ExportReport", "FileOutcome", "IndexReport", "InternalError", "InvalidArgumentError",
    "IoError", "LaneScores", "MergeReport", "MismatchError", "NotFoundError", "Probe", "ProbeInfo",
    "Progress", "QueryWeights", "Quote", "ReadNote", "SearchResult", "Span", "SparseCodes", "Store",
    "TrainReport", "UnfoundedWord", "UnitText", "UnsupportedError", "VerifyReport", "eval",
    "evaluate_beir", "train",
]
