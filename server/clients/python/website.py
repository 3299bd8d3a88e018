"""A web application built on auth0-server-python, and what its users do there."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jwt
from auth0_server_python.auth_server import ServerClient
from auth0_server_python.auth_types import (
    AuthenticatorResponse,
    ChallengeResponse,
    MfaRequirements,
    MfaTokenContext,
    MfaVerifyResponse,
    OobEnrollmentResponse,
    OtpEnrollmentResponse,
)
from auth0_server_python.encryption import encrypt
from auth0_server_python.error import (
    MfaApiError,
    MfaChallengeError,
    MfaEnrollmentError,
    MfaListAuthenticatorsError,
    MfaRequiredError,
    MfaVerifyError,
)
from auth0_server_python.store import StateStore

from authenticator_app import AuthenticatorApp
from expectation import equal, holds
from outbox import Outbox
from plain_http import PlainClient, PlainHttp
from recorder import Recorder
from settings import API, BACKEND, MULTI_FACTOR, PASSWORD, PAY, Settings

SECRET = "the application's own secret, which its cookies are sealed with"
SCOPE = "openid"
REJECTED = "MFA Authorization rejected."
RECOVERY_CODE = re.compile(r"[1-9A-HJ-NP-Z]{24}")
CODES = {
    MfaListAuthenticatorsError: "mfa_list_authenticators_error",
    MfaEnrollmentError: "mfa_enrollment_error",
    MfaChallengeError: "mfa_challenge_error",
    MfaVerifyError: "mfa_verify_error",
}


class MemoryStore(StateStore):
    """The sessions of the application: here, of one browser."""

    def __init__(self) -> None:
        super().__init__({"secret": SECRET})
        self._entries: dict[str, Any] = {}

    async def set(
        self,
        identifier: str,
        state: Any,
        remove_if_expires: bool = False,
        options: dict[str, Any] | None = None,
    ) -> None:
        self._entries[identifier] = state

    async def get(self, identifier: str, options: dict[str, Any] | None = None) -> Any:
        return self._entries.get(identifier)

    async def delete(self, identifier: str, options: dict[str, Any] | None = None) -> None:
        self._entries.pop(identifier, None)


@dataclass(frozen=True)
class User:
    name: str

    @property
    def id(self) -> str:
        return f"auth0|{self.name}"

    @property
    def email(self) -> str:
        return f"{self.name}@example.com"

    @property
    def phone_number(self) -> str:
        return f"+4930901820{self.name.removeprefix('u')}"


class Login:
    """A login that takes a second factor, in the client's own calls."""

    def __init__(self, client: ServerClient, mfa_token: str) -> None:
        self.client = client
        self.mfa_token = mfa_token

    async def list(self) -> list[AuthenticatorResponse]:
        listed: list[AuthenticatorResponse]
        listed = await self.client.mfa.list_authenticators({"mfa_token": self.mfa_token})
        return listed

    async def enroll(
        self, factor_type: str, **options: str
    ) -> OtpEnrollmentResponse | OobEnrollmentResponse:
        options = {"mfa_token": self.mfa_token, "factor_type": factor_type, **options}
        return await self.client.mfa.enroll_authenticator(options)

    async def challenge(self, factor_type: str, **options: str) -> ChallengeResponse:
        options = {"mfa_token": self.mfa_token, "factor_type": factor_type, **options}
        return await self.client.mfa.challenge_authenticator(options)

    async def verify(self, **answer: str | bool) -> MfaVerifyResponse:
        return await self.client.mfa.verify({"mfa_token": self.mfa_token, **answer})


