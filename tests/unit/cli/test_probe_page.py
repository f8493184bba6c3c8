"""Probe and consumers on the page of `show`, and the note of `apply` for a stack without probes."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.cli import consumers as module
from evercert.cli.certificate_page import Page
from evercert.cli.documents import _note_unprobed
from evercert.contracts.consumers import Acknowledgement, ConsumerList
from evercert.contracts.probe import ProbeState
from evercert.operations.summaries import detail
from tests.doubles.fakes import START, spec
from tests.unit.cli.test_show import record

TARGET = "www.example.com:443"


def line(last: ProbeState | None) -> str:
    """Return the line of a certificate whose last probe was this one."""
    found = record(timedelta(0)).model_copy(update={"spec": spec(probe=TARGET), "probed": last})
    page = Page(found, None, {}, {}, START + timedelta(hours=2))
    return {title: texts[0].plain for title, texts in page._lines(unicode=False)}["probe"]


def test_served_certificate_is_one_line() -> None:
    assert line(ProbeState(target=TARGET, at=START, since=START, result="served")) == (
        f"{TARGET}: serves this revision; seen 2h ago"
    )


def test_outdated_certificate_names_what_is_served() -> None:
    last = ProbeState(
        target=TARGET, at=START, since=START - timedelta(days=1), result="outdated", fingerprint_sha256="ab" * 32,
        not_after=START + timedelta(days=9), announced="warning",
    )  # fmt: skip
    assert line(last) == (
        f"{TARGET}: serves another certificate (SHA-256 abababababababab…, which expires 2026-01-24 12:00:00Z); "
        "seen 2h ago, since 2026-01-14 12:00:00Z"
    )


@pytest.mark.parametrize(
    ("last", "text"),
    [
        (None, "not probed yet"),
        (ProbeState(target=TARGET, intermediates=1), "not probed yet"),
        (ProbeState(target="old.example.com:443", at=START, result="served"), "not probed yet"),
        (ProbeState(target=TARGET, at=START, result="unreachable", problem="no answer\x1b[2J in time"), "no answer"),
    ],
)
def test_other_results_are_named(last: ProbeState | None, text: str) -> None:
    assert text in line(last)
    assert line(last).isprintable()


def acknowledged(number: int, **changes: Any) -> Acknowledgement:
    usual = {
        "consumer": f"AROAEXAMPLE:i-{number}", "certificate": "web", "fingerprint_sha256": "f" * 64, "revision": 1,
        "host": f"web-{number}", "loaded_at": START, "seen_at": START,
    }  # fmt: skip
    return Acknowledgement.model_validate({**usual, **changes})


def consumers(*known: Acknowledgement, more: bool = False) -> list[str]:
    """Return the lines of a certificate with these consumers."""
    facts = record(timedelta(0)).facts.model_copy(update={"fingerprint_sha256": "f" * 64})
    found = record(timedelta(0)).model_copy(update={"facts": facts})
    listed = ConsumerList(known=known, more=more)
    page = Page(found, None, {}, {}, START + timedelta(hours=2), listed)
    return [text.plain for text in dict(page._lines(unicode=False))["consumers"]]


def test_late_consumers_come_first() -> None:
    old = acknowledged(2, fingerprint_sha256="0" * 64, revision=0, host="")
    assert consumers(acknowledged(1), old) == [
        "AROAEXAMPLE:i-2: still SHA-256 0000000000000000…, loaded 2h ago, seen 2h ago",
        "web-1 (AROAEXAMPLE:i-1): revision 1, loaded 2h ago, seen 2h ago",
    ]


def test_consumers_are_bounded_and_may_be_none() -> None:
    found = consumers(*map(acknowledged, range(100)), more=True)
    assert (len(found), found[-1]) == (21, "and at least 80 more")
    assert consumers() == ["no consumer has acknowledged this certificate"]


def test_consumers_are_in_the_output_for_programs() -> None:
    assert module.values(None, record(timedelta(0))) == {}
    found = module.values(ConsumerList(known=(acknowledged(1),)), record(timedelta(0)))
    assert (found["more_consumers"], found["consumers"][0]["current"], found["consumers"][0]["revision"]) == (
        False,
        False,
        1,
    )


def test_stack_without_acknowledgements_is_not_asked() -> None:
    connection: Any = SimpleNamespace(outputs={})
    assert module.load(connection, "web") is None


def test_certificate_without_probe_has_no_line() -> None:
    page = Page(record(timedelta(0)), None, {}, {}, START)
    assert "probe" not in dict(page._lines(unicode=False))


def test_result_is_in_the_output_for_programs() -> None:
    last = ProbeState(target=TARGET, at=START, result="served")
    shown = detail(record(timedelta(0)).model_copy(update={"spec": spec(probe=TARGET), "probed": last}))
    assert (shown["probed"]["result"], shown["spec"]["probe"]) == ("served", TARGET)


@pytest.mark.parametrize(
    ("probe", "outputs", "noted"), [(TARGET, {}, True), (TARGET, {"ValidatorFunction": "v"}, False), (None, {}, False)]
)
def test_apply_notes_a_stack_without_probes(probe: str | None, outputs: dict[str, str], noted: bool) -> None:
    found: Any = SimpleNamespace(specs=[spec(probe=probe)])
    notes = _note_unprobed(found, SimpleNamespace(outputs=outputs))  # type: ignore[arg-type]
    assert notes == (["web: probe has no effect: deploy the stack with Probes=yes"] if noted else [])
