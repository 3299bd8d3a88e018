"""auth0-python against the server: the first factor, ID tokens, and the management of a user's factors."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from auth0.authentication import GetToken
from auth0.authentication.async_token_verifier import AsyncAsymmetricSignatureVerifier, AsyncTokenVerifier
from auth0.authentication.exceptions import Auth0Error, TokenValidationError
from auth0.authentication.token_verifier import AsymmetricSignatureVerifier, TokenVerifier
from auth0.management import ManagementClient
from auth0.management.core.api_error import ApiError
from auth0.management.errors import NotFoundError, UnauthorizedError
from auth0.management.types import UserAuthenticationMethod

from authenticator_app import AuthenticatorApp
from expectation import equal, has_all, holds
from outbox import Outbox
from plain_http import PlainClient, PlainHttp, Refused
from recorder import Recorder
from settings import API, BACKEND, MULTI_FACTOR, PASSWORD, PAY, Settings

SCOPE = "openid offline_access"
REALM = "Username-Password-Authentication"
PASSWORD_GRANT = "password"


class Scene:
    """The server with what talks to it."""

    def __init__(self, settings: Settings, recorder: Recorder) -> None:
        self.settings = settings
        self.recorder = recorder
        self.http = PlainHttp(settings.base_url)
        self.outbox = Outbox(self.http)
        self.backend = PlainClient(self.http, BACKEND, settings.client_secret)
        self.tokens = GetToken(settings.domain, BACKEND, client_secret=settings.client_secret)
        self.users = ManagementClient(domain=settings.domain, token=settings.management_token).users

    def log_in(self, name: str, audience: str, **options: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.tokens.login(
            name, PASSWORD, scope=SCOPE, realm=REALM, audience=audience, **options
        )
        return answer

    def enroll_otp(self, mfa_token: str) -> AuthenticatorApp:
        """Enrolls an app by plain requests: the client has no MFA calls. The step before is spent."""
        body = {"authenticator_types": ["otp"]}
        enrolled = self.http.post_json("mfa/associate", body, bearer=mfa_token)
        app = AuthenticatorApp(enrolled["secret"])
        step = app.step()
        try:
            self.backend.verify_otp(mfa_token, app.code(step - 1))
        except Refused:
            if app.step() == step:
                raise
            self.backend.verify_otp(mfa_token, app.code(app.step() - 1))
        return app

    def enroll_phone(self, access_token: str, phone_number: str) -> None:
        body = {"authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": phone_number}
        enrolled = self.http.post_json("mfa/associate", body, bearer=access_token)
        code = self.outbox.code("sms", phone_number)
        self.backend.verify_oob(access_token, enrolled["oob_code"], code)

    def methods(self, user_id: str) -> list[UserAuthenticationMethod]:
        """All that the client's pages hold; bounded, since it asks on until a page is empty."""
        return list(islice(self.users.authentication_methods.list(user_id), 100))


@contextmanager
def refused(status: int, error: str, description: str) -> Iterator[list[Auth0Error]]:
    """Expects the client's error; hands it out for a closer look."""
    caught: list[Auth0Error] = []
    try:
        yield caught
    except Auth0Error as refusal:
        actual = (refusal.status_code, refusal.error_code, refusal.message)
        equal(actual, (status, error, description), "refusal")
        caught.append(refusal)
        return
    raise AssertionError(f"it was not refused with {error}")


def mfa_required(log_in: Callable[[], object]) -> dict[str, Any]:
    """The body of the client's `mfa_required`."""
    with refused(403, "mfa_required", "Multifactor authentication required") as caught:
        log_in()
    content: dict[str, Any] = caught[0].content or {}
    holds(content["mfa_token"], "there is an mfa_token")
    return content


def required_types(content: dict[str, Any], kind: str) -> set[str]:
    listed = content["mfa_requirements"].get(kind) or []
    return {requirement["type"] for requirement in listed}


def check_tokens(answer: dict[str, Any]) -> None:
    equal(answer["token_type"], "Bearer", "token_type")
    holds(answer["expires_in"] > 0, "expires_in is positive")
    holds(answer["access_token"], "there is an access token")


