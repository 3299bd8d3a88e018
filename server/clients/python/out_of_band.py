"""Factors whose proof takes another channel: SMS, voice, e-mail, and push."""

from __future__ import annotations

from auth0_server_python.auth_types import OobEnrollmentResponse, OtpEnrollmentResponse
from auth0_server_python.error import MfaEnrollmentError, MfaVerifyError

from expectation import equal, holds
from outbox import other_code
from push_device import PushDevice
from website import REJECTED, Login, Scene, User, active, check_recovery_codes, check_tokens, id_of, refused

INVALID_BINDING_CODE = "Invalid binding_code."
PENDING = "Authorization pending: please repeat the request in a few seconds."


async def wrong_binding_codes(scene: Scene, login: Login, oob_code: str, code: str, channel: str) -> None:
    call = scene.recorder.call
    with call(f"wrong binding code, {channel}"):
        with refused(MfaVerifyError, "invalid_grant", INVALID_BINDING_CODE):
            await login.verify(oob_code=oob_code, binding_code=other_code(code))
    with call(f"missing binding code, {channel}"):
        with refused(MfaVerifyError, "invalid_request", "Missing required parameter: binding_code"):
            await login.verify(oob_code=oob_code)
    with call(f"malformed oob_code, {channel}"):
        with refused(MfaVerifyError, "invalid_grant", "Malformed oob_code"):
            await login.verify(oob_code="not an oob_code", binding_code=code)


async def delivered_codes(
    scene: Scene, user: User, channel: str, destination: str, shown: str, amr: set[str], **options: str
) -> None:
    """Enrolls, confirms, challenges and passes a factor whose code is delivered."""
    call, outbox = scene.recorder.call, scene.outbox
    refresh_token = scene.refresh_token(user)
    login = await scene.log_in(user, refresh_token)
    with call(f"enroll {channel}"):
        enrolled = await login.enroll(channel, **options)
        check_prompt(enrolled, channel)
    oob_code, code = enrolled.oob_code or "", outbox.code(channel, destination)
    await wrong_binding_codes(scene, login, oob_code, code, channel)
    with call(f"confirm {channel}"):
        check_tokens(await login.verify(oob_code=oob_code, binding_code=code), user, amr)
    login = await scene.log_in(user, refresh_token)
    with call(f"list, {channel}"):
        listed = await login.list()
        chosen = id_of(listed, channel)
        views = [(found.active, found.oob_channel, found.name) for found in listed if found.id == chosen]
        equal(views, [(True, channel, shown)], "active, channel and masked name")
    with call(f"challenge {channel}"):
        challenge = await login.challenge(channel, authenticator_id=chosen)
        equal((challenge.challenge_type, challenge.binding_method), ("oob", "prompt"), "challenge")
    with call(f"oob_code of an earlier login, {channel}"):
        with refused(MfaVerifyError, "invalid_request", "The oob_code doesn't match the mfa_token"):
            await login.verify(oob_code=oob_code, binding_code=code)
    with call(f"verify {channel}"):
        code = outbox.code(channel, destination)
        check_tokens(await login.verify(oob_code=challenge.oob_code or "", binding_code=code), user, amr)


def check_prompt(enrolled: OtpEnrollmentResponse | OobEnrollmentResponse, channel: str) -> None:
    holds(isinstance(enrolled, OobEnrollmentResponse), "the answer is of an out-of-band enrollment")
    equal((enrolled.oob_channel, enrolled.binding_method), (channel, "prompt"), "enrollment")
    check_recovery_codes(enrolled.recovery_codes)


def masked(phone_number: str) -> str:
    return "X" * (len(phone_number) - 4) + phone_number[-4:]


async def sms(scene: Scene, user: User) -> None:
    call = scene.recorder.call
    login = await scene.log_in(user, scene.refresh_token(user))
    with call("enroll sms, missing phone number"):
        with refused(MfaEnrollmentError, "invalid_request", "Missing required parameter: phone_number"):
            await login.enroll("sms")
    with call("enroll sms, invalid phone number"):
        with refused(MfaEnrollmentError, "invalid_request", "The phone number is invalid."):
            await login.enroll("sms", phone_number="030 901820")
    number = user.phone_number
    await delivered_codes(scene, user, "sms", number, masked(number), {"mfa", "sms"}, phone_number=number)


