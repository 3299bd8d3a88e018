"""One call of the engine, from its beginning to its reply."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, cast

from mfacore._calls import NOTHING, bytes_of, slice_of, succeed, text_of
from mfacore._native import ffi, lib
from mfacore.errors import NotFoundError, OperationFailed, OrderError
from mfacore.reply import Body, Delivery, Event, Outcome, Reply, Verified
from mfacore.store import AsyncStore, BuiltInStore, Record, Store

_OUTCOMES = {
    lib.MFACORE_OUTCOME_NONE: Outcome.NONE,
    lib.MFACORE_OUTCOME_DONE: Outcome.DONE,
    lib.MFACORE_OUTCOME_REQUIRED: Outcome.REQUIRED,
    lib.MFACORE_OUTCOME_DENIED: Outcome.DENIED,
    lib.MFACORE_OUTCOME_CONFIRMED: Outcome.CONFIRMED,
    lib.MFACORE_OUTCOME_GRANTED: Outcome.GRANTED,
}
VERSION_BYTES = 16
_log = logging.getLogger("mfacore")


@dataclass(frozen=True)
class Load:
    """The operation wants what is at `key`, after `after_ms` milliseconds."""

    key: bytes
    after_ms: int


@dataclass(frozen=True)
class Swap:
    """The operation wants `new` at `key` where `expected` is; see `Store.swap`."""

    key: bytes
    expected: bytes | None
    new: Record | None


class Operation(Generic[Body]):
    """One call, begun by a method of `Engine`. One thread at a time. It ends once: with `run`, with `run_async`, or, for
    another event loop or a transaction of yours, with `want`, its answers, and `reply`. One that is dropped before its end
    leaves nothing, and nobody is logged in."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        # The library cannot bear two threads on one operation; a program that has them gets an exception.
        self._is_used = threading.Lock()
        self._cause: Exception | None = None

    def run(self, store: Store | BuiltInStore) -> Reply[Body]:
        """Runs to the end over a store; waits where a try is repeated. Raises `OperationFailed` where there is no outcome:
        deny then."""
        if isinstance(store, BuiltInStore):
            self._call(lib.mfacore_operation_run_store, store._handle)
            return self.reply()
        while (want := self.want()) is not None:
            try:
                if isinstance(want, Load):
                    if want.after_ms:
                        time.sleep(want.after_ms / 1000)
                    self.loaded(store.load(want.key))
                else:
                    self.stored(store.swap(want.key, want.expected, want.new))
            except Exception as error:
                self._failed(want, error)
        return self.reply()

    async def run_async(self, store: AsyncStore | BuiltInStore) -> Reply[Body]:
        """The same on asyncio's loop. A built-in store is used from another thread. A task that is cancelled meanwhile may
        have written, and logs nobody in."""
        if isinstance(store, BuiltInStore):
            return await asyncio.to_thread(self.run, store)
        while (want := self.want()) is not None:
            try:
                if isinstance(want, Load):
                    if want.after_ms:
                        await asyncio.sleep(want.after_ms / 1000)
                    self.loaded(await store.load(want.key))
                else:
                    self.stored(await store.swap(want.key, want.expected, want.new))
            except Exception as error:
                self._failed(want, error)
        return self.reply()

    def want(self) -> Load | Swap | None:
        """What is needed next, the same until it is answered; None where `reply` is ready."""
        with self._live() as handle:
            want = ffi.new("mfacore_want *", {"struct_size": ffi.sizeof("mfacore_want")})
            succeed(lib.mfacore_operation_next, handle, want)
            if want.kind == lib.MFACORE_WANT_LOAD:
                return Load(bytes_of(want.key), want.after_ms)
            if want.kind == lib.MFACORE_WANT_SWAP:
                expected = bytes(want.expected) if want.has_expected else None
                new = None if want.is_delete else Record(bytes(want.version), bytes_of(want.bytes))
                return Swap(bytes_of(want.key), expected, new)
        return None

    def loaded(self, record: Record | None) -> None:
        """Answers `Load`; None only where nothing is there for certain."""
        answer = lib.mfacore_operation_loaded
        if record is None:
            self._call(answer, lib.MFACORE_LOADED_ABSENT, ffi.NULL, NOTHING)
            return
        version, data = record
        if not isinstance(version, bytes) or len(version) != VERSION_BYTES or not isinstance(data, bytes):
            raise TypeError(f"a record is a version of {VERSION_BYTES} bytes, and bytes")
        self._call(answer, lib.MFACORE_LOADED_FOUND, ffi.from_buffer("uint8_t[]", version), slice_of(data))

    def load_failed(self) -> None:
        """Answers `Load` where it failed."""
        self._call(lib.mfacore_operation_loaded, lib.MFACORE_LOADED_FAILED, ffi.NULL, NOTHING)

    def stored(self, is_committed: bool) -> None:
        """Answers `Swap`: True after the commit, False where something else was there."""
        if not isinstance(is_committed, bool):
            raise TypeError("whether a swap was committed is True or False, and nothing else")
        outcome = lib.MFACORE_STORED_COMMITTED if is_committed else lib.MFACORE_STORED_CONFLICT
        self._call(lib.mfacore_operation_stored, outcome)

    def store_failed(self) -> None:
        """Answers `Swap` where it failed, or where you cannot tell."""
        self._call(lib.mfacore_operation_stored, lib.MFACORE_STORED_FAILED)

    def reply(self) -> Reply[Body]:
        """What the operation came to, once: it is wiped. Raises `OperationFailed` where there is no outcome, `OrderError`
        before the end."""
        with self._live() as handle:
            reply = cast("Reply[Body]", _read(handle))
            self._handle = None
            ffi.release(handle)
        # Given up here: an exception holds the frames that hold this operation.
        cause, self._cause = self._cause, None
        if reply.outcome is Outcome.NONE:
            raise OperationFailed(reply) from cause
        if cause is not None:
            _log.warning("a call of the store failed, and the operation went well without it", exc_info=cause)
        return reply

    @contextmanager
    def _live(self) -> Iterator[Any]:
        """The handle, for this thread alone."""
        if not self._is_used.acquire(blocking=False):
            raise OrderError("the operation is run already, by another thread")
        try:
            if self._handle is None:
                raise OrderError("the operation has ended, and its reply was read")
            yield self._handle
        finally:
            self._is_used.release()

    def _call(self, call: Any, *arguments: Any) -> None:
        with self._live() as handle:
            succeed(call, handle, *arguments)

    # What a store answers is no answer until it is accepted: anything else is a failure of the store.

    def _failed(self, want: Load | Swap, error: Exception) -> None:
        self._cause = error
        if isinstance(want, Load):
            self.load_failed()
        else:
            self.store_failed()


