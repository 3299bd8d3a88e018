"""A push device as its app behaves: scans the ticket, shows a push, signs the answer with Ed25519."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authenticator_app import AuthenticatorApp
from plain_http import PlainHttp


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _framed(*parts: str) -> bytes:
    """Each part behind its length in four bytes, big-endian."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


class PushDevice:
    def __init__(self, name: str) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.name = name
        self.address = f"push-service:{name}"
        self._http: PlainHttp | None = None

    def enroll(self, barcode_uri: str) -> AuthenticatorApp:
        """Scans the ticket; what it answers holds the secret of the device's own one-time passwords."""
        query = parse_qs(urlsplit(barcode_uri).query)
        ticket, base_url = query["enrollment_tx_id"][0], query["base_url"][0]
        self._http = PlainHttp(f"{base_url.rstrip('/')}/")
        x = _base64url(self._key.public_key().public_bytes_raw())
        body = {
            "name": self.name,
            "public_key": {"kty": "OKP", "crv": "Ed25519", "x": x},
            "push_address": self.address,
            "signature": self._sign("mfacore/enroll push device/0", ticket, x, "", self.name, self.address),
        }
        enrolled = self._http.post_json("push/devices", body, bearer=ticket)
        return AuthenticatorApp.scan(enrolled["barcode_uri"])

    def answer(self, push: dict[str, Any], decision: str) -> None:
        """What it sends once its user decided: `approve` or `deny`."""
        if self._http is None:
            raise RuntimeError("the device is not enrolled")
        token, context = push["transaction_token"], push.get("context") or ""
        signature = self._sign("mfacore/answer push/0", token, decision, "", context)
        body = {"decision": decision, "signature": signature}
        self._http.post_json("push/answers", body, bearer=token)

    def _sign(self, *parts: str) -> str:
        return _base64url(self._key.sign(_framed(*parts)))
