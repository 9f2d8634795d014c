"""A retriever for LlamaIndex: ``pip install s3attn[llama-index]``."""

from __future__ import annotations

from typing import Any

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from s3attn._retrieving import metadata_of, search_arguments
from s3attn.engine import Engine
from s3attn.store import Path, Store, as_store


class S3AttnRetriever(BaseRetriever):
    """Passages of a store, best first, as ``NodeWithScore``.

    ``start_char_idx`` and ``end_char_idx`` of a node count characters of the document's text as
    ``Store.text`` gives it; bytes, lines, page and scores by voice are in its metadata.

    :param k: most passages; 0: as many as the budget holds.
    :param budget_tokens: most tokens of evidence.
    :param filters: ``where`` and ``types`` of ``Engine.search``.
    :param search_options: further arguments of ``Engine.search``.

    >>> retriever = S3AttnRetriever(s3attn.Engine(), "notes.s3", k=4)
    >>> retriever.retrieve("Who built the mill?")
    """

    def __init__(self, engine: Engine, store: Store | Path, *, k: int = 4,
                 budget_tokens: int = 1024, filters: dict[str, Any] | None = None,
                 search_options: dict[str, Any] | None = None, **base: Any) -> None:
        super().__init__(**base)
        self._engine = engine
        self._store = as_store(store)
        self._k = k
        self._budget_tokens = budget_tokens
        self._filters = filters
        self._search_options = search_options or {}

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._nodes(
            self._engine.search(self._store, query_bundle.query_str, **self._arguments()))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._nodes(await self._engine.asearch(self._store, query_bundle.query_str,
                                                      **self._arguments()))

    def _arguments(self) -> dict[str, Any]:
        return search_arguments(self._k, self._budget_tokens, self._filters, self._search_options,
                                {})

    def _nodes(self, found: Any) -> list[NodeWithScore]:
        texts: dict[int, bytes] = {}
        nodes = []
        for span in found:
            if span.document_id not in texts:
                texts[span.document_id] = self._store.text(span.document_id)
            document = texts[span.document_id]
            begin = len(document[:span.byte_begin].decode("utf-8", "replace"))
            length = len(document[span.byte_begin:span.byte_end].decode("utf-8", "replace"))
            metadata = metadata_of(span)
            node = TextNode(
                id_=f"{span.document_id}:{span.byte_begin}-{span.byte_end}",
                text=span.text,
                metadata=metadata,
                start_char_idx=begin,
                end_char_idx=begin + length,
                # For programs; a reader needs no more than where the passage is from.
                excluded_llm_metadata_keys=[name for name in metadata if name != "source"],
                excluded_embed_metadata_keys=list(metadata),
            )
            nodes.append(NodeWithScore(node=node, score=span.score))
        return nodes