def _value(handle: Any, name: str) -> str:
    value = ffi.new("mfacore_slice *")
    succeed(lib.mfacore_operation_get, handle, slice_of(name), value)
    return text_of(value[0])


def _verified(handle: Any) -> Verified:
    try:
        transaction: str | None = _value(handle, "verified.transaction")
    except NotFoundError:
        transaction = None
    return Verified(
        user=_value(handle, "verified.user"),
        authenticator=_value(handle, "verified.authenticator"),
        challenge=_value(handle, "verified.challenge"),
        amr=tuple(json.loads(_value(handle, "verified.amr"))),
        acr=_value(handle, "verified.acr"),
        at_ms=int(_value(handle, "verified.at_ms")),
        purpose=_value(handle, "verified.purpose"),
        is_weak=_value(handle, "verified.is_weak") == "true",
        transaction=transaction,
    )


def _effects(handle: Any) -> tuple[tuple[Delivery, ...], tuple[Event, ...]]:
    deliveries, events = [], []
    effect = ffi.new("mfacore_effect *")
    for index in range(lib.mfacore_operation_effect_count(handle)):
        effect[0] = {"struct_size": ffi.sizeof("mfacore_effect")}
        succeed(lib.mfacore_operation_effect, handle, index, effect)
        name, content = text_of(effect.name), json.loads(bytes_of(effect.json))
        if effect.kind == lib.MFACORE_EFFECT_DELIVERY:
            code = None if effect.code.data == ffi.NULL else text_of(effect.code)
            deliveries.append(Delivery(name, text_of(effect.destination), code, content))
        else:
            events.append(Event(name, content))
    return tuple(deliveries), tuple(events)


def _read(handle: Any) -> Reply[Any]:
    """Copies all that an ended operation holds."""
    status, body, message = ffi.new("int32_t *"), ffi.new("mfacore_slice *"), ffi.new("mfacore_slice *")
    succeed(lib.mfacore_operation_body, handle, status, body)
    succeed(lib.mfacore_operation_message, handle, message)
    outcome = _OUTCOMES.get(lib.mfacore_operation_outcome(handle), Outcome.NONE)
    raw = bytes_of(body[0])
    deliveries, events = _effects(handle)
    return Reply(
        outcome=outcome,
        status=status[0],
        body=json.loads(raw) if raw else {},
        json=raw,
        verified=_verified(handle) if outcome is Outcome.GRANTED else None,
        deliveries=deliveries,
        events=events,
        sequence=lib.mfacore_operation_sequence(handle),
        message=text_of(message[0]),
    )
