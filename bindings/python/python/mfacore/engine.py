"""Keys and policy of a tenant, and the calls that they answer."""

from __future__ import annotations

import json
from typing import Any, Mapping, Sequence

from mfacore._calls import key_of, slice_of, succeed, taken
from mfacore._native import ffi, lib
from mfacore.bodies import Anything, Associated, Challenged, Passed, Required
from mfacore.caller import Caller, FromToken
from mfacore.operation import Operation

Policy = Mapping[str, Any]


class KeyRing:
    """Root keys: 32 bytes each from the system's generator, kept in your secret manager."""

    def __init__(
        self, id: int, root: bytes, *, retired: Mapping[int, bytes] | None = None, naming: bytes | None = None
    ) -> None:
        """`root` seals, and `id` names it. Keys that were rotated out open what they sealed: `retired`, by their ids.
        `naming` names the budgets that cross users: needed with the factors phone and email, the same for ever. Raises
        `ConfigError`."""
        free = lib.mfacore_keys_free
        self._handle: Any = taken("mfacore_keys", free, lib.mfacore_keys_new, id, key_of(root, "root"))
        for other, key in (retired or {}).items():
            succeed(lib.mfacore_keys_add_retired, self._handle, other, key_of(key, f"the retired key {other}"))
        if naming is not None:
            succeed(lib.mfacore_keys_set_naming, self._handle, key_of(naming, "naming"))


