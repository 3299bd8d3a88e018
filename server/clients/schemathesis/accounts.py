"""Users of the server, up to where a good request of theirs can be written down."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from authenticator_app import AuthenticatorApp
from reference_server import PASSWORD, ReferenceServer

GRANT = "http://auth0.com/oauth/grant-type"
MFA_SCOPES = "enroll read:authenticators remove:authenticators"
# Its tokens always need a second factor.
GUARDED_AUDIENCE = "https://pay.example/"


class AccountFailed(Exception):
    """The server did not do what an account needed."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any

    def demand(self, status: int) -> Any:
        """The body, where the status is this one."""
        if self.status != status:
            raise AccountFailed(f"answered {self.status}, not {status}: {self.body}")
        return self.body


class Http:
    """Plain requests, over the certificate that was made for this run."""

    def __init__(self, server: ReferenceServer) -> None:
        self.base_url = server.base_url
        self._context = ssl.create_default_context(cafile=str(server.certificate))

    def get(self, path: str, bearer: str | None = None) -> Answer:
        return self._send("GET", path, None, bearer)

    def post(self, path: str, body: dict[str, Any], bearer: str | None = None) -> Answer:
        return self._send("POST", path, json.dumps(body).encode(), bearer)

    def _send(self, method: str, path: str, body: bytes | None, bearer: str | None) -> Answer:
        headers = {"Content-Type": "application/json"} if body else {}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        request = urllib.request.Request(self.base_url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, context=self._context) as response:
                return Answer(response.status, json.load(response))
        except urllib.error.HTTPError as refused:
            return Answer(refused.code, json.load(refused))


class Account:
    """A user with the public client."""

    def __init__(self, http: Http, username: str) -> None:
        self.username = username
        self.user_id = f"auth0|{username}"
        self._http = http
        self.recovery_codes: list[str] = []
        self._app: AuthenticatorApp | None = None
        self._mfa_access_token: str | None = None

    def password(self, audience: str, scope: str) -> dict[str, str]:
        return {
            "grant_type": "password",
            "client_id": "spa",
            "username": self.username,
            "password": PASSWORD,
            "audience": audience,
            "scope": scope,
        }

    def mfa_access_token(self) -> str:
        """For the MFA API. Whoever has an app proves it, with this step's code."""
        if self._mfa_access_token is None:
            answer = self._http.post("oauth/token", self.password(f"{self._http.base_url}mfa/", MFA_SCOPES))
            if self._app is not None:
                verify = verify_otp(answer.demand(403)["mfa_token"], self._app.code(self._app.step()))
                answer = self._http.post("oauth/token", verify)
            self._mfa_access_token = answer.demand(200)["access_token"]
        return self._mfa_access_token

    def mfa_token(self) -> str:
        """Of a login whose second factor is due."""
        answer = self._http.post("oauth/token", self.password(GUARDED_AUDIENCE, "openid offline_access"))
        return str(answer.demand(403)["mfa_token"])

    def tokens(self) -> dict[str, Any]:
        """Of a user without any factor, who needs none for an ordinary API."""
        return self._token(self.password("", "openid profile email offline_access"))

    def associate(self, body: dict[str, Any]) -> dict[str, Any]:
        return dict(self._http.post("mfa/associate", body, self.mfa_access_token()).demand(200))

    def enroll_app(self) -> AuthenticatorApp:
        """The first factor. The code of the previous step is used up, not this one's."""
        associated = self.associate({"authenticator_types": ["otp"]})
        self._app = app = AuthenticatorApp(associated["secret"])
        self.recovery_codes = associated["recovery_codes"]
        while True:
            step = app.step()
            verify = verify_otp(self.mfa_access_token(), app.code(step - 1))
            answer = self._http.post("oauth/token", verify)
            # Where the next step has begun meanwhile, the code was too old.
            if answer.status == 200 or app.step() == step:
                break
        answer.demand(200)
        # It was had without a factor, and is over with the first.
        self._mfa_access_token = None
        return app

    def enroll_phone(self, number: str) -> None:
        oob_code = self.associate(phone(number))["oob_code"]
        self._token(verify_oob(self.mfa_access_token(), oob_code, self.received_code(number)))

    def challenge_out_of_band(self, mfa_token: str) -> str:
        body = {"client_id": "spa", "mfa_token": mfa_token, "challenge_type": "oob"}
        return str(self._http.post("mfa/challenge", body).demand(200)["oob_code"])

    def received_code(self, destination: str) -> str:
        """The code of the last message to a phone or an address."""
        deliveries = self._http.get("dev/outbox").demand(200)["deliveries"]
        own = [delivery for delivery in deliveries if delivery["destination"] == destination]
        return str(own[-1]["content"]["code"])

    def authenticators(self) -> list[dict[str, Any]]:
        return list(self._http.get("mfa/authenticators", self.mfa_access_token()).demand(200))

    def ticket(self) -> str:
        """What the QR code of a push enrollment holds for the device."""
        push = self.associate({"authenticator_types": ["oob"], "oob_channels": ["auth0"]})
        return parse_qs(urlsplit(push["barcode_uri"]).query)["enrollment_tx_id"][0]

    def _token(self, parameters: dict[str, str]) -> dict[str, Any]:
        return dict(self._http.post("oauth/token", parameters).demand(200))


def phone(number: str, channel: str = "sms") -> dict[str, Any]:
    return {"authenticator_types": ["oob"], "oob_channels": [channel], "phone_number": number}


def verify_otp(mfa_token: str, otp: str) -> dict[str, str]:
    return {"grant_type": f"{GRANT}/mfa-otp", "client_id": "spa", "mfa_token": mfa_token, "otp": otp}


def verify_oob(mfa_token: str, oob_code: str, binding_code: str) -> dict[str, str]:
    form = {"grant_type": f"{GRANT}/mfa-oob", "client_id": "spa", "mfa_token": mfa_token}
    return {**form, "oob_code": oob_code, "binding_code": binding_code}


def verify_recovery_code(mfa_token: str, recovery_code: str) -> dict[str, str]:
    form = {"grant_type": f"{GRANT}/mfa-recovery-code", "client_id": "spa", "mfa_token": mfa_token}
    return {**form, "recovery_code": recovery_code}
