"""Actions: each does what its command does, and its errors change nothing."""

from __future__ import annotations

from datetime import timedelta
from html import unescape
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.console.app import ACTIONS
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.contracts.spec_store import STACK, Pause, PauseTarget
from evercert.errors import Misconfigured, Unavailable
from tests.doubles.console import FakeConsole, readable

WEB = PauseTarget(certificate="web")


def record(console: FakeConsole) -> Record:
    found = console.table.record("web")
    assert isinstance(found, Record)
    return found


def test_renew_requests_and_nudges(console: FakeConsole) -> None:
    console.store("web")
    text = console.followed(console.post("/certificate/renew", name="web", reason="key\nlost"))
    assert "Renewal requested." in text
    assert record(console).requested_at == console.now
    assert record(console).request_reason == "key lost"
    assert [nudge.certificate for nudge in console.queue.sent] == ["web"]


def test_renewal_without_a_queue_says_that_the_schedule_follows(
    console: FakeConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.store("web")

    def fail(_: Any) -> None:
        raise Unavailable("cannot send to the queue: timed out")

    monkeypatch.setattr(console.queue, "send", fail)
    text = console.followed(console.post("/certificate/renew", name="web"))
    assert "the schedule starts the work at its next tick" in text
    assert record(console).requested_at is not None


def test_action_on_a_deleted_certificate_says_so(console: FakeConsole) -> None:
    answer = console.post("/certificate/renew", name="gone")
    assert answer.status_code == 303
    assert "it was deleted in the meantime" in readable(console.client.get(answer.headers["location"]).text)


def test_pause_and_resume(console: FakeConsole) -> None:
    console.store("web", state="paused")
    assert "Paused" in console.followed(
        console.post("/certificate/pause", name="web", reason="freeze", **{"for": "8h"})
    )
    assert console.table.pauses(console.now)[WEB] == Pause(console.now, "freeze", console.now + timedelta(hours=8))
    assert "Already paused: nothing changed" in console.followed(console.post("/certificate/pause", name="web"))
    assert "Resumed." in console.followed(console.post("/certificate/resume", name="web"))
    assert console.table.pauses(console.now) == {}
    assert [nudge.certificate for nudge in console.queue.sent] == ["web"]
    assert "It was not paused." in console.followed(console.post("/certificate/resume", name="web"))


def test_resume_starts_nothing_that_another_pause_holds(console: FakeConsole) -> None:
    console.store("web", state="paused")
    for target in (WEB, STACK):
        console.table.pause(target, Pause(console.now), console.now)
    text = console.followed(console.post("/certificate/resume", name="web"))
    assert "Still paused: the stack is paused" in text
    assert console.queue.sent == []


def test_resume_of_what_was_not_delayed_starts_nothing(console: FakeConsole) -> None:
    console.store("web")
    console.table.pause(WEB, Pause(console.now), console.now)
    assert "Resumed." in console.followed(console.post("/certificate/resume", name="web"))
    assert console.queue.sent == []


def test_pause_warns_of_an_expiry_before_its_end(console: FakeConsole) -> None:
    console.store("web", days=2)
    form = {"name": "web", "for": "3d"}
    text = console.followed(console.post("/certificate/pause", **form))
    assert "It expires before the pause ends." in text
    assert "UTC, or until you resume it." in text


def test_stack_that_ignores_pauses_is_not_paused() -> None:
    console = FakeConsole(pause_refusal="stack evercert is older than 0.2.0").sign_in()
    console.store("web")
    assert "older than 0.2.0" in console.followed(console.post("/certificate/pause", name="web"))
    assert console.table.pauses(console.now) == {}


def test_paused_certificate_is_not_rolled_back(console: FakeConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    console.store("web")
    console.table.pause(STACK, Pause(console.now), console.now)
    plan = SimpleNamespace(revision=1)
    monkeypatch.setattr("evercert.operations.rollback.plan", lambda *_, **__: plan)
    text = console.followed(console.post("/certificate/rollback", name="web", to="1"))
    assert "cannot roll back web: the stack is paused" in text
    assert record(console).rollback is None


@pytest.mark.parametrize("span", ["x", "-1h", "9" * 40 + "d", "<b>"])
def test_pause_with_an_invalid_duration_changes_nothing(console: FakeConsole, span: str) -> None:
    console.store("web")
    assert "invalid duration" in console.followed(console.post("/certificate/pause", name="web", **{"for": span}))
    assert console.table.pauses(console.now) == {}


def test_delete_needs_the_name(console: FakeConsole) -> None:
    console.store("web")
    assert "Nothing was deleted" in console.followed(console.post("/certificate/delete", name="web", typed="we"))
    assert console.table.record("web") is not None
    assert "evercert will no longer renew it" in console.text("/certificate/delete", name="web")
    assert "web deleted" in console.followed(console.post("/certificate/delete", name="web", typed="web"))
    assert console.table.record("web") is None
    text = console.followed(console.post("/certificate/delete", name="web", typed="web"))
    assert "Certificate web not found" in text


def test_record_of_a_newer_version_is_not_deleted(console: FakeConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = Unreadable("web", "uid", 0, "written by a newer evercert", newer=True)
    monkeypatch.setattr(console.table, "record", lambda _: newer)
    answer = console.post("/certificate/delete", name="web", typed="web")
    assert answer.status_code == 409
    assert "use that version" in readable(answer.text)


def test_rollback_without_earlier_revision_is_refused(console: FakeConsole) -> None:
    console.store("web")
    answer = console.page("/certificate/rollback", name="web", to="7")
    assert answer.status_code == 409
    assert "revision 7 is not kept" in readable(answer.text)
    assert "revision 7 is not kept" in console.followed(console.post("/certificate/rollback", name="web", to="7"))
    assert record(console).rollback is None


def test_plan_shows_the_document_of_the_form(console: FakeConsole) -> None:
    answer = console.post(
        "/certificates/plan", name="web", issuer="main", destination="acm", ttl="90d", labels="team=web, x", algorithm="RSA_2048",
        **{"alt-names": "a.example.com\nb.example.com", "acm-region": "us-east-1"},
    )  # fmt: skip
    assert answer.status_code == 200
    html = answer.text
    for line in (
        "  - name: web",
        "        - b.example.com",
        "      ttl: &#34;90d&#34;",
        "      - type: acm",
        "        region: us-east-1",
        "      team: web",
    ):
        assert line in html
    assert "+ certificate web (create)" in html
    assert console.documents.applied == []


def test_key_is_not_generated_without_the_choice(console: FakeConsole) -> None:
    form = {"name": "web", "issuer": "main", "alt-names": "a.example.com", "destination": "secrets-manager"}
    for made_by in ("browser", "csr"):
        html = console.post("/certificates/plan", **{**form, "made-by": made_by}).text
        assert "csr:" in html
        assert "alt-names" not in html


def test_plan_of_a_request_has_neither_names_nor_algorithm(console: FakeConsole) -> None:
    """The CSR has them; the document must not contradict it."""
    pem = "-----BEGIN CERTIFICATE REQUEST-----\r\nMIIB\r\n-----END CERTIFICATE REQUEST-----"
    form = {
        "csr": pem,
        "alt-names": "a.example.com",
        "algorithm": "RSA_2048",
        "ttl": "90d",
        "destination": "secrets-manager",
    }
    html = console.post("/certificates/plan", name="web", issuer="main", **form).text
    assert "    csr: |\n      -----BEGIN CERTIFICATE REQUEST-----\n      MIIB\n" in html
    assert "alt-names" not in html
    assert "RSA_2048" not in html


def test_line_ends_of_browsers_do_not_change_a_document(console: FakeConsole) -> None:
    """A text area sends CRLF; what the page shows again must be the same document."""
    document = "version: evercert/v1\n# a\ttab, an emoji \U0001f469\u200d\U0001f4bb\n"
    answer = console.post("/certificates/plan", document=document.replace("\n", "\r\n"))
    shown = unescape(answer.text.partition('class="code">')[2].partition("</textarea>")[0])
    assert shown == document.strip()
    console.post("/certificates/apply", document=shown.replace("\n", "\r\n"))
    assert console.documents.applied == [document.strip()]


def test_request_of_a_lost_key_is_not_used(console: FakeConsole) -> None:
    """After "Back", a browser restores the request, and the person chooses that evercert makes the key."""
    form = {
        "csr": "-----BEGIN CERTIFICATE REQUEST-----",
        "made-by": "evercert",
        "alt-names": "b.example.com",
        "destination": "acm",
    }
    html = console.post("/certificates/plan", name="web", issuer="main", **form).text
    assert "CERTIFICATE REQUEST" not in html
    assert "b.example.com" in html


def test_action_confirms_when_the_row_is_unreadable(console: FakeConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    console.store("web")
    console.text("/")
    pauses = console.table.pauses

    def fail(_: Any) -> Any:
        raise Unavailable("timed out")

    monkeypatch.setattr(console.table, "pauses", fail)
    answer = console.post("/certificate/delete", name="web", typed="web")
    monkeypatch.setattr(console.table, "pauses", pauses)
    assert "web deleted" in console.followed(answer)


@pytest.mark.parametrize("to", ["", "x", "-1", "9" * 5_000])
def test_rollback_needs_a_revision(console: FakeConsole, to: str) -> None:
    console.store("web")
    assert "invalid revision" in console.followed(console.post("/certificate/rollback", name="web", to=to))
    assert console.page("/certificate/rollback", name="web", to=to[:2_000]).status_code == 409


def test_unforeseen_error_shows_no_text_of_it(console: FakeConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise ValueError("client-secret hunter2")

    monkeypatch.setattr(console.table, "record", fail)
    for answer in (
        console.page("/certificate", name="web"),
        console.post("/certificate/delete", name="web", typed="web"),
    ):
        assert answer.status_code == 502
        assert "hunter2" not in answer.text
        assert "ValueError" in answer.text
        assert answer.headers["content-security-policy"]


def test_mistakes_of_a_document_are_shown_beside_it(console: FakeConsole) -> None:
    answer = console.post("/certificates/plan", document="bad: 1")
    assert answer.status_code == 422
    assert "line 3: unknown key 'bad'" in readable(answer.text)
    assert "bad: 1" in answer.text
    assert console.post("/certificates/apply", document="bad: 1").status_code == 422
    assert console.documents.applied == []


def test_apply_leads_to_the_certificate(console: FakeConsole) -> None:
    console.store("web")
    text = console.followed(console.post("/certificates/apply", document="version: evercert/v1"))
    assert console.documents.applied == ["version: evercert/v1"]
    assert "Applied; the stack works on it now." in text


@pytest.mark.parametrize("path", sorted(ACTIONS))
def test_read_only_has_no_actions(path: str) -> None:
    console = FakeConsole(read_only=True).sign_in()
    console.store("web")
    answer = console.post(path, name="web", typed="web", document="x")
    assert answer.status_code in (404, 405)
    assert console.table.record("web") is not None
    assert console.documents.applied == []


@pytest.mark.parametrize("path", ["/", "/certificates", "/certificate?name=web", "/certificate/delete?name=web"])
def test_read_only_pages_offer_no_actions(path: str) -> None:
    console = FakeConsole(read_only=True).sign_in()
    console.store("web")
    html = console.client.get(f"{console.session.path}{path}").text
    assert "read-only" in html
    for word in ("Renew now", "Delete …</button>", "Delete</button>", "New certificate"):
        assert word not in html


def test_missing_permission_is_named(console: FakeConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    console.store("web")

    def fail(*_: Any) -> bool:
        raise Misconfigured("cannot request a renewal: not allowed: dynamodb:UpdateItem")

    monkeypatch.setattr(console.table, "request", fail)
    assert "not allowed: dynamodb:UpdateItem" in console.followed(console.post("/certificate/renew", name="web"))
