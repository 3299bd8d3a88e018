"""Holds the reference server to the interface that it describes: Schemathesis, without credentials and with them."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CLIENTS = HERE.parent
REPOSITORY = CLIENTS.parents[1]
sys.path += [str(CLIENTS / "harness"), str(CLIENTS / "python")]

from accounts import Account, AccountFailed, Http
from client_scripts import InstallationFailed, Stamp, run
from examples import closed, good_requests, with_examples
from reference_server import UNVERIFIED_USERS, ReferenceServer, ServerFailed
from rounds import Schemathesis, never_good, table

SEED = 1
EXAMPLES = 200


def main() -> int:
    options = parse_arguments()
    try:
        program = install(options.target / "clients" / "schemathesis")
        with tempfile.TemporaryDirectory(prefix="mfacore-schemathesis-") as name:
            folder = Path(name)
            server = ReferenceServer(options.server, folder, "memory")
            problems = run_all(Schemathesis(program, folder, options.seed, options.examples), server)
    except InstallationFailed as failure:
        problems = [str(failure)]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", type=Path, required=True, help="the binary of mfacore-server")
    parser.add_argument(
        "--target",
        type=Path,
        default=Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")),
        help="the folder below which Schemathesis is installed",
    )
    parser.add_argument("--seed", type=int, default=SEED, help="what generated requests follow from")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="generated requests of an operation, at most")
    options = parser.parse_args()
    options.server, options.target = options.server.resolve(), options.target.resolve()
    if not options.server.is_file():
        parser.error(f"there is no {options.server}: cargo build -p mfacore-server --locked")
    return options


def install(folder: Path) -> Path:
    """Kept between runs, and renewed where what is pinned has changed."""
    requirements = HERE / "requirements.txt"
    program, stamp = folder / "bin" / "schemathesis", Stamp(folder / ".installed", requirements)
    if not stamp.is_current():
        run([sys.executable, "-m", "venv", "--clear", str(folder)])
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
        # Without dependencies: what is not pinned shall be missed, not found.
        run([*pip, "install", "--quiet", "--no-deps", "--requirement", str(requirements)])
        run([*pip, "check"])
        stamp.renew()
    return program


def run_all(schemathesis: Schemathesis, server: ReferenceServer) -> list[str]:
    """What is wrong."""
    problems: list[str] = []
    try:
        server.start()
        problems += without_credentials(schemathesis, server)
        problems += with_credentials(schemathesis, server)
    except (AccountFailed, ServerFailed, subprocess.TimeoutExpired) as failure:
        problems.append(str(failure))
    finally:
        try:
            server.end()
        except ServerFailed as failure:
            problems.append(str(failure))
    return problems


def without_credentials(schemathesis: Schemathesis, server: ReferenceServer) -> list[str]:
    print("== without credentials", flush=True)
    code, seen = schemathesis.run(server, Http(server).get("openapi.json").demand(200), {})
    print(table(seen), flush=True)
    return [] if code == 0 else [f"without credentials: schemathesis ended with {code}"]


def with_credentials(schemathesis: Schemathesis, server: ReferenceServer) -> list[str]:
    """With good requests in the document, and no member in an answer that the document lacks."""
    print("\n== with credentials", flush=True)
    http = Http(server)
    bearer = Account(http, "u01")
    document = http.get("openapi.json").demand(200)
    with_examples(document, good_requests(http, server.secrets.client_secret, bearer))
    closed(document)
    code, seen = schemathesis.run(server, document, credentials(http, server, bearer))
    print(table(seen), flush=True)
    return never_good(seen) + ([] if code == 0 else [f"with credentials: schemathesis ended with {code}"])


def credentials(http: Http, server: ReferenceServer, bearer: Account) -> dict[str, str]:
    """Good ones, by the security scheme of the document."""
    return {
        "management": server.secrets.management_token,
        "mfa_api": bearer.mfa_access_token(),
        "access_token": Account(http, UNVERIFIED_USERS[1]).tokens()["access_token"],
        "ticket": Account(http, "u08").ticket(),
    }


if __name__ == "__main__":
    sys.exit(main())
