"""Every scenario of testdata/scenarios through both ways to run an operation, with the bytes of the Rust driver."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenario import FILES, REPOSITORY, Failed, Run, blocking, on_asyncio, play

RUNNERS: dict[str, Run] = {"python": blocking, "asyncio": on_asyncio}


def test_every_scenario_plays_as_in_rust(capsys: pytest.CaptureFixture[str]) -> None:
    lines = (REPOSITORY / "testdata/scenarios.sha256").read_text().splitlines()
    digests = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert len(FILES) >= 34 and {path.stem for path in FILES} == set(digests)
    table, failures = [f"{'scenario':32}" + "".join(f" {name:>9}" for name in RUNNERS)], []
    for path in FILES:
        results = []
        for name, run in RUNNERS.items():
            try:
                is_same = play(path, run) == digests[path.stem]
                if not is_same:
                    failures.append(f"{name}: {path.stem} gave other bytes than the Rust driver")
            except (Failed, KeyError, IndexError, TypeError) as error:
                is_same = False
                failures.append(f"{name}: {path.stem}: {error!r}")
            results.append("ok" if is_same else "FAILED")
        table.append(f"{path.stem:32}" + "".join(f" {result:>9}" for result in results))
    with capsys.disabled():
        print("\n" + "\n".join(table))
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("broken", ['"outcome": "granted"', '"status": 299', '"error": "other"'])
def test_a_scenario_that_does_not_hold_fails(tmp_path: Path, broken: str) -> None:
    member = broken.split(":")[0]
    text = FILES[0].read_text()
    at = text.index(member)
    end = min(text.index(stop, at) for stop in ",}" if stop in text[at:])
    path = tmp_path / FILES[0].name
    path.write_text(text[:at] + broken + text[end:])
    with pytest.raises(Failed):
        play(path, blocking)
