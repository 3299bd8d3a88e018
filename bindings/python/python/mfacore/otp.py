"""One-time passwords alone (RFC 6238), without engine and storage: replay and guessing are yours to stop."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, Union

from mfacore._calls import slice_of, succeed, taken_text
from mfacore._native import ffi, lib

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
_OK, _ACCEPTED, _REPLAYED = lib.MFACORE_OK, lib.MFACORE_OTP_ACCEPTED, lib.MFACORE_OTP_REPLAYED
_from_buffer, _BYTES, _NULL = ffi.from_buffer, ffi.typeof("uint8_t[]"), ffi.NULL


class _Places(threading.local):
    """Where a check answers, one pair a thread."""

    def __init__(self) -> None:
        self.pair: tuple[Any, Any] = (ffi.new("int32_t *"), ffi.new("uint64_t *"))


_places = _Places()


class Totp:
    """The codes of one secret. Any number of threads at once."""

    __slots__ = ("_secret", "_borrowed", "_settings", "_check")

    def __init__(self, secret: str, *, algorithm: str = "SHA1", digits: int = 6, period_s: int = 30) -> None:
        """`secret` is base32; `algorithm` is `SHA1`, `SHA256` or `SHA512`. Raises `ConfigError` for what is out of its
        bounds."""
        if algorithm not in _ALGORITHMS:
            raise ValueError(f"algorithm must be one of {', '.join(_ALGORITHMS)}, not {algorithm!r}")
        self._secret = secret.encode()
        # Borrows from `_secret`, which lives as long.
        self._borrowed: Any = ffi.new("mfacore_slice *", slice_of(self._secret))[0]
        self._settings = (_ALGORITHMS[algorithm], digits, period_s)
        self._check = partial(lib.mfacore_otp_check, self._borrowed, *self._settings)
        self.generate(now_ms=1)

    def generate(self, *, now_ms: int = 0) -> str:
        """The code that an app shows; `now_ms` is milliseconds since 1970, 0 the system's clock."""
        return taken_text(lib.mfacore_otp_generate, self._borrowed, *self._settings, now_ms)

    def check(
        self,
        typed: str,
        *,
        last_step: int | None = None,
        now_ms: int = 0,
        steps_back: int = 1,
        steps_forward: int = 1,
    ) -> Result:
        """Checks a typed code in constant time, `steps_back` and `steps_forward` of the current step. `last_step` is that
        of the user's last `Accepted`, None at first. Raises `ConfigError` for a window that is too wide."""
        code = typed.encode()
        borrowed, before = (_from_buffer(_BYTES, code), len(code)), _NO_STEP if last_step is None else last_step
        result, step = _places.pair
        call = self._check
        if call(borrowed, now_ms, steps_back, steps_forward, before, result, step, _NULL) != _OK:
            succeed(call, borrowed, now_ms, steps_back, steps_forward, before, result, step)
        said = result[0]
        if said == _ACCEPTED:
            return Accepted(step[0])
        return _REPLAY if said == _REPLAYED else _WRONG

    def uri(self, account: str, *, issuer: str = "") -> str:
        """The `otpauth` URI that authenticator apps scan."""
        names = (slice_of(issuer), slice_of(account))
        return taken_text(lib.mfacore_otp_uri, self._borrowed, *self._settings, *names)

    def __repr__(self) -> str:
        return "Totp(..)"


def new_secret() -> str:
    """A new secret in base32: 20 bytes from the system's generator."""
    return taken_text(lib.mfacore_otp_new_secret)


def qr_svg(text: str) -> str:
    """A text as a QR code in SVG, for a web page."""
    return taken_text(lib.mfacore_qr_svg, slice_of(text))
