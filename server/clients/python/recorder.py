"""What was called, and how it went: one JSON line a call."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path


class FlowStopped(Exception):
    """A call of a flow failed, so what follows in the flow has nothing to stand on."""


class Recorder:
    """Records the calls of one client."""

    def __init__(self, distribution: str, results: Path) -> None:
        self._client = f"{distribution} {version(distribution)}"
        self._results = results
        self.failed = False

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        """Records what happens inside as one call."""
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            self._fail(name, error)
            raise FlowStopped(name) from error
        self._write(name, "ok")

    def absent(self, name: str, reason: str) -> None:
        """Records that the client has no such call."""
        self._write(name, f"- {reason}")

    @contextmanager
    def flow(self, name: str) -> Iterator[None]:
        """Keeps what fails inside from the flows after it."""
        try:
            yield
        except FlowStopped:
            pass
        except Exception as error:
            traceback.print_exc()
            self._fail(f"flow {name}", error)

    def exit_code(self) -> int:
        return 1 if self.failed else 0

    def _fail(self, call: str, error: Exception) -> None:
        self.failed = True
        text = " ".join(f"{type(error).__name__}: {error}".split())
        self._write(call, f"FAILED: {text}")

    def _write(self, call: str, result: str) -> None:
        line = {"client": self._client, "call": call, "result": result}
        with self._results.open("a", encoding="utf-8") as results:
            results.write(json.dumps(line) + "\n")
