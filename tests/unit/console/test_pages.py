"""Pages: what they show of a table, and of hostile content."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from evercert.aws.dynamodb import items
from evercert.console.pages.certificates import PAGE
from evercert.contracts.consumers import Acknowledgement, ConsumerList
from evercert.contracts.events import Outcome
from evercert.contracts.probe import ProbeState
from evercert.contracts.record import Delivery, Facts, Failure, Record
from evercert.contracts.revisions import KeptRevision, KeptRevisions, RevisionsToKeep
from evercert.contracts.spec_store import STACK, Pause, PauseTarget
from evercert.documents.spec import Spec
from evercert.errors import Misconfigured, Unavailable
from evercert.pki.certificate import Chain
from evercert.registry import Component
from tests.doubles.console import FakeConsole, readable
from tests.doubles.fakes import spec
from tests.doubles.revisions import FakeRevisions
from tests.fuzz.readers.certificates import chain

HOSTILE = "<script>alert(1)</script>\x1b[2J\u202e\"'&"


def labelled(name: str, **labels: str) -> Spec:
    return Spec.model_validate({**spec(name).model_dump(by_alias=True), "labels": labels})


def failure(console: FakeConsole, message: str = "the CA refuses") -> Failure:
    return Failure(kind="rejected", message=message, at=console.now - timedelta(hours=1), generation=1)


def names(console: FakeConsole, **query: Any) -> list[str]:
    html = console.page("/certificates", **query).text.partition("<tbody>")[2]
    return [part.partition("</a>")[0].rpartition(">")[2] for part in html.split("<tr>")[1:]]


def issued(**facts: Any) -> tuple[Facts, KeptRevision]:
    """Return the facts of a certificate, and what is kept of it, with its issuer's certificate."""
    leaf, issuer = chain()[2].certificate, chain()[1].certificate
    pem = "".join(one.public_bytes(Encoding.PEM).decode() for one in (leaf, issuer))
    found = Facts.of(Chain.from_pem(pem), 2).model_copy(update=facts)
    kept = KeptRevision(
        revision=2, origin=2, generation=1, issuer="main", request_hash="r", issuer_hash="i", sealed_key="sealed secret", chain=pem
    )  # fmt: skip
    return found, kept


def keep(console: FakeConsole, name: str, *kept: KeptRevision) -> None:
    record = console.table.record(name)
    assert isinstance(record, Record)
    to_keep = RevisionsToKeep(record.uid, KeptRevisions(), kept)
    console.table.items |= FakeRevisions(console.table.items).replaced(name, to_keep)


def test_chain_is_shown_and_downloaded_without_the_key(console: FakeConsole) -> None:
    facts, kept = issued()
    console.store("web", days=None, facts=facts)
    keep(console, "web", kept)
    html = console.page("/certificate", name="web").text
    part = html.partition('<div class="chain">')[2].partition("</div>")[0]
    assert part.count("<ul>") == part.count("</ul>") == 2
    assert "sealed secret" not in html
    answer = console.page("/certificate/chain.pem", name="web")
    assert answer.text == kept.chain
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''web.pem"
    assert "PRIVATE" not in answer.text


def test_chain_that_was_not_kept_says_where_it_is(console: FakeConsole) -> None:
    console.store("web")
    answer = console.page("/certificate/chain.pem", name="web")
    assert (answer.status_code, "read it at its destination" in readable(answer.text)) == (409, True)


def test_kept_revisions_can_be_chosen(console: FakeConsole) -> None:
    _, kept = issued()
    console.store("web")
    keep(console, "web", kept)
    assert '<option value="2">' in console.page("/certificate", name="web").text


def test_probe_and_consumers_are_shown(console: FakeConsole) -> None:
    late = Acknowledgement(
        consumer="AROAEXAMPLE:i-1", certificate="web", fingerprint_sha256="e" * 64, revision=3, host=HOSTILE[:10],
        loaded_at=console.now, seen_at=console.now,
    )  # fmt: skip
    console = FakeConsole(consumers=lambda _: ConsumerList(known=(late,))).sign_in()
    probed = ProbeState(target="www.example.com:443", at=console.now, result="unreachable", problem=HOSTILE)
    console.store("web", spec=spec("web", probe="www.example.com:443"), probed=probed)
    text = console.text("/certificate", name="web")
    assert "Servers and consumers www.example.com:443: cannot be reached: <script>" in text
    assert "(AROAEXAMPLE:i-1): still revision 3" in text
    assert "<script>alert(1)" not in console.page("/certificate", name="web").text


def test_certificate_works_without_its_consumers(console: FakeConsole) -> None:
    def fail(_: str) -> ConsumerList:
        raise Misconfigured("not allowed: dynamodb:Query")

    console = FakeConsole(consumers=fail).sign_in()
    console.store("web")
    assert "Servers and consumers not allowed: dynamodb:Query" in console.text("/certificate", name="web")


