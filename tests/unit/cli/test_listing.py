"""Pages of `list`: stable order, no certificate lost between pages, no more read than printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from evercert.cli import app, terminal
from evercert.cli.console import Terminal
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Facts, Record
from tests.doubles.fakes import START, spec

UID = "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44"
NAMES = [f"web-{number:03d}" for number in range(250)]
Ended = tuple[int, str, str]


class Table:
    """Records by name; counts those that are read."""

    def __init__(self) -> None:
        self.read = 0
        self.names = NAMES

    def records(self, after: str | None = None) -> Iterator[Record | Unreadable]:
        for name in self.names:
            if after is None or name > after:
                self.read += 1
                yield _record(name)

    def named(self, names: Sequence[str]) -> list[Record | Unreadable]:
        return [_record(name) for name in names if name in self.names]

    def pauses(self, now: datetime) -> dict[str, object]:
        return {}


def _record(name: str) -> Record | Unreadable:
    number = int(name[-3:])
    if number == 5:
        return Unreadable(name, UID, 0, "its spec is not JSON")
    facts = Facts(
        revision=1, serial_number="1", not_before=START, not_after=START + timedelta(days=1_000 - number),
        fingerprint_sha256="f", names=(),
    )  # fmt: skip
    labels = {"tier": "long name of an issuer" if number >= 200 else "short"}
    issuer = "an-issuer-with-a-long-name" if number >= 200 else "main"
    state = "failing" if number % 100 == 7 else "ready"
    return Record(
        name=name, uid=UID, spec=spec(name, labels=labels, issuer=issuer), generation=1, facts=facts, state=state
    )


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def evercert(table: Table, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    monkeypatch.setattr(terminal, "connect", lambda stack, region: SimpleNamespace(specs=table))

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["evercert", "list", *arguments])
        with pytest.raises(SystemExit) as ended:
            app.run()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def listed(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()[1:]]


def test_list_prints_a_page_and_reads_no_more(table: Table, evercert: Callable[..., Ended]) -> None:
    code, out, err = evercert()
    assert (code, listed(out), table.read) == (0, NAMES[:100], 101)
    assert err == "note: more certificates follow; to list them, add --after web-099, or --all\n"


def test_list_pages_hold_each_certificate_once(evercert: Callable[..., Ended]) -> None:
    found: list[str] = []
    following: list[str] = []
    while following is not None:
        _, out, err = evercert("--limit", "60", *following)
        found += listed(out)
        following = ["--after", found[-1]] if "more certificates" in err else None  # type: ignore[assignment]
    assert found == NAMES


def test_list_of_an_exact_page_announces_nothing_more(table: Table, evercert: Callable[..., Ended]) -> None:
    table.names = NAMES[:100]
    code, out, err = evercert()
    assert (code, len(listed(out)), err) == (0, 100, "")


def test_list_all_aligns_its_pages(evercert: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "out", Terminal.of_output(200))
    _, out, err = evercert("--all")
    lines = out.splitlines()
    assert (listed(out), err) == (NAMES, "")
    assert [line for line in lines if line.startswith("NAME")] == lines[:1]
    positions = [line.index("in ") for line in lines[1:] if "unreadable" not in line]
    assert positions == sorted(positions)  # a later page may be wider, never narrower


def test_list_as_json_holds_everything(evercert: Callable[..., Ended]) -> None:
    _, out, err = evercert("--json")
    assert ([row["name"] for row in json.loads(out)], err) == (NAMES, "")
    _, out, err = evercert("--json", "--limit", "2", "--after", "web-003")
    assert [row["name"] for row in json.loads(out)] == ["web-004", "web-005"]
    assert "--after web-005" in err


def test_list_filters_before_it_counts(evercert: Callable[..., Ended]) -> None:
    assert listed(evercert("--state", "failing", "--limit", "2")[1]) == ["web-007", "web-107"]
    _, out, err = evercert("--label", "tier=short", "--state", "failing")
    assert (listed(out), err) == (["web-007", "web-107"], "")
    assert listed(evercert("--state", "unreadable")[1]) == ["web-005"]


def test_list_by_expiry_takes_the_soonest(evercert: Callable[..., Ended]) -> None:
    _, out, err = evercert("--sort", "expiry", "--limit", "3")
    assert listed(out) == NAMES[:-4:-1]
    assert err == "note: more certificates follow; to list them, add --limit NUMBER, or --all\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param(("--all", "--limit", "3"), "--all and --limit exclude each other", id="both"),
        pytest.param(("--sort", "expiry", "--after", "web"), "--after and --sort expiry exclude", id="after by expiry"),
        pytest.param(("--limit", "0"), "--limit", id="nothing"),
        pytest.param(("--after", "x" * 3_000), "longer than any stored name", id="too long"),
    ],
)
def test_list_refuses_options(arguments: tuple[str, ...], problem: str, evercert: Callable[..., Ended]) -> None:
    code, out, err = evercert(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert problem in err


def test_list_of_nothing_says_why(table: Table, evercert: Callable[..., Ended]) -> None:
    assert evercert("--after", "zzz")[1] == "No certificates match.\n"
    table.names = []
    assert evercert("--json")[1] == "[]\n"
    assert evercert()[1].startswith("No certificates yet; ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["web-00?"], 10),
        (["web-001", "web-1*"], 101),
        (["*"], 250),
        (["--issuer", "an-issuer-with-a-long-name"], 50),
        (["--issuer", "an-issuer-with-a-long-name,main"], 249),
        (["web-2*", "--issuer", "main"], 0),
        (["--state", "failing,unreadable"], 4),
        (["web-00*", "--state", "failing", "--state", "unreadable"], 2),
        (["--label", "tier=short", "web-19*"], 10),
        (["web-005"], 1),
    ],
    ids=str,
)
def test_list_selects(evercert: Callable[..., Ended], arguments: list[str], expected: int) -> None:
    code, out, _ = evercert(*arguments, "--json")
    assert (code, len(json.loads(out))) == (0, expected)


def test_selection_that_matches_nothing_says_so(evercert: Callable[..., Ended]) -> None:
    code, _, err = evercert("web-x")
    assert (code, "there is no certificate 'web-x'" in err) == (2, True)
    assert "No certificates match." in evercert("x-*")[1]
    assert "invalid --state rdy" in evercert("--state", "ready,rdy")[2]
