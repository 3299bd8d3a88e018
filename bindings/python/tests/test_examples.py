"""The examples run, and README.md shows them as they are."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import mfacore
from mfacore.otp import Totp
from scenario import REPOSITORY

HERE = REPOSITORY / "bindings/python"
EXAMPLES = HERE / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def printed(*arguments: str) -> str:
    return subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True).stdout


def test_readme_shows_the_examples_as_they_are() -> None:
    readme = (HERE / "README.md").read_text()
    login = f"```python\n{(EXAMPLES / 'login.py').read_text()}```\n"
    assert login in (REPOSITORY / "README.md").read_text()
    for example in ("login", "flask_login", "postgres_store"):
        assert f"```python\n{(EXAMPLES / f'{example}.py').read_text()}```\n" in readme, example


def test_a_login_is_granted(tmp_path: Path) -> None:
    told = printed(str(EXAMPLES / "login.py"), str(tmp_path / "mfa.db"))
    assert told == "require: REQUIRED 403\nassociate: DONE 200\nverify_otp: GRANTED 200\nlog in ann\n"


def test_the_short_examples_of_the_readme_run(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```\n", (HERE / "README.md").read_text(), re.DOTALL)
    short = [block for block in blocks if not block.startswith('"""')]
    assert len(short) >= 2
    for index, block in enumerate(short):
        path = tmp_path / f"block{index}.py"
        path.write_text(block)
        printed(str(path))


def test_the_web_application_logs_in_whoever_passes() -> None:
    client = load("flask_login").app.test_client()
    assert client.get("/me").status_code == 401
    assert client.post("/login", data={"user": "ann", "password": "wrong"}).status_code == 401
    assert client.post("/login", data={"user": "nobody", "password": ""}).status_code == 401
    required = client.post("/login", data={"user": "ann", "password": "correct horse"})
    assert required.status_code == 403 and required.json is not None
    assert client.get("/me").status_code == 401
    token = required.json["mfa_token"]
    app = client.post("/mfa/app", data={"mfa_token": token})
    assert app.json is not None
    wrong = client.post("/mfa", data={"mfa_token": token, "otp": "000000x"})
    assert wrong.status_code == 403 and client.get("/me").status_code == 401
    code = Totp(app.json["secret"]).generate()
    # A client without ann's session does not pass with her token and code.
    stranger = load("flask_login").app.test_client()
    assert stranger.post("/mfa", data={"mfa_token": token, "otp": code}).status_code == 401
    assert stranger.post("/mfa/app", data={}).status_code == 401
    assert 400 <= client.post("/mfa", data={}).status_code < 500
    passed = client.post("/mfa", data={"mfa_token": token, "otp": code})
    assert passed.status_code == 200
    assert client.get("/me").json == {"user": "ann"}


def postgres_tools() -> Path | None:
    """Where Debian keeps the server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    path = shutil.which("pg_ctl")
    return found[-1].parent if found else Path(path).parent if path else None


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A PostgreSQL of the test's own, on loopback and a free port."""
    tools = postgres_tools()
    if tools is None:
        assert "MFACORE_TEST_ALL" not in os.environ, "there is no PostgreSQL: install the package postgresql"
        pytest.skip("left out: PostgreSQL (there is none on this machine)")
    # The server does not run as root.
    owner = pwd.getpwnam("postgres").pw_uid if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as folder:
        if owner is not None:
            os.chown(folder, owner, -1)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        data, options = f"{folder}/data", f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"

        def run(tool: str, *arguments: str) -> None:
            command = [str(tools / tool), *arguments]
            subprocess.run(command, check=True, user=owner, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, cwd=folder)

        run("initdb", "-D", data, "-U", "mfa", "-A", "trust")
        run("pg_ctl", "-D", data, "-o", options, "-l", f"{folder}/log", "-w", "start")
        try:
            yield f"host=127.0.0.1 port={port} user=mfa dbname=postgres"
        finally:
            # By the process id in the data folder.
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def test_a_login_on_postgresql(database: str) -> None:
    told = printed(str(EXAMPLES / "postgres_store.py"), database)
    assert told == "verify_otp: GRANTED\nverify_otp: DENIED\nerase: DONE\n"


def test_postgresql_is_a_sound_store(database: str) -> None:
    from psycopg_pool import ConnectionPool

    with ConnectionPool(database, max_size=8) as pool:
        report = mfacore.check_store(load("postgres_store").PostgresStore(pool))
    assert report.has_passed, report.text
