"""Runs of Schemathesis, and what they saw."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from examples import Document
from reference_server import ReferenceServer

# It would say nothing: nearly all generated requests lack the right token or code, and so are refused, though they are
# what the document says.
LEFT_OUT = "positive_data_acceptance"
# What a device sends is signed, so that no request without its key is good.
SIGNED = {("post", "/push/devices"), ("post", "/push/answers")}
ROUND_SECONDS = 300

# By method and path of the document: how often it answered with which status.
Statuses = dict[tuple[str, str], Counter[int]]


@dataclass(frozen=True)
class Schemathesis:
    """The program, and what all its runs have in common."""

    program: Path
    folder: Path
    seed: int
    examples: int

    def run(self, server: ReferenceServer, document: Document, credentials: dict[str, str]) -> tuple[int, Statuses]:
        """Prints what it says; how it ended, and what it saw. Credentials go by the document's security schemes."""
        written, config, recorded = (self.folder / name for name in ("document.json", "configuration.toml", "seen.har"))
        written.write_text(json.dumps(document), encoding="utf-8")
        config.write_text(configuration(credentials), encoding="utf-8")
        recorded.unlink(missing_ok=True)
        command = [
            *(str(self.program), "--config-file", str(config), "run", str(written), "--url", server.base_url),
            *("--tls-verify", str(server.certificate), "--seed", str(self.seed)),
            *("--max-examples", str(self.examples), "--phases", "examples,coverage,fuzzing,stateful"),
            *("--checks", "all", "--exclude-checks", LEFT_OUT, "--continue-on-failure"),
            *("--generation-database", "none", "--no-color", "--report", "har", "--report-har-path", str(recorded)),
        ]
        ended = subprocess.run(command, cwd=self.folder, timeout=ROUND_SECONDS)
        return ended.returncode, statuses(document, recorded)


def configuration(credentials: dict[str, str]) -> str:
    """Parts of the document that it cannot read are left out, which is a finding."""
    lines = ["[warnings]", 'fail-on = ["unresolvable_reference", "unsupported_regex", "missing_deserializer"]']
    for scheme, token in credentials.items():
        lines += [f"[auth.openapi.{scheme}]", f"bearer = {json.dumps(token)}"]
    return "\n".join(lines) + "\n"


def statuses(document: Document, recorded: Path) -> Statuses:
    operations = {
        (method, path): re.compile(re.sub(r"\\{\w+\\}", "[^/]*", re.escape(path)) + r"(\?.*)?")
        for path, methods in document["paths"].items()
        for method in methods
    }
    seen: Statuses = {operation: Counter() for operation in operations}
    if not recorded.exists():
        return seen
    for entry in json.loads(recorded.read_text(encoding="utf-8"))["log"]["entries"]:
        target = "/" + entry["request"]["url"].split("/", 3)[3]
        for (method, path), pattern in operations.items():
            if method == entry["request"]["method"].lower() and pattern.fullmatch(target):
                seen[method, path][entry["response"]["status"]] += 1
    return seen


def table(seen: Statuses) -> str:
    lines = []
    for (method, path), counted in sorted(seen.items()):
        counts = ", ".join(f"{count} x {status}" for status, count in sorted(counted.items()))
        lines.append(f"{method:7}{path}: {counts}")
    return "\n".join(lines)


def never_good(seen: Statuses) -> list[str]:
    """Operations whose good answer was not seen, and so was not held to the document."""
    return [
        f"{method.upper()} {path}: no good answer was seen"
        for (method, path), counted in seen.items()
        if (method, path) not in SIGNED and not any(200 <= status < 300 for status in counted)
    ]
