"""Store: documents on disk, and what can be done to them without a model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import List, Union

from s3attn._load import core
from s3attn._progress import ProgressOption, sink_of
from s3attn.errors import NotFoundError

Path = Union[str, "os.PathLike[str]"]


class Store:
    """A store of documents: a directory. It is made by the first ``Engine.index`` into it.

    >>> store = s3attn.Store("notes.s3")
    >>> for document in store.list():
    ...     print(document.id, document.path, document.tokens)

    Any number of threads and processes may read a store while one writes it. Each call sees the
    newest state that was committed when it began. Nothing is held between calls, so an object may
    be copied into other processes (pickled, or by fork).
    """

    def __init__(self, path: Path) -> None:
        self._handle = core.StoreHandle(os.fspath(path))

    @property
    def path(self) -> str:
        """The directory."""
        return self._handle.directory

    @property
    def exists(self) -> bool:
        """Whether something was indexed into it yet."""
        return os.path.isfile(os.path.join(self.path, "catalog.db"))

    def list(self) -> List[core.DocumentInfo]:
        """All documents, by id. ``NotFoundError`` where there is no store yet."""
        return self._handle.documents()

    def document(self, id: int) -> core.DocumentInfo:
        """One document; ``NotFoundError`` where there is none of this id."""
        return self._handle.document(id)

    def find(self, path: Path) -> core.DocumentInfo | None:
        """The document of that path, as ``list()`` spells it; None where there is none."""
        return self._handle.find(os.fspath(path))

    def text(self, id: int) -> bytes:
        """The whole text that byte offsets count in: of the file, or extracted from it (UTF-8)."""
        return self._handle.text(id)

    def read(self, id: int, begin: int, end: int, max_bytes: int = 1 << 20) -> core.DocumentRange:
        """The passages that overlap bytes ``[begin, end)`` of a document."""
        return self._handle.read(id, begin, end, max_bytes)

    def remove(self, documents: int | Path | Iterable[int | Path]) -> List[core.DocumentInfo]:
        """Removes documents, named by id or path; durable on return. Returns what was removed."""
        if isinstance(documents, (int, str, os.PathLike)):
            documents = [documents]
        ids = []
        for named in documents:
            if isinstance(named, int):
                ids.append(self.document(named).id)
                continue
            found = self.find(named)
            if found is None:
                raise NotFoundError(f"store '{self.path}' has no document '{os.fspath(named)}'",
                                    "document.not_found", os.fspath(named))
            ids.append(found.id)
        return self._handle.remove(ids)

    def verify(self) -> core.VerifyReport:
        """Reads every byte; ``CorruptError`` names the first inconsistency."""
        return self._handle.verify()

    def export(self, file: Path) -> core.ExportReport:
        """Writes the store as one file, which must not be there yet."""
        return self._handle.export_to(os.fspath(file))

    @classmethod
    def from_export(cls, file: Path, path: Path) -> Store:
        """Makes a store of an exported file; it is verified before it gets its name."""
        core.import_store(os.fspath(file), os.fspath(path))
        return cls(path)

    def merge(self, stores: Iterable[Store | Path], *, progress: ProgressOption = None,
              cancel: core.CancelToken | None = None) -> core.MergeReport:
        """Copies the documents of other stores into this one, made if absent.

        Shards of one run (``Engine.index(..., shard=(1, 4))``) give what that run would have given
        in one store.
        """
        paths = [each.path if isinstance(each, Store) else os.fspath(each) for each in stores]
        with sink_of(progress) as sink:
            return core.merge_stores(self.path, paths, sink, cancel)

    def __iter__(self) -> Iterator[core.DocumentInfo]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self.list())

    def __repr__(self) -> str:
        return f"Store({self.path!r})"

    def __reduce__(self) -> tuple[type[Store], tuple[str]]:
        return type(self), (self.path,)


def as_store(store: Store | Path) -> Store:
    """The store itself, or the one of that path."""
    return store if isinstance(store, Store) else Store(store)
