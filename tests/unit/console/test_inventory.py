"""Inventory: read once, refreshed in the background, updated after actions."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from evercert.console.inventory import FRESH, REST, Inventory
from evercert.errors import Unavailable
from tests.doubles.console import FakeConsole


class Timer:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def inventory(console: FakeConsole, timer: Timer) -> Inventory:
    console.store("web")
    return Inventory(console.services, timer)


def settled() -> None:
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and "_read_again" in thread.name:
            thread.join(5)


def reads(console: FakeConsole, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    records = console.table.records
    monkeypatch.setattr(console.table, "records", lambda *given: found.append("records") or records(*given))
    return found


def test_fresh_rows_are_not_read_again(
    console: FakeConsole, inventory: Inventory, timer: Timer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = reads(console, monkeypatch)
    for _ in range(5):
        assert list(inventory.snapshot().entries) == ["web"]
        timer.now += FRESH / 6
    settled()
    assert calls == ["records"]


def test_old_rows_are_shown_while_new_ones_are_read(console: FakeConsole, inventory: Inventory, timer: Timer) -> None:
    inventory.snapshot()
    console.store("next")
    timer.now += FRESH
    assert list(inventory.snapshot().entries) == ["web"]
    settled()
    assert list(inventory.snapshot().entries) == ["next", "web"]


def test_slow_tables_are_read_seldom(
    console: FakeConsole, inventory: Inventory, timer: Timer, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = console.table.records

    def slow(*given: Any) -> Any:
        timer.now += 60
        return records(*given)

    monkeypatch.setattr(console.table, "records", slow)
    inventory.snapshot()
    calls = reads(console, monkeypatch)
    timer.now += 60 * REST - 1
    inventory.snapshot()
    settled()
    assert calls == []
    timer.now += 1
    inventory.snapshot()
    settled()
    assert calls == ["records"]


def test_failed_reading_leaves_the_rows_and_says_why(
    console: FakeConsole, inventory: Inventory, timer: Timer, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory.snapshot()
    with monkeypatch.context() as patch:

        def fail(*_: Any) -> Any:
            raise Unavailable("cannot read the table: timed out")

        patch.setattr(console.table, "records", fail)
        timer.now += FRESH
        inventory.snapshot()
        settled()
        found = inventory.snapshot()
        assert (list(found.entries), found.problem) == (["web"], "cannot read the table: timed out")
    timer.now += FRESH
    inventory.snapshot()
    settled()
    assert inventory.snapshot().problem is None


def test_pages_of_many_certificates_make_no_calls() -> None:
    """After the first load, overview and list of 10,000 certificates read nothing."""
    console = FakeConsole()
    calls: list[str] = []

    class Counted:
        def __getattr__(self, name: str) -> Any:
            calls.append(name)
            return getattr(console.table, name)

    counted = FakeConsole(specs=Counted(), documents=console.documents).sign_in()
    record = console.store("web")
    console.table.records = lambda after=None: (
        record.model_copy(update={"name": f"web-{n:05}"}) for n in range(10_000)
    )  # type: ignore[method-assign]
    assert "10000 certificates" in counted.text("/")
    assert calls == ["pauses", "records"]
    assert "10000 certificates, page 100 of 100" in counted.text("/certificates", page="100", sort="expiry")
    assert "1 of 10000 certificates" in counted.text("/certificates", search="web-00077")
    assert calls == ["pauses", "records"]


def test_first_reading_that_fails_raises_and_is_repeated(
    console: FakeConsole, inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def fail(*_: Any) -> Any:
            raise Unavailable("cannot read the table: timed out")

        patch.setattr(console.table, "records", fail)
        with pytest.raises(Unavailable):
            inventory.snapshot()
    assert list(inventory.snapshot().entries) == ["web"]


def test_update_reads_one_record(console: FakeConsole, inventory: Inventory, monkeypatch: pytest.MonkeyPatch) -> None:
    inventory.snapshot()
    calls = reads(console, monkeypatch)
    console.store("next")
    inventory.update("next")
    console.table.remove(console.table.record("web"))  # type: ignore[arg-type]
    inventory.update("web")
    assert list(inventory.snapshot().entries) == ["next"]
    assert calls == []


def test_reading_in_progress_does_not_undo_an_update(
    console: FakeConsole, inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = console.table.records

    def slow(*given: Any) -> Any:
        found = list(records(*given))
        console.table.remove(console.table.record("web"))  # type: ignore[arg-type]
        inventory.update("web")
        return found

    inventory.snapshot()
    monkeypatch.setattr(console.table, "records", slow)
    assert list(inventory.refresh().entries) == []


def test_failed_update_reads_all_rows_with_the_next_page(
    console: FakeConsole, inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory.snapshot()
    console.store("next")
    with monkeypatch.context() as patch:

        def fail(_: Any) -> Any:
            raise Unavailable("timed out")

        patch.setattr(console.table, "record", fail)
        inventory.update("next")
    inventory.snapshot()
    settled()
    assert list(inventory.snapshot().entries) == ["next", "web"]


def test_unforeseen_error_of_a_reading_is_shown(
    console: FakeConsole, inventory: Inventory, timer: Timer, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory.snapshot()

    def fail(*_: Any) -> Any:
        raise ValueError("hunter2")

    monkeypatch.setattr(console.table, "records", fail)
    timer.now += FRESH
    inventory.snapshot()
    settled()
    problem = inventory.snapshot().problem
    assert problem is not None
    assert "hunter2" not in problem


def test_update_before_the_first_reading_is_harmless(console: FakeConsole, inventory: Inventory) -> None:
    inventory.update("web")
    assert list(inventory.snapshot().entries) == ["web"]