class Scene:
    """The server with what talks to it."""

    def __init__(self, settings: Settings, recorder: Recorder) -> None:
        self.settings = settings
        self.recorder = recorder
        self.http = PlainHttp(settings.base_url)
        self.outbox = Outbox(self.http)
        self.backend = PlainClient(self.http, BACKEND, settings.client_secret)

    def website(self, store: MemoryStore | None = None) -> ServerClient:
        """The application, for a browser that has no session unless the store holds one."""
        return ServerClient(
            domain=self.settings.domain,
            client_id=BACKEND,
            client_secret=self.settings.client_secret,
            secret=SECRET,
            state_store=store or MemoryStore(),
        )

    def refresh_token(self, user: User) -> str:
        """The client logs in by redirect alone, so its session begins with a password grant by hand."""
        answer = self.backend.password(user.name, PASSWORD, API, "openid offline_access")
        return str(answer["refresh_token"])

    async def client(self, user: User, refresh_token: str) -> ServerClient:
        """The application, for a browser whose user passed the first factor."""
        store = MemoryStore()
        session = {
            "user": {"sub": user.id},
            "refresh_token": refresh_token,
            "token_sets": [],
            "domain": self.settings.domain,
            "internal": {"sid": user.name, "created_at": int(time.time())},
        }
        await store.set("_a0_session", session)
        return self.website(store)

    async def required(self, client: ServerClient) -> MfaRequiredError:
        """The client's refusal to hand out a token for the audience that takes a second factor."""
        try:
            await client.get_access_token(audience=PAY, scope=SCOPE)
        except MfaRequiredError as error:
            return error
        raise AssertionError("no second factor was asked for")

    async def log_in(self, user: User, refresh_token: str) -> Login:
        client = await self.client(user, refresh_token)
        return Login(client, (await self.required(client)).mfa_token)

    def sealed(self, mfa_token: str, created_at: float | None = None) -> str:
        """A token as the frameworks on top of the client seal it before a browser keeps it."""
        created_at = time.time() if created_at is None else created_at
        context = MfaTokenContext(
            mfa_token=mfa_token, audience=PAY, scope=SCOPE, created_at=int(created_at)
        )
        return str(encrypt(context.model_dump(), SECRET, "mfa_token"))


async def type_code(
    app: AuthenticatorApp,
    steps_back: int,
    verify: Callable[[str], Awaitable[MfaVerifyResponse]],
) -> tuple[str, MfaVerifyResponse]:
    """Types what the app shows, or showed, and once more where the step turned meanwhile; with the code."""
    step = app.step()
    code = app.code(step - steps_back)
    try:
        return code, await verify(code)
    except MfaVerifyError:
        if app.step() == step:
            raise
        code = app.code(app.step() - steps_back)
        return code, await verify(code)


@contextmanager
def refused(error_class: type[MfaApiError], error: str, description: str) -> Iterator[None]:
    """Expects the client's error of the call, with the server's answer inside."""
    try:
        yield
    except error_class as refusal:
        equal(refusal.code, CODES[error_class], "the client's code")
        equal((refusal.cause or {}).get("error"), error, "error")
        equal(refusal.message, description, "error_description")
        return
    raise AssertionError(f"it was not refused with {error}")


def types(requirements: MfaRequirements | None, kind: str) -> set[str]:
    """What the server asks for, to `enroll` or to `challenge`."""
    listed = getattr(requirements, kind) or []
    return {requirement.type for requirement in listed}


def check_tokens(answer: MfaVerifyResponse, user: User, amr: set[str]) -> None:
    """That these are the tokens of a login with a second factor, whose methods are `amr`."""
    equal(answer.token_type, "Bearer", "token_type")
    holds(answer.expires_in > 0, "expires_in is positive")
    access, identity = claims(answer.access_token), claims(answer.id_token or "")
    equal((access["sub"], identity["sub"]), (user.id, user.id), "sub")
    audiences = access["aud"] if isinstance(access["aud"], list) else [access["aud"]]
    holds(PAY in audiences, f"{PAY} is among {audiences}")
    equal((set(identity["amr"]) - {"pwd"}, identity["acr"]), (amr, MULTI_FACTOR), "amr and acr")


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def active(authenticators: list[AuthenticatorResponse]) -> dict[str, bool]:
    """Whether each listed kind is active, by the kind in its id."""
    kinds: dict[str, bool] = {}
    for found in authenticators:
        kind = found.id.partition("|")[0]
        kinds[kind] = kinds.get(kind, False) or found.active
    return kinds


def id_of(authenticators: list[AuthenticatorResponse], kind: str) -> str:
    return next(str(found.id) for found in authenticators if found.id.startswith(f"{kind}|"))


def check_recovery_codes(codes: list[str] | None) -> None:
    holds(codes is not None and len(codes) == 1, "there is one recovery code")
    holds(RECOVERY_CODE.fullmatch((codes or [""])[0]), "it has the alphabet and length of recovery codes")
