"""Runs Auth0's published clients, unmodified, against the reference server, and prints what came of each call."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import results
from client_scripts import SCRIPTS, ClientScript, Installation, InstallationFailed
from reference_server import UNVERIFIED_USERS, ReferenceServer, ServerFailed

REPOSITORY = Path(__file__).resolve().parents[3]
SCRIPT_SECONDS = 300


def main() -> int:
    options = parse_arguments()
    installation = Installation(options.target / "clients")
    scripts = [script for script in SCRIPTS if options.only in (None, script.name)]
    try:
        commands = [(script, installation.command(script)) for script in scripts]
        with tempfile.TemporaryDirectory(prefix="mfacore-clients-") as folder:
            rows, problems = run_all(commands, options.server, Path(folder), options.store)
    except InstallationFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    if rows:
        print(results.table(rows), results.summary(rows), sep="\n\n", flush=True)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems or any(row.is_failed for row in rows) else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", type=Path, required=True, help="the binary of mfacore-server")
    parser.add_argument("--only", choices=[script.name for script in SCRIPTS], help="run one client")
    parser.add_argument("--store", choices=["memory", "sqlite"], default="memory", help="where the server stores")
    parser.add_argument(
        "--target",
        type=Path,
        default=Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")),
        help="the folder below which the clients are installed",
    )
    options = parser.parse_args()
    options.server, options.target = options.server.resolve(), options.target.resolve()
    if not options.server.is_file():
        parser.error(f"there is no {options.server}: cargo build -p mfacore-server --locked")
    return options


def run_all(
    commands: list[tuple[ClientScript, list[str]]], binary: Path, folder: Path, store: str
) -> tuple[list[results.Row], list[str]]:
    """Runs the scripts one after another against one server; their rows, and what went wrong besides."""
    server = ReferenceServer(binary, folder, store)
    rows: list[results.Row] = []
    problems: list[str] = []
    try:
        server.start()
        for script, command in commands:
            recorded = folder / f"{script.name}.jsonl"
            problems += run_script(script, command, server, recorded)
            own = results.read(recorded)
            rows += own
            problems += [] if own else [f"{script.name} recorded nothing"]
    except ServerFailed as failure:
        problems.append(str(failure))
    finally:
        problems += end(server)
    return rows, problems


def end(server: ReferenceServer) -> list[str]:
    """What went wrong while it ended."""
    try:
        server.end()
    except ServerFailed as failure:
        return [str(failure)]
    return []


def run_script(
    script: ClientScript, command: list[str], server: ReferenceServer, recorded: Path
) -> list[str]:
    """What went wrong, if anything did."""
    try:
        ended = subprocess.run(command, env=environment(server, recorded), timeout=SCRIPT_SECONDS)
    except subprocess.TimeoutExpired:
        return [f"{script.name} did not end within {SCRIPT_SECONDS} seconds"]
    return [f"{script.name} ended with {ended.returncode}"] if ended.returncode != 0 else []


def environment(server: ReferenceServer, recorded: Path) -> dict[str, str]:
    certificate = str(server.certificate)
    return {
        **os.environ,
        "BASE_URL": server.base_url,
        "CLIENT_SECRET": server.secrets.client_secret,
        "MANAGEMENT_TOKEN": server.secrets.management_token,
        "UNVERIFIED_USERS": " ".join(UNVERIFIED_USERS),
        "RESULTS": str(recorded),
        # Each client reads its own.
        "NODE_EXTRA_CA_CERTS": certificate,
        "SSL_CERT_FILE": certificate,
        "REQUESTS_CA_BUNDLE": certificate,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


if __name__ == "__main__":
    sys.exit(main())
