"""Checks that say what differs, also under `python -O`."""

from __future__ import annotations


def equal(actual: object, expected: object, what: str) -> None:
    if actual != expected:
        raise AssertionError(f"{what} is {actual!r}, expected {expected!r}")


def holds(condition: object, what: str) -> None:
    if not condition:
        raise AssertionError(f"it does not hold that {what}")


def has_all(actual: dict[str, object], expected: dict[str, object], what: str) -> None:
    """That `actual` has all of `expected`, whatever it has besides."""
    equal({name: actual.get(name) for name in expected}, expected, what)
