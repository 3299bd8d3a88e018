"""Whether a store of yours keeps the rules that the engine relies on; for your tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mfacore._calls import bytes_of, failure, slice_of, text_of
from mfacore._native import ffi, lib
from mfacore.operation import VERSION_BYTES
from mfacore.store import Record, Store


@dataclass(frozen=True)
class Report:
    """What the checks came to. `text` is for people: a line for each check, with what to do where it failed."""

    has_passed: bool
    text: str


class _Host:
    """The store behind the callbacks, with what it raised last."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.raised: list[str] = []


# An exception may not pass through the library: it is a failure of the store, kept for the report.


def _load(context: Any, key: Any, found: Any) -> int:
    host: _Host = ffi.from_handle(context)
    try:
        record = host.store.load(bytes_of(key))
        if record is None:
            return int(lib.MFACORE_LOADED_ABSENT)
        version, data = record
        if len(version) != VERSION_BYTES:
            raise TypeError(f"a version is {VERSION_BYTES} bytes")
        pointer = ffi.from_buffer("uint8_t[]", version)
        lib.mfacore_found_put(found, pointer, slice_of(data), ffi.NULL)
        return int(lib.MFACORE_LOADED_FOUND)
    except Exception as error:
        host.raised.append(f"load raised {error!r}")
        return int(lib.MFACORE_LOADED_FAILED)


def _swap(context: Any, key: Any, expected: Any, version: Any, data: Any) -> int:
    host: _Host = ffi.from_handle(context)
    try:
        before = None if expected == ffi.NULL else bytes(ffi.buffer(expected, VERSION_BYTES))
        new = None if version == ffi.NULL else Record(bytes(ffi.buffer(version, VERSION_BYTES)), bytes_of(data))
        is_committed = host.store.swap(bytes_of(key), before, new)
        if not isinstance(is_committed, bool):
            raise TypeError("swap returns True or False, and nothing else")
        return int(lib.MFACORE_STORED_COMMITTED if is_committed else lib.MFACORE_STORED_CONFLICT)
    except Exception as error:
        host.raised.append(f"swap raised {error!r}")
        return int(lib.MFACORE_STORED_FAILED)


_load_callback = ffi.callback(
    "int32_t(void *, mfacore_slice, mfacore_found *)", _load, error=lib.MFACORE_LOADED_FAILED
)
_swap_callback = ffi.callback(
    "int32_t(void *, mfacore_slice, const uint8_t *, const uint8_t *, mfacore_slice)",
    _swap,
    error=lib.MFACORE_STORED_FAILED,
)


def check_store(store: Store, *, one_thread: bool = False) -> Report:
    """Calls `load` and `swap` some thousands of times, over an empty table of a test database, and compares what they
    answer with what they must. They are called from up to eight threads at once; with `one_thread` from the calling one
    alone, and the checks of calls that race are left out. Not checked: a loss of power, a restart, replicas."""
    host = _Host(store)
    context = ffi.new_handle(host)
    members = {
        "struct_size": ffi.sizeof("mfacore_store_table"),
        "context": context,
        "load": _load_callback,
        "swap": _swap_callback,
    }
    table = ffi.new("mfacore_store_table *", members)
    threads = lib.MFACORE_SELFTEST_ONE_THREAD if one_thread else lib.MFACORE_SELFTEST_MANY_THREADS
    result, text, error = ffi.new("int32_t *"), ffi.new("mfacore_text **"), ffi.new("mfacore_error **")
    status = lib.mfacore_store_selftest(table, threads, result, text, error)
    if status != lib.MFACORE_OK:
        raise failure(status, error)
    report = text_of(lib.mfacore_text_get(text[0]))
    lib.mfacore_text_free(text[0])
    if host.raised:
        report = "\n".join([report.rstrip("\n"), f"{len(host.raised)} calls raised; the first: {host.raised[0]}", ""])
    return Report(result[0] == lib.MFACORE_SELFTEST_PASSED, report)
