"""The command `rollback`: plan, question, request and wait."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from evercert.cli import progress
from evercert.contracts.issuer import OpenIssuer
from evercert.contracts.spec_store import STACK, Change, Pause
from evercert.documents.spec import Component, Spec
from evercert.issuers import ISSUERS
from evercert.issuers.self_signed import SelfSigned
from evercert.operations.apply import Plan, Step, carry_out
from evercert.operations.issuer_identity import identities
from tests.doubles.command import Command, Ended
from tests.doubles.fakes import Bench, spec

DEFINITION = Component(type="self-signed")


class Rolled(Command):
    """The command beside an issuer that issued two revisions."""

    bench: Bench

    def begin(self, wanted: Spec, renewals: int = 1) -> None:
        self.bench = Bench()
        self.bench.table.definitions["main"] = DEFINITION
        identity = identities(["main"], {"main": DEFINITION}, ISSUERS)["main"]
        self.bench.issuers.known["main"] = OpenIssuer(SelfSigned(SelfSigned.Settings()), identity)
        self.table, self.queue = self.bench.table, self.bench.queue
        self.bench.want(wanted)
        self.bench.run()
        for _ in range(renewals):
            self.bench.clock.now += timedelta(days=1)
            self.bench.table.request("web", self.bench.clock())
            self.bench.run()
        self.now = self.bench.clock() + timedelta(hours=1)
        self.queue.sent.clear()

    def serial(self) -> str:
        facts = self.bench.record().facts
        assert facts is not None
        return facts.serial_number

    def rolled_back(self, *arguments: str) -> Ended:
        return self("rollback", "web", *arguments)

    def run(self) -> str:
        self.bench.clock.now = self.now
        return self.bench.run()


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rolled:
    made = Rolled(monkeypatch, capsys)
    made.begin(spec())
    return made


def test_rollback_requests_the_revision_before(command: Rolled) -> None:
    first = command.bench.announcer.announced[0].data["serial_number"]
    ended = command.rolled_back("--yes", "--reason", "it breaks\nthe proxy", "--json")
    value = json.loads(ended.out)
    assert (ended.code, value["written"]) == (0, True)
    assert (value["from"]["serial_number"], value["to"]["serial_number"]) == (command.serial(), first)
    assert (value["from"]["revision"], value["to"]["revision"], value["others"]) == (2, 1, [])
    rollback = command.bench.record().rollback
    assert rollback is not None and (rollback.to, rollback.requested_at) == (1, command.now)
    assert rollback.reason == "it breaks the proxy"
    assert [nudge.certificate for nudge in command.queue.sent] == ["web"]
    assert command.run() == "certificate.rolled-back"
    assert command.serial() == first
    assert value["renew_at"] == command.bench.announcer.announced[-1].data["renew_at"]


def test_dry_run_prints_both_certificates_and_writes_nothing(command: Rolled) -> None:
    before = command.bench.record()
    ended = command.rolled_back("--dry-run")
    assert (ended.code, ended.err) == (0, "")
    assert f"from  revision 2, serial {command.serial()}, 2026-" in ended.out
    assert "to    revision 1, serial " in ended.out and "no rollback requested (--dry-run)" in ended.out
    assert "web gets the certificate of revision 1; its renewal follows at 2026-" in ended.out
    assert (command.bench.record(), command.queue.sent) == (before, [])
    value = json.loads(command.rolled_back("--dry-run", "--json").out)
    assert (value["written"], command.bench.record()) == (False, before)


def test_rollback_asks_first(command: Rolled) -> None:
    ended = command.rolled_back()
    assert (ended.code, ended.out) == (2, "") and "pass --yes" in ended.err
    command.is_terminal, command.answers = True, [False, True]
    assert command.rolled_back().code == 1
    assert command.bench.record().rollback is None
    assert command.rolled_back().code == 0
    assert command.questions == ["Roll back web to revision 1?"] * 2
    assert command.bench.record().rollback is not None


def test_second_rollback_goes_further_back(command: Rolled) -> None:
    command.begin(spec(), renewals=2)
    for expected in (2, 1):
        assert command.rolled_back("--yes").code == 0
        rollback = command.bench.record().rollback
        assert rollback is not None and rollback.to == expected
        assert command.run() == "certificate.rolled-back"
        command.now += timedelta(minutes=1)
    ended = command.rolled_back("--yes")
    assert ended.code == 2
    assert "no earlier revision is kept; choose a later one with --to: 4, 3" in ended.err
    assert command.rolled_back("--to", "3", "--yes").code == 0
    assert command.run() == "certificate.rolled-back"


def test_rollback_to_the_revision_in_use_says_so(command: Rolled) -> None:
    ended = command.rolled_back("--to", "2", "--yes")
    assert (ended.code, ended.out) == (0, "web: revision 2 is in use already; nothing to do\n")
    assert json.loads(command.rolled_back("--to", "2", "--yes", "--json").out)["to"] is None
    assert (command.bench.record().rollback, command.queue.sent) == (None, [])


PROBLEMS: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "unknown": ({}, ["--to", "7"], "revision 7 is not kept; kept are: 1"),
    "nothing-kept": ({"lifecycle": {"keep-revisions": 0}}, [], "keep-revisions: 0"),
}


@pytest.mark.parametrize(("changes", "arguments", "problem"), PROBLEMS.values(), ids=PROBLEMS)
def test_revision_that_cannot_be_restored_is_refused(
    command: Rolled, changes: dict[str, Any], arguments: list[str], problem: str
) -> None:
    command.begin(spec(**changes))
    ended = command.rolled_back(*arguments, "--yes")
    assert (ended.code, problem in ended.err) == (2, True), ended.err
    assert command.bench.record().rollback is None


def test_first_revision_has_nothing_before_it(command: Rolled) -> None:
    command.begin(spec(), renewals=0)
    assert "no earlier revision is kept; the next renewal leaves one" in command.rolled_back("--yes").err


def test_certificate_that_was_never_issued_is_refused(command: Rolled) -> None:
    command.bench.want(spec("new"))
    assert "nothing was issued yet" in command("rollback", "new", "--yes").err


def test_edited_document_is_refused(command: Rolled) -> None:
    command.bench.edit(spec(attributes={"common-name": "b.example.com", "ttl": "90d"}))
    ended = command.rolled_back("--yes")
    assert ended.code == 2 and "apply the earlier document" in ended.err


def test_changed_issuer_is_refused(command: Rolled) -> None:
    definition = {"type": "acme", "directory": "https://ca.example.com/", "solvers": [{"type": "http-01"}]}
    command.table.definitions["main"] = Component.model_validate(definition)
    ended = command.rolled_back("--yes")
    assert ended.code == 2 and "issuer main was changed since it issued revision 1" in ended.err


def test_undefined_issuer_does_not_prevent_a_rollback(command: Rolled) -> None:
    del command.table.definitions["main"]
    assert command.rolled_back("--yes").code == 0


def test_expired_revision_is_refused(command: Rolled) -> None:
    command.now += timedelta(days=88, hours=12)
    assert "revision 1 expires soon, at 2026-" in command.rolled_back("--yes").err
    command.now += timedelta(hours=12)
    assert "revision 1 expired at 2026-" in command.rolled_back("--yes").err


def test_followed_certificate_is_refused(command: Rolled) -> None:
    record = command.bench.record()
    followed = Spec.model_validate({
        "name": "web", "issuer": "main", "destinations": [{"type": "fake", "to": "here"}],
        "certificate-id": "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44",
    })  # fmt: skip
    command.bench.edit(followed)
    for arguments in ((), ("--to", "1"), ("--to", "2")):
        ended = command.rolled_back(*arguments, "--yes")
        assert (ended.code, "follows a certificate-id; roll back at its issuer" in ended.err) == (2, True)
    assert command.bench.record().facts == record.facts


def test_paused_certificate_is_refused(command: Rolled) -> None:
    command.table.pause(STACK, Pause(command.now), command.now)
    ended = command.rolled_back("--yes")
    assert (ended.code, "resume it first: evercert resume" in ended.err) == (2, True)
    assert command.rolled_back("--dry-run").code == 0


def test_unknown_certificate_is_refused(command: Rolled) -> None:
    ended = command("rollback", "nope", "--yes")
    assert (ended.code, "there is no certificate 'nope'" in ended.err) == (2, True)


@pytest.fixture
def waiting(command: Rolled, monkeypatch: pytest.MonkeyPatch) -> Rolled:
    """Let the issuer run while the command waits."""
    monkeypatch.setattr(progress.time, "sleep", lambda _: command.run())
    monkeypatch.setattr(progress, "POLL_SECONDS", 0.0)
    return command


def test_wait_ends_with_the_restored_certificate(waiting: Rolled) -> None:
    first = waiting.bench.announcer.announced[0].data["serial_number"]
    ended = waiting.rolled_back("--yes", "--wait")
    assert ended.code == 0
    assert f"web: revision 3, serial {first}, until " in ended.out


def test_wait_reports_a_refusal_of_the_stack(waiting: Rolled) -> None:
    main = waiting.bench.issuers.known["main"]
    waiting.bench.issuers.known["main"] = replace(main, identity_hash="moved in the meantime")
    ended = waiting.rolled_back("--yes", "--wait")
    assert ended.code == 1
    assert "web: not rolled back: cannot roll back to revision 1: issuer main was changed" in ended.err


def test_apply_without_kept_revisions_deletes_them(command: Rolled) -> None:
    record = command.bench.record()
    changed = record.model_copy(update={"spec": spec(lifecycle={"keep-revisions": 1}), "generation": 2})
    for number, remains in ((1, True), (0, False)):
        changed = changed.model_copy(update={"spec": spec(lifecycle={"keep-revisions": number})})
        plan = Plan(steps=[Step("change", "web", [], Change(changed, command.bench.record()))])
        carry_out(plan, command.table, None, command.now)
        assert (("certificate#web", "revisions") in command.table.items) == remains


def test_show_names_a_requested_rollback(command: Rolled) -> None:
    command.rolled_back("--yes")
    assert "rollback to revision 1 requested" in command("show", "web").out
    assert json.loads(command("show", "web", "--json").out)["rollback"]["to"] == 1
