"""Checked by mypy --strict (test_types.py), and run: every call of the package, with its types."""

from __future__ import annotations

import sys

import s3attn


def show(progress: s3attn.Progress) -> None:
    print(f"{progress.stage}: {progress.done} of {progress.total} {progress.unit}")


def main(path: str, file: str) -> int:
    store = s3attn.Store(path)
    engine = s3attn.Engine()
    report: s3attn.IndexReport = engine.index(store, [file], progress=show)
    for outcome in report.files:
        print(outcome.kind, outcome.path, outcome.tokens)
    document: s3attn.DocumentInfo
    for document in store:
        print(document.id, document.path, document.tokens)
    found: s3attn.SearchResult = engine.search(
        store, "Who built the lighthouse?", budget_tokens=200, where=lambda each: each.complete)
    for span in found:
        lines: tuple[int, int] | None = span.lines
        voices: dict[str, float] = dict(span.scores)
        print(span.path, lines, voices, span.text)
    codes: s3attn.Codes = engine.codes("some text")
    print(codes.features.shape, codes.activations.sum(), codes.offsets[-1])
    try:
        store.document(10**6)
    except s3attn.NotFoundError as error:
        reason: str = error.reason
        print(reason)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
