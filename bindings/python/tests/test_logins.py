"""Logins over built-in stores, over stores of the host and over asyncio; what the host's mistakes come to."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

import mfacore
from conftest import NOW_MS, POLICY, ROOT
from mfacore import FROM_TOKEN, BuiltInStore, Caller, Engine, Outcome, Record
from scenario import AsyncMemory, Memory

AnyStore = Any


def enroll(engine: Engine, store: AnyStore, user: str = "ann", now_ms: int = NOW_MS) -> mfacore.otp.Totp:
    """Enrolls an app at the first login of `user`, and passes it."""
    token = engine.require(user=user, now_ms=now_ms).run(store).body["mfa_token"]
    app = engine.associate(token=token, user=user, authenticator_types=["otp"], now_ms=now_ms).run(store)
    totp = mfacore.otp.Totp(app.body["secret"])
    passed = engine.verify_otp(token=token, user=user, otp=totp.generate(now_ms=now_ms), now_ms=now_ms).run(store)
    assert passed.outcome is Outcome.GRANTED
    return totp


def required(engine: Engine, store: AnyStore, user: str = "ann", now_ms: int = NOW_MS + 60_000) -> str:
    reply = engine.require(user=user, now_ms=now_ms).run(store)
    assert reply.outcome is Outcome.REQUIRED and reply.status == 403
    return reply.body["mfa_token"]


@pytest.mark.parametrize("url", ["memory:", "sqlite:{}/mfa.db"])
def test_a_login_on_a_built_in_store(engine: Engine, url: str, tmp_path: Path) -> None:
    store = BuiltInStore(url.format(tmp_path))
    totp = enroll(engine, store)
    later = NOW_MS + 60_000
    token, code = required(engine, store), totp.generate(now_ms=later)
    passed = engine.verify_otp(token=token, user="ann", otp=code, now_ms=later).run(store)
    assert passed.verified is not None
    assert (passed.verified.user, passed.verified.purpose, passed.verified.amr) == ("ann", "log_in", ("mfa", "otp"))
    assert passed.verified.at_ms == later and not passed.verified.is_weak and passed.sequence > 0
    assert [event.name for event in passed.events] == ["verification_passed"]
    replayed = engine.verify_otp(token=required(engine, store), user="ann", otp=code, now_ms=later).run(store)
    assert replayed.outcome is Outcome.DENIED and replayed.verified is None
    assert json.loads(replayed.json) == replayed.body and replayed.body["error"] == "invalid_grant"


def test_a_token_of_anybody_else_is_refused(engine: Engine, store: Memory) -> None:
    totp = enroll(engine, store)
    later = NOW_MS + 60_000
    token, code = required(engine, store), totp.generate(now_ms=later)
    assert engine.verify_otp(token=token, user="bob", otp=code, now_ms=later).run(store).outcome is Outcome.DENIED
    named = engine.verify_otp(token=token, user=FROM_TOKEN, otp=code, now_ms=later).run(store)
    assert named.verified is not None and named.verified.user == "ann"


def test_an_expected_user_cannot_be_left_out(engine: Engine, store: Memory) -> None:
    for user in ("", None, b"ann"):
        with pytest.raises((mfacore.MfacoreError, TypeError)):
            reply = engine.verify_otp(token="t", user=user, otp="123456").run(store)  # type: ignore[arg-type]
            assert reply.outcome is Outcome.DENIED
            raise mfacore.OrderError("denied")
    with pytest.raises(TypeError):
        Caller.token("t")  # type: ignore[call-arg]


def test_nothing_is_true_by_accident(engine: Engine, store: Memory) -> None:
    reply = engine.require(user="ann", now_ms=NOW_MS).run(store)
    for value in (reply, reply.outcome, mfacore.otp.Totp("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").check("000000")):
        with pytest.raises(TypeError):
            bool(value)


def test_texts_that_are_shown_hold_no_secret(engine: Engine, store: Memory) -> None:
    reply = engine.require(user="ann", now_ms=NOW_MS).run(store)
    token = reply.body["mfa_token"]
    shown = [repr(reply), repr(Caller.token(token, user="ann")), repr(mfacore.otp.Totp("GEZDGNBVGY3TQOJQ" * 2))]
    assert not any(token in text or "GEZDG" in text for text in shown)
    delivery = mfacore.Delivery("sms", "+15550100", "123456", {"code": "123456"})
    assert "123456" not in repr(delivery) and "5550100" not in repr(delivery)


class Lying(Memory):
    """Answers what is no answer."""

    def __init__(self, loads: Any = None, swaps: Any = None) -> None:
        super().__init__()
        self._loads, self._swaps = loads, swaps

    def load(self, key: bytes) -> Any:
        return super().load(key) if self._loads is None else self._loads

    def swap(self, key: bytes, expected: bytes | None, new: Record | None) -> Any:
        return super().swap(key, expected, new) if self._swaps is None else self._swaps


@pytest.mark.parametrize(
    "store",
    [
        Lying(loads=Record(b"short", b"x")),
        Lying(loads=Record(b"v" * 16, "text")),  # type: ignore[arg-type]
        Lying(loads=b"record"),
        Lying(loads=False),
        Lying(swaps=1),
        Lying(swaps="committed"),
    ],
)
def test_a_store_that_lies_denies(engine: Engine, store: Memory) -> None:
    uri = "otpauth://totp/ann?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    operation = engine.call("import", Caller.host("ann"), {"otp": [{"uri": uri}]}, now_ms=NOW_MS)
    with pytest.raises(mfacore.OperationFailed) as failed:
        operation.run(store)
    assert isinstance(failed.value.__cause__, (TypeError, ValueError)) and failed.value.reply.status >= 500
    assert failed.value.reply.outcome is Outcome.NONE and failed.value.reply.verified is None


class Raising(Memory):
    def load(self, key: bytes) -> Record | None:
        raise ConnectionError("the database is away")


def test_what_a_store_raises_is_the_cause(engine: Engine) -> None:
    with pytest.raises(mfacore.OperationFailed) as failed:
        engine.require(user="ann").run(Raising())
    assert isinstance(failed.value.__cause__, ConnectionError)

    async def run() -> None:
        await engine.require(user="ann").run_async(AsyncMemory(Raising()))

    with pytest.raises(mfacore.OperationFailed) as failed:
        asyncio.run(run())
    assert isinstance(failed.value.__cause__, ConnectionError)


class Nested(Memory):
    """A store whose load logs somebody else in."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine, self._inner, self.logins = engine, Memory(), 0

    def load(self, key: bytes) -> Record | None:
        enroll(self._engine, self._inner, f"user {self.logins}")
        self.logins += 1
        return super().load(key)


