"""Plays the scenarios of testdata/scenarios; their format is at the head of conformance/src/scenario/mod.rs."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable
from urllib.parse import parse_qs

from device import PushDevice
from mfacore import Caller, Engine, KeyRing, Operation, OperationFailed, Outcome, Record, Reply, otp

REPOSITORY = Path(__file__).resolve().parents[3]
FILES = sorted((REPOSITORY / "testdata/scenarios").glob("*.json"))
ROOT, NAMING = b"the key that all scenarios share", b"the naming key of all scenarios."

Answer = Reply[Any]


class Memory:
    """A store of the host, which fails as a scenario says."""

    def __init__(self) -> None:
        self._records: dict[bytes, Record] = {}
        self._faults: list[str] = []
        self._lock = threading.Lock()

    def inject(self, faults: list[str]) -> None:
        self._faults.extend(faults)

    def _next(self, of_load: bool) -> str | None:
        for index, fault in enumerate(self._faults):
            if (fault == "load_fails") == of_load:
                return self._faults.pop(index)
        return None

    def load(self, key: bytes) -> Record | None:
        with self._lock:
            if self._next(of_load=True):
                raise OSError("injected by the scenario")
            return self._records.get(key)

    def swap(self, key: bytes, expected: bytes | None, new: Record | None) -> bool:
        with self._lock:
            fault = self._next(of_load=False)
            if fault == "swap_fails":
                raise OSError("injected by the scenario")
            if fault == "swap_conflicts":
                return False
            found = self._records.get(key)
            is_committed = (found.version if found else None) == expected
            if is_committed and new is None:
                self._records.pop(key, None)
            elif is_committed and new is not None:
                self._records[key] = new
            if fault == "swap_lands_and_fails":
                raise OSError("injected by the scenario")
            return is_committed and fault != "swap_lands_and_conflicts"


class AsyncMemory:
    """The same for asyncio: other tasks run between a call and its answer."""

    def __init__(self, store: Memory) -> None:
        self._store = store

    async def load(self, key: bytes) -> Record | None:
        await asyncio.sleep(0)
        return self._store.load(key)

    async def swap(self, key: bytes, expected: bytes | None, new: Record | None) -> bool:
        await asyncio.sleep(0)
        return self._store.swap(key, expected, new)


Run = Callable[[list[Operation[Any]], Memory], list[Answer]]


def blocking(operations: list[Operation[Any]], store: Memory) -> list[Answer]:
    """Each on a thread of its own."""

    def run(operation: Operation[Any]) -> Answer:
        try:
            return operation.run(store)
        except OperationFailed as failed:
            return failed.reply

    if len(operations) == 1:
        return [run(operations[0])]
    with ThreadPoolExecutor(len(operations)) as threads:
        return list(threads.map(run, operations))


def on_asyncio(operations: list[Operation[Any]], store: Memory) -> list[Answer]:
    """All on one loop."""

    async def run(operation: Operation[Any]) -> Answer:
        try:
            return await operation.run_async(AsyncMemory(store))
        except OperationFailed as failed:
            return failed.reply

    async def all_at_once() -> list[Answer]:
        return list(await asyncio.gather(*map(run, operations)))

    return asyncio.run(all_at_once())


class Failed(Exception):
    """A scenario that does not hold."""


def fill(template: Any, saved: dict[str, Any]) -> Any:
    """`template` with every `${name}` replaced."""
    if isinstance(template, dict):
        return {name: fill(value, saved) for name, value in template.items()}
    if isinstance(template, list):
        return [fill(item, saved) for item in template]
    if not isinstance(template, str):
        return template
    whole = re.fullmatch(r"\$\{([^${}]*)\}", template)
    if whole:
        return saved[whole[1]]

    def text(match: re.Match[str]) -> str:
        value = saved[match[1]]
        return value if isinstance(value, str) else json.dumps(value)

    return re.sub(r"\$\{([^}]*)\}", text, template)


MISSING = object()


def difference(expected: Any, found: Any, at: str) -> str | None:
    """Where `found` does not hold what `expected` names."""
    if expected is None:
        return None if found is MISSING else f"{at} should be absent"
    if found is MISSING:
        return f"{at} is missing"
    if expected == "*":
        return None
    if isinstance(expected, dict) and isinstance(found, dict):
        members = [(name, value, found.get(name, MISSING)) for name, value in expected.items()]
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        members = [(index, *pair) for index, pair in enumerate(zip(expected, found))]
    else:
        same = expected == found and isinstance(expected, bool) == isinstance(found, bool)
        return None if same else f"{at} should be {expected!r}, and is {found!r}"
    texts = (difference(value, there, f"{at}/{name}") for name, value, there in members)
    return next((text for text in texts if text), None)


def pointed(value: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def seed(name: str, call: int, lane: int) -> bytes:
    """32 bytes by FNV-1a, the same in every language."""
    out = b""
    for index in range(4):
        digest = 0xCBF29CE484222325
        for byte in bytes([index]) + call.to_bytes(4, "big") + lane.to_bytes(4, "big") + name.encode():
            digest = (digest ^ byte) * 0x0100000001B3 % 2**64
        out += digest.to_bytes(8, "big")
    return out


class Stage:
    """A scenario while it is played."""

    def __init__(self, name: str, scenario: dict[str, Any], run: Run) -> None:
        keys = KeyRing(1, ROOT, naming=NAMING)
        first = Engine(keys, scenario["policy"])
        tenants = scenario.get("tenants", {}).items()
        self._engines = {"": first} | {tenant: first.with_policy(tenant, policy) for tenant, policy in tenants}
        self._name, self._run, self._store = name, run, Memory()
        self._now_ms, self._calls = scenario["start_ms"], 0
        self._saved: dict[str, Any] = {}
        self._lines: list[str] | None = []
        self.digest = ""

    def take(self, step: dict[str, Any]) -> None:
        if "pass_ms" in step:
            self._now_ms += step["pass_ms"]
        elif "totp" in step:
            self._saved[step["save_as"]] = self._code(step["totp"])
        elif "scan" in step:
            self._save(step["save"], PushDevice(step["device"]).enroll(fill(step["scan"], self._saved)))
        elif "answer_push" in step:
            push, number = fill(step["answer_push"], self._saved), fill(step.get("number"), self._saved)
            self._save(step["save"], PushDevice(step["device"]).answer(push, step["decision"], number))
        elif "faults" in step:
            self._store.inject(step["faults"])
        elif "parallel" in step:
            self._call_at_once(step)
        else:
            self._call(step)

    def finish(self) -> None:
        """The digest of the responses up to the first parallel step: who wins it decides what comes after."""
        if self._lines is not None:
            self.digest = hashlib.sha256("".join(self._lines).encode()).hexdigest()
            self._lines = None

    def _code(self, of: dict[str, Any]) -> str:
        secret = fill(of["secret"], self._saved)
        if secret.startswith("otpauth:"):
            secret = parse_qs(secret.partition("?")[2])["secret"][0]
        code = otp.Totp(secret).generate(now_ms=self._now_ms - 30_000 * of.get("back", 0))
        return f"{(int(code) + of.get('off_by', 0)) % 1_000_000:06}"

    def _save(self, save: dict[str, str], source: Any) -> None:
        for name, pointer in save.items():
            self._saved[name] = pointed(source, pointer)

    def _operations(self, step: dict[str, Any], lanes: int) -> list[Operation[Any]]:
        caller, body = fill(step["caller"], self._saved), fill(step.get("body", {}), self._saved)
        engine = self._engines[step.get("tenant", "")]
        named = Caller(caller["authority"], caller.get("client"), caller.get("facts"))
        lane_seeds = [seed(self._name, self._calls, lane) for lane in range(lanes)]
        self._calls += 1
        return [engine.call(step["call"], named, body, now_ms=self._now_ms, seed=own) for own in lane_seeds]

    def _call(self, step: dict[str, Any]) -> None:
        (reply,) = self._run(self._operations(step, 1), self._store)
        whole = f"{reply.outcome.value} {reply.status} {reply.json.decode()}"
        expected = step.get("reply")
        if expected and (expected["outcome"], expected["status"]) != (reply.outcome.value, reply.status):
            raise Failed(f"should be {expected['outcome']} {expected['status']}, and is {whole}")
        if expected and expected.get("body"):
            self._differs(difference(fill(expected["body"], self._saved), reply.body, "body"), whole)
        events = [event.name for event in reply.events]
        if step.get("events", events) != events:
            raise Failed(f"should leave the events {step['events']}, and leaves {events}")
        if (reply.outcome is Outcome.GRANTED) != (reply.verified is not None):
            raise Failed(f"a grant and its proof do not agree: {whole}")
        deliveries = self._check_deliveries(step, [reply])
        self._save(step.get("save", {}), reply.body)
        self._save(step.get("save_delivery", {}), deliveries)
        if self._lines is not None:
            user = reply.verified.user if reply.verified else "-"
            self._lines.append(f"{whole} {user} {','.join(events)}\n")

    def _call_at_once(self, step: dict[str, Any]) -> None:
        replies = self._run(self._operations(step, step["parallel"]), self._store)
        self.finish()
        outcomes = Counter(reply.outcome.value for reply in replies)
        if outcomes != step["outcomes"]:
            raise Failed(f"should come to {step['outcomes']}, and came to {dict(outcomes)}")
        self._check_deliveries(step, replies)

    def _check_deliveries(self, step: dict[str, Any], replies: list[Answer]) -> list[Any]:
        found = [delivery.content for reply in replies for delivery in reply.deliveries]
        if "deliveries" in step:
            self._differs(difference(fill(step["deliveries"], self._saved), found, "deliveries"), str(found))
        return found

    def _differs(self, text: str | None, whole: str) -> None:
        if text:
            raise Failed(f"{text}: {whole}")


def play(path: Path, run: Run) -> str:
    """Plays a scenario; the digest of its responses."""
    scenario = json.loads(path.read_text())
    stage = Stage(path.stem, scenario, run)
    for index, step in enumerate(scenario["steps"]):
        try:
            stage.take(step)
        except Failed as failed:
            raise Failed(f"{path.stem}, step {index}: {failed}") from None
    stage.finish()
    return stage.digest
