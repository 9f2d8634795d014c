"""train(): an adapter for a model of your own, from plain text."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from s3attn._defaults import cache_dir as default_cache_dir
from s3attn._load import core
from s3attn._progress import ProgressOption, sink_of
from s3attn.errors import InvalidArgumentError
from s3attn.store import Path

_ENUMS: dict[str, dict[str, Any]] = {
    "choice": {"recall": core.HeadChoice.RECALL, "per-layer": core.HeadChoice.PER_LAYER},
    "negatives": {"random": core.Negatives.RANDOM, "bm25": core.Negatives.BM25,
                  "document": core.Negatives.DOCUMENT, "adjacent": core.Negatives.ADJACENT},
    "device": {"auto": core.Device.AUTO, "cpu": core.Device.CPU, "cuda": core.Device.CUDA},
}


def train(
    model: Path,
    corpus: Path | Iterable[Path],
    out: Path,
    *,
    heads: Sequence[tuple[int, int]] = (),
    progress: ProgressOption = None,
    cancel: core.CancelToken | None = None,
    **options: Any,
) -> core.TrainReport:
    """Makes a model's retrieval adapter; the options are those of ``s3attn train``.

    :param model: GGUF file.
    :param corpus: plain text files or folders.
    :param out: folder of the adapter, which is made.
    :param heads: ``(layer, query head)``s to use. Default: chosen by inverse cloze.
    :param options: fields of ``TrainOptions`` (include/s3attn/trainer.h): ``n_heads``,
        ``max_layer``, ``choice``, ``latents``, ``k``, ``sae_steps``, ``sae_tokens``,
        ``cloze_pairs``, ``query_steps``, ``negatives``, ``model_questions``, ``seed``,
        ``threads``, ``device``, ``work``, ``keep_work``, ...; ``context`` takes a dictionary.

    A run that was stopped goes on when it is called again with the same options.
    """
    chosen = core.TrainOptions()
    chosen.model = os.fspath(model)
    if isinstance(corpus, (str, os.PathLike)):
        corpus = [corpus]
    chosen.corpus = [os.fspath(path) for path in corpus]
    chosen.out = os.fspath(out)
    chosen.heads = list(heads)
    chosen.cache_dir = default_cache_dir()
    for name, value in options.items():
        if name == "context":
            for inner, number in value.items():
                _set(chosen.context, inner, number)
        else:
            _set(chosen, name, value)
    with sink_of(progress) as sink:
        return core.train_adapter(chosen, sink, cancel)


def _set(options: Any, name: str, value: Any) -> None:
    if name.startswith("_") or not hasattr(options, name):
        known = [each for each in dir(type(options)) if not each.startswith("_")]
        raise InvalidArgumentError(f"train() has no option '{name}': {', '.join(known)}",
                                   subject=name)
    if name in _ENUMS:
        if value not in _ENUMS[name]:
            raise InvalidArgumentError(f"{name} is one of {', '.join(_ENUMS[name])}", subject=name)
        value = _ENUMS[name][value]
    elif isinstance(value, os.PathLike):
        value = os.fspath(value)
    setattr(options, name, value)
