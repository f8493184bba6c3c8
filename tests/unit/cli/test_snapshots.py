"""What people read: `list`, `show`, `history` and the plan, on terminals of three widths and in a pipe.

`WRITE_SNAPSHOTS=1` writes the files of `snapshots/`; read their difference before you commit it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from evercert.contracts.events import Outcome
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Delivery, Failure
from evercert.contracts.spec_store import STACK, Pause, PauseTarget
from evercert.documents.spec import Component
from tests.doubles.command import UID, Command
from tests.doubles.fakes import START, spec

FOLDER = Path(__file__).parent / "snapshots"
WIDTHS = {"60": 60, "80": 80, "200": 200, "pipe": None}
ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:evercert/certificates/mail-AbCdEf"
LONG = (
    "the certificate authority refused the order of mail.example.com: the account has reached its limit of 300 new orders"
    " in 3 hours; the next attempt follows by itself; to raise the limit, ask the certificate authority"
)


@pytest.fixture
def stored(command: Command) -> Command:
    command.table.write_issuer("main", Component(type="self-signed"))
    command.table.write_issuer("letsencrypt", Component(type="acme"))
    command.store("api", renew_at=START + timedelta(days=10), due_at=START + timedelta(hours=6), revision=1)
    two = spec("mail", to=("here", "there"), issuer="letsencrypt", labels={"team": "mail", "tier": "front"})
    error = Failure(kind="unavailable", message=LONG, at=START - timedelta(minutes=9), generation=1)
    places = {two.destinations[0].key: Delivery(revision=1, location=ARN), two.destinations[1].key: Delivery()}
    command.store(
        "mail", days=5, spec=two, state="failing", last_error=error, failures=3, revision=1,
        deliveries=places, renew_at=START - timedelta(days=25), due_at=START + timedelta(minutes=40),
    )  # fmt: skip
    command.store("old", days=-2, state="paused", renew_at=START - timedelta(days=32))
    command.store("new", days=None, state="new")
    command.store(
        "a-name-that-is-longer-than-forty-cells.of.a.terminal.example.com", days=80, renew_at=START + timedelta(days=50)
    )
    command.table.pause(PauseTarget(certificate="old"), Pause(START - timedelta(days=40), "migration"), START)
    for number, (kind, data) in enumerate(EVENTS):
        outcome = Outcome(
            name="mail", uid=UID, revision=1, number=number, type=kind, at=START + timedelta(days=number),  # type: ignore[arg-type]
            issuer="letsencrypt", severity="info", data=data,
        )  # fmt: skip
        command.more.setdefault("outcomes", []).append(outcome)
    command.table.history = lambda name: command.more["outcomes"]  # type: ignore[method-assign]
    return command


ISSUED = {"serial_number": "0123456789abcdef", "not_after": "2026-04-15T12:00:00.000Z", "reason": "missing"}
EVENTS = [
    (
        "certificate.issued",
        ISSUED | {"undelivered": [{"destination": "acm", "kind": "unavailable", "message": "throttled"}]},
    ),
    ("certificate.delivered", ISSUED | {"reason": None}),
    ("certificate.failed", {"kind": "unavailable", "message": LONG}),
    ("certificate.expired", {"message": LONG}),
]
PAGES = {
    "list": ["list"],
    "show-failing": ["show", "mail"],
    "show-ready": ["show", "api"],
    "show-expired": ["show", "old"],
    "show-new": ["show", "new"],
    "history": ["history", "mail"],
}


def check(name: str, text: str) -> None:
    path = FOLDER / f"{name}.txt"
    if os.environ.get("WRITE_SNAPSHOTS"):
        path.write_text(text)
    assert path.read_text() == text


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", PAGES)
def test_page_is_as_its_snapshot(stored: Command, page: str, width: str) -> None:
    stored.width = WIDTHS[width]
    ended = stored(*PAGES[page])
    assert ended.code == 0, ended
    check(f"{page}-{width}", ended.out)


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("page", PAGES)
def test_no_line_is_wider_than_the_terminal(stored: Command, page: str, width: int) -> None:
    stored.width = width
    wide = [line for line in stored(*PAGES[page]).out.splitlines() if len(line) > width]
    assert [line for line in wide if ARN not in line and "longer-than" not in line] == []


def test_pipe_has_one_line_for_each_row(stored: Command) -> None:
    lines = stored("list").out.splitlines()
    assert [line.count("\t") for line in lines] == [5] * 6
    assert LONG in next(line for line in lines if line.startswith("mail"))
