"""A retriever for LangChain: ``pip install s3attn[langchain]``."""

from __future__ import annotations

from typing import Any, Optional

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from s3attn._retrieving import metadata_of, search_arguments
from s3attn.engine import Engine


class S3AttnRetriever(BaseRetriever):
    """Passages of a store, best first, as LangChain documents.

    Metadata of each: ``source`` (the path), ``document_id``, ``byte_begin``, ``byte_end``,
    ``lines`` or ``page``, ``score``, ``scores`` by voice, ``tokens``, and ``heading`` where the
    library knows one.

    >>> retriever = S3AttnRetriever(engine=s3attn.Engine(), store="notes.s3", k=4)
    >>> retriever.invoke("Who built the mill?")
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    engine: Engine
    store: Any
    """A Store, or its path."""
    k: int = 4
    """Most passages; 0: as many as the budget holds."""
    budget_tokens: int = 1024
    """Most tokens of evidence."""
    filters: Optional[dict[str, Any]] = None  # noqa: UP045 (pydantic evaluates it on Python 3.9)
    """``where`` and ``types`` of Engine.search."""
    search_options: dict[str, Any] = {}
    """Further arguments of Engine.search, such as ``method``."""

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun,
                                **options: Any) -> list[Document]:
        return self._documents(self.engine.search(self.store, query, **self._arguments(options)))

    async def _aget_relevant_documents(self, query: str, *,
                                       run_manager: AsyncCallbackManagerForRetrieverRun,
                                       **options: Any) -> list[Document]:
        return self._documents(
            await self.engine.asearch(self.store, query, **self._arguments(options)))

    def _arguments(self, options: dict[str, Any]) -> dict[str, Any]:
        return search_arguments(self.k, self.budget_tokens, self.filters, self.search_options,
                                options)

    @staticmethod
    def _documents(found: Any) -> list[Document]:
        return [Document(page_content=span.text, metadata=metadata_of(span)) for span in found]
