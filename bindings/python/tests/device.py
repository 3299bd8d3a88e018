"""The push device of the scenarios: conformance/src/scenario/mod.rs says what it is."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _framed(*parts: str) -> bytes:
    """Each part behind its length in four bytes."""
    return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)


class PushDevice:
    def __init__(self, number: int) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes((31 * number + i + 1) % 256 for i in range(32)))
        self._name = f"device {number}"

    def _sign(self, *parts: str) -> str:
        return _base64url(self._key.sign(_framed(*parts)))

    def enroll(self, barcode_uri: str) -> dict[str, Any]:
        """What it sends once it scanned a ticket."""
        ticket = parse_qs(barcode_uri.partition("?")[2])["enrollment_tx_id"][0]
        public = {"kty": "OKP", "crv": "Ed25519", "x": _base64url(self._key.public_key().public_bytes_raw())}
        address = f"push-service:{self._name}"
        signature = self._sign("mfacore/enroll push device/0", ticket, public["x"], "", self._name, address)
        body = {"name": self._name, "public_key": public, "push_address": address, "signature": signature}
        return {"token": ticket, "body": body}

    def answer(self, push: dict[str, Any], decision: str, number: str | None) -> dict[str, Any]:
        """What it sends once its user decided."""
        token, context = push["transaction_token"], push.get("context") or ""
        signature = self._sign("mfacore/answer push/0", token, decision, number or "", context)
        body = {"decision": decision, "signature": signature} | ({} if number is None else {"number": number})
        return {"token": token, "body": body}
