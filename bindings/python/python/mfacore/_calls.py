"""How the functions of the C library are called: bytes that go in, bytes that come out, and failures."""

from __future__ import annotations

from typing import Any, Callable, Tuple

from mfacore._native import ffi, lib
from mfacore.errors import EncodingError, MfacoreError, of_status

#: What a `mfacore_slice` is made of.
Slice = Tuple[Any, int]

NOTHING: Slice = (ffi.NULL, 0)
KEY_BYTES = 32


def slice_of(value: str | bytes | None) -> Slice:
    """Borrowed bytes. They live as long as the tuple does, so hand it over in the call itself or keep it."""
    if value is None:
        return NOTHING
    data = value if isinstance(value, bytes) else encoded(value)
    return ffi.from_buffer("uint8_t[]", data), len(data)


def encoded(text: str) -> bytes:
    """As UTF-8. Half a surrogate pair, which a client's JSON may hold, has none, and Python's own error would show the
    text, which may be a code or a token."""
    if not isinstance(text, str):
        raise TypeError(f"a text is needed, not {type(text).__name__}")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise EncodingError("a text is not UTF-8") from None


def bytes_of(borrowed: Any) -> bytes:
    """A copy of what the library lends."""
    return b"" if borrowed.data == ffi.NULL else bytes(ffi.buffer(borrowed.data, borrowed.len))


def text_of(borrowed: Any) -> str:
    """The same as text."""
    return bytes_of(borrowed).decode()


def key_of(value: bytes, name: str) -> Any:
    """A pointer to 32 bytes: the library reads that many, whatever was given."""
    if not isinstance(value, bytes) or len(value) != KEY_BYTES:
        raise ValueError(f"{name} must be {KEY_BYTES} bytes")
    return ffi.from_buffer("uint8_t[]", value)


def succeed(call: Callable[..., int], *arguments: Any) -> None:
    """Makes a call whose last parameter is a place for an error, and raises what it says."""
    place = ffi.new("mfacore_error **")
    status = call(*arguments, place)
    if status != lib.MFACORE_OK:
        raise failure(status, place)


def failure(status: int, place: Any) -> MfacoreError:
    """The exception of a failed call; frees the error object."""
    error = place[0]
    message = text_of(lib.mfacore_error_message(error))
    lib.mfacore_error_free(error)
    return of_status(status, message)


def taken(kind: str, free: Callable[[Any], None], call: Callable[..., int], *arguments: Any) -> Any:
    """A handle that a call makes, freed with the last reference to it."""
    out = ffi.new(f"{kind} **")
    succeed(call, *arguments, out)
    return ffi.gc(out[0], free)


def taken_text(call: Callable[..., int], *arguments: Any) -> str:
    """A text that a call makes. The library's copy is wiped; this one is the caller's."""
    handle = taken("mfacore_text", lib.mfacore_text_free, call, *arguments)
    with handle:
        return text_of(lib.mfacore_text_get(handle))
