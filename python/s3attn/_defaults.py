"""Where models and adapters are looked for: the same places as the program `s3attn`."""

from __future__ import annotations

import os
import pathlib

from s3attn._load import core

DEFAULT_MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"
DEFAULT_READER = "Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf"
_PACKAGE = pathlib.Path(os.path.abspath(__file__)).parent  # not behind links


def cache_dir() -> str:
    """$XDG_CACHE_HOME/s3attn, or ~/.cache/s3attn."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(home, "s3attn")


def adapter_dirs() -> list[str]:
    """The adapters in this package, then those in the cache."""
    return [str(_PACKAGE / "models"), os.path.join(cache_dir(), "adapters")]


def default_model() -> str:
    """$S3ATTN_MODEL, or the model that `make setup` put into the cache; "" where there is none."""
    named = os.environ.get("S3ATTN_MODEL")
    if named:
        return named
    return _in_cache(DEFAULT_MODEL)


def default_reader(model: str) -> str:
    """$S3ATTN_READER; with the default model the reader fetched beside it; "": the model itself."""
    named = os.environ.get("S3ATTN_READER")
    if named:
        return named
    return _in_cache(DEFAULT_READER) if model == _in_cache(DEFAULT_MODEL) else ""


def _in_cache(name: str) -> str:
    cache = pathlib.Path(cache_dir())
    for place in (cache, *sorted(path for path in cache.glob("*") if path.is_dir())):
        if (place / name).is_file():
            return str(place / name)
    return ""


def engine_options(
    model: str | os.PathLike[str] | None = None,
    adapter: str | os.PathLike[str] | None = None,
    device: str = "auto",
    threads: int = 0,
    chunk_tokens: int = 0,
    cache_dir: str | os.PathLike[str] | None = None,
) -> core.EngineOptions:
    """Options with this package's defaults filled in."""
    from s3attn.errors import InvalidArgumentError, NotFoundError

    options = core.EngineOptions()
    options.model = os.fspath(model) if model is not None else default_model()
    if not options.model:
        raise NotFoundError(
            f"no model: put {DEFAULT_MODEL} into {globals()['cache_dir']()}, or name a GGUF file "
            "with model=... or in S3ATTN_MODEL",
            "model.none", "model")
    options.adapter = os.fspath(adapter) if adapter is not None \
        else os.environ.get("S3ATTN_ADAPTER", "")
    options.adapter_dirs = adapter_dirs()
    devices = {"auto": core.Device.AUTO, "cpu": core.Device.CPU, "cuda": core.Device.CUDA}
    if device not in devices:
        raise InvalidArgumentError(f"there is no device '{device}': auto, cpu or cuda",
                                   subject="device")
    options.device = devices[device]
    options.threads = threads
    options.chunk_tokens = chunk_tokens
    options.cache_dir = os.fspath(cache_dir) if cache_dir is not None \
        else globals()["cache_dir"]()
    return options
