"""Output of `list` with its timeline, `show`, `history` and the plan, on terminals of three widths and in a pipe.

`WRITE_SNAPSHOTS=1` writes the files of `snapshots/`; read their difference before you commit it.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from evercert.contracts.events import Outcome
from evercert.contracts.record import Delivery, Failure
from evercert.contracts.spec_store import Pause, PauseTarget
from evercert.documents.spec import Component
from evercert.issuers import ISSUERS
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
    outcomes: list[Outcome] = []
    for number, (kind, data) in enumerate(EVENTS):
        outcome = Outcome(
            name="mail", uid=UID, revision=1, number=number, type=kind, at=START + timedelta(days=number),  # type: ignore[arg-type]
            issuer="letsencrypt", severity="info", data=data,
        )  # fmt: skip
        outcomes.append(outcome)
    command.table.history = lambda name: outcomes  # type: ignore[method-assign]
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
    "timeline": ["list", "--timeline"],
    "show-failing": ["show", "mail"],
    "show-ready": ["show", "api"],
    "show-expired": ["show", "old"],
    "show-new": ["show", "new"],
    "history": ["history", "mail"],
}


DOCUMENT = """
version: evercert/v1
issuers:
  main: {type: self-signed, profile: server}
  spare: {type: self-signed}
certificates:
  - name: api
    issuer: main
    attributes: {common-name: www.example.com, ttl: 90d}
    destinations: [{type: secrets-manager}]
    labels: {team: api}
  - name: portal
    issuer: main
    attributes: {common-name: portal.example.com, alt-names: [a.example.com, c.example.com], ttl: 30d}
    destinations: [{type: secrets-manager}]
  - name: fresh
    issuer: spare
    attributes: {common-name: fresh.example.com}
    destinations: [{type: secrets-manager}]
"""


@pytest.fixture
def changed(command: Command, tmp_path: Path) -> tuple[Command, str]:
    """Return certificates beside a document that changes them."""
    command.table.write_issuer("main", Component(type="self-signed"))

    def where(name: str) -> list[dict[str, str]]:
        return [{"type": "secrets-manager", "secret": f"evercert/certificates/{name}"}]

    api = spec("api", destinations=where("api"))
    names = ["a.example.com", "b.example.com"]
    portal = spec(
        "portal",
        attributes={"common-name": "portal.example.com", "alt-names": names, "ttl": "90d"},
        destinations=where("portal"),
    )
    for one in (api, portal, spec("gone", destinations=where("gone"), labels={"team": "old"})):
        delivered = {one.destinations[0].key: Delivery(revision=1, location=ARN)}
        hashes = {"request_hash": one.request_hash, "issuer_hash": ISSUERS.identity_hash(Component(type="self-signed"))}
        command.store(one.name, days=80, spec=one, deliveries=delivered, **hashes)
    file = tmp_path / "web.yaml"
    file.write_text(DOCUMENT.replace(", profile: server", ""))
    return command, str(file)


@pytest.mark.parametrize("width", WIDTHS)
def test_plan_is_as_its_snapshot(changed: tuple[Command, str], width: str) -> None:
    command, file = changed
    command.width = WIDTHS[width]
    ended = command("apply", file, "--dry-run", "--prune", "--label", "team=old")
    assert ended.code == 0, ended
    check(f"plan-{width}", ended.out)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_of_the_plan_is_wider(changed: tuple[Command, str], width: int) -> None:
    command, file = changed
    command.width = width
    lines = command("apply", file, "--dry-run", "--prune", "--label", "team=old").out.splitlines()
    assert len(lines) >= 10 and [line for line in lines if len(line) > width] == []


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
