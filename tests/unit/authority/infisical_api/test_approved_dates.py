"""Dates that the client named, in requests that wait for an approval for days."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from evercert.authority.ca.ceiling import BACKDATED
from evercert.authority.contracts.records import CertificateRecord
from evercert.errors import Unavailable
from tests.doubles.authority.approving import DAY, Approving
from tests.doubles.authority.client import csr

SKEW = timedelta(minutes=5)


@pytest.fixture
def client() -> Approving:
    return Approving()


def asked(client: Approving, begin: timedelta | None, end: timedelta, **body: Any) -> tuple[str, datetime]:
    """Request a certificate with these dates, counted from now; return the request and now."""
    now = client.setting.clock()
    dates = {"notBefore": None if begin is None else (now + begin).isoformat(), "notAfter": (now + end).isoformat()}
    response = client.issue({"ttl": None, **dates}, **body)
    assert response.json["status"] == "pending_approval", response.body
    return response.json["certificateRequestId"], now


def issued(client: Approving) -> CertificateRecord:
    (record,) = client.setting.certificates.certificates.values()
    return record


@pytest.mark.parametrize("waited", [timedelta(hours=25), 6 * DAY], ids=["25h", "6d"])
@pytest.mark.parametrize("with_csr", [False, True], ids=["key", "csr"])
def test_named_end_remains_and_begin_moves(client: Approving, waited: timedelta, with_csr: bool) -> None:
    request, now = asked(client, None, 20 * DAY, **({"csr": csr()[1]} if with_csr else {}))
    client.setting.clock.now += waited
    assert client.decide("approve", request).json["status"] == "issued"
    record = issued(client)
    assert (record.not_before, record.not_after) == (now + waited - SKEW, now + 20 * DAY)
    assert (record.leaf.not_before, record.leaf.not_after) == (record.not_before, record.not_after)


def test_moved_begin_is_the_same_at_every_attempt(client: Approving) -> None:
    request, now = asked(client, None, 20 * DAY)
    client.setting.clock.now += 3 * DAY
    client.setting.signer.trouble.append(Unavailable("the signer does not answer"))
    assert client.decide("approve", request).json["status"] == "pending"
    client.setting.clock.now += timedelta(hours=5)
    assert client.status(request)["status"] == "issued"
    assert issued(client).not_before == now + 3 * DAY - SKEW


def test_named_begin_in_the_future_remains(client: Approving) -> None:
    request, now = asked(client, 5 * DAY, 20 * DAY)
    client.setting.clock.now += 3 * DAY
    assert client.decide("approve", request).json["status"] == "issued"
    assert issued(client).not_before == now + 5 * DAY


def test_named_begin_that_passed_recently_remains(client: Approving) -> None:
    request, now = asked(client, DAY, 20 * DAY)
    client.setting.clock.now += DAY + timedelta(hours=22)
    assert client.decide("approve", request).json["status"] == "issued"
    assert issued(client).not_before == now + DAY


@pytest.mark.parametrize("waited", [BACKDATED - timedelta(minutes=30), 2 * DAY], ids=["almost", "beyond"])
def test_named_begin_that_passed_is_not_approved(client: Approving, waited: timedelta) -> None:
    """The signer would refuse it after the approval, at the latest when it was unavailable for an hour."""
    request, _ = asked(client, timedelta(0), 20 * DAY)
    client.setting.clock.now += waited
    response = client.decide("approve", request)
    assert response.status == 400 and "the requested notBefore" in response.message
    assert client.status(request)["status"] == "pending_approval" and client.signed == 0
    assert client.decide("reject", request).json["status"] == "rejected"


def test_named_end_that_passed_is_not_approved(client: Approving) -> None:
    request, _ = asked(client, None, 2 * DAY)
    client.setting.clock.now += 2 * DAY
    response = client.decide("approve", request)
    assert response.status == 400 and "the requested notAfter" in response.message
    assert client.status(request)["status"] == "pending_approval" and client.signed == 0


def test_begin_of_an_external_issuer_is_not_checked(client: Approving) -> None:
    client.setting.profile(issuer_type="external", issuer="other", cas=(), approval=client.approval)
    request, _ = asked(client, timedelta(0), 20 * DAY)
    client.setting.clock.now += 3 * DAY
    assert client.decide("approve", request).json["status"] == "pending"