class Engine:
    """Keys and policy of a tenant. Any number of threads at once, and over `os.fork`.

    Each method begins an operation, which ends with `.run(store)` or `await .run_async(store)`. `now_ms` is milliseconds
    since 1970, 0 the system's clock; `seed` is 32 bytes for this operation alone, None the system's generator: tests give
    both. `user` is your session's, never what a client sent; `FROM_TOKEN` is for endpoints without a session.
    """

    def __init__(self, keys: KeyRing, policy: Policy | str = "") -> None:
        """`policy` is what docs/json.md says, such as `{"profile": "recommended", "issuer": "ACME"}`. Raises `ConfigError`,
        whose text says what to change."""
        free, new = lib.mfacore_engine_free, lib.mfacore_engine_new
        self._handle: Any = taken("mfacore_engine", free, new, keys._handle, slice_of(_json(policy)))

    def with_policy(self, tenant: str, policy: Policy | str = "") -> Engine:
        """An engine of another tenant with the same keys. Nothing of one tenant opens for another."""
        engine = Engine.__new__(Engine)
        free, new = lib.mfacore_engine_free, lib.mfacore_engine_with_policy
        engine._handle = taken("mfacore_engine", free, new, self._handle, slice_of(tenant), slice_of(_json(policy)))
        return engine

    def call(
        self, name: str, caller: Caller, body: Mapping[str, Any] | None = None, *, now_ms: int = 0, seed: bytes | None = None
    ) -> Operation[Anything]:
        """Any call by its name: `mfacore.commands()` lists them."""
        texts = (slice_of(name), slice_of(caller.to_json()), slice_of(_json(body or {})))
        return self._begin(lib.mfacore_operation_new, *texts, now_ms=now_ms, seed=seed)

    def require(
        self,
        *,
        user: str,
        client: str | None = None,
        device_token: str | None = None,
        facts: Mapping[str, Any] | None = None,
        now_ms: int = 0,
        seed: bytes | None = None,
    ) -> Operation[Required]:
        """After the first factor was right: is a second one due? `Outcome.DONE` says no: log the user in.
        `device_token` is what a trusted browser kept. `facts`: see `Caller`."""
        caller = Caller.host(user).with_client(client).with_facts(**(facts or {}))
        body = {} if device_token is None else {"device_token": device_token}
        return self._typed("require", caller, body, now_ms, seed)

    def associate(
        self,
        *,
        token: str,
        user: str | FromToken,
        authenticator_types: Sequence[str],
        oob_channels: Sequence[str] | None = None,
        phone_number: str | None = None,
        email: str | None = None,
        client: str | None = None,
        facts: Mapping[str, Any] | None = None,
        now_ms: int = 0,
        seed: bytes | None = None,
    ) -> Operation[Associated]:
        """Enrolls an authenticator, which waits to be confirmed by its first right code. `token` is an `mfa_token`, or an
        access token with the scope `enroll`."""
        given = {
            "authenticator_types": list(authenticator_types),
            "oob_channels": None if oob_channels is None else list(oob_channels),
            "phone_number": phone_number,
            "email": email,
        }
        caller = Caller.token(token, user=user).with_client(client).with_facts(**(facts or {}))
        return self._typed("associate", caller, given, now_ms, seed)

    def challenge(
        self,
        *,
        mfa_token: str,
        user: str | FromToken,
        challenge_type: str | None = None,
        authenticator_id: str | None = None,
        client: str | None = None,
        now_ms: int = 0,
        seed: bytes | None = None,
    ) -> Operation[Challenged]:
        """Takes or picks the authenticator that is to be passed, and sends what it needs: read the deliveries."""
        rest = (challenge_type, authenticator_id)
        return self._typed_token(lib.mfacore_challenge, mfa_token, user, client, *rest, now_ms=now_ms, seed=seed)

    def verify_otp(
        self,
        *,
        token: str,
        user: str | FromToken,
        otp: str,
        authenticator_id: str | None = None,
        client: str | None = None,
        now_ms: int = 0,
        seed: bytes | None = None,
    ) -> Operation[Passed]:
        """Verifies a typed one-time password. `token` is an `mfa_token`, or, to confirm what was enrolled with it, an
        access token."""
        rest = (otp, authenticator_id)
        return self._typed_token(lib.mfacore_verify_otp, token, user, client, *rest, now_ms=now_ms, seed=seed)

    def verify_oob(
        self,
        *,
        token: str,
        user: str | FromToken,
        oob_code: str,
        binding_code: str | None = None,
        client: str | None = None,
        now_ms: int = 0,
        seed: bytes | None = None,
    ) -> Operation[Passed]:
        """Verifies what was sent; without a `binding_code` it polls a push."""
        rest = (oob_code, binding_code)
        return self._typed_token(lib.mfacore_verify_oob, token, user, client, *rest, now_ms=now_ms, seed=seed)

    def verify_recovery_code(
        self,
        *,
        token: str,
        user: str | FromToken,
        recovery_code: str,
        client: str | None = None,
        now_ms: int = 0,
        seed: bytes | None = None,
    ) -> Operation[Passed]:
        """Verifies a typed recovery code; the reply has a new one, where policy says so."""
        verify = lib.mfacore_verify_recovery_code
        return self._typed_token(verify, token, user, client, recovery_code, now_ms=now_ms, seed=seed)

    def _begin(self, new: Any, *arguments: Any, now_ms: int, seed: bytes | None) -> Operation[Any]:
        seeded = ffi.NULL if seed is None else key_of(seed, "seed")
        free = lib.mfacore_operation_free
        return Operation(taken("mfacore_operation", free, new, self._handle, *arguments, now_ms, seeded))

    def _typed(
        self, name: str, caller: Caller, given: Mapping[str, Any], now_ms: int, seed: bytes | None
    ) -> Operation[Any]:
        """A call by its name, without the members that were not given."""
        body = {member: value for member, value in given.items() if value is not None}
        return self.call(name, caller, body, now_ms=now_ms, seed=seed)

    def _typed_token(
        self,
        new: Any,
        token: str,
        user: str | FromToken,
        client: str | None,
        *rest: str | None,
        now_ms: int,
        seed: bytes | None,
    ) -> Operation[Any]:
        """A call that has a function of its own. Members that are not given are empty."""
        anyone = isinstance(user, FromToken)
        subject = lib.MFACORE_SUBJECT_FROM_TOKEN if anyone else lib.MFACORE_SUBJECT_EXPECTED
        named = slice_of(None if isinstance(user, FromToken) else user)
        texts = [slice_of(text) for text in (client, *rest)]
        return self._begin(new, slice_of(token), subject, named, *texts, now_ms=now_ms, seed=seed)


def _json(value: Mapping[str, Any] | str) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
