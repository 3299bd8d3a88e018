"""The server that the clients talk to: its files, its process, and how it ends."""

from __future__ import annotations

import hashlib
import json
import os
import queue
import secrets
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PASSWORD = "correct horse battery staple"
USERS = [f"u{number:02}" for number in range(1, 61)]
# The last user of each client has an address that nobody verified, and so no authenticator before enrolling one.
UNVERIFIED_USERS = ["u12", "u24", "u36", "u48", "u60"]
AUDIENCES = {
    "https://api.example/": {"second_factor": "policy", "multi_resource_refresh": True},
    "https://pay.example/": {"second_factor": "always"},
}
POLICY = {
    "profile": "auth0",
    "enforcement": "when_enrolled",
    "factors": ["otp", "phone", "email", "push-notification", "recovery-code"],
}
START_SECONDS = 60
END_SECONDS = 40


class ServerFailed(Exception):
    """The server did not start, or did not end, as it should."""


@dataclass(frozen=True)
class Secrets:
    """What the server's operator hands out."""

    client_secret: str
    management_token: str

    @classmethod
    def fresh(cls) -> Secrets:
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32))


class ReferenceServer:
    """A server of its own for one run, in a folder that goes with it."""

    def __init__(self, binary: Path, folder: Path, store: str) -> None:
        self.certificate = folder / "certificate.pem"
        self.secrets = Secrets.fresh()
        self.base_url = ""
        self._binary = binary
        self._folder = folder
        self._store = f"sqlite:{folder / 'store.db'}" if store == "sqlite" else "memory:"
        self._process: subprocess.Popen[str] | None = None
        self._output: list[str] = []

    def start(self) -> None:
        """Returns once it listens."""
        make_certificate(self.certificate, self._folder / "key.pem")
        self._write("users.json", users(password_hash(self._binary)))
        self._write("clients.json", clients(self.secrets.client_secret))
        process = subprocess.Popen(
            [self._binary, *self._arguments()],
            env=environment(self.secrets),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._process = process
        assert process.stdout is not None
        self.base_url = self._address(read_lines(process.stdout))

    def end(self) -> None:
        """Asks it to end, and demands that it does. One that never listened has been reported."""
        process = self._process
        if process is None or not self.base_url:
            return self._kill()
        if process.poll() is not None:
            raise self._failed(f"the server ended by itself, with {process.returncode}")
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            raise self._failed(f"the server did not end within {END_SECONDS} seconds") from None
        if code != 0:
            raise self._failed(f"the server ended with {code}")

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _arguments(self) -> list[str]:
        folder = self._folder
        return [
            *("--listen", "127.0.0.1:0"),
            *("--store", self._store),
            *("--keys", str(folder / "keys.json")),
            *("--policy", json.dumps(POLICY)),
            *("--tls-cert", str(self.certificate), "--tls-key", str(folder / "key.pem")),
            *("--users", str(folder / "users.json"), "--clients", str(folder / "clients.json")),
            "--development",
        ]

    def _address(self, lines: queue.Queue[str | None]) -> str:
        """The base URL, from the line that says it. What else the server says is kept for a failure's report."""
        deadline = time.monotonic() + START_SECONDS
        address = None
        while address is None:
            try:
                line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise self._failed(f"the server did not listen within {START_SECONDS} seconds") from None
            if line is None:
                raise self._failed("the server ended before it listened")
            self._output.append(line)
            _, found, rest = line.partition("listening on ")
            address = rest.strip() if found else None
        threading.Thread(target=self._keep, args=[lines], daemon=True).start()
        return address

    def _keep(self, lines: queue.Queue[str | None]) -> None:
        while (line := lines.get()) is not None:
            self._output.append(line)

    def _failed(self, what: str) -> ServerFailed:
        return ServerFailed(f"{what}; its last lines:\n" + "".join(self._output[-40:]))

    def _write(self, name: str, content: object) -> None:
        (self._folder / name).write_text(json.dumps(content), encoding="utf-8")


def environment(handed_out: Secrets) -> dict[str, str]:
    """Without the settings of another server that whoever runs this may have."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("MFACORE_")}
    return {**own, "MFACORE_MANAGEMENT_TOKEN": handed_out.management_token}


def read_lines(stream: IO[str]) -> queue.Queue[str | None]:
    """The lines as they come, and `None` at the end: so that waiting for one can be given up."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in stream:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def make_certificate(certificate: Path, key: Path) -> None:
    """A certificate that is its own authority, for this machine and a day."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "1", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
            *("-addext", "extendedKeyUsage=serverAuth"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )


def password_hash(binary: Path) -> str:
    """One hash for all users: to make one takes a while."""
    hashed = subprocess.run([binary, "hash-password"], input=PASSWORD, text=True, capture_output=True)
    if hashed.returncode != 0 or not hashed.stdout.startswith("$argon2id$"):
        raise ServerFailed(f"hash-password made no hash, and ended with {hashed.returncode}: {hashed.stderr}")
    return hashed.stdout.strip()


def users(hashed: str) -> list[dict[str, object]]:
    return [
        {
            "id": f"auth0|{name}",
            "username": name,
            "password_hash": hashed,
            "email": f"{name}@example.com",
            "email_verified": name not in UNVERIFIED_USERS,
            "name": name.upper(),
        }
        for name in USERS
    ]


def clients(client_secret: str) -> list[dict[str, object]]:
    digest = hashlib.sha256(client_secret.encode()).hexdigest()
    return [
        {"client_id": "spa", "audiences": AUDIENCES, "origins": ["https://app.example"]},
        {"client_id": "backend", "secret_sha256": digest, "audiences": AUDIENCES},
    ]