def first_factor(scene: Scene, name: str) -> None:
    call, tokens = scene.recorder.call, scene.tokens
    with call("log in, password-realm grant"):
        answer = scene.log_in(name, API)
        check_tokens(answer)
        equal(answer["scope"], SCOPE, "scope")
    with call("log in, password grant"):
        check_tokens(tokens.login(name, PASSWORD, grant_type=PASSWORD_GRANT))
    with call("log in, wrong password"):
        with refused(403, "invalid_grant", "Wrong email or password."):
            tokens.login(name, "not it", realm=REALM)
    with call("log in, unknown user"):
        with refused(403, "invalid_grant", "Wrong email or password."):
            tokens.login("nobody", PASSWORD, realm=REALM)
    with call("log in, wrong client secret"):
        wrong = GetToken(scene.settings.domain, BACKEND, client_secret="not it")
        with refused(401, "invalid_client", "Client authentication failed."):
            wrong.login(name, PASSWORD, realm=REALM)
    with call("refresh token, no second factor"):
        check_tokens(tokens.refresh_token(answer["refresh_token"]))
    with call("refresh token, malformed"):
        with refused(403, "invalid_grant", "Unknown or invalid refresh token."):
            tokens.refresh_token("not a refresh token")
    id_tokens(scene, f"auth0|{name}", answer["id_token"])


def id_tokens(scene: Scene, user_id: str, id_token: str) -> None:
    call, issuer = scene.recorder.call, scene.settings.base_url
    keys = AsymmetricSignatureVerifier(f"{issuer}.well-known/jwks.json")
    with call("verify id_token"):
        claims = TokenVerifier(keys, issuer, BACKEND).verify(id_token, max_age=60)
        has_all(claims, {"iss": issuer, "sub": user_id, "aud": BACKEND}, "claims")
    with call("verify id_token, asynchronous"):
        asynchronous = AsyncAsymmetricSignatureVerifier(f"{issuer}.well-known/jwks.json")
        verifier = AsyncTokenVerifier(asynchronous, issuer, BACKEND)
        equal(asyncio.run(verifier.verify(id_token))["sub"], user_id, "sub")
    with call("verify id_token, signature changed"):
        head, _, signature = id_token.rpartition(".")
        changed = f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
        with invalid("Invalid token signature."):
            TokenVerifier(keys, issuer, BACKEND).verify(changed)
    with call("verify id_token, another client's"):
        with invalid("Audience (aud) claim mismatch"):
            TokenVerifier(keys, issuer, "another client").verify(id_token)


@contextmanager
def invalid(text: str) -> Iterator[None]:
    try:
        yield
    except TokenValidationError as error:
        holds(str(error).startswith(text), f"{str(error)!r} starts with {text!r}")
        return
    raise AssertionError("the ID token was taken")


def second_factor(scene: Scene, name: str) -> None:
    call, tokens = scene.recorder.call, scene.tokens
    earlier = scene.log_in(name, API)["refresh_token"]
    with call("mfa_required by password-realm grant, not enrolled"):
        content = mfa_required(lambda: scene.log_in(name, PAY))
        # A verified address is an authenticator without enrolling.
        equal(required_types(content, "challenge"), {"email"}, "challenge")
    for absent in ["enroll", "list", "challenge", "verify", "remove authenticator"]:
        scene.recorder.absent(absent, "the client has no calls of the MFA API")
    app = scene.enroll_otp(content["mfa_token"])
    expected = {"otp", "email", "recovery-code"}
    with call("mfa_required by password-realm grant, enrolled"):
        content = mfa_required(lambda: scene.log_in(name, API))
        equal(required_types(content, "challenge"), expected, "challenge")
    with call("mfa_required by password grant, enrolled"):
        content = mfa_required(lambda: scene.log_in(name, API, grant_type=PASSWORD_GRANT))
        equal(required_types(content, "challenge"), expected, "challenge")
    with call("mfa_required by refresh token, earned before enrolling"):
        equal(required_types(mfa_required(lambda: tokens.refresh_token(earlier)), "challenge"), expected, "types")
    passed = scene.backend.verify_otp(content["mfa_token"], app.code(app.step()))
    with call("refresh token, earned with a second factor"):
        check_tokens(tokens.refresh_token(passed["refresh_token"]))
    with call("verify id_token, of a second factor"):
        issuer = scene.settings.base_url
        keys = AsymmetricSignatureVerifier(f"{issuer}.well-known/jwks.json")
        claims = TokenVerifier(keys, issuer, BACKEND).verify(passed["id_token"])
        holds({"mfa", "otp"} <= set(claims["amr"]), f"mfa and otp are among {claims['amr']}")
        equal(claims["acr"], MULTI_FACTOR, "acr")


