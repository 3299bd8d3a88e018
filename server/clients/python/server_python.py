"""auth0-server-python against the server: every call of its MFA client, and what it makes of refusals."""

from __future__ import annotations

import asyncio
import re
import sys

from auth0_server_python.auth_types import OtpEnrollmentResponse
from auth0_server_python.error import (
    MfaChallengeError,
    MfaEnrollmentError,
    MfaListAuthenticatorsError,
    MfaTokenExpiredError,
    MfaTokenInvalidError,
    MfaVerifyError,
)

from authenticator_app import AuthenticatorApp
from expectation import equal, holds
from out_of_band import email, implicit_email, push, sms, voice
from plain_http import PlainClient
from recorder import Recorder
from settings import PASSWORD, PAY, PUBLIC_CLIENT, Settings
from website import (
    REJECTED,
    SCOPE,
    Login,
    Scene,
    User,
    active,
    check_recovery_codes,
    check_tokens,
    id_of,
    refused,
    type_code,
    types,
)

INVALID_OTP = "Invalid otp_code."
NOT_ENROLLED = "User is not enrolled. You can use /mfa/associate endpoint to enroll the first authenticator."


async def enroll_otp(login: Login) -> tuple[AuthenticatorApp, OtpEnrollmentResponse]:
    enrolled = await login.enroll("otp")
    holds(isinstance(enrolled, OtpEnrollmentResponse), "the answer is of an OTP enrollment")
    return AuthenticatorApp(enrolled.secret), enrolled


async def establish(scene: Scene, user: User) -> tuple[AuthenticatorApp, str, str]:
    """Enrolls an app, confirms it by the step before, so that the current one is free for a login."""
    refresh_token = scene.refresh_token(user)
    login = await scene.log_in(user, refresh_token)
    app, enrolled = await enroll_otp(login)
    await type_code(app, 1, lambda code: login.verify(otp=code))
    return app, refresh_token, (enrolled.recovery_codes or [""])[0]


async def otp(scene: Scene, user: User) -> None:
    call = scene.recorder.call
    refresh_token = scene.refresh_token(user)
    with call("mfa_required by get_access_token, not enrolled"):
        client = await scene.client(user, refresh_token)
        error = await scene.required(client)
        equal((error.code, error.message), ("mfa_required", "Multifactor authentication required"), "error")
        # A verified address is an authenticator without enrolling.
        equal(types(error.mfa_requirements, "challenge"), {"email"}, "challenge")
    login = Login(client, error.mfa_token)
    with call("list, not enrolled"):
        equal(active(await login.list()), {"email": True}, "what is listed")
    with call("challenge, nothing of this type"):
        unsupported = "User does not have any enrolled authenticator with the supported challenge type (otp)"
        with refused(MfaChallengeError, "unsupported_challenge_type", unsupported):
            await login.challenge("otp")
    with call("enroll otp"):
        app, enrolled = await enroll_otp(login)
        equal(len(enrolled.secret), 32, "length of the secret")
        equal(AuthenticatorApp.scan(enrolled.barcode_uri).code(1), app.code(1), "code by the QR code")
        check_recovery_codes(enrolled.recovery_codes)
    with call("list, otp pending"):
        equal(active(await login.list()), {"totp": False, "email": True}, "what is listed")
    with call("wrong otp, enrolling"), refused(MfaVerifyError, "invalid_grant", INVALID_OTP):
        await login.verify(otp=app.wrong_code())
    with call("confirm otp"):
        typed, answer = await type_code(app, 1, lambda code: login.verify(otp=code, persist=True))
        check_tokens(answer, user, {"mfa", "otp"})
    with call("get_access_token from the session after confirming"):
        equal(await client.get_access_token(audience=PAY, scope=SCOPE), answer.access_token, "access token")
    await spent_mfa_token(scene, login, app)
    await log_in_by_otp(scene, user, refresh_token, app, typed)


async def spent_mfa_token(scene: Scene, login: Login, app: AuthenticatorApp) -> None:
    call, description = scene.recorder.call, "mfa_token is expired"
    with call("spent mfa_token, verify"), refused(MfaVerifyError, "expired_token", description):
        await login.verify(otp=app.wrong_code())
    with call("spent mfa_token, challenge"), refused(MfaChallengeError, "expired_token", description):
        await login.challenge("otp")
    with call("spent mfa_token, list"), refused(MfaListAuthenticatorsError, "expired_token", description):
        await login.list()
    with call("spent mfa_token, enroll"), refused(MfaEnrollmentError, "expired_token", description):
        await login.enroll("otp")


