"""Multi-factor authentication over storage that you keep. README.md has a login, a web application and a PostgreSQL store."""

from __future__ import annotations

import json
from typing import Any

from mfacore import otp
from mfacore._calls import text_of
from mfacore._native import lib
from mfacore.caller import FROM_TOKEN, Caller
from mfacore.engine import Engine, KeyRing
from mfacore.errors import (
    ArgumentError,
    ConfigError,
    EncodingError,
    EntropyError,
    InternalError,
    MfacoreError,
    NotFoundError,
    OperationFailed,
    OrderError,
    StoreError,
)
from mfacore.operation import Load, Operation, Swap
from mfacore.reply import Delivery, Event, Outcome, Reply, Verified
from mfacore.selftest import Report, check_store
from mfacore.store import AsyncStore, BuiltInStore, Record, Store

__all__ = [
    "FROM_TOKEN",
    "ArgumentError",
    "AsyncStore",
    "BuiltInStore",
    "Caller",
    "ConfigError",
    "Delivery",
    "EncodingError",
    "Engine",
    "EntropyError",
    "Event",
    "InternalError",
    "KeyRing",
    "Load",
    "MfacoreError",
    "NotFoundError",
    "Operation",
    "OperationFailed",
    "OrderError",
    "Outcome",
    "Record",
    "Reply",
    "Report",
    "Store",
    "StoreError",
    "Swap",
    "Verified",
    "check_store",
    "commands",
    "otp",
    "version",
]

if lib.mfacore_abi() != lib.MFACORE_ABI:
    raise ImportError("the shared object of mfacore is of another interface than its declarations")


def version() -> str:
    """The version of the library."""
    return text_of(lib.mfacore_version())


def commands() -> list[dict[str, Any]]:
    """Every call by name, with those who may make it: see `mfacore_commands` in mfacore.h."""
    listed: list[dict[str, Any]] = json.loads(text_of(lib.mfacore_commands()))
    return listed
