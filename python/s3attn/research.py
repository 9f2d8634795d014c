"""Research access: keys, queries, sparse codes, weights and scores as NumPy arrays.

Arrays are views of what the library made: nothing is copied, and they are read-only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from s3attn._defaults import engine_options
from s3attn._load import core
from s3attn.store import Path, Store, as_store


class Probe:
    """Looks inside a model and its adapter. Parameters as of ``s3attn.Engine``.

    >>> probe = s3attn.Probe()
    >>> head = probe.info.heads[0]
    >>> keys = probe.keys("some text", [(head.layer, 0)]).rows     # float32 [1, tokens, d_head]
    """

    def __init__(self, model: Path | None = None, adapter: Path | None = None, *,
                 device: str = "auto", threads: int = 0, chunk_tokens: int = 0,
                 cache_dir: Path | None = None) -> None:
        self._handle = core.ProbeHandle(
            engine_options(model, adapter, device, threads, chunk_tokens, cache_dir))

    @classmethod
    def _of(cls, options: core.EngineOptions) -> Probe:
        probe = cls.__new__(cls)
        probe._handle = core.ProbeHandle(options)
        return probe

    @property
    def info(self) -> core.ProbeInfo:
        """Shapes of the model; slots and heads of the adapter."""
        return self._handle.info

    def codes(self, text: str) -> core.Codes:
        """What the index would hold of a text: tokens, offsets, features, activations."""
        return self._handle.codes(text)

    def keys(self, text: str, heads: Sequence[tuple[int, int]]) -> core.Captured:
        """Keys before RoPE of ``(layer, KV head)``s: ``rows`` is float32 [heads, tokens, d_head].

        Any head of the model may be asked for. Texts longer than ``info.chunk_tokens`` are read in
        independent windows, as the index does.
        """
        return self._handle.keys(text, list(heads))

    def queries(self, text: str, heads: Sequence[tuple[int, int]]) -> core.Captured:
        """Queries before RoPE of ``(layer, query head)``s: float32 [heads, tokens, d_head]."""
        return self._handle.queries(text, list(heads))

    def encode(self, slot: int, rows: Any) -> core.SparseCodes:
        """A slot's autoencoder on keys, float32 [n, d_head]: features and activations [n, k]."""
        import numpy

        return self._handle.encode(slot, numpy.ascontiguousarray(rows, dtype=numpy.float32))

    def decode(self, slot: int, features: Any, activations: Any) -> Any:
        """What scoring sees of coded keys: unit vectors, float32 [n, d_head].

        They are the directions of the keys from the slot's mean key.
        """
        import numpy

        return self._handle.decode(slot, numpy.ascontiguousarray(features, dtype=numpy.uint16),
                                   numpy.ascontiguousarray(activations, dtype=numpy.uint8))

    def query_weights(self, question: str) -> core.QueryWeights:
        """What a question asks of the index: weights float32 [heads, latents, tokens], shares."""
        return self._handle.query_weights(question)

    def lane_scores(self, store: Store | Path, question: str) -> core.LaneScores:
        """Every passage's score in every lane of a question, and the softmax totals.

        The share of passage u in lane (h, t) is
        ``exp(info.heads[h].temperature * scores[u, h, t] - log_totals[h, t])``.
        """
        return self._handle.lane_scores(as_store(store)._handle, question)

    def __repr__(self) -> str:
        return f"Probe(model={self.info.model!r}, adapter={self.info.adapter!r})"