async def log_in_by_otp(
    scene: Scene, user: User, refresh_token: str, app: AuthenticatorApp, typed: str
) -> None:
    call = scene.recorder.call
    with call("mfa_required by get_access_token, enrolled"):
        error = await scene.required(await scene.client(user, refresh_token))
        equal(types(error.mfa_requirements, "challenge"), {"otp", "email", "recovery-code"}, "challenge")
        equal(types(error.mfa_requirements, "enroll"), set(), "enroll")
    # Another browser without a session: the client makes the session of the ID token that it verified.
    login = Login(scene.website(), error.mfa_token)
    with call("list, otp"):
        equal(active(await login.list()), {"totp": True, "email": True, "recovery-code": True}, "listed")
    with call("enroll, already enrolled"):
        with refused(MfaEnrollmentError, "access_denied", "User is already enrolled."):
            await login.enroll("otp")
    with call("challenge, unknown authenticator"):
        with refused(MfaChallengeError, "invalid_authenticator", "The authenticator_id is unknown."):
            await login.challenge("otp", authenticator_id="totp|dev_0123456789abcdef")
    with call("challenge otp"):
        challenge = await login.challenge("otp", authenticator_id=id_of(await login.list(), "totp"))
        equal((challenge.challenge_type, challenge.oob_code), ("otp", None), "challenge")
    with call("wrong otp"), refused(MfaVerifyError, "invalid_grant", INVALID_OTP):
        await login.verify(otp=app.wrong_code())
    with call("replayed otp"), refused(MfaVerifyError, "invalid_grant", INVALID_OTP):
        await login.verify(otp=typed)
    with call("verify otp"):
        check_tokens(await login.verify(otp=app.code(app.step()), persist=True), user, {"mfa", "otp"})
    with call("session from the ID token"):
        session = await login.client.get_user()
        equal((session or {}).get("sub"), user.id, "sub of the session")


async def recovery_code(scene: Scene, user: User) -> None:
    call = scene.recorder.call
    _, refresh_token, first = await establish(scene, user)
    login = await scene.log_in(user, refresh_token)
    with call("wrong recovery code"), refused(MfaVerifyError, "invalid_grant", REJECTED):
        await login.verify(recovery_code="A" * 24)
    with call("verify recovery code"):
        answer = await login.verify(recovery_code=first)
        check_tokens(answer, user, {"mfa"})
        check_recovery_codes([answer.recovery_code or ""])
        holds(answer.recovery_code != first, "the code was rotated")
    login = await scene.log_in(user, refresh_token)
    with call("used recovery code"), refused(MfaVerifyError, "invalid_grant", REJECTED):
        await login.verify(recovery_code=first)
    with call("verify the rotated recovery code, as typed"):
        spaced = "-".join(re.findall("....", (answer.recovery_code or "").lower()))
        check_tokens(await login.verify(recovery_code=spaced), user, {"mfa"})


async def no_factor(scene: Scene, user: User) -> None:
    """A user whose address nobody verified has nothing before enrolling."""
    call = scene.recorder.call
    client = await scene.client(user, scene.refresh_token(user))
    with call("mfa_required by get_access_token, enroll"):
        error = await scene.required(client)
        equal(types(error.mfa_requirements, "enroll"), {"otp", "phone", "push-notification"}, "enroll")
        equal(types(error.mfa_requirements, "challenge"), set(), "challenge")
    login = Login(client, error.mfa_token)
    with call("list, nothing"):
        equal(await login.list(), [], "what is listed")
    with call("challenge, nothing enrolled"):
        with refused(MfaChallengeError, "unsupported_challenge_type", NOT_ENROLLED):
            await login.challenge("otp")


