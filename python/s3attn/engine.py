"""Engine: index documents, search them, answer from them."""

from __future__ import annotations

import fnmatch
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, Union

from s3attn._defaults import default_reader, engine_options
from s3attn._load import core
from s3attn._progress import ProgressOption, sink_of
from s3attn.errors import InvalidArgumentError
from s3attn.research import Probe
from s3attn.store import Path, Store, as_store

#: Which documents may be found: a predicate, their ids, or a pattern of their paths ("reports/*").
Where = Union["Callable[[core.DocumentInfo], bool]", "Iterable[int]", str, None]

_SCORINGS = {"attention": core.Scoring.ATTENTION, "eq7": core.Scoring.EQ7,
             "eq7-no-idf": core.Scoring.EQ7_NO_IDF}


def _predicate(where: Where, types: str | Iterable[str] | None
               ) -> Callable[[core.DocumentInfo], bool] | None:
    tests: list[Callable[[core.DocumentInfo], bool]] = []
    if isinstance(where, str):
        pattern = where
        tests.append(lambda document: fnmatch.fnmatchcase(document.path, pattern))
    elif callable(where):
        tests.append(where)
    elif where is not None:
        ids = frozenset(where)
        tests.append(lambda document: document.id in ids)
    if types is not None:
        formats = frozenset([types] if isinstance(types, str) else types)
        tests.append(lambda document: document.format in formats)
    if not tests:
        return None
    return lambda document: all(test(document) for test in tests)


def _search_options(budget_tokens: int, max_spans: int, method: str, scoring: str, rounds: int,
                    max_features: int) -> core.SearchOptions:
    options = core.SearchOptions()
    options.budget_tokens = budget_tokens
    options.max_spans = max_spans
    options.method = method
    if scoring != "attention":
        if scoring not in _SCORINGS:
            raise InvalidArgumentError(
                f"there is no scoring '{scoring}': {', '.join(_SCORINGS)}", subject="scoring")
        options.scoring = _SCORINGS[scoring]
    options.rounds = rounds
    options.max_features = max_features
    return options


