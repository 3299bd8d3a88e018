"""Good requests, which no generator comes upon: codes, tokens and ids of users who are made for them.

Each is used by one operation, since most are good once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from accounts import Account, Http, phone, verify_oob, verify_otp, verify_recovery_code
from reference_server import UNVERIFIED_USERS

Document = dict[str, Any]


@dataclass(frozen=True)
class Examples:
    """Of one operation."""

    bodies: list[dict[str, Any]] = field(default_factory=list)
    path: dict[str, str] = field(default_factory=dict)


def good_requests(http: Http, client_secret: str, bearer: Account) -> dict[tuple[str, str], Examples]:
    """By method and path of the document. Requests to the MFA API bear the bearer's access token."""
    return {**token(http, client_secret), **mfa(http, bearer), **management(http)}


def token(http: Http, client_secret: str) -> dict[tuple[str, str], Examples]:
    without_factor = Account(http, UNVERIFIED_USERS[0])
    with_app, with_recovery_code, with_phone = (Account(http, name) for name in ("u02", "u03", "u04"))
    app = with_app.enroll_app()
    with_recovery_code.enroll_app()
    with_phone.enroll_phone("+15550000004")
    phone_login = with_phone.mfa_token()
    oob_code = with_phone.challenge_out_of_band(phone_login)
    pending = Account(http, "u05")
    pending_secret = pending.associate({"authenticator_types": ["otp"]})["secret"]
    confidential = {"client_id": "backend", "client_secret": client_secret}
    refresh = {"grant_type": "refresh_token", "client_id": "spa"}
    bodies = [
        without_factor.password("", "openid profile email offline_access"),
        {**without_factor.password("", "openid"), **confidential},
        Account(http, "u06").password(f"{http.base_url}mfa/", "enroll"),
        with_app.password("https://pay.example/", "openid"),
        {**refresh, "refresh_token": without_factor.tokens()["refresh_token"]},
        verify_otp(with_app.mfa_token(), app.code(app.step())),
        verify_recovery_code(with_recovery_code.mfa_token(), with_recovery_code.recovery_codes[0]),
        verify_oob(phone_login, oob_code, with_phone.received_code("+15550000004")),
        verify_otp(pending.mfa_access_token(), type(app)(pending_secret).code(app.step())),
    ]
    return {("post", "/oauth/token"): Examples(bodies)}


def mfa(http: Http, bearer: Account) -> dict[tuple[str, str], Examples]:
    # Not the app is removed, since its token goes with it.
    bearer.enroll_app()
    bearer.enroll_phone("+15550000011")
    removed = next(one["id"] for one in bearer.authenticators() if one["id"].startswith("sms|"))
    challenged = Account(http, "u07")
    challenged.enroll_app()
    challenged.enroll_phone("+15550000007")
    challenge = {"client_id": "spa"}
    return {
        ("post", "/mfa/associate"): Examples(
            [
                {"authenticator_types": ["otp"]},
                phone("+15550000001"),
                phone("+15550000002", "voice"),
                {"authenticator_types": ["oob"], "oob_channels": ["email"], "email": "other@example.com"},
                {"authenticator_types": ["oob"], "oob_channels": ["auth0"]},
            ]
        ),
        ("post", "/mfa/challenge"): Examples(
            [
                {**challenge, "mfa_token": challenged.mfa_token()},
                {**challenge, "mfa_token": challenged.mfa_token(), "challenge_type": "otp"},
                {**challenge, "mfa_token": challenged.mfa_token(), "challenge_type": "oob"},
            ]
        ),
        ("delete", "/mfa/authenticators/{id}"): Examples(path={"id": removed}),
    }


def management(http: Http) -> dict[tuple[str, str], Examples]:
    listed, removed = Account(http, "u20"), Account(http, "u21")
    for account in (listed, removed):
        account.enroll_app()
    listed.enroll_phone("+15550000020")
    listed.associate({"authenticator_types": ["oob"], "oob_channels": ["auth0"]})
    method = next(one["id"] for one in removed.authenticators() if one["id"].startswith("totp|"))
    regenerated = Account(http, "u22")
    regenerated.enroll_app()
    users = "/api/v2/users/{id}"
    others = {
        ("delete", f"{users}/authentication-methods"): "u23",
        ("delete", f"{users}/authenticators"): "u25",
        ("delete", "/api/v2/user-blocks/{id}"): "u26",
        ("post", f"{users}/multifactor/actions/invalidate-remember-browser"): "u27",
    }
    return {
        ("get", f"{users}/authentication-methods"): Examples(path={"id": listed.user_id}),
        ("delete", f"{users}/authentication-methods/{{method}}"): Examples(
            path={"id": removed.user_id, "method": method}
        ),
        ("post", f"{users}/recovery-code-regeneration"): Examples(path={"id": regenerated.user_id}),
        **{operation: Examples(path={"id": Account(http, name).user_id}) for operation, name in others.items()},
    }


def with_examples(document: Document, good: dict[tuple[str, str], Examples]) -> None:
    """Adds the good requests to the document; a body to JSON alone, as it is good once."""
    for (method, path), examples in good.items():
        operation = document["paths"][path][method]
        if examples.bodies:
            named = {f"good {number}": {"value": body} for number, body in enumerate(examples.bodies)}
            operation["requestBody"]["content"]["application/json"]["examples"] = named
        for parameter in operation.get("parameters", []):
            if parameter["name"] in examples.path:
                parameter["examples"] = {"good": {"value": examples.path[parameter["name"]]}}


def closed(document: Document) -> None:
    """Makes a member that an answer has and the document has not a finding. Requests may have what they like."""
    schemas = document["components"]["schemas"]
    for name in [name for name in schemas if not name.endswith("Request") and name != "DeviceKey"]:
        for shape in [schemas[name], *schemas[name].get("oneOf", [])]:
            if "properties" in shape:
                shape["additionalProperties"] = False