async def mfa_tokens(scene: Scene, user: User) -> None:
    """What the client, and what the server, make of an `mfa_token` that is none, or another's."""
    call = scene.recorder.call
    sealed = (await scene.log_in(user, scene.refresh_token(user))).mfa_token
    website = scene.website()
    with call("sealed mfa_token, changed"):
        await client_refuses(Login(website, sealed[:-4] + "AAAA"), MfaTokenInvalidError, "mfa_token_invalid")
    with call("sealed mfa_token, older than the client allows"):
        stale = scene.sealed("an mfa_token", created_at=0)
        await client_refuses(Login(website, stale), MfaTokenExpiredError, "mfa_token_expired")
    malformed = Login(website, scene.sealed("not an mfa_token"))
    with call("malformed mfa_token, verify"):
        with refused(MfaVerifyError, "invalid_grant", "Malformed mfa_token"):
            await malformed.verify(otp="123456")
    with call("malformed mfa_token, challenge"):
        with refused(MfaChallengeError, "invalid_grant", "Malformed mfa_token"):
            await malformed.challenge("otp")
    invalid = "The mfa_token provided is invalid. Try getting a new token."
    with call("malformed mfa_token, list"), refused(MfaListAuthenticatorsError, "invalid_grant", invalid):
        await malformed.list()
    with call("malformed mfa_token, enroll"), refused(MfaEnrollmentError, "invalid_grant", invalid):
        await malformed.enroll("otp")
    with call("mfa_token of another client, verify"):
        spa = PlainClient(scene.http, PUBLIC_CLIENT, None)
        others = scene.sealed(spa.mfa_token(user.name, PASSWORD, PAY, SCOPE))
        with refused(MfaVerifyError, "invalid_request", "mfa_token not issued to this client"):
            await Login(website, others).verify(otp="123456")


async def client_refuses(
    login: Login, error_class: type[MfaTokenInvalidError] | type[MfaTokenExpiredError], code: str
) -> None:
    try:
        await login.list()
    except error_class as error:
        equal(error.code, code, "the client's code")
        return
    raise AssertionError("the client did not refuse it")


async def second_factor(scene: Scene, user: User) -> None:
    """A later factor under an access token for the MFA API, which the client takes where it takes an mfa_token."""
    call, audience = scene.recorder.call, scene.settings.mfa_audience
    app, refresh_token, _ = await establish(scene, user)
    scope = "enroll read:authenticators remove:authenticators"
    mfa_token = scene.backend.mfa_token(user.name, PASSWORD, audience, scope)
    access_token = scene.backend.verify_otp(mfa_token, app.code(app.step()))["access_token"]
    account = Login(scene.website(), scene.sealed(access_token))
    with call("enroll sms beside otp, with an access token"):
        enrolled = await account.enroll("sms", phone_number=user.phone_number)
        equal(enrolled.recovery_codes, None, "recovery codes")
    with call("confirm sms beside otp, with an access token"):
        code = scene.outbox.code("sms", user.phone_number)
        answer = await account.verify(oob_code=enrolled.oob_code or "", binding_code=code)
        equal((answer.access_token, answer.id_token), (access_token, None), "tokens: the same, and no other")
    with call("list, with an access token"):
        listed = await account.list()
        holds({"totp", "sms", "voice"} <= set(active(listed)), "otp and the phone are listed")
    scene.recorder.absent("remove authenticator", "the client has no call for it; done by a plain request")
    scene.http.delete(f"mfa/authenticators/{id_of(listed, 'sms')}", access_token)
    with call("list after removing sms, whose pair went with it"):
        kinds = set(active(await (await scene.log_in(user, refresh_token)).list()))
        equal(kinds & {"totp", "sms", "voice"}, {"totp"}, "what is listed")


async def too_many_attempts(scene: Scene, user: User) -> None:
    app, refresh_token, _ = await establish(scene, user)
    login = await scene.log_in(user, refresh_token)
    with scene.recorder.call("too many wrong codes"):
        for _ in range(10):
            with refused(MfaVerifyError, "invalid_grant", INVALID_OTP):
                await login.verify(otp=app.wrong_code())
        with refused(MfaVerifyError, "too_many_attempts", "Too many attempts. Try again later."):
            await login.verify(otp=app.code(app.step()))


FLOWS = {
    "u37": otp,
    "u38": recovery_code,
    "u39": sms,
    "u40": voice,
    "u41": email,
    "u42": implicit_email,
    "u43": push,
    "u44": mfa_tokens,
    "u45": second_factor,
    "u46": too_many_attempts,
    "u48": no_factor,
}


async def run(scene: Scene) -> None:
    for name, flow in FLOWS.items():
        with scene.recorder.flow(flow.__name__):
            await flow(scene, User(name))


def main() -> int:
    settings = Settings.from_environment()
    recorder = Recorder("auth0-server-python", settings.results)
    asyncio.run(run(Scene(settings, recorder)))
    return recorder.exit_code()


if __name__ == "__main__":
    sys.exit(main())