async def voice(scene: Scene, user: User) -> None:
    number = user.phone_number
    await delivered_codes(scene, user, "voice", number, masked(number), {"mfa", "tel"}, phone_number=number)


async def email(scene: Scene, user: User) -> None:
    login = await scene.log_in(user, scene.refresh_token(user))
    with scene.recorder.call("enroll email, the user's own address"):
        check_prompt(await login.enroll("email"), "email")
        equal(len(scene.outbox.deliveries("email", user.email)), 1, "messages to that address")
    address, shown = f"{user.name}@mail.example", "***@mail********"
    await delivered_codes(scene, user, "email", address, shown, {"mfa"}, email=address)


async def implicit_email(scene: Scene, user: User) -> None:
    call = scene.recorder.call
    login = await scene.log_in(user, scene.refresh_token(user))
    with call("challenge a verified email that nobody enrolled"):
        listed = await login.list()
        challenge = await login.challenge("email", authenticator_id=id_of(listed, "email"))
        equal(challenge.binding_method, "prompt", "binding_method")
    with call("verify a verified email that nobody enrolled"):
        code = scene.outbox.code("email", user.email)
        check_tokens(
            await login.verify(oob_code=challenge.oob_code or "", binding_code=code), user, {"mfa"}
        )


async def push(scene: Scene, user: User) -> None:
    call = scene.recorder.call
    refresh_token = scene.refresh_token(user)
    login = await scene.log_in(user, refresh_token)
    device = PushDevice(f"phone of {user.name}")
    with call("enroll push"):
        enrolled = await login.enroll("auth0")
        holds(isinstance(enrolled, OobEnrollmentResponse), "the answer is of an out-of-band enrollment")
        equal((enrolled.oob_channel, enrolled.binding_method), ("auth0", None), "enrollment")
    with call("authorization_pending, ticket not scanned"):
        with refused(MfaVerifyError, "authorization_pending", PENDING):
            await login.verify(oob_code=enrolled.oob_code or "")
    with call("confirm push"):
        app = device.enroll(enrolled.barcode_uri or "")
        check_tokens(await login.verify(oob_code=enrolled.oob_code or ""), user, {"mfa", "swk"})
    await approved_push(scene, user, refresh_token, device)
    login = await scene.log_in(user, refresh_token)
    with call("verify otp of the push device"):
        check_tokens(await login.verify(otp=app.code(app.step())), user, {"mfa", "otp"})
    # Last: a denial stops pushes for a while.
    await denied_push(scene, user, refresh_token, device)


async def challenge_push(login: Login) -> str:
    listed = await login.list()
    challenge = await login.challenge("auth0", authenticator_id=id_of(listed, "push"))
    equal((challenge.challenge_type, challenge.binding_method), ("oob", None), "challenge")
    return challenge.oob_code or ""


async def approved_push(scene: Scene, user: User, refresh_token: str, device: PushDevice) -> None:
    call = scene.recorder.call
    login = await scene.log_in(user, refresh_token)
    with call("list, push"):
        listed = await login.list()
        # Push enrolls an OTP with it.
        holds(active(listed)["push"] and active(listed)["totp"], "push and its otp are active")
        names = [found.name for found in listed if found.id.startswith("push|")]
        equal(names, [device.name], "names of the push devices")
    with call("challenge push"):
        oob_code = await challenge_push(login)
    with call("authorization_pending, push not answered"):
        with refused(MfaVerifyError, "authorization_pending", PENDING):
            await login.verify(oob_code=oob_code)
    with call("verify push, approved"):
        device.answer(scene.outbox.push(device.address), "approve")
        check_tokens(await login.verify(oob_code=oob_code), user, {"mfa", "swk"})


async def denied_push(scene: Scene, user: User, refresh_token: str, device: PushDevice) -> None:
    login = await scene.log_in(user, refresh_token)
    with scene.recorder.call("verify push, denied"):
        oob_code = await challenge_push(login)
        device.answer(scene.outbox.push(device.address), "deny")
        with refused(MfaVerifyError, "access_denied", REJECTED):
            await login.verify(oob_code=oob_code)
