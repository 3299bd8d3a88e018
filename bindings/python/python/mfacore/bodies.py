"""The members of replies, as type checkers see them: docs/contract.md, section 2. Where a call was refused, `error` and
`error_description` are there alone."""

from __future__ import annotations

from typing import Any, Dict, List, TypedDict


class Refusal(TypedDict, total=False):
    """Members of a refusal."""

    error: str
    error_description: str


class RequirementType(TypedDict):
    """A factor: `otp`, `phone`, `push-notification`, `email` or `recovery-code`."""

    type: str


class Requirements(TypedDict, total=False):
    """Either what may be passed, or what may be enrolled."""

    challenge: List[RequirementType]
    enroll: List[RequirementType]


class Required(Refusal, total=False):
    """A second factor is due: hand `mfa_token` to whoever is logging in."""

    mfa_token: str
    mfa_requirements: Requirements


class Associated(Refusal, total=False):
    """What was enrolled and waits to be confirmed."""

    authenticator_type: str
    secret: str
    barcode_uri: str
    oob_channel: str
    oob_code: str
    binding_method: str
    recovery_codes: List[str]


class Challenged(Refusal, total=False):
    """What is to be passed."""

    challenge_type: str
    oob_code: str
    binding_method: str
    authenticator_id: str
    oob_channel: str
    name: str
    expires_in: int
    interval: int
    number: str


class Passed(Required, total=False):
    """A factor was passed; where policy chains factors, what is due next."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str
    recovery_code: str
    recovery_codes_left: int
    device_token: str


#: Any other body. A list of authenticators is a list.
Anything = Dict[str, Any]
