"""Where records are kept: in a built-in store, or in your own database."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from mfacore._calls import slice_of, taken
from mfacore._native import lib


class Record(NamedTuple):
    """What is kept at a key. The engine seals it; nobody else can read or change it."""

    #: 16 bytes.
    version: bytes
    #: At most 32 KiB.
    bytes: bytes


class Store(Protocol):
    """Your own storage: a table of key (up to 200 bytes), version and bytes. Raise where something failed."""

    def load(self, key: bytes) -> Record | None:
        """What is at `key`, as of every swap committed before; None only where nothing is there for certain. A timeout is
        an exception, and a replica that lags must not be asked."""

    def swap(self, key: bytes, expected: bytes | None, new: Record | None) -> bool:
        """In one atomic step: where the version at `key` is `expected` (None: where nothing is there), writes `new`
        (None: deletes). True after the commit, False where something else was there. Raise where you cannot tell: the
        engine finds out by itself. True, said of what is not committed, gives a login away."""


class AsyncStore(Protocol):
    """The same for asyncio."""

    async def load(self, key: bytes) -> Record | None:
        """As `Store.load`."""

    async def swap(self, key: bytes, expected: bytes | None, new: Record | None) -> bool:
        """As `Store.swap`."""


class BuiltInStore:
    """A store of the library. Any number of threads at once. Fork before one on SQLite is opened, or after all are gone.
    While it is open nothing else in this process may open its file."""

    def __init__(self, url: str) -> None:
        """Opens `sqlite:name.db`, `sqlite:///folder/name.db`, a path, or `memory:` (for tests). A file is made where
        there is none. Raises `StoreError`."""
        self._handle: Any = taken("mfacore_store", lib.mfacore_store_free, lib.mfacore_store_open, slice_of(url))
