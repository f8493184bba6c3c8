"""`renew`, `delete`, `pause` and `resume` by names, patterns, labels, issuers and states."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from evercert.contracts.record import Delivery, Failure
from evercert.contracts.spec_store import STACK, Pause, PauseTarget
from evercert.documents.spec import Component
from tests.doubles.command import Command
from tests.doubles.fakes import START, spec


@pytest.fixture
def stored(command: Command) -> Command:
    command.table.write_issuer("main", Component(type="self-signed"))
    command.table.write_issuer("other", Component(type="self-signed"))
    command.store("web-1", spec=spec("web-1", labels={"team": "web"}))
    command.store("web-2", days=-1, spec=spec("web-2", labels={"team": "web"}))
    command.store("mail", days=5, spec=spec("mail", issuer="other"), state="failing")
    command.store("*.example.com", spec=spec("*.example.com"))
    command.store("a.example.com", spec=spec("a.example.com"))
    return command


ALL = {"web-1", "web-2", "mail", "*.example.com", "a.example.com"}
SELECTIONS = {
    "name": (["web-1"], {"web-1"}),
    "names": (["web-1", "mail"], {"web-1", "mail"}),
    "pattern": (["web-*"], {"web-1", "web-2"}),
    "stored-name-that-is-a-pattern": (["*.example.com"], {"*.example.com"}),
    "label": (["--label", "team=web"], {"web-1", "web-2"}),
    "issuer": (["--issuer", "other"], {"mail"}),
    "issuers": (["--issuer", "other,main"], ALL),
    "state": (["--state", "expired,failing"], {"web-2", "mail"}),
    "pattern-and-label": (["*-1", "--label", "team=web"], {"web-1"}),
}


def names(command: Command) -> set[str]:
    return {record.name for record in command.table.records()}


@pytest.mark.parametrize(("arguments", "chosen"), SELECTIONS.values(), ids=SELECTIONS)
def test_delete_removes_the_selected_alone(stored: Command, arguments: list[str], chosen: set[str]) -> None:
    ended = stored("delete", *arguments, "--yes", "--json")
    assert (ended.code, {row["name"] for row in json.loads(ended.out)}) == (0, chosen)
    assert names(stored) == ALL - chosen


@pytest.mark.parametrize(("arguments", "chosen"), SELECTIONS.values(), ids=SELECTIONS)
def test_renew_requests_the_selected_alone(stored: Command, arguments: list[str], chosen: set[str]) -> None:
    ended = stored("renew", *arguments, "--yes", "--json")
    assert (ended.code, set(json.loads(ended.out)["certificates"])) == (0, chosen)
    assert {record.name for record in stored.table.records() if record.requested_at == START} == chosen


def test_renew_of_several_is_spread_and_asks(stored: Command) -> None:
    stored.is_terminal, stored.answers = True, [True]
    assert stored("renew", "web-*").code == 0
    assert stored.questions == ["Renew 2 certificates within 1h?"]
    due = {name: stored.table.record(name).due_at for name in ("web-1", "web-2")}  # type: ignore[union-attr]
    assert due == {"web-2": START, "web-1": START + timedelta(minutes=30)}
    assert [nudge.certificate for nudge in stored.queue.sent] == ["web-2"]


def test_renew_of_named_certificates_does_not_ask(stored: Command) -> None:
    assert (stored("renew", "web-1", "mail").code, stored.questions) == (0, [])


@pytest.mark.parametrize("verb", ["renew", "delete", "pause", "list", "resume"])
def test_name_of_a_wildcard_certificate_is_no_pattern(stored: Command, verb: str) -> None:
    """`delete` run twice must not delete the others below the name."""
    stored("delete", "*.example.com", "--yes")
    stored("pause", "a.example.com")
    before = stored.table.paused.copy()
    again = stored(verb, "*.example.com", *(["--yes"] if verb in ("renew", "delete") else []))
    assert names(stored) == ALL - {"*.example.com"} and not stored.queue.sent
    assert stored.table.paused == before
    if verb != "resume":
        assert (again.code, "'?*.example.com' selects all names below it" in again.err) == (2, True)


def test_resume_of_a_stored_name_resumes_no_other(stored: Command) -> None:
    for options in ((), ("--issuer", "main")):
        stored("pause", "*.example.com", *options)
        stored("pause", "a.example.com")
        stored("resume", "*.example.com", *options)
        assert stored.table.pauses(START).keys() == {PauseTarget(certificate="a.example.com")}


@pytest.mark.parametrize("arguments", [["zzz*"], ["--label", "x=y"]], ids=["pattern", "label"])
def test_resume_of_nothing_is_refused(stored: Command, arguments: list[str]) -> None:
    ended = stored("resume", *arguments)
    assert (ended.code, "no paused certificates match" in ended.err) == (2, True)


def test_delete_names_what_remains_of_a_broken_record(stored: Command) -> None:
    stored.table._set(
        "web-1", {"deliveries": {"a": Delivery(revision=1, location="arn:x"), "b": Delivery(retry_at=START)}}
    )
    stored.table.items["certificate#web-1", "record"]["generation"] = {"S": "?"}
    (row,) = json.loads(stored("delete", "web-1", "--yes", "--json").out)
    assert row == {"name": "web-1", "remaining": ["arn:x"]}


@pytest.mark.parametrize("verb", ["renew", "show", "delete"])
def test_record_of_a_newer_version_needs_that_version(stored: Command, verb: str) -> None:
    stored.table.items["certificate#web-1", "record"]["schema"] = {"N": "99"}
    ended = stored(verb, "web-1", *(["--yes"] if verb != "show" else []))
    assert "use that version" in ended.err and "apply its document" not in ended.err


@pytest.mark.parametrize("verb", ["renew", "delete"])
def test_patterns_need_a_confirmation_before_any_output(stored: Command, verb: str) -> None:
    ended = stored(verb, "web-*")
    assert (ended.code, ended.out) == (2, "")
    assert "pass --yes" in ended.err
    assert names(stored) == ALL and not stored.queue.sent


@pytest.mark.parametrize("verb", ["renew", "delete", "pause"])
@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["web-1", "web-3"], "there is no certificate 'web-3'"),
        (["db-*"], "no certificates match"),
        (["--label", "team=db"], "no certificates match"),
    ],
    ids=["missing-name", "pattern", "label"],
)
def test_selection_of_nothing_is_refused(stored: Command, verb: str, arguments: list[str], problem: str) -> None:
    ended = stored(verb, *arguments, *([] if verb == "pause" else ["--yes"]))
    assert (ended.code, problem in ended.err) == (2, True), ended
    assert names(stored) == ALL and not stored.queue.sent and not stored.table.paused


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["renew"], "no certificates selected"),
        (["renew", "web-1", "--all"], "--all excludes"),
        (["delete"], "no certificates selected"),
        (["pause", "--for", "1h", "--until", "2027-01-01"], "exclude each other"),
        (["pause", "--issuer", "nope"], "issuer 'nope' is not defined"),
    ],
    ids=["renew-nothing", "renew-all-and-name", "delete-nothing", "two-ends", "unknown-issuer"],
)
def test_contradictions_are_refused(stored: Command, arguments: list[str], problem: str) -> None:
    ended = stored(*arguments)
    assert (ended.code, problem in ended.err) == (2, True), ended


def test_delete_lists_twenty_certificates(command: Command) -> None:
    for number in range(25):
        command.store(f"web-{number:02}")
    command.is_terminal, command.answers = True, [False]
    ended = command("delete", "web-*")
    assert (ended.code, len(ended.out.splitlines())) == (1, 21)
    assert ended.out.splitlines()[-1].startswith("and 5 more")
    assert len(command.table.records()) == 25


TARGETS = {
    "stack": ([], {STACK}),
    "issuers": (["--issuer", "main,other"], {PauseTarget("main"), PauseTarget("other")}),
    "name": (["web-1"], {PauseTarget(certificate="web-1")}),
    "pattern": (["web-*"], {PauseTarget(certificate="web-1"), PauseTarget(certificate="web-2")}),
    "label-of-issuer": (["--label", "team=web", "--issuer", "other,main"],
                        {PauseTarget(certificate="web-1"), PauseTarget(certificate="web-2")}),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "targets"), TARGETS.values(), ids=TARGETS)
def test_pause_and_resume_with_the_same_options(
    stored: Command, arguments: list[str], targets: set[PauseTarget]
) -> None:
    assert stored("pause", *arguments, "--for", "2h", "--reason", "freeze").code == 0
    pause = Pause(START, "freeze", START + timedelta(hours=2))
    assert stored.table.pauses(START) == dict.fromkeys(targets, pause)
    again = json.loads(stored("pause", *arguments, "--json").out)
    assert again["changed"] is False and len(again["paused"]) == len(targets)
    ended = stored("resume", *arguments, "--json")
    assert (json.loads(ended.out)["changed"], stored.table.paused) == (True, {})


def test_resume_starts_the_delayed_and_names_the_expired(stored: Command) -> None:
    stored("pause")
    for name in ("web-1", "web-2"):
        stored.table._set(name, {"state": "paused", "due_at": START + timedelta(minutes=13)})
    ended = stored("resume")
    assert "2 delayed certificates started" in ended.out
    assert "already expired: web-2" in ended.err
    assert [nudge.certificate for nudge in stored.queue.sent] == ["web-2", "web-1"]


def test_resume_starts_nothing_that_another_pause_holds(stored: Command) -> None:
    stored("pause")
    stored("pause", "--issuer", "main")
    stored.table._set("web-1", {"state": "paused"})
    ended = stored("resume")
    assert "issuer main is paused" in ended.err
    assert not stored.queue.sent


def test_delete_removes_the_pause_of_the_certificate(stored: Command) -> None:
    stored("pause", "web-*")
    assert stored("delete", "web-1", "--yes").out.splitlines()[-1] == "1 certificate deleted"
    assert stored.table.pauses(START).keys() == {PauseTarget(certificate="web-2")}
    assert stored("resume", "web-1").out == "certificate web-1 was not paused\n"


def test_pause_that_exists_already_keeps_its_end(stored: Command) -> None:
    stored("pause", "web-1")
    again = stored("pause", "web-1", "--for", "2h")
    assert "the first pause keeps its time, reason and end" in again.err
    assert stored.table.pauses(START)[PauseTarget(certificate="web-1")].until is None


def test_pause_names_what_expires_before_its_end(stored: Command) -> None:
    assert "these expire before the pause ends: mail, web-2" in stored("pause", "--for", "6d").err


def test_list_and_show_name_the_pause_of_a_ready_certificate(stored: Command) -> None:
    stored("pause", "web-1", "--for", "2h")
    row = next(line for line in stored("list").out.splitlines() if line.startswith("web-1"))
    assert row.endswith("\tpaused")
    assert json.loads(stored("list", "web-1", "--json").out)[0]["paused"] is True
    assert "certificate web-1 is paused" in stored("show", "web-1").out


def test_spread_renewal_is_visible_and_now_starts_it(stored: Command) -> None:
    stored("renew", "--label", "team=web", "--yes", "--reason", "CA moves")
    row = next(line for line in stored("list").out.splitlines() if line.startswith("web-1"))
    assert row.split("\t")[4:] == ["in 30m", "renewal requested"]
    assert "renewal requested (CA moves); the next run is in 30m" in stored("show", "web-1").out
    stored.queue.sent.clear()
    stored("renew", "--label", "team=web", "--yes", "--now")
    assert {nudge.certificate for nudge in stored.queue.sent} == {"web-1", "web-2"}


@pytest.mark.parametrize("arguments", [["web-1"], ["--for", "1h"]], ids=["certificate", "end"])
def test_pause_that_an_older_stack_ignores_is_refused(stored: Command, arguments: list[str]) -> None:
    stored.outputs = {}
    ended = stored("pause", *arguments)
    assert (ended.code, "is older than 0.2.0" in ended.err, stored.table.paused) == (1, True, {})
    assert stored("pause").code == 0


def test_many_paused_certificates_are_counted(command: Command) -> None:
    for number in range(30):
        command.store(f"web-{number:02}")
    ended = command("pause", "web-*", "--until", "2026-01-16")
    assert ended.out.count("\n") == 6
    assert "25 more certificates are paused" in ended.out
    assert "until 2026-01-16 00:00Z" in ended.out


def test_named_certificate_is_requested_again(stored: Command) -> None:
    error = Failure(kind="unavailable", message="x", at=START, generation=1)
    stored.table._set("mail", {"requested_at": START - timedelta(hours=1), "last_error": error})
    assert json.loads(stored("renew", "mail", "--json").out)["certificates"] == ["mail"]
    assert json.loads(stored("renew", "mai*", "--yes", "--json").out)["already_requested"] == ["mail"]


def test_wait_of_a_paused_certificate_as_json(stored: Command) -> None:
    stored("pause", "web-1")
    ended = stored("renew", "web-1", "--wait", "--json")
    (result,) = json.loads(ended.out)["results"]
    assert (ended.code, ended.err, result["name"], result["succeeded"]) == (1, "", "web-1", False)
    assert result["message"].startswith("written; certificate web-1 is paused since")


def test_apply_to_a_paused_stack_says_so(stored: Command, tmp_path: Path) -> None:
    stored("pause", "--reason", "freeze")
    file = tmp_path / "new.yaml"
    file.write_text(
        "version: evercert/v1\ncertificates:\n  - name: new\n    issuer: main\n"
        "    attributes: {common-name: new.example.com}\n    destinations: [{type: secrets-manager}]\n"
    )
    ended = stored("apply", str(file))
    assert ended.code == 0
    assert "(freeze): nothing is issued; to resume, run: evercert resume" in ended.err
    waited = stored("apply", str(file), "--wait")
    assert (waited.code, "nothing is issued until `evercert resume`" in waited.err) == (1, True)
