"""One-time passwords alone (RFC 6238), without engine and storage: replay and guessing are yours to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn, Union

from mfacore._calls import encoded, slice_of, succeed, taken_text
from mfacore._native import ffi, lib
from mfacore.errors import ConfigError

_ALGORITHMS = {"SHA1": lib.MFACORE_OTP_SHA1, "SHA256": lib.MFACORE_OTP_SHA256, "SHA512": lib.MFACORE_OTP_SHA512}
#: MFACORE_OTP_NO_STEP, which the library has as UINT64_MAX.
_NO_STEP = 2**64 - 1


@dataclass(frozen=True)
class Accepted:
    """The code is right. Keep `step`, and hand it to the user's next check as `last_step`, in one transaction with the
    login: a code is else accepted twice."""

    step: int


@dataclass(frozen=True)
class Refused:
    """The code is wrong, or was used before (`is_replay`)."""

    is_replay: bool

    def __bool__(self) -> NoReturn:
        raise TypeError("compare the result of a check: `isinstance(result, Accepted)`")


Result = Union[Accepted, Refused]

# A check is short beside the way into C: what it needs on each call is looked up once.
_WRONG, _REPLAY = Refused(is_replay=False), Refused(is_replay=True)
_OK, _ACCEPTED, _REPLAYED, _NULL = lib.MFACORE_OK, lib.MFACORE_OTP_ACCEPTED, lib.MFACORE_OTP_REPLAYED, ffi.NULL
_check, _new, _from_buffer = lib.mfacore_otp_check, ffi.new, ffi.from_buffer
_BYTES, _RESULT, _STEP = ffi.typeof("uint8_t[]"), ffi.typeof("int32_t *"), ffi.typeof("uint64_t *")


class Totp:
    """The codes of one secret. Any number of threads at once."""

    __slots__ = ("_secret", "_totp")

    def __init__(
        self,
        secret: str,
        *,
        algorithm: str = "SHA1",
        digits: int = 6,
        period_s: int = 30,
        steps_back: int = 1,
        steps_forward: int = 1,
    ) -> None:
        """`secret` is base32; `algorithm` is `SHA1`, `SHA256` or `SHA512`. A check accepts the codes of the current step,
        of `steps_back` before it and of `steps_forward` after it. Raises `ConfigError` for what is out of its bounds."""
        if algorithm not in _ALGORITHMS:
            raise ValueError(f"algorithm must be one of {', '.join(_ALGORITHMS)}, not {algorithm!r}")
        if digits == 0 or period_s == 0:
            raise ConfigError("digits and period_s are not zero")
        self._secret = encoded(secret)
        members = {
            "struct_size": ffi.sizeof("mfacore_totp"),
            # Borrowed from `_secret`, which lives as long.
            "secret": slice_of(self._secret),
            "algorithm": _ALGORITHMS[algorithm],
            "digits": digits,
            "period_s": period_s,
            "steps_back": steps_back,
            "steps_forward": steps_forward,
        }
        self._totp: Any = ffi.new("mfacore_totp *", members)
        self.check("")

    def generate(self, *, now_ms: int = 0) -> str:
        """The code that an app shows; `now_ms` is milliseconds since 1970, 0 the system's clock."""
        return taken_text(lib.mfacore_otp_generate, self._totp, now_ms)

    def check(self, typed: str, *, last_step: int | None = None, now_ms: int = 0) -> Result:
        """Checks a typed code in constant time. `last_step` is that of the user's last `Accepted`, None at first."""
        # Half a surrogate pair is no digit, and the typed text must not stand in an exception.
        code = typed.encode(errors="replace")
        borrowed, before = (_from_buffer(_BYTES, code), len(code)), _NO_STEP if last_step is None else last_step
        # Each check has places of its own: a signal handler may make another check before this one has read its answer.
        result, step = _new(_RESULT), _new(_STEP)
        if _check(self._totp, borrowed, now_ms, before, result, step, _NULL) != _OK:
            succeed(_check, self._totp, borrowed, now_ms, before, result, step)
        said = result[0]
        if said == _ACCEPTED:
            return Accepted(step[0])
        return _REPLAY if said == _REPLAYED else _WRONG

    def uri(self, account: str, *, issuer: str = "") -> str:
        """The `otpauth` URI that authenticator apps scan."""
        return taken_text(lib.mfacore_otp_uri, self._totp, slice_of(issuer), slice_of(account))

    def __repr__(self) -> str:
        return "Totp(..)"


def new_secret() -> str:
    """A new secret in base32: 20 bytes from the system's generator."""
    return taken_text(lib.mfacore_otp_new_secret)


def qr_svg(text: str) -> str:
    """A text as a QR code in SVG, for a web page."""
    return taken_text(lib.mfacore_qr_svg, slice_of(text))
