"""Exceptions, one for each error code of the library.

Every one is an ``s3attn.Error``. ``code`` is the kind of failure, ``reason`` which failure exactly
(such as ``"store.not_found"``; programs may branch on both), ``subject`` the file or option it is
about. ``str(error)`` is for people, and its wording may change.
"""

from __future__ import annotations


class Error(Exception):
    """Anything that the library refuses or cannot do."""

    code = "internal"

    def __init__(self, message: str, reason: str = "", subject: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.code
        self.subject = subject

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[type[Error], tuple[str, str, str]]:
        return type(self), (self.message, self.reason, self.subject)


class InvalidArgumentError(Error, ValueError):
    """What was asked for cannot be: an empty question, a wrong option."""

    code = "invalid_argument"


class NotFoundError(Error, LookupError):
    """A file, store, document or model is not there."""

    code = "not_found"


class IoError(Error, OSError):
    """The operating system refused a read or a write."""

    code = "io"


class CorruptError(Error):
    """Bytes on disk are not what was written."""

    code = "corrupt"


class MismatchError(Error):
    """Two things that must belong together do not: a store and a model, say."""

    code = "mismatch"


class UnsupportedError(Error):
    """Known, and not supported: an architecture, a file format, work after fork()."""

    code = "unsupported"


class CancelledError(Error):
    """A CancelToken fired. What was committed is kept."""

    code = "cancelled"


class BusyError(Error):
    """Another process holds what is needed; the message names it."""

    code = "busy"


class ExhaustedError(Error, MemoryError):
    """No memory or no threads are left. What was committed is kept."""

    code = "exhausted"


class InternalError(Error):
    """A bug of the library."""

    code = "internal"


_BY_CODE: dict[str, type[Error]] = {
    each.code: each
    for each in (
        InvalidArgumentError, NotFoundError, IoError, CorruptError, MismatchError,
        UnsupportedError, CancelledError, BusyError, ExhaustedError, InternalError,
    )
}


def make(code: str, message: str, reason: str, subject: str) -> Error:
    """The exception of a code; called by the C++ module."""
    return _BY_CODE.get(code, InternalError)(message, reason, subject)
