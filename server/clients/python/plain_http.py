"""Plain requests, for what a client has no call for."""

from __future__ import annotations

from typing import Any

import httpx

GRANT = "http://auth0.com/oauth/grant-type"


class Refused(Exception):
    """An answer of 400 or more."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


class PlainHttp:
    def __init__(self, base_url: str) -> None:
        self._http = httpx.Client(base_url=base_url)

    def get(self, path: str, bearer: str | None = None) -> Any:
        return self._send("GET", path, bearer)

    def delete(self, path: str, bearer: str) -> None:
        self._send("DELETE", path, bearer)

    def post_form(self, path: str, form: dict[str, str]) -> Any:
        return self._send("POST", path, None, data=form)

    def post_json(self, path: str, body: dict[str, Any], bearer: str | None = None) -> Any:
        return self._send("POST", path, bearer, json=body)

    def _send(self, method: str, path: str, bearer: str | None, **body: Any) -> Any:
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        response = self._http.request(method, path, headers=headers, **body)
        content = response.json() if response.content else None
        if response.status_code >= 400:
            raise Refused(response.status_code, content)
        return content


class PlainClient:
    """An OAuth client by hand."""

    def __init__(self, http: PlainHttp, client_id: str, client_secret: str | None) -> None:
        self._http = http
        self._credentials = {"client_id": client_id}
        if client_secret is not None:
            self._credentials["client_secret"] = client_secret

    def password(self, username: str, password: str, audience: str, scope: str) -> dict[str, Any]:
        return self._token(
            {
                "grant_type": "password",
                "username": username,
                "password": password,
                "audience": audience,
                "scope": scope,
            }
        )

    def mfa_token(self, username: str, password: str, audience: str, scope: str) -> str:
        """The `mfa_token` of a login that takes a second factor."""
        try:
            self.password(username, password, audience, scope)
        except Refused as refusal:
            if refusal.body["error"] == "mfa_required":
                return str(refusal.body["mfa_token"])
            raise
        raise AssertionError("no second factor was asked for")

    def verify_otp(self, mfa_token: str, otp: str) -> dict[str, Any]:
        return self._token({"grant_type": f"{GRANT}/mfa-otp", "mfa_token": mfa_token, "otp": otp})

    def verify_oob(self, mfa_token: str, oob_code: str, binding_code: str) -> dict[str, Any]:
        form = {"grant_type": f"{GRANT}/mfa-oob", "mfa_token": mfa_token}
        return self._token({**form, "oob_code": oob_code, "binding_code": binding_code})

    def verify_recovery_code(self, mfa_token: str, recovery_code: str) -> dict[str, Any]:
        form = {"grant_type": f"{GRANT}/mfa-recovery-code", "mfa_token": mfa_token}
        return self._token({**form, "recovery_code": recovery_code})

    def _token(self, form: dict[str, str]) -> dict[str, Any]:
        answer: dict[str, Any] = self._http.post_form("oauth/token", {**self._credentials, **form})
        return answer