@pytest.mark.parametrize(
    ("revision", "words"), [(1, "has revision 1"), (0, "nothing delivered yet")], ids=["delivered", "new"]
)
def test_destinations_show_their_revision(console: FakeConsole, revision: int, words: str) -> None:
    component = spec("web").destinations[0]
    console.store("web", deliveries={component.key: Delivery(revision=revision, location="arn:secret")})
    assert f"arn:secret {words}" in console.text("/certificate", name="web")


@pytest.mark.parametrize(("days", "used"), [(30, "67 % used"), (-1, "100 % used"), (240, "20 % used")])
def test_validity_bar_shows_what_is_over(console: FakeConsole, days: float, used: str) -> None:
    console.store("web", days=days)
    assert used in console.text("/certificate", name="web")


def test_expired_certificate_that_renews_is_late(console: FakeConsole) -> None:
    console.store("web", days=-1, renew_at=console.now - timedelta(days=20))
    console.store("once", days=-1)
    text = console.text("/")
    assert "web expired 1d ago not renewed in time" in text
    assert "once expired 1d ago not renewed automatically" in text


def test_one_certificate_beside_many_is_visible(console: FakeConsole) -> None:
    for number in range(90):
        console.store(f"web-{number:02}", days=40.5, renew_at=console.now)
    console.store("failing", days=10.5, state="failing", last_error=failure(console))
    html = console.page("/").text
    heights = [float(part.partition('"')[0]) for part in html.partition('class="timeline"')[2].split('height="')[1:]]
    assert min(heights) >= 3
    assert 'aria-label="91 certificates expire in the next 90 days, 1 of them at risk"' in html


def test_empty_stack_offers_the_first_certificate(console: FakeConsole) -> None:
    assert "No certificates yet. Create the first one" in console.text("/")


def test_overview_counts_and_lists_what_is_broken(console: FakeConsole) -> None:
    console.store("web")
    console.store("broken", state="stopped", last_error=failure(console))
    console.store("old", days=-1)
    text = console.text("/")
    assert "1 expired 1 stopped 1 ready" in text
    assert "broken stopped in 30d the CA refuses" in text
    assert text.index("old expired") < text.index("broken stopped")


def test_overview_says_what_is_paused(console: FakeConsole) -> None:
    console.table.pause(STACK, Pause(console.now, "freeze"), console.now)
    assert "the stack is paused since" in console.text("/")
    assert "evercert resume" in console.text("/")


def test_refresh_reads_the_table_again(console: FakeConsole) -> None:
    console.text("/")
    console.store("web")
    assert "0 certificates" in console.text("/")
    assert "1 certificate, as of just now" in console.followed(console.post("/refresh"))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["api", "mail", "web"]), ({"search": "WE"}, ["web"]), ({"search": "www.example"}, ["api", "mail", "web"]),
        ({"state": "failing"}, ["mail"]), ({"state": "expired"}, ["api"]), ({"issuer": "main"}, ["api", "mail", "web"]),
        ({"issuer": "other"}, []), ({"label": "team=web"}, ["web"]), ({"label": "team"}, ["mail", "web"]), ({"label": "team=x"}, []),
        ({"ends": "7"}, ["api"]), ({"ends": "30"}, ["api", "mail"]), ({"ends": "5"}, ["api", "mail", "web"]),
        ({"sort": "expiry"}, ["api", "mail", "web"]), ({"sort": "expiry", "order": "down"}, ["web", "mail", "api"]),
        ({"sort": "state"}, ["api", "mail", "web"]), ({"sort": "x", "order": "x", "page": "x"}, ["api", "mail", "web"]),
    ],
)  # fmt: skip
def test_list_filters_by_each_field(console: FakeConsole, query: dict[str, str], found: list[str]) -> None:
    console.store("web", spec=labelled("web", team="web"), days=60)
    console.store("mail", spec=labelled("mail", team="mail"), days=20, state="failing", last_error=failure(console))
    console.store("api", days=-3)
    assert names(console, **query) == found


@pytest.mark.parametrize(
    ("page", "first", "count"), [("1", 0, PAGE), ("3", 200, 30), ("4", 200, 30), ("0", 0, PAGE), ("9" * 30, 0, PAGE)]
)
def test_pages_of_a_long_list(console: FakeConsole, page: str, first: int, count: int) -> None:
    for number in range(230):
        console.store(f"web-{number:03}")
    found = names(console, page=page)
    assert (found[0], len(found)) == (f"web-{first:03}", count)


def test_links_of_the_list_keep_the_filter(console: FakeConsole) -> None:
    for number in range(120):
        console.store(f"web-{number:03}")
    html = console.page("/certificates", search="web", sort="expiry", order="down").text
    assert "page=2&amp;search=web&amp;sort=expiry&amp;order=down" in html


