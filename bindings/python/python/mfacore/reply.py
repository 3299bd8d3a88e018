"""What an operation came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, NoReturn, TypeVar

Body = TypeVar("Body")


class Outcome(Enum):
    """How an operation ended. Neither true nor false: compare it."""

    #: No outcome. Deny.
    NONE = "none"
    #: Done. From `require`: the first factor is enough, log the user in. From any other call it is no login.
    DONE = "done"
    #: A factor must be passed, or enrolled, first. Nobody is logged in.
    REQUIRED = "required"
    #: Refused.
    DENIED = "denied"
    #: A later factor was confirmed. Nobody is logged in.
    CONFIRMED = "confirmed"
    #: The user whom `Reply.verified` names passed what policy asks for.
    GRANTED = "granted"

    def __bool__(self) -> NoReturn:
        raise TypeError("an outcome is neither true nor false: compare it, as in `outcome is Outcome.GRANTED`")


@dataclass(frozen=True)
class Verified:
    """Proof that a user passed what policy asks for; there is one only where the outcome is `Outcome.GRANTED`."""

    user: str
    #: The id of the authenticator that was passed.
    authenticator: str
    #: 16 bytes in hexadecimal.
    challenge: str
    #: Methods by RFC 8176.
    amr: tuple[str, ...]
    acr: str
    #: Milliseconds since 1970.
    at_ms: int
    #: `log_in`, or `step_up`: proof for one is none for the other.
    purpose: str
    #: Whether nothing but the first factor stood behind what was enrolled and passed.
    is_weak: bool
    #: What the user is about to do, where `purpose` is `step_up`.
    transaction: str | None = field(repr=False)


@dataclass(frozen=True)
class Delivery:
    """Something to send, once. Its `code` belongs in no log."""

    #: `sms`, `voice`, `email` or `auth0` (push).
    channel: str
    #: The number, the address, or where the push service reaches the device.
    destination: str
    #: The code to send; None where something else is sent.
    code: str | None
    #: All of it.
    content: dict[str, Any]

    def __repr__(self) -> str:
        return f"Delivery(channel={self.channel!r})"


@dataclass(frozen=True)
class Event:
    """Something for the audit log; it holds no secret."""

    name: str
    content: dict[str, Any]


@dataclass(frozen=True)
class Reply(Generic[Body]):
    """What an operation came to. Send each delivery and log each event, whatever the outcome."""

    outcome: Outcome
    #: The HTTP status.
    status: int
    #: The contract's JSON, read; where a call was refused, `error` and `error_description`.
    body: Body
    #: The contract's JSON as it goes to the client; empty for 204.
    json: bytes
    #: Proof of a login; None unless the outcome is `Outcome.GRANTED`.
    verified: Verified | None
    deliveries: tuple[Delivery, ...]
    events: tuple[Event, ...]
    #: To be kept outside the store and given as the fact `sequence_min`.
    sequence: int
    #: Why there is no answer, for a log: holds no secret.
    message: str

    def __bool__(self) -> NoReturn:
        raise TypeError("a reply is neither true nor false: read its outcome, or whether `verified` is None")

    def __repr__(self) -> str:
        return f"Reply(outcome={self.outcome}, status={self.status})"
