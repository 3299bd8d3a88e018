"""An authenticator app: time-based one-time passwords of RFC 6238, SHA-1, 6 digits, 30 seconds."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from urllib.parse import parse_qs, urlsplit

PERIOD_SECONDS = 30
DIGITS = 6


class AuthenticatorApp:
    def __init__(self, secret: str) -> None:
        padding = "=" * (-len(secret) % 8)
        self._key = base64.b32decode(secret + padding)

    @classmethod
    def scan(cls, barcode_uri: str) -> AuthenticatorApp:
        """Reads the QR code."""
        return cls(parse_qs(urlsplit(barcode_uri).query)["secret"][0])

    @staticmethod
    def step() -> int:
        return int(time.time()) // PERIOD_SECONDS

    def code(self, step: int) -> str:
        digest = hmac.new(self._key, step.to_bytes(8, "big"), hashlib.sha1).digest()
        offset = digest[-1] & 0x0F
        number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
        return str(number % 10**DIGITS).zfill(DIGITS)

    def wrong_code(self) -> str:
        """One that no step around now has."""
        now = self.step()
        near = {self.code(step) for step in range(now - 2, now + 3)}
        return next(code for number in range(6) if (code := f"{number:06}") not in near)
