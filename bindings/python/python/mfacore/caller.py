"""On whose word a call is made, and whose it must be."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Mapping


class FromToken(Enum):
    """The type of `FROM_TOKEN`."""

    FROM_TOKEN = "from_token"


#: In place of a user: whoever the token names. For endpoints that have no session, such as a token endpoint. Where there
#: is a session, give its user: a token of anybody else is then refused.
FROM_TOKEN = FromToken.FROM_TOKEN


@dataclass(frozen=True)
class Caller:
    """On whose word a call is made. Build it from your own session, never from what a client sent.

    `client` is the client that was authenticated, or named itself where it is public. `facts` are what only you know, by
    the names in docs/json.md: `account_label`, `expects`, `mfa_audience`, `purpose`, `transaction`,
    `sequence_min`, `locale`, `verified_emails`, `force`, `trust_browser`.
    """

    _authority: Mapping[str, Any]
    client: str | None = None
    facts: Mapping[str, Any] | None = None

    @classmethod
    def host(cls, user: str) -> Caller:
        """You yourself, for `user`: after a first factor, or for support and migration."""
        return cls({"host": _user(user)})

    @classmethod
    def token(cls, text: str, *, user: str | FromToken) -> Caller:
        """Whoever sent this token, which must be of `user`."""
        subject = user.value if isinstance(user, FromToken) else {"expected": _user(user)}
        return cls({"token": {"text": text, "subject": subject}})

    def with_client(self, client: str | None) -> Caller:
        """The same, with the client."""
        return replace(self, client=client)

    def with_facts(self, **facts: Any) -> Caller:
        """The same, with more facts."""
        return replace(self, facts={**(self.facts or {}), **facts})

    def to_json(self) -> str:
        """As the engine reads it. Holds the token."""
        members: dict[str, Any] = {"authority": self._authority, "facts": dict(self.facts or {})}
        if self.client is not None:
            members["client"] = self.client
        return json.dumps(members, separators=(",", ":"))

    def __repr__(self) -> str:
        return f"Caller({'host' if 'host' in self._authority else 'token'})"


def _user(user: str) -> str:
    if not isinstance(user, str):
        raise TypeError(f"a user is a text, not {type(user).__name__}")
    return user
