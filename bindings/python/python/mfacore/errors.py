"""What goes wrong. A refusal is none of these: it is a reply, whose outcome is `Outcome.DENIED`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mfacore.reply import Reply


class MfacoreError(Exception):
    """Any failure of mfacore. Whoever catches it denies. Its text holds no secret."""


class ArgumentError(MfacoreError):
    """An argument contradicts another, or is an unknown one."""


class EncodingError(MfacoreError):
    """A text is not UTF-8."""


class OrderError(MfacoreError):
    """A call out of its order, such as an answer to what was not asked for; the operation denies."""


class ConfigError(MfacoreError):
    """A key, a policy, a caller or a setting is refused; the text says what to change."""


class StoreError(MfacoreError):
    """A built-in store could not be opened."""


class NotFoundError(MfacoreError):
    """There is no such value."""


class EntropyError(MfacoreError):
    """The system's generator failed."""


class InternalError(MfacoreError):
    """A bug of mfacore, which it contained. Nothing may be concluded from the call."""


class OperationFailed(MfacoreError):
    """An operation ended without an outcome: its storage failed, or another's writes never let it pass. Deny.

    `reply` has the HTTP status (5xx or 429) and the JSON to answer with. Where a store of yours raised, that exception is
    the `__cause__`.
    """

    def __init__(self, reply: Reply[Any]) -> None:
        super().__init__(reply.message)
        self.reply = reply


_BY_STATUS = {
    1: ArgumentError,
    2: EncodingError,
    3: OrderError,
    4: ConfigError,
    5: StoreError,
    6: NotFoundError,
    7: EntropyError,
}


def of_status(status: int, message: str) -> MfacoreError:
    """The exception of a `MFACORE_ERROR_..`."""
    return _BY_STATUS.get(status, InternalError)(message)
