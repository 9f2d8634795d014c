"""What the retrievers of all frameworks share."""

from __future__ import annotations

from typing import Any

from s3attn.errors import InvalidArgumentError


def search_arguments(k: int, budget_tokens: int, filters: dict[str, Any] | None,
                     fixed: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Arguments of Engine.search from a retriever's fields and those of one call."""
    given = dict(options)
    arguments: dict[str, Any] = {
        "max_spans": given.pop("k", k),
        "budget_tokens": given.pop("budget_tokens", budget_tokens),
        **fixed,
    }
    chosen = given.pop("filters", filters) or {}
    unknown = set(chosen) - {"where", "types"}
    if unknown:
        raise InvalidArgumentError(
            f"a filter has 'where' and 'types', not {', '.join(sorted(map(str, unknown)))}",
            subject="filters")
    return {**arguments, **chosen, **given}


def metadata_of(span: Any) -> dict[str, Any]:
    """Where a passage stands and how it scored, as plain values."""
    metadata = {
        "source": span.path,
        "document_id": span.document_id,
        "byte_begin": span.byte_begin,
        "byte_end": span.byte_end,
        "offsets": span.offsets,
        "score": span.score,
        "scores": span.scores,
        "tokens": span.tokens,
    }
    if span.page is not None:
        metadata["page"] = span.page
    if span.lines is not None:
        metadata["lines"] = list(span.lines)
    heading = getattr(span, "heading", "")
    if heading:
        metadata["heading"] = heading
    return metadata
