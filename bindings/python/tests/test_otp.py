"""One-time passwords against RFC 6238, and used once."""

from __future__ import annotations

import pytest

import mfacore
from mfacore.otp import Accepted, Refused, Totp

# RFC 6238 appendix B: the secrets in base32, and times in seconds with their codes.
SECRETS = {
    "SHA1": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
    "SHA256": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA",
    "SHA512": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNA",
}
VECTORS = [
    (59, "94287082", "46119246", "90693936"),
    (1111111109, "07081804", "68084774", "25091201"),
    (1234567890, "89005924", "91819424", "93441116"),
    (20000000000, "65353130", "77737706", "47863826"),
]


@pytest.mark.parametrize("at_s, sha1, sha256, sha512", VECTORS)
def test_the_vectors_of_rfc_6238(at_s: int, sha1: str, sha256: str, sha512: str) -> None:
    for algorithm, code in zip(SECRETS, (sha1, sha256, sha512)):
        totp = Totp(SECRETS[algorithm], algorithm=algorithm, digits=8)
        assert totp.generate(now_ms=at_s * 1000) == code
        assert totp.check(code, now_ms=at_s * 1000) == Accepted(at_s // 30)


def test_a_code_is_accepted_once_and_within_its_window() -> None:
    totp, now_ms = Totp(SECRETS["SHA1"]), 1_767_225_600_000
    first = totp.check(totp.generate(now_ms=now_ms), now_ms=now_ms)
    assert isinstance(first, Accepted)
    again = totp.check(totp.generate(now_ms=now_ms), now_ms=now_ms, last_step=first.step)
    assert again == Refused(is_replay=True)
    before = totp.generate(now_ms=now_ms - 30_000)
    assert totp.check(before, now_ms=now_ms) == Accepted(first.step - 1)
    assert Totp(SECRETS["SHA1"], steps_back=0).check(before, now_ms=now_ms) == Refused(is_replay=False)
    for typed in ("\ud800", "", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "0" * 10_000):
        assert totp.check(typed, now_ms=now_ms) == Refused(is_replay=False)


def test_settings_out_of_their_bounds_are_named() -> None:
    with pytest.raises(ValueError, match="MD5"):
        Totp(SECRETS["SHA1"], algorithm="MD5")
    for secret in ("", "not base32!", "1"):
        with pytest.raises(mfacore.ConfigError):
            Totp(secret)
    with pytest.raises(mfacore.ConfigError):
        Totp(SECRETS["SHA1"], digits=3)
    with pytest.raises(mfacore.ConfigError):
        Totp(SECRETS["SHA1"], steps_back=200)
    with pytest.raises(mfacore.ConfigError):
        Totp(SECRETS["SHA1"], digits=0)
    with pytest.raises(TypeError):
        Totp(None)  # type: ignore[arg-type]


def test_a_check_within_a_check_keeps_its_answer_to_itself() -> None:
    """As a signal handler makes one, after the call and before its answer is read."""
    totp, now_ms = Totp(SECRETS["SHA1"]), 1_767_225_600_000
    right = totp.generate(now_ms=now_ms)
    wrong = f"{(int(right) + 1) % 1_000_000:06}"
    module = mfacore.otp
    call = module._check

    def interrupted(*arguments: object) -> object:
        status = call(*arguments)
        module._check = call
        assert isinstance(totp.check(right, now_ms=now_ms), Accepted)
        return status

    module._check = interrupted
    try:
        assert totp.check(wrong, now_ms=now_ms) == Refused(is_replay=False)
    finally:
        module._check = call


def test_secrets_uris_and_pictures() -> None:
    secret = mfacore.otp.new_secret()
    assert len(secret) == 32 and secret != mfacore.otp.new_secret()
    uri = Totp(secret).uri("ann", issuer="ACME")
    assert uri.startswith("otpauth://totp/ACME:ann?") and f"secret={secret}" in uri
    assert mfacore.otp.qr_svg(uri).startswith("<svg")
    with pytest.raises(mfacore.ConfigError):
        mfacore.otp.qr_svg("x" * 10_000)
