"""eval(): `s3attn eval retrieval` as rows; evaluate_beir(): BEIR data, TREC run files, measures."""

from __future__ import annotations

import csv
import json
import math
import os
import pathlib
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from s3attn.engine import Engine
from s3attn.errors import CorruptError, Error, InvalidArgumentError, NotFoundError
from s3attn.store import Path, Store, as_store

#: Query id to document id to score (a run) or to relevance (judgements).
Run = dict[str, dict[str, float]]
Judgements = dict[str, dict[str, int]]


def _program() -> str:
    beside = pathlib.Path(os.path.abspath(__file__)).parent / "bin/s3attn"
    found = os.environ.get("S3ATTN_PROGRAM") or \
        (str(beside) if beside.is_file() else shutil.which("s3attn"))
    if not found:
        raise NotFoundError("eval() runs the program `s3attn`, which is not on the PATH: install it "
                            "(make install), or name it in S3ATTN_PROGRAM", subject="s3attn")
    return found


def eval(data: Path, *, methods: str | Iterable[str] = "bm25,s3,hybrid",
         budgets: Sequence[int] = (256, 512, 1024), out: Path | None = None,
         **options: Any) -> list[dict[str, Any]]:
    """What each method finds: one flat row per question and method, ready for pandas.

    ``pandas.DataFrame(s3attn.eval("dev.jsonl")).groupby("method").mean(numeric_only=True)``

    :param data: questions with marked evidence (docs/evaluation.md).
    :param out: folder of the run record; a run that was stopped goes on. Default: a temporary one.
    :param options: those of ``s3attn eval retrieval``, with ``_`` for ``-``: ``limit=100``,
        ``haystack="pooled"``, ``model="m.gguf"``; True gives a bare flag.
    :returns: ``id``, ``group``, ``question``, ``method``, every metric, ``seconds``.
    """
    names = methods if isinstance(methods, str) else ",".join(methods)
    with tempfile.TemporaryDirectory(prefix="s3attn-eval-") as temporary:
        folder = os.fspath(out) if out is not None else os.path.join(temporary, "run")
        command = [_program(), "eval", "retrieval", "--data", os.fspath(data), "--methods", names,
                   "--budgets", ",".join(map(str, budgets)), "--out", folder, "--json", "--quiet"]
        for name, value in options.items():
            flag = "--" + name.replace("_", "-")
            command += [flag] if value is True else [flag, str(value)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            message = done.stderr.strip().removeprefix("error: ")
            raise (InvalidArgumentError if done.returncode > 1 else Error)(message)
        record = json.loads(pathlib.Path(folder, "run.json").read_text(encoding="utf-8"))
    return [{"id": row["id"], "group": row["group"], "question": row["question"],
             "method": row["method"], **row["metrics"], "seconds": row["seconds"]["retrieve"]}
            for row in record["rows"]]


def load_beir(folder: Path, split: str = "test"
              ) -> tuple[dict[str, str], dict[str, str], Judgements]:
    """A BEIR folder: documents and queries by id, and the judgements of ``qrels/SPLIT.tsv``."""
    top = pathlib.Path(folder)
    documents = {}
    for row in _lines(top / "corpus.jsonl"):
        documents[str(row["_id"])] = "\n\n".join(filter(None, (row.get("title"), row["text"])))
    queries = {str(row["_id"]): str(row["text"]) for row in _lines(top / "queries.jsonl")}
    qrels: Judgements = {}
    path = top / "qrels" / f"{split}.tsv"
    with _open(path) as file:
        for number, cells in enumerate(csv.reader(file, delimiter="\t"), 1):
            if number == 1 and cells[0] == "query-id":
                continue
            if len(cells) != 3:
                raise CorruptError(f"{path}:{number}: expected query-id, corpus-id and score")
            qrels.setdefault(cells[0], {})[cells[1]] = int(cells[2])
    return documents, {each: queries[each] for each in qrels if each in queries}, qrels


def from_ir_datasets(dataset: Any) -> tuple[dict[str, str], dict[str, str], Judgements]:
    """The same of a data set of the package ``ir_datasets`` (``ir_datasets.load(NAME)``)."""
    documents = {each.doc_id: each.default_text() for each in dataset.docs_iter()}
    queries = {each.query_id: each.default_text() for each in dataset.queries_iter()}
    qrels: Judgements = {}
    for each in dataset.qrels_iter():
        qrels.setdefault(each.query_id, {})[each.doc_id] = each.relevance
    return documents, {each: queries[each] for each in qrels if each in queries}, qrels


def write_beir(folder: Path, documents: Mapping[str, str], queries: Mapping[str, str],
               qrels: Judgements, split: str = "test") -> None:
    """Writes a BEIR folder, which :func:`evaluate_beir` and ``s3attn eval retrieval`` read."""
    top = pathlib.Path(folder)
    (top / "qrels").mkdir(parents=True, exist_ok=True)
    for name, texts in (("corpus.jsonl", documents), ("queries.jsonl", queries)):
        with open(top / name, "w", encoding="utf-8") as file:
            for each, text in texts.items():
                file.write(json.dumps({"_id": each, "text": text}, ensure_ascii=False) + "\n")
    with open(top / "qrels" / f"{split}.tsv", "w", encoding="utf-8") as file:
        file.write("query-id\tcorpus-id\tscore\n")
        for query, judged in qrels.items():
            for each, grade in judged.items():
                file.write(f"{query}\t{each}\t{grade}\n")


def index_documents(engine: Engine, store: Store | Path, documents: Mapping[str, str],
                    **options: Any) -> dict[int, str]:
    """Indexes texts by id. Returns the document id of the store to the id given."""
    store = as_store(store)
    with tempfile.TemporaryDirectory(prefix="s3attn-texts-") as temporary:
        paths = {}
        for number, (name, text) in enumerate(documents.items()):
            file = pathlib.Path(temporary, f"{number:09}.txt")
            file.write_text(text if text.strip() else "(empty)", encoding="utf-8")
            paths[str(file)] = name
        report = engine.index(store, list(paths), **options)
        failed = [each for each in report.files if each.kind == "skipped"]
        if failed:
            raise CorruptError(f"document '{paths[failed[0].path]}': {failed[0].reason}")
        return {each.document_id: paths[each.path] for each in report.files}


def rank(engine: Engine, store: Store | Path, queries: Mapping[str, str],
         names: Mapping[int, str], *, method: str = "hybrid", depth: int = 100) -> Run:
    """A run: each query's best documents, by their best passage."""
    run: Run = {}
    for query, text in queries.items():
        best: dict[str, float] = {}
        # A document may have many passages: ask for more until enough documents are there.
        most = depth
        while True:
            found = engine.search(store, text, method=method, budget_tokens=1 << 20,
                                  max_spans=most)
            best = {}
            for span in found:
                name = names[span.document_id]
                best[name] = max(best.get(name, -math.inf), span.score)
            if len(best) >= depth or len(found) < most:
                break
            most *= 4
        run[query] = dict(sorted(best.items(), key=lambda item: -item[1])[:depth])
    return run


def write_run(run: Run, file: Path, tag: str) -> None:
    """A TREC run file: ``query Q0 document rank score tag``."""
    with open(file, "w", encoding="utf-8") as out:
        for query, documents in run.items():
            order = sorted(documents.items(), key=lambda item: -item[1])
            for place, (name, score) in enumerate(order, 1):
                out.write(f"{query} Q0 {name} {place} {score!r} {tag}\n")


def measures(qrels: Judgements, run: Run) -> dict[str, dict[str, float]]:
    """Per query ``ndcg_cut_10``, ``map``, ``recall_10`` and ``recall_100``, as trec_eval counts.

    Documents are ordered by score, ties by descending id, as trec_eval does.
    """
    result = {}
    for query in qrels.keys() & run.keys():
        judged = qrels[query]
        order = sorted(run[query].items(), key=lambda item: (item[1], item[0]), reverse=True)
        gains = [judged.get(name, 0) for name, _ in order]
        relevant = sum(1 for grade in judged.values() if grade > 0)
        ideal = sorted((grade for grade in judged.values() if grade > 0), reverse=True)
        found, precision = 0, 0.0
        for place, gain in enumerate(gains, 1):
            if gain > 0:
                found += 1
                precision += found / place
        best = _discounted(ideal[:10])
        result[query] = {
            "ndcg_cut_10": _discounted(gains[:10]) / best if best else 0.0,
            "map": precision / relevant if relevant else 0.0,
            "recall_10": sum(g > 0 for g in gains[:10]) / relevant if relevant else 0.0,
            "recall_100": sum(g > 0 for g in gains[:100]) / relevant if relevant else 0.0,
        }
    return result


def evaluate_beir(data: Any, out: Path, *, engine: Engine | None = None, split: str = "test",
                  methods: Iterable[str] = ("bm25", "s3", "hybrid"), depth: int = 100
                  ) -> list[dict[str, Any]]:
    """A BEIR folder, or a data set of ``ir_datasets``, through several methods.

    :param data: the folder, or what ``ir_datasets.load(NAME)`` returns.

    Writes ``OUT/METHOD.trec`` for each and returns one row a method: its name, the number of
    queries ``n``, and the mean of each measure. The store is kept in ``OUT/store.s3``.
    """
    documents, queries, qrels = (from_ir_datasets(data) if hasattr(data, "docs_iter")
                                 else load_beir(data, split))
    lost = qrels.keys() - queries.keys()
    if lost:
        warnings.warn(f"{len(lost)} of {len(qrels)} judged queries have no text and are left out, "
                      f"{sorted(lost)[0]} the first", stacklevel=2)
    engine = engine or Engine()
    folder = pathlib.Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    store = Store(folder / "store.s3")
    if store.exists:
        raise InvalidArgumentError(f"'{store.path}' is there already: name another folder",
                                   "file.exists", str(folder))
    names = index_documents(engine, store, documents)
    rows = []
    for method in methods:
        run = rank(engine, store, queries, names, method=method, depth=depth)
        write_run(run, folder / f"{method}.trec", method)
        figures = measures(qrels, run).values()
        row: dict[str, Any] = {"method": method, "n": len(figures)}
        for name in ("ndcg_cut_10", "map", "recall_10", "recall_100"):
            row[name] = sum(each[name] for each in figures) / max(1, len(figures))
        rows.append(row)
    return rows


def _discounted(gains: Iterable[int]) -> float:
    return sum(max(0, gain) / math.log2(place + 1) for place, gain in enumerate(gains, 1))


def _open(path: pathlib.Path) -> Any:
    try:
        return open(path, encoding="utf-8", newline="")
    except FileNotFoundError:
        raise NotFoundError(f"there is no {path}: a BEIR folder has corpus.jsonl, queries.jsonl "
                            "and qrels/SPLIT.tsv", subject=str(path)) from None


def _lines(path: pathlib.Path) -> Iterable[dict[str, Any]]:
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                row["_id"], row["text"]
            except (ValueError, KeyError, TypeError):
                raise CorruptError(f"{path}:{number}: expected an object with _id and text"
                                   ) from None
            yield row
