"""What the scripts recorded, as the table that a person reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

OK = "ok"
ABSENT = "-"


@dataclass(frozen=True)
class Row:
    """One call of one client."""

    client: str
    call: str
    result: str

    @classmethod
    def parse(cls, line: str) -> Row:
        members = json.loads(line)
        result = " ".join([members["result"], members.get("reason", "")]).strip()
        return cls(members["client"], members["call"], result)

    @property
    def is_absent(self) -> bool:
        return self.result.startswith(ABSENT)

    @property
    def is_failed(self) -> bool:
        return self.result != OK and not self.is_absent


def read(path: Path) -> list[Row]:
    if not path.exists():
        return []
    return [Row.parse(line) for line in path.read_text(encoding="utf-8").splitlines()]


def table(rows: list[Row]) -> str:
    """Client by call by result, in columns."""
    cells = [("client", "call", "result"), *((row.client, row.call, row.result) for row in rows)]
    client_width, call_width = (max(len(cell[column]) for cell in cells) for column in (0, 1))
    return "\n".join(f"{client:{client_width}}  {call:{call_width}}  {result}" for client, call, result in cells)


def summary(rows: list[Row]) -> str:
    """How many calls of each client passed, are not there, and failed."""
    lines = []
    for client in dict.fromkeys(row.client for row in rows):
        own = [row for row in rows if row.client == client]
        absent = sum(row.is_absent for row in own)
        failed = sum(row.is_failed for row in own)
        lines.append(f"{client}: {len(own) - absent - failed} ok, {absent} not there, {failed} failed")
    return "\n".join(lines)