def no_factor(scene: Scene, name: str) -> None:
    """A user whose address nobody verified has nothing before enrolling."""
    with scene.recorder.call("mfa_required by password-realm grant, enroll"):
        content = mfa_required(lambda: scene.log_in(name, PAY))
        equal(required_types(content, "enroll"), {"otp", "phone", "push-notification"}, "enroll")
        equal(required_types(content, "challenge"), set(), "challenge")


def always_required(scene: Scene, name: str) -> None:
    mfa_token = mfa_required(lambda: scene.log_in(name, PAY))["mfa_token"]
    app = scene.enroll_otp(mfa_token)
    mfa_token = mfa_required(lambda: scene.log_in(name, PAY))["mfa_token"]
    passed = scene.backend.verify_otp(mfa_token, app.code(app.step()))
    with scene.recorder.call("mfa_required by refresh token, audience that always takes a second factor"):
        content = mfa_required(lambda: scene.tokens.refresh_token(passed["refresh_token"]))
        holds("otp" in required_types(content, "challenge"), "otp can be challenged")


def established(scene: Scene, name: str) -> None:
    """Gives the user an app and a phone, and so a recovery code."""
    app = scene.enroll_otp(mfa_required(lambda: scene.log_in(name, PAY))["mfa_token"])
    audience, scope = scene.settings.mfa_audience, "enroll read:authenticators remove:authenticators"
    mfa_token = scene.backend.mfa_token(name, PASSWORD, audience, scope)
    access_token = scene.backend.verify_otp(mfa_token, app.code(app.step()))["access_token"]
    scene.enroll_phone(access_token, phone_number(name))


def phone_number(name: str) -> str:
    return f"+4930901821{name.removeprefix('u')}"


def management(scene: Scene, name: str) -> None:
    established(scene, name)
    user_id = f"auth0|{name}"
    listing(scene, user_id)
    regeneration(scene, name)
    deletion(scene, user_id)


def listing(scene: Scene, user_id: str) -> None:
    call, methods = scene.recorder.call, scene.users.authentication_methods
    name = user_id.partition("|")[2]
    with call("list authentication methods, with totals"):
        page = methods.list(user_id)
        has_all(page.response.model_dump(), {"start": 0, "limit": 50, "total": 5}, "totals")
        kinds = sorted(method.type for method in page.items or [])
        equal(kinds, ["email", "phone", "phone", "recovery-code", "totp"], "types")
        holds(all(method.confirmed for method in page.items or []), "all are confirmed")
    with call("list authentication methods, what a phone shows"):
        phones = [method for method in page.items or [] if method.type == "phone"]
        equal({method.phone_number for method in phones}, {phone_number(name)}, "phone numbers")
        equal(len({method.link_id for method in phones}), 1, "link ids of sms and voice")
    with call("list authentication methods, page by page"):
        one_by_one = list(islice(methods.list(user_id, per_page=1), 100))
        equal([found.id for found in one_by_one], [found.id for found in page.items or []], "ids")
    with call("list authentication methods, a later page"):
        later = methods.list(user_id, page=1, per_page=3)
        has_all(later.response.model_dump(), {"start": 3, "limit": 3, "total": 5}, "totals")
        equal([found.id for found in later.items or []], [found.id for found in (page.items or [])[3:]], "ids")
    scene.recorder.absent("list authentication methods, without totals", "the client cannot read the array")