class Engine:
    """A scanning model with its adapter, and a reader that writes answers.

    :param model: GGUF file that reads documents and finds evidence. Default: ``$S3ATTN_MODEL``, or
        the small model that ``make setup`` puts into the cache.
    :param adapter: retrieval adapter of the model (a folder). Default: the shipped one that fits.
    :param reader: what writes answers: a GGUF file, or ``"http://HOST/v1#MODEL"``, a model behind a
        server that speaks OpenAI's chat completions (the passages are sent there). Default:
        ``$S3ATTN_READER``; with the default model the reader that ``make setup`` fetched; else the
        model itself.
    :param reader_key: sent to such a server; never shown. Default: ``$S3ATTN_READER_KEY``.
    :param offline: refuse readers behind a server: nothing may leave this machine.
    :param device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
    :param threads: worker threads; 0: all cores that this process may use.
    :param chunk_tokens: tokens of one forward pass of the scan; 0: the store's own, or 256.
    :param reader_context: window of the reader in tokens; 0: up to 8192.
    :param rerank: second stage, which reads the first passages again: ``"auto"``, ``"off"``, or how
        many passages.
    :param rerank_model: GGUF of the second stage. Default: the reader.

    Weights are loaded when they are needed first. Any number of threads may call one engine; the
    GIL is released in every call, and Ctrl-C ends it. An engine cannot be used in a process that
    was forked after it was made (``UnsupportedError``): use ``spawn``.
    """

    def __init__(
        self,
        model: Path | None = None,
        adapter: Path | None = None,
        reader: Path | None = None,
        *,
        device: str = "auto",
        threads: int = 0,
        chunk_tokens: int = 0,
        reader_context: int = 0,
        reader_key: str | None = None,
        offline: bool = False,
        rerank: str | int = "auto",
        rerank_model: Path | None = None,
        cache_dir: Path | None = None,
    ) -> None:
        options = engine_options(model, adapter, device, threads, chunk_tokens, cache_dir)
        options.reader = os.fspath(reader) if reader is not None else default_reader(options.model)
        options.remote.key = reader_key if reader_key is not None \
            else os.environ.get("S3ATTN_READER_KEY", "")
        options.remote.offline = offline
        options.reader_context = reader_context
        options.rerank_model = os.fspath(rerank_model) if rerank_model is not None else ""
        if rerank == "auto":
            options.rerank.mode = core.RerankOptions.Mode.AUTO
        elif rerank == "off":
            options.rerank.mode = core.RerankOptions.Mode.OFF
        elif isinstance(rerank, int) and rerank >= 2:
            options.rerank.mode = core.RerankOptions.Mode.ON
            options.rerank.units = rerank
        else:
            raise InvalidArgumentError("rerank is 'auto', 'off' or how many passages, 2 or more",
                                       subject="rerank")
        self._options = options
        self._handle = core.EngineHandle(options)
        self._lock = threading.Lock()
        self._probe: Probe | None = None
        self._readers: dict[str, core.EngineHandle] = {}

    @property
    def model(self) -> str:
        """Path of the scanning model."""
        return self._options.model

    def index(
        self,
        store: Store | Path,
        inputs: Path | Iterable[Path],
        *,
        recursive: bool = True,
        prune: bool = False,
        memory_mib: int = 256,
        shard: tuple[int, int] | None = None,
        commit_tokens: int = 0,
        progress: ProgressOption = None,
        cancel: core.CancelToken | None = None,
    ) -> core.IndexReport:
        """Scans files and folders into a store, which is made if absent.

        An unchanged document is passed over, a changed one replaced, an interrupted one resumed.
        A file that cannot be read is named in the report (``report.files``) and the others are
        indexed.

        :param prune: drop documents of the folders given whose files are gone.
        :param memory_mib: most memory of the index builder; the model's comes on top.
        :param shard: ``(i, n)``: only every n-th document, the i-th first (``Store.merge`` joins).
        :param progress: True for a tqdm bar, or a callable that takes a ``Progress``. What it
            raises ends the call.
        :returns: what was done, with ``files``, ``tokens``, ``seconds`` and ``bytes_per_token``.
        """
        options = core.IndexOptions()
        options.recursive = recursive
        options.prune = prune
        options.memory_mib = memory_mib
        options.commit_tokens = commit_tokens
        if shard is not None:
            options.shard, options.shards = shard
        if isinstance(inputs, (str, os.PathLike)):
            inputs = [inputs]
        paths = [os.fspath(path) for path in inputs]
        with sink_of(progress) as sink:
            return self._handle.index(as_store(store)._handle, paths, options, sink, cancel)

    def search(
        self,
        store: Store | Path,
        question: str,
        *,
        budget_tokens: int = 1024,
        max_spans: int = 0,
        method: str = "hybrid",
        where: Where = None,
        types: str | Iterable[str] | None = None,
        rounds: int = 1,
        scoring: str = "attention",
        max_features: int = 0,
        quote: bool = False,
        cancel: core.CancelToken | None = None,
    ) -> core.SearchResult:
        """Evidence for a question: passages, best first.

        :param budget_tokens: most tokens of evidence, as the scanning model counts them.
        :param max_spans: most passages; 0: as many as the budget holds.
        :param method: ``"s3"``, the model's attention; ``"bm25"``, shared words; ``"hybrid"``, both;
            or a mixture of your own, such as ``"rrf(s3,bm25)"``.
        :param where: which documents may be found: a predicate over ``DocumentInfo``, ids, or a
            pattern of paths. Attention is scored as if the store held no others.
        :param types: formats that may be found, such as ``"pdf"`` or ``["text", "markdown"]``.
        :param rounds: search again with the best passage found so far, so many times in all.
        :param quote: also choose the sentence that answers (``result.quote``).
        """
        options = _search_options(budget_tokens, max_spans, method, scoring, rounds, max_features)
        options.quote = quote
        return self._handle.search(as_store(store)._handle, question, options,
                                   _predicate(where, types), cancel)

    def ask(
        self,
        store: Store | Path,
        question: str,
        *,
        reader: Path | None = None,
        stream: Callable[[str], object] | None = None,
        on_evidence: Callable[[core.SearchResult], object] | None = None,
        history: Sequence[tuple[str, str]] = (),
        budget_tokens: int = 1024,
        max_spans: int = 0,
        method: str = "hybrid",
        where: Where = None,
        types: str | Iterable[str] | None = None,
        rounds: int = 1,
        scoring: str = "attention",
        max_features: int = 0,
        max_answer_tokens: int = 0,
        withhold_below: float = -1.0,
        temperature: float = 0.0,
        seed: int = 1,
        cancel: core.CancelToken | None = None,
    ) -> core.Answer:
        """An answer from the evidence alone, with citations.

        :param reader: who writes it, instead of the engine's reader; kept for further questions.
        :param stream: called with each piece of the answer as it is written; returning False ends
            it there.
        :param on_evidence: called once with the evidence, before the first piece.
        :param history: earlier ``(role, text)`` turns, roles ``"user"`` and ``"assistant"``.
        :param max_answer_tokens: 0: what suits the reader.
        :param withhold_below: the answer is withheld where ``answer.answerable`` is below this;
            0: never; below 0: the reader's default point.
        :param temperature: 0: always the likeliest token.

        ``answer.text`` is the answer, ``answer.cited`` the passages that it rests on, and
        ``answer.search`` all the evidence. With no evidence above the adapter's calibrated floor
        the answer says so.
        """
        options = core.AskOptions()
        options.search = _search_options(budget_tokens, max_spans, method, scoring, rounds,
                                         max_features)
        options.history = list(history)
        options.max_answer_tokens = max_answer_tokens
        options.withhold_below = withhold_below
        options.temperature = temperature
        options.seed = seed
        return self._reading(reader).ask(as_store(store)._handle, question, options, stream,
                                         on_evidence, _predicate(where, types), cancel)

    async def aindex(self, store: Store | Path, inputs: Path | Iterable[Path],
                     **options: Any) -> core.IndexReport:
        """``index`` on a thread; ends when the task is cancelled."""
        return await _in_thread(self.index, store, inputs, options)

    async def asearch(self, store: Store | Path, question: str,
                      **options: Any) -> core.SearchResult:
        """``search`` on a thread; ends when the task is cancelled."""
        return await _in_thread(self.search, store, question, options)

    async def aask(self, store: Store | Path, question: str, **options: Any) -> core.Answer:
        """``ask`` on a thread; ends when the task is cancelled."""
        return await _in_thread(self.ask, store, question, options)

    def codes(self, text: str) -> core.Codes:
        """Sparse codes of a text's tokens, as the index would hold them: NumPy views.

        ``tokens`` int32 [n], ``offsets`` uint64 [n + 1], ``features`` uint16 [n, slots, k],
        ``activations`` uint8 [n, slots, k].
        """
        return self.probe().codes(text)

    def probe(self) -> Probe:
        """The inside of this engine's model and adapter, for research."""
        with self._lock:
            if self._probe is None:
                self._probe = Probe._of(self._options)
            return self._probe

    def _reading(self, reader: Path | None) -> core.EngineHandle:
        if reader is None:
            return self._handle
        name = os.fspath(reader)
        with self._lock:
            if name not in self._readers:
                before = self._options.reader
                try:
                    self._options.reader = name
                    self._readers[name] = core.EngineHandle(self._options)
                finally:
                    self._options.reader = before
            return self._readers[name]

    def __repr__(self) -> str:
        return f"Engine(model={os.path.basename(self.model)!r})"


_Result = TypeVar("_Result")


async def _in_thread(function: Callable[..., _Result], store: Store | Path, what: Any,
                     options: dict[str, Any]) -> _Result:
    import asyncio  # not by everybody who imports s3attn: it takes a while

    token = options.pop("cancel", None) or core.CancelToken()
    running = asyncio.ensure_future(
        asyncio.to_thread(function, store, what, cancel=token, **options))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        token.cancel()
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # it was asked to end: what it says of that is not news
        raise
