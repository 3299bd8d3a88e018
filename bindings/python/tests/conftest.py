"""What the tests share."""

from __future__ import annotations

import pytest

import mfacore
from scenario import Memory

#: 2026-01-01, so that no test looks at a clock.
NOW_MS = 1_767_225_600_000
POLICY = {"profile": "recommended", "enforcement": "always"}
ROOT = b"the key that all scenarios share"


@pytest.fixture
def engine() -> mfacore.Engine:
    return mfacore.Engine(mfacore.KeyRing(1, ROOT), POLICY)


@pytest.fixture
def store() -> Memory:
    return Memory()
