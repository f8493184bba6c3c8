"""Staging issuers replace no certificate of another issuer without permission."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.cli.files import KINDS
from evercert.contracts.record import Claim, Record
from evercert.contracts.spec_store import Change
from evercert.documents.spec import Component, Spec
from evercert.issuers import ISSUERS
from evercert.operations.apply import ApplyInput, plan
from tests.doubles.fakes import START, FakeTable, spec
from tests.unit.scheduling.test_decision import FACTS

PRODUCTION, STAGING = (
    Component.model_validate(
        {"type": "acme", "directory": f"https://{host}/directory", "solvers": [{"type": "http-01"}]}
    )
    for host in ("acme-v02.api.letsencrypt.org", "acme-staging-v02.api.letsencrypt.org")
)


def web(name: str = "web", **changes: Any) -> Spec:
    return spec(name, destinations=[{"type": "secrets-manager", "secret": f"evercert/certificates/{name}"}], **changes)


@pytest.fixture
def table() -> FakeTable:
    """Return a stack whose certificate `web` is of the issuer `main`."""
    table = FakeTable()
    table.write_issuer("main", PRODUCTION)
    use(table, PRODUCTION)
    return table


def use(table: FakeTable, definition: Component) -> None:
    """Store the certificate `web` as one of this definition of `main`."""
    record = Record(name="web", uid="8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44", spec=web(), generation=1)
    table.items.clear()
    table.write([Change(record, None)], START)
    held, _ = table.claim("web", Claim(id="mine", until=START), START)
    table.release(held, {"facts": FACTS, "issuer_hash": ISSUERS.identity_hash(definition)}, START, START)


def conflicts(table: FakeTable, issuers: dict[str, Component], *specs: Spec, **more: Any) -> list[str]:
    return plan(ApplyInput(issuers, list(specs), **more), table, KINDS, START).conflicts


def test_certificate_moves_to_no_staging_issuer(table: FakeTable) -> None:
    (line,) = conflicts(table, {"test": STAGING}, web(issuer="test"))
    assert line == (
        "web: issuer test is for staging: clients do not trust its certificates; to replace the certificate of "
        "issuer main anyway, pass --allow-staging"
    )


def test_issuer_in_use_becomes_no_staging_issuer(table: FakeTable) -> None:
    """The certificate is in no file: the next tick would replace it."""
    (line,) = conflicts(table, {"main": STAGING})
    assert line.startswith("web: issuer main is for staging")


def test_permission_allows_both(table: FakeTable) -> None:
    assert conflicts(table, {"test": STAGING}, web(issuer="test"), allow_staging=True) == []
    assert conflicts(table, {"main": STAGING}, allow_staging=True) == []


def test_staging_certificate_may_be_replaced(table: FakeTable) -> None:
    table.write_issuer("main", STAGING)
    use(table, STAGING)
    other = Component.model_validate(
        {**STAGING.model_dump(), "directory": "https://staging.example.com/dir", "staging": True}
    )
    assert conflicts(table, {"main": other}) == []
    assert conflicts(table, {"main": PRODUCTION}) == []


def test_new_certificate_may_be_of_a_staging_issuer(table: FakeTable) -> None:
    assert conflicts(table, {"test": STAGING}, web("new", issuer="test")) == []


def test_setting_beats_the_known_directories(table: FakeTable) -> None:
    trusted = Component.model_validate({**STAGING.model_dump(), "staging": False})
    assert conflicts(table, {"main": trusted}) == []
    own = Component.model_validate({**PRODUCTION.model_dump(), "profile": "x", "staging": True})
    assert len(conflicts(table, {"main": own})) == 1


def test_deleted_certificate_is_no_conflict(table: FakeTable) -> None:
    assert conflicts(table, {"main": STAGING}, prune={}) == []


# -- several issuers --------------------------------------------------------------------------------------------------
def test_list_with_one_staging_issuer_is_refused(table: FakeTable) -> None:
    """An outage of the other issuer would replace the certificate."""
    (line,) = conflicts(table, {"test": STAGING}, web("new", issuers=["main", "test"]))
    assert line == (
        "new: issuer test is for staging: clients of the others do not trust its certificates; "
        "remove it from issuers, or pass --allow-staging"
    )
    assert conflicts(table, {"test": STAGING}, web("new", issuers=["main", "test"]), allow_staging=True) == []


def test_list_of_staging_issuers_replaces_no_certificate(table: FakeTable) -> None:
    (line,) = conflicts(table, {"a": STAGING, "b": STAGING}, web(issuers=["a", "b"]))
    assert line.startswith("web: issuer a is for staging: ")
    assert line.endswith("to replace the certificate of issuer main anyway, pass --allow-staging")


def test_list_may_begin_with_the_current_issuer(table: FakeTable) -> None:
    assert conflicts(table, {"other": PRODUCTION}, web(issuers=["main", "other"])) == []


def test_issuer_of_a_stored_list_becomes_no_staging_issuer(table: FakeTable) -> None:
    """Whichever of them issued: the next failure of the others would replace the certificate."""
    table.write_issuer("other", PRODUCTION)
    record = table.record("web")
    assert isinstance(record, Record)
    changed = record.model_copy(update={"spec": web(issuers=["main", "other"]), "generation": 2})
    table.write([Change(changed, record)], START)
    for name in ("main", "other"):
        (line,) = conflicts(table, {name: STAGING})
        assert line.startswith(f"web: issuer {name} is for staging: clients of the others")
        assert conflicts(table, {name: STAGING}, allow_staging=True) == []
    assert conflicts(table, {"main": PRODUCTION}) == []


def test_other_issuer_of_a_list_becomes_no_production_issuer(table: FakeTable) -> None:
    """A list of staging issuers only is allowed; with one of another kind it is mixed."""
    for name in ("one", "two"):
        table.write_issuer(name, STAGING)
    record = table.record("web")
    assert isinstance(record, Record)
    changed = record.model_copy(update={"spec": web(issuers=["one", "two"]), "generation": 2})
    table.write([Change(changed, record)], START)
    assert len(conflicts(table, {"two": PRODUCTION})) == 1


def test_undefined_issuer_of_a_list_becomes_no_staging_issuer(table: FakeTable) -> None:
    record = table.record("web")
    assert isinstance(record, Record)
    changed = record.model_copy(update={"spec": web(issuers=["main", "later"]), "generation": 2})
    table.write([Change(changed, record)], START)
    assert len(conflicts(table, {"later": STAGING})) == 1


def test_self_signed_issuer_beside_a_ca_is_refused(table: FakeTable) -> None:
    own = Component(type="self-signed")
    (line,) = conflicts(table, {"own": own}, web("new", issuers=["main", "own"]))
    assert "new: issuer own is self-signed: clients of the others do not trust its certificates" in line
    assert conflicts(table, {"own": own}, web("new", issuer="own")) == []
    assert conflicts(table, {"own": own}, web("new", issuers=["main", "own"]), allow_staging=True) == []
