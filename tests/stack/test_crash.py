"""P1 to P4 on the deployed stack: SIGKILL ends the function's process at each of its calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.world import assert_pair
from tests.stack.conftest import CALLS, NAMES, Stack, until


@pytest.mark.timeout(400)
def test_sigkill_at_any_call_is_recovered(
    stack: Stack, condemned: Callable[[], list[dict[str, Any]]], kills: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def settled() -> bool:
        records = {i["pk"]["S"].removeprefix("certificate#"): i for i in stack.items() if i["sk"]["S"] == "record"}
        outcomes = [
            i
            for i in stack.items()
            if i["pk"]["S"].removeprefix("certificate#") in NAMES and i["sk"]["S"].startswith("outcome#")
        ]
        return all(records[name]["state"]["S"] == "ready" and "claim" not in records[name] for name in NAMES) and all(
            "published_at" in outcome for outcome in outcomes
        )

    assert until(settled, 300, every=2), [
        i for i in stack.items() if i["sk"]["S"] == "record" and i["state"]["S"] != "ready"
    ]
    assert {path.name for path in kills.iterdir()} == set(NAMES), "not every kill happened"
    for name in NAMES:
        record = next(i for i in stack.items(name) if i["sk"]["S"] == "record")
        outcomes = [i for i in stack.items(name) if i["sk"]["S"].startswith("outcome#")]
        assert record["revision"]["N"] == "1", name  # P2
        leaf = assert_pair(stack.secret(name))  # P3
        assert record["facts"]["M"]["serial_number"]["S"].lstrip("0") == f"{leaf.serial_number:X}", name  # P1
        assert [outcome["type"]["S"] for outcome in outcomes] == ["certificate.issued"], name
    told = {event["subject"] for event in condemned()}
    assert told == set(NAMES)  # P4
    with capsys.disabled():
        print(f"\ncrash matrix on the deployed stack: {len(NAMES)} SIGKILLs at {CALLS} calls, all promises kept")
