"""`evercert doctor`: CAs that end, and CAs that are replaced."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from evercert.authority.ca.constraints import Constraints
from evercert.authority.ca.definition import CA
from evercert.authority.configuration.profiles import Profile
from evercert.authority.policy.policy import Policy
from evercert.cli.authority.ca_page import import_notes
from evercert.cli.doctor.ca_checks import lifetime
from tests.doubles.authority.ceremony import Ceremony, ceiling
from tests.doubles.fakes import START

DAY = timedelta(days=1)
MADE = Ceremony("EC_prime256v1")
ROOT, OLD = MADE.root, MADE.issuing
NEW = OLD.model_copy(update={"id": "new", "name": "EC-issuing-2"})
ENDS = OLD.current.x509.not_valid_after_utc


def profile(ca: CA, days: int | None = None) -> Profile:
    policy = Policy() if days is None else Policy.model_validate({"validity": {"max": f"{days}d"}})
    return Profile.model_validate(
        {"id": "1", "project": "shop", "slug": "web", "cas": (ca.name,), "policy-name": "p", "policy": policy}
    )


def check(ca: CA, *others: CA, profiles: Any = (), left: timedelta = 400 * DAY) -> tuple[str, str, str]:
    found = lifetime(ca, (ca, ROOT, *others), profiles, ENDS - left)
    assert found.name == f"CA {ca.name}"
    return found.status, found.found, found.remedy


RENEW = "evercert authority ca renew EC-issuing (same key), or ca replace EC-issuing (new key)"
REPLACE = "evercert authority ca replace EC-issuing"


@pytest.mark.parametrize(
    ("left", "days", "status", "text"),
    [
        (400, None, "ok", "active, expires in 400 days"),
        (397, None, "warning", "active, expires in 397 days, but profile shop/web allows certificates of 398d"),
        (200, 200, "ok", "active, expires in 200 days"),
        (199, 200, "warning", "active, expires in 199 days, but profile shop/web allows certificates of 200d"),
        (397, 800, "warning", "active, expires in 397 days, but profile shop/web allows certificates of 398d"),
        (90, 7, "warning", "active, expires in 90 days"),
        (0, 7, "failed", "has expired"),
    ],
)
def test_doctor_compares_the_ca_with_its_profiles(left: int, days: int | None, status: str, text: str) -> None:
    found = check(OLD, profiles=[profile(OLD, days)], left=left * DAY)
    assert found == (status, text, "" if status == "ok" else RENEW)
    assert check(OLD, profiles=[profile(NEW, days)], left=400 * DAY)[0] == "ok"


def test_doctor_names_the_root_that_ends_first() -> None:
    root = ROOT.model_copy(update={"name": "root", "installed": (OLD.current,)})
    found = lifetime(OLD, (OLD, root), (), ENDS - DAY)
    assert found.remedy == "evercert authority ca renew root, then ca renew EC-issuing (same key)"
    outside = OLD.model_copy(update={"parent": None})
    assert check(outside, left=DAY)[2] == (
        "evercert authority ca csr EC-issuing, then ca import (same key), or ca replace EC-issuing (new key)"
    )


def test_doctor_resumes_an_unfinished_replacement() -> None:
    old = OLD.model_copy(update={"replaced_by": NEW.id})
    warning = "is being replaced by EC-issuing-2; 1 profile to move"
    assert check(old, NEW, profiles=[profile(OLD)]) == ("warning", warning, REPLACE)
    assert check(old)[0] == "ok"  # the new CA was deleted
    pending = NEW.model_copy(update={"status": "pending", "installed": ()})
    assert check(pending, old) == ("warning", "has no certificate yet", f"evercert authority ca replace {OLD.name}")
    outside = pending.model_copy(update={"parent": None})
    steps = "evercert authority ca csr EC-issuing-2 and ca import, then ca replace EC-issuing"
    assert check(outside, old)[2] == steps


def test_doctor_reports_a_replaced_ca() -> None:
    at = ENDS - 1000 * DAY
    old = OLD.model_copy(
        update={"status": "retired", "replaced_by": NEW.id, "retired_at": at, "ceiling": ceiling(longest=90 * DAY)}
    )
    failed = "was replaced, but 1 profile cannot issue until moved: shop/web"
    assert check(old, NEW, profiles=[profile(OLD)]) == ("failed", failed, REPLACE)
    by = at + 120 * DAY  # 90 days, and a start that may be 30 days after the request
    kept = f"retired, replaced by EC-issuing-2; its certificates expire by {by:%Y-%m-%d}"
    assert check(old, NEW, left=900 * DAY) == ("ok", kept, "")
    removal = "evercert authority ca delete EC-issuing removes it after its last certificate has expired"
    assert check(old, NEW, left=800 * DAY) == ("ok", f"retired, replaced by EC-issuing-2; {removal}", "")
    assert check(old, NEW, left=-DAY)[0] == "ok"
    disabled = old.model_copy(update={"status": "disabled"})
    assert check(disabled, NEW, left=800 * DAY)[1] == f"disabled, replaced by EC-issuing-2; {removal}"
    third = NEW.model_copy(update={"id": "third", "name": "third"})
    second = NEW.model_copy(update={"status": "retired", "replaced_by": "third"})
    assert "replaced by third" in check(old, second, third)[1]


def test_import_notes_name_what_is_left() -> None:
    limits = Constraints.model_validate({"permitted": {"dns": ["example.com"]}})
    outside = OLD.model_copy(update={"parent": None, "constraints": limits, "ceiling": ceiling(dns=("example.com",))})
    assert list(import_notes(outside, ())) == [
        "the certificate of CA EC-issuing lacks the name constraints of its CSR: only the signer enforces them"
    ]
    limited = Ceremony("EC_prime256v1", constraints=limits).issuing.model_copy(update={"parent": None})
    assert list(import_notes(limited.model_copy(update={"constraints": limits, "ceiling": outside.ceiling}), ())) == []
    (note,) = import_notes(limited, ())
    assert note.startswith("ceiling of CA EC-issuing: dns *: not permitted")
    assert note.endswith("run evercert authority ceiling EC-issuing to limit it")
    replaced = OLD.model_copy(update={"id": "old", "name": "old", "replaced_by": OLD.id})
    (note,) = import_notes(OLD, (replaced,))
    assert note == "CA EC-issuing replaces CA old: run evercert authority ca replace old to move its profiles"


def test_last_expiry_reads_the_ledger() -> None:
    from evercert.authority.ca.leaf_fields import Leaf
    from evercert.aws.authority.signing_ledger_reader import Entry
    from evercert.cli.authority.last_expiry import last_expiry

    def entry(ca: str, days: int) -> Entry:
        fields = Leaf.model_validate({"not-before": START, "not-after": START + days * DAY})
        return Entry("1", ca, "1", "", {"leaf": fields.model_dump_json(by_alias=True)}, "sha")

    old = OLD.model_copy(update={"status": "retired", "retired_at": START})
    entries, now = [entry(OLD.id, 10), entry(OLD.id, 300), entry(NEW.id, 500)], START + DAY
    assert last_expiry(old, entries, now) == START + 300 * DAY
    assert last_expiry(old, entries, START) == START + timedelta(hours=1, minutes=5) + 428 * DAY  # still signs
    assert last_expiry(old, [], now) == ENDS
    assert last_expiry(old, [*entries, replace(entries[0], says={"leaf": "{}"})], now) == ENDS
    assert last_expiry(OLD, entries, now) is None