def test_certificate_shows_history_error_and_next_step(console: FakeConsole) -> None:
    record = console.store("web", state="stopped", last_error=failure(console))
    outcome = Outcome(
        name="web", uid=record.uid, revision=1, number=1, type="certificate.failed", at=console.now, issuer="main",
        severity="critical", data={"message": "the CA refuses"},
    )  # fmt: skip
    item = items.outcome_item(outcome)
    console.table.items[item["pk"]["S"], item["sk"]["S"]] = item
    text = console.text("/certificate", name="web")
    assert "fix the error, then apply the document again" in text
    assert "Last error (rejected, 1h ago) the CA refuses" in text
    assert "failed 1 the CA refuses" in text


def test_missing_certificate_is_not_found(console: FakeConsole) -> None:
    answer = console.page("/certificate", name=HOSTILE)
    assert answer.status_code == 404
    assert "<script>alert" not in answer.text


def test_error_of_the_stack_is_a_page(console: FakeConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> Any:
        raise Misconfigured("cannot read web: you lack the permission dynamodb:GetItem")

    monkeypatch.setattr(console.table, "record", fail)
    answer = console.page("/certificate", name="web")
    assert answer.status_code == 502
    assert "you lack the permission dynamodb:GetItem" in readable(answer.text)


def test_certificate_works_without_kept_revisions(console: FakeConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    console.store("web")

    def fail(_: Any) -> Any:
        raise Unavailable("timed out")

    monkeypatch.setattr(console.table, "kept", fail)
    assert "Earlier revisions cannot be read: timed out" in console.text("/certificate", name="web")


def test_hostile_text_is_harmless_everywhere(console: FakeConsole) -> None:
    console.table.write_issuer("odd", Component.model_validate({"type": "acme", "directory": HOSTILE, HOSTILE: "x"}))
    console.store("web", state="failing", last_error=failure(console, HOSTILE), request_reason=HOSTILE)
    console.table.pause(PauseTarget(certificate="web"), Pause(console.now, HOSTILE), console.now)
    console.feed.events.append({"time": HOSTILE, "type": HOSTILE, "subject": HOSTILE, "text": HOSTILE})
    console.session.tell(HOSTILE, "error")
    pages = [
        console.page(path).text for path in ("/", "/certificates", "/issuers", "/events", "/events/more", "/doctor")
    ]
    pages += [
        console.page("/certificate", name="web").text,
        console.page("/certificates", search=HOSTILE, label=HOSTILE).text,
    ]
    for html in pages:
        assert "<script>alert" not in html
        assert "\x1b" not in html
        assert "\u202e" not in html
    assert "\\x1b[2J\\u202e" in pages[0]


def test_issuer_that_does_not_validate_hides_its_settings(console: FakeConsole) -> None:
    console.table.write_issuer("odd", Component.model_validate({"type": "acme", "password": "hunter2"}))
    html = console.page("/issuers").text
    assert "hunter2" not in html
    assert "invalid" in html


def test_stack_without_authority_says_so() -> None:
    console = FakeConsole().sign_in()
    assert "Authority=yes" in console.text("/authority")
    assert console.page("/authority/requests").status_code == 502


def test_events_follow_each_other(console: FakeConsole) -> None:
    console.feed.events += [
        {"type": "certificate.issued", "subject": "a"},
        {"type": "certificate.failed", "subject": "b"},
    ]
    assert "after=2" in console.page("/events").text
    more = console.page("/events/more", after="1").text
    assert ">b<" in more
    assert ">a<" not in more
    assert "after=2" in console.page("/events/more", after="2").text


def test_odd_events_and_numbers_are_harmless(console: FakeConsole) -> None:
    console.feed.events.append({"type": "certificate.issued", "subject": "\ud800"})
    for path in ("/", "/events", "/events/more?after=" + "9" * 5_000, "/certificates?page=" + "9" * 5_000 + "&ends=x"):
        assert console.client.get(f"{console.session.path}{path}").status_code == 200


def test_console_without_events_says_why() -> None:
    console = FakeConsole(events=None, read_only=True).sign_in()
    assert "Recent events" not in console.text("/")
    assert "creates a queue" in console.text("/events")
    assert console.page("/events/more", after="1").status_code == 200


def test_check_shows_its_remedy(console: FakeConsole) -> None:
    assert readable(console.page("/doctor/check", name="queue").text) == "queue failed is full → empty it"
    assert console.page("/doctor/check", name="none").text.strip() == ""


def test_messages_wait_for_a_whole_page(console: FakeConsole) -> None:
    """A part that a script loads has no place for them."""
    console.session.tell("Renewal requested.")
    console.client.get(f"{console.session.path}/certificates", headers={"HX-Request": "true"})
    assert "Renewal requested." in console.text("/")
    assert "Renewal requested." not in console.text("/")
