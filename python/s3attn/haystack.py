"""A retriever for Haystack 2: ``pip install s3attn[haystack]``."""

from __future__ import annotations

from typing import Any, Optional

from haystack import Document, component, default_from_dict, default_to_dict

from s3attn._retrieving import metadata_of, search_arguments
from s3attn.engine import Engine
from s3attn.store import as_store


@component
class S3AttnRetriever:
    """Passages of a store, best first, as Haystack documents.

    Their ``meta`` holds path, bytes, lines or page, and scores by voice.

    :param engine: a ``s3attn.Engine``, or a dictionary of its arguments: the engine is then made by
        ``warm_up``, and the pipeline can be saved.
    :param store: a ``s3attn.Store``, or its path.
    :param top_k: most passages; 0: as many as the budget holds.
    :param budget_tokens: most tokens of evidence.
    :param filters: ``where`` and ``types`` of ``Engine.search``.
    :param search_options: further arguments of ``Engine.search``.
    """

    def __init__(self, engine: Any, store: Any, *, top_k: int = 4, budget_tokens: int = 1024,
                 filters: Optional[dict[str, Any]] = None,
                 search_options: Optional[dict[str, Any]] = None) -> None:
        self._engine = engine if isinstance(engine, Engine) else None
        self._engine_arguments = None if isinstance(engine, Engine) else dict(engine or {})
        self._store = as_store(store)
        self._top_k = top_k
        self._budget_tokens = budget_tokens
        self._filters = filters
        self._search_options = search_options or {}

    def warm_up(self) -> None:
        """Makes the engine, where it was given by its arguments."""
        if self._engine is None:
            self._engine = Engine(**(self._engine_arguments or {}))

    @component.output_types(documents=list[Document])
    def run(self, query: str, top_k: Optional[int] = None,
            filters: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        """Searches."""
        found = self._ready().search(self._store, query, **self._arguments(top_k, filters))
        return {"documents": self._documents(found)}

    @component.output_types(documents=list[Document])
    async def run_async(self, query: str, top_k: Optional[int] = None,
                        filters: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        """Searches, on a thread."""
        found = await self._ready().asearch(self._store, query,
                                            **self._arguments(top_k, filters))
        return {"documents": self._documents(found)}

    def to_dict(self) -> dict[str, Any]:
        """For ``Pipeline.dumps``: an engine that was handed over is not saved, its options are."""
        if self._engine_arguments is None:
            raise ValueError("S3AttnRetriever holds a ready Engine, which cannot be saved: give it "
                             "the engine's arguments as a dictionary instead")
        return default_to_dict(self, engine=self._engine_arguments, store=self._store.path,
                               top_k=self._top_k, budget_tokens=self._budget_tokens,
                               filters=self._filters, search_options=self._search_options)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> S3AttnRetriever:
        """For ``Pipeline.loads``."""
        return default_from_dict(cls, data)

    def _ready(self) -> Engine:
        self.warm_up()
        assert self._engine is not None
        return self._engine

    def _arguments(self, top_k: int | None, filters: dict[str, Any] | None) -> dict[str, Any]:
        return search_arguments(self._top_k if top_k is None else top_k, self._budget_tokens,
                                filters if filters is not None else self._filters,
                                self._search_options, {})

    @staticmethod
    def _documents(found: Any) -> list[Document]:
        return [Document(content=span.text, meta=metadata_of(span), score=span.score)
                for span in found]