def regeneration(scene: Scene, name: str) -> None:
    call = scene.recorder.call
    with call("regenerate recovery code"):
        first = scene.users.regenerate_recovery_code(f"auth0|{name}").recovery_code or ""
        second = scene.users.regenerate_recovery_code(f"auth0|{name}").recovery_code or ""
        equal((len(first), len(second), first == second), (24, 24, False), "lengths, and whether it is the same")
    with call("regenerate recovery code, only the last one logs in"):
        mfa_token = mfa_required(lambda: scene.log_in(name, PAY))["mfa_token"]
        try:
            scene.backend.verify_recovery_code(mfa_token, first)
        except Refused as refusal:
            equal((refusal.status, refusal.body["error"]), (403, "invalid_grant"), "refusal")
        else:
            raise AssertionError("the code before the last one was taken")
        check_tokens(scene.backend.verify_recovery_code(mfa_token, second))


def deletion(scene: Scene, user_id: str) -> None:
    call, methods = scene.recorder.call, scene.users.authentication_methods
    with call("delete one authentication method"):
        sms = next(found.id for found in scene.methods(user_id) if found.type == "phone")
        equal(methods.with_raw_response.delete(user_id, sms).status_code, 204, "status")
        kinds = sorted(found.type for found in scene.methods(user_id))
        equal(kinds, ["email", "recovery-code", "totp"], "types that are left: its pair went with it")
    with call("delete one authentication method, unknown"):
        with refused_management(NotFoundError, 404):
            methods.delete(user_id, sms)
    with call("delete all authentication methods"):
        equal(methods.with_raw_response.delete_all(user_id).status_code, 204, "status")
        equal(types_left(scene, user_id), set(), "types that are left, but for the verified email")


def types_left(scene: Scene, user_id: str) -> set[str]:
    return {found.type for found in scene.methods(user_id)} - {"email"}


def authenticators(scene: Scene, name: str) -> None:
    established(scene, name)
    with scene.recorder.call("delete all authenticators"):
        response = scene.users.authenticators.with_raw_response.delete_all(f"auth0|{name}")
        equal(response.status_code, 204, "status")
        left = types_left(scene, f"auth0|{name}")
        equal(left, set(), "types that are left, but for the verified email")


@contextmanager
def refused_management(error_class: type[ApiError], status: int) -> Iterator[None]:
    try:
        yield
    except ApiError as refusal:
        equal((type(refusal), refusal.status_code), (error_class, status), "error")
        holds(isinstance(refusal.body, dict) and refusal.body.get("error"), "the body says the error")
        return
    raise AssertionError("it was not refused")


def management_refusals(scene: Scene, name: str) -> None:
    call, user_id = scene.recorder.call, f"auth0|{name}"
    users = ManagementClient(domain=scene.settings.domain, token="not the token").users
    operations: dict[str, Callable[[Any, str], object]] = {
        "list authentication methods": lambda users, user: users.authentication_methods.list(user),
        "regenerate recovery code": lambda users, user: users.regenerate_recovery_code(user),
        "delete one authentication method": lambda users, user: users.authentication_methods.delete(
            user, "totp|dev_0123456789abcdef"
        ),
        "delete all authentication methods": lambda users, user: users.authentication_methods.delete_all(user),
        "delete all authenticators": lambda users, user: users.authenticators.delete_all(user),
    }
    # For these the client has no class of its own for 404.
    general = {"delete all authentication methods", "delete all authenticators"}
    for operation, ask in operations.items():
        with call(f"{operation}, wrong management token"), refused_management(UnauthorizedError, 401):
            ask(users, user_id)
        not_found = ApiError if operation in general else NotFoundError
        with call(f"{operation}, unknown user"), refused_management(not_found, 404):
            ask(scene.users, "auth0|nobody")


FLOWS = {
    "u49": first_factor,
    "u50": second_factor,
    "u51": always_required,
    "u52": management,
    "u53": authenticators,
    "u54": management_refusals,
    "u60": no_factor,
}


def main() -> int:
    settings = Settings.from_environment()
    recorder = Recorder("auth0-python", settings.results)
    scene = Scene(settings, recorder)
    for name, flow in FLOWS.items():
        with recorder.flow(flow.__name__):
            flow(scene, name)
    return recorder.exit_code()


if __name__ == "__main__":
    sys.exit(main())