def test_a_store_may_call_the_engine(engine: Engine) -> None:
    store = Nested(engine)
    enroll(engine, store)
    assert store.logins >= 3


def test_an_operation_is_run_once(engine: Engine, store: Memory) -> None:
    operation = engine.require(user="ann", now_ms=NOW_MS)
    with pytest.raises(mfacore.OrderError):
        operation.reply()
    with pytest.raises(mfacore.OrderError):
        operation.stored(True)
    operation = engine.require(user="ann", now_ms=NOW_MS)
    operation.run(store)
    for again in (operation.want, operation.reply, lambda: operation.run(store)):
        with pytest.raises(mfacore.OrderError):
            again()


def test_two_threads_on_one_operation_are_refused(engine: Engine) -> None:
    operation = engine.require(user="ann", now_ms=NOW_MS)
    raised: list[Exception] = []

    def intrude() -> None:
        try:
            operation.want()
        except mfacore.OrderError as error:
            raised.append(error)

    with operation._live():
        thread = threading.Thread(target=intrude)
        thread.start()
        thread.join()
    assert len(raised) == 1
    assert operation.run(Memory()).outcome is Outcome.REQUIRED


def test_one_engine_on_many_threads_accepts_a_code_once(engine: Engine) -> None:
    store = BuiltInStore("memory:")
    totp = enroll(engine, store)
    later = NOW_MS + 60_000
    tokens = [required(engine, store) for _ in range(6)]
    start, outcomes = threading.Barrier(len(tokens)), []

    def run(token: str) -> None:
        start.wait()
        operation = engine.verify_otp(token=token, user="ann", otp=totp.generate(now_ms=later), now_ms=later)
        outcomes.append(operation.run(store).outcome)

    threads = [threading.Thread(target=run, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(Outcome.GRANTED) == 1 and outcomes.count(Outcome.DENIED) == len(tokens) - 1


def test_tasks_of_one_loop_accept_a_code_once(engine: Engine, store: Memory) -> None:
    totp = enroll(engine, store)
    later = NOW_MS + 60_000
    tokens = [required(engine, store) for _ in range(6)]

    async def run() -> list[Outcome]:
        code, shared = totp.generate(now_ms=later), AsyncMemory(store)
        operations = [engine.verify_otp(token=token, user="ann", otp=code, now_ms=later) for token in tokens]
        return [reply.outcome for reply in await asyncio.gather(*(one.run_async(shared) for one in operations))]

    outcomes = asyncio.run(run())
    assert outcomes.count(Outcome.GRANTED) == 1 and outcomes.count(Outcome.DENIED) == len(tokens) - 1


def test_a_built_in_store_on_asyncio(engine: Engine) -> None:
    reply = asyncio.run(engine.require(user="ann").run_async(BuiltInStore("memory:")))
    assert reply.outcome is Outcome.REQUIRED


def test_a_task_that_is_cancelled_logs_nobody_in(engine: Engine, store: Memory) -> None:
    totp = enroll(engine, store)
    later = NOW_MS + 60_000
    operation = engine.verify_otp(
        token=required(engine, store), user="ann", otp=totp.generate(now_ms=later), now_ms=later
    )

    tasks: list[asyncio.Task[Any]] = []

    class Away(AsyncMemory):
        async def swap(self, key: bytes, expected: bytes | None, new: Record | None) -> bool:
            tasks[0].cancel()
            await asyncio.sleep(0)
            return await super().swap(key, expected, new)

    async def run() -> None:
        tasks.append(asyncio.create_task(operation.run_async(Away(store))))
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]

    asyncio.run(run())
    with pytest.raises(mfacore.OrderError):
        operation.reply()


def test_forked_processes_log_in(engine: Engine, tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/mfa.db"
    totp = enroll(engine, BuiltInStore(url))
    child = os.fork()
    if child == 0:
        try:
            later = NOW_MS + 60_000
            store = BuiltInStore(url)
            token, code = required(engine, store), totp.generate(now_ms=later)
            passed = engine.verify_otp(token=token, user="ann", otp=code, now_ms=later).run(store)
            os._exit(0 if passed.verified is not None else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    enroll(engine, BuiltInStore(url), "bob")


def test_tenants_are_apart(engine: Engine, store: Memory) -> None:
    other = engine.with_policy("acme", POLICY)
    token = engine.require(user="ann", now_ms=NOW_MS).run(store).body["mfa_token"]
    refused = other.associate(token=token, user="ann", authenticator_types=["otp"], now_ms=NOW_MS).run(store)
    assert refused.outcome is Outcome.DENIED


def test_mistakes_are_named(engine: Engine, store: Memory) -> None:
    with pytest.raises(ValueError, match="root must be 32 bytes"):
        mfacore.KeyRing(1, b"short")
    with pytest.raises(mfacore.ConfigError):
        mfacore.KeyRing(1, bytes(32))
    with pytest.raises(mfacore.ConfigError, match="profile"):
        Engine(mfacore.KeyRing(1, ROOT), {"profile": "none"})
    with pytest.raises(mfacore.StoreError):
        BuiltInStore("sqlite:///no/such/folder/mfa.db")
    with pytest.raises(TypeError):
        BuiltInStore(7)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="seed must be 32 bytes"):
        engine.require(user="ann", seed=b"1")
    with pytest.raises(TypeError, match="a user is a text"):
        engine.require(user=7)  # type: ignore[arg-type]
    with pytest.raises(mfacore.ConfigError):
        engine.call("require", Caller({"root": "ann"}))
    with pytest.raises(mfacore.OperationFailed, match="no command of this name"):
        engine.call("no_such_call", Caller.host("ann")).run(store)


def test_a_sound_store_passes_the_self_test_and_a_broken_one_is_told() -> None:
    sound = mfacore.check_store(Memory())
    assert sound.has_passed and "0 failed" in sound.text

    class Forgetful(Memory):
        def swap(self, key: bytes, expected: bytes | None, new: Record | None) -> bool:
            return super().swap(key, super().load(key) and super().load(key).version, new)  # type: ignore[union-attr]

    broken = mfacore.check_store(Forgetful())
    assert not broken.has_passed and "FAILED    stale_version_conflicts" in broken.text
    raising = mfacore.check_store(Raising(), one_thread=True)
    assert not raising.has_passed and "the database is away" in raising.text and "left out" in raising.text


def test_a_text_without_utf8_is_named_and_not_shown(engine: Engine) -> None:
    for token, otp in (("secret\ud800", "1"), ("t", "secret\ud800")):
        with pytest.raises(mfacore.EncodingError) as raised:
            engine.verify_otp(user="ann", token=token, otp=otp)
        assert "secret" not in repr(raised.value) and raised.value.__suppress_context__


def test_a_store_that_failed_once_is_logged(engine: Engine, store: Memory, caplog: pytest.LogCaptureFixture) -> None:
    store.inject(["load_fails"])
    assert engine.require(user="ann", now_ms=NOW_MS).run(store).outcome is Outcome.REQUIRED
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_commands_are_data() -> None:
    listed = {command["name"]: command for command in mfacore.commands()}
    assert listed["require"]["host"] and listed["verify_otp"]["mfa_token"] and len(listed) >= 20
    assert mfacore.version().count(".") == 2
