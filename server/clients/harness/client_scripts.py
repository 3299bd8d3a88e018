"""The scripts, one a client, and the packages that they need."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

CLIENTS = Path(__file__).resolve().parent.parent
# The oldest Python that all of the pinned packages install on.
PYTHON_MIN = (3, 11)


class InstallationFailed(Exception):
    """A client could not be installed."""


@dataclass(frozen=True)
class ClientScript:
    """A script that drives one client."""

    name: str
    file: str

    @property
    def is_python(self) -> bool:
        return self.file.endswith(".py")


SCRIPTS = [
    ClientScript("auth-js", "auth-js.mjs"),
    ClientScript("server-js", "server-js.mjs"),
    ClientScript("spa-js", "spa-js.mjs"),
    ClientScript("server-python", "server_python.py"),
    ClientScript("auth0-python", "auth0_python.py"),
]


class Installation:
    """Where the clients are installed: kept between runs, and renewed where what is pinned has changed."""

    def __init__(self, folder: Path) -> None:
        self._npm = folder / "npm"
        self._python = folder / "python"

    def command(self, script: ClientScript) -> list[str]:
        """Installs what the script needs; says how it is run."""
        if script.is_python:
            return [str(self._install_python()), str(CLIENTS / "python" / script.file)]
        self._install_npm()
        return ["node", str(self._npm / script.file)]

    def _install_npm(self) -> None:
        copy_sources(CLIENTS / "npm", self._npm)
        stamp = Stamp(self._npm / "node_modules" / ".installed", CLIENTS / "npm" / "package-lock.json")
        if stamp.is_current():
            return
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], self._npm)
        stamp.renew()

    def _install_python(self) -> Path:
        python = self._python / ("Scripts" if sysconfig.get_platform().startswith("win") else "bin") / "python"
        requirements = CLIENTS / "python" / "requirements.txt"
        stamp = Stamp(self._python / ".installed", requirements)
        if stamp.is_current():
            return python
        if sys.version_info < PYTHON_MIN:
            needed = ".".join(map(str, PYTHON_MIN))
            raise InstallationFailed(f"the Python clients are pinned for Python {needed} or later")
        run([sys.executable, "-m", "venv", "--clear", str(self._python)])
        pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
        # Without dependencies: what is not pinned shall be missed, not found.
        run([*pip, "install", "--quiet", "--no-deps", "--requirement", str(requirements)])
        run([*pip, "check"])
        stamp.renew()
        return python


class Stamp:
    """Says which state of a file was installed, and by which Python."""

    def __init__(self, path: Path, pinned: Path) -> None:
        self._path = path
        self._state = f"{hashlib.sha256(pinned.read_bytes()).hexdigest()} {sys.version}"

    def is_current(self) -> bool:
        return self._path.is_file() and self._path.read_text(encoding="utf-8") == self._state

    def renew(self) -> None:
        self._path.write_text(self._state, encoding="utf-8")


def copy_sources(source: Path, target: Path) -> None:
    """Makes `target` what `source` is, but for what is installed there."""
    target.mkdir(parents=True, exist_ok=True)
    for old in target.iterdir():
        if old.name == "node_modules":
            continue
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("node_modules"), dirs_exist_ok=True)


def run(command: list[str], folder: Path | None = None) -> None:
    ended = subprocess.run(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if ended.returncode != 0:
        raise InstallationFailed(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stdout}")
