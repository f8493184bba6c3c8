"""Orders at an issuer outside: outages, limits, dates, and what is withdrawn."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from evercert.authority.ca.definition import Ceiling
from evercert.authority.contracts.external import ExternalCeiling
from evercert.authority.policy.policy import Validity
from evercert.contracts.issuer import OpenIssuer, PendingAnswer, Request
from evercert.errors import OutOfTime, Throttled, Unavailable
from evercert.operations.external_requests import LONGEST, MOST_ORDERS
from evercert.timestamps import to_text
from tests.doubles.authority.client import REQUESTS
from tests.doubles.authority.outside import LEASE
from tests.unit.operations.test_external_requests import External


class Failing:
    """Answers that an issuer gives instead of its own, one after the other."""

    def __init__(self, client: External, *answers: Exception | PendingAnswer) -> None:
        self.answers, self.asked, real = list(answers), [], client.issuer.issue

        def issue(request: Request) -> Any:
            self.asked.append(request)
            if not self.answers:
                return real(request)
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        client.issuer.issue = issue  # type: ignore[method-assign]


def waiting(client: External, request: str) -> timedelta:
    """Return how long the work of a request waits."""
    found: timedelta = client.external.due_at[request] - client.setting.clock()
    return found


def test_orders_of_one_request_are_limited_and_cancelled() -> None:
    client = External(*["pending"] * 20)
    request = client.asked()
    for _ in range(40):
        if client.run(request) == "failed":
            break
        client.setting.clock.advance(hours=2)
    assert client.status(request)["errorMessage"].startswith(
        f"gave up after {MOST_ORDERS} orders: issuer outside did not"
    )
    tokens = {one.token for one in client.issuer.requests}
    assert len(tokens) == MOST_ORDERS
    assert client.ca.cancelled == [
        f"handle-{token}" for token in dict.fromkeys(one.token for one in client.issuer.requests)
    ]
    assert client.external.stored == {}


def test_changed_issuer_gets_an_order_of_its_own() -> None:
    """A handle of the former CA means nothing to the one that the definition names now."""
    client = External("pending")
    request = client.asked()
    client.run(request)
    client.issuers.known["outside"] = OpenIssuer(client.issuer, "another CA")  # type: ignore[arg-type]
    client.setting.clock.advance(minutes=3)
    assert client.run(request) == "issued"
    first, second = client.issuer.requests
    assert second.handle is None and first.token != second.token and client.ca.cancelled == []


def test_wrong_certificate_is_revoked_and_named() -> None:
    client = External("wrong-name")
    request = client.asked()
    client.run(request)
    (serial,) = client.ca.revoked
    named = f"certificate {serial.lower().lstrip('0')}, which is revoked"
    assert named in client.status(request)["errorMessage"]


def test_request_that_its_client_cancelled_is_withdrawn() -> None:
    client = External("pending")
    request = client.asked()
    client.run(request)
    client.external.woken.clear()
    answer = client.post(f"{REQUESTS}/{request}/cancel")
    assert answer.json == {"status": "failed", "cancelled": True, "errorMessage": "cancelled"}
    assert client.external.woken == [request]
    assert client.run(request) == "ended"
    assert client.ca.cancelled == [f"handle-{client.issuer.requests[0].token}"] and client.external.stored == {}
    assert client.post(f"{REQUESTS}/{request}/cancel").json["cancelled"] is False


def test_issued_request_is_not_cancelled() -> None:
    client = External()
    request = client.asked()
    client.run(request)
    answer = client.post(f"{REQUESTS}/{request}/cancel").json
    assert (answer["status"], answer["cancelled"], client.ca.cancelled) == ("issued", False, [])


def test_request_of_another_identity_is_not_cancelled() -> None:
    client = External("pending")
    request = client.asked()
    client.as_another("request", name="another")
    assert client.post(f"{REQUESTS}/{request}/cancel").status == 403
    assert client.record(request).status == "pending"


def test_certificate_of_a_cancelled_request_is_revoked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client cancels while the run waits for the issuer's answer."""
    client = External()
    request = client.asked()
    certificates, real = client.setting.certificates, client.issuer.issue

    def issue(asking: Request) -> Any:
        answer = real(asking)
        certificates.fail(certificates.requests[request], "cancelled")
        return answer

    monkeypatch.setattr(client.issuer, "issue", issue)
    client.run(request)
    assert len(client.ca.revoked) == 1 and certificates.certificates == {}
    assert client.status(request)["status"] == "failed"


def test_withdrawal_waits_for_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    client = External("pending")
    request = client.asked()
    client.run(request)
    certificates, real = client.setting.certificates, client.issuer.cancel
    certificates.fail(certificates.requests[request], "cancelled")

    def busy(_: str) -> None:
        raise Unavailable("busy")

    monkeypatch.setattr(client.issuer, "cancel", busy)
    client.setting.clock.advance(minutes=3)
    client.run(request)
    assert client.ca.cancelled == [] and request in client.external.stored
    monkeypatch.setattr(client.issuer, "cancel", real)
    client.setting.clock.advance(minutes=6)
    client.run(request)
    assert len(client.ca.cancelled) == 1 and client.external.stored == {}


def test_pause_that_the_issuer_names_is_kept() -> None:
    client = External()
    failing = Failing(client, Throttled("slow down", retry_after=timedelta(hours=20)))
    request = client.asked()
    for _ in range(20 * 4):
        client.run(request)
        client.setting.clock.advance(minutes=15)
    assert len(failing.asked) == 1
    assert client.run(request) == "issued"


def test_outage_of_the_issuer_stops_all_requests() -> None:
    client = External(*["unavailable"] * 9)
    first, second = client.asked(), client.asked({"commonName": "b.example.com", "altNames": []})
    assert client.run(first) == "unavailable"
    asked = len(client.ca.asked)
    assert client.run(second) == "pending"
    assert len(client.ca.asked) == asked and "does not answer" in client.status(second)["pendingMessage"]
    assert client.external.stored[second].attempts == 0


def test_next_step_has_its_message() -> None:
    client = External("pending")
    request = client.asked()
    client.run(request)
    assert client.external.later == [(request, client.setting.clock() + timedelta(minutes=2))]


def test_early_message_asks_nothing() -> None:
    client = External("unavailable")
    request = client.asked()
    client.run(request)
    assert client.run(request) == "ended" and len(client.ca.asked) == 1


def test_work_of_a_run_that_died_is_free_after_the_lease() -> None:
    client = External()
    client.issuer.step = "die after"
    request = client.asked()
    with pytest.raises(SystemExit):
        client.run(request)
    client.setting.clock.now += LEASE
    assert client.run(request) == "issued"


def test_run_without_time_continues_later() -> None:
    client = External()
    Failing(client, OutOfTime("the call was not started"))
    request = client.asked()
    assert client.run(request) == "pending"
    assert waiting(client, request) == timedelta(0) and client.run(request) == "issued"


def test_calls_of_a_run_end_with_its_lease() -> None:
    client, seen = External(), []
    real = client.issuer.issue

    def issue(request: Request) -> Any:
        with pytest.raises(OutOfTime):
            client.fulfillment.deadline.require(LEASE + timedelta(seconds=1), "a call")
        client.fulfillment.deadline.require(LEASE / 2, "a call")
        seen.append(request)
        return real(request)

    client.issuer.issue = issue  # type: ignore[method-assign]
    client.run(client.asked())
    assert len(seen) == 1
    client.fulfillment.deadline.require(timedelta(days=1), "a call after the run")


def test_far_poll_does_not_outlast_the_request() -> None:
    client = External()
    far = client.setting.clock() + timedelta(days=4_000)
    Failing(client, PendingAnswer("h", far, far))
    request = client.asked()
    client.run(request)
    assert waiting(client, request) <= LONGEST
    client.setting.clock.now += LONGEST
    assert client.run(request) == "failed"


def test_issuer_is_closed_to_other_projects() -> None:
    client = External()
    project = client.record(client.asked()).project
    for allowed, outcome in ((("another",), "failed"), (("another", project), "issued")):
        client.ceilings.ceilings["outside"] = ExternalCeiling(dns=("*.example.com",), projects=allowed)
        request = client.asked()
        assert client.run(request) == outcome
        assert ("closed to the project" in (client.status(request)["errorMessage"] or "")) == (outcome == "failed")


# -- dates ------------------------------------------------------------------------------------------------------------
def test_named_end_is_kept_after_an_outage() -> None:
    client = External("unavailable")
    end = client.setting.clock() + timedelta(days=10)
    request = client.asked({"ttl": None, "notAfter": to_text(end)})
    client.run(request)
    client.setting.clock.advance(days=3)
    failing = Failing(client)
    client.run(request)
    (asked,) = failing.asked
    assert asked.spec.attributes.ttl == end - client.setting.clock()


def test_lifetime_counts_from_the_issuance() -> None:
    client = External("unavailable")
    request = client.asked()
    client.run(request)
    client.setting.clock.advance(days=3)
    failing = Failing(client)
    client.run(request)
    assert failing.asked[0].spec.attributes.ttl == timedelta(days=90)


def test_named_end_that_has_passed_is_not_requested() -> None:
    client = External("unavailable")
    end = client.setting.clock() + timedelta(days=2)
    request = client.asked({"ttl": None, "notAfter": to_text(end)})
    client.run(request)
    client.setting.clock.advance(days=3)
    asked = len(client.ca.asked)
    assert client.run(request) == "failed" and len(client.ca.asked) == asked
    assert "the requested notAfter passed" in client.status(request)["errorMessage"]


def test_later_begin_is_refused() -> None:
    client = External()
    begin = client.setting.clock() + timedelta(days=10)
    dates = {"ttl": None, "notBefore": to_text(begin), "notAfter": to_text(begin + timedelta(days=9))}
    response = client.issue(dates)
    assert response.status == 400 and "cannot date certificates ahead" in response.message


def test_longer_certificate_than_the_policy_allows_is_revoked() -> None:
    """The scripted CA issues for 30 days, whatever it is asked for."""
    client = External()
    policy = client.profile.policy.model_copy(update={"validity": Validity(max="7d")})
    client.profile = client.profile.model_copy(update={"policy": policy})
    client.setting.configuration.put(client.profile)
    request = client.asked({"ttl": "5d"})
    assert client.run(request) == "failed"
    assert "its validity is longer than the policy of the profile allows" in client.status(request)["errorMessage"]
    assert len(client.ca.revoked) == 1


def test_certificate_beyond_the_ceiling_is_revoked() -> None:
    client = External(ceiling=Ceiling(dns=("*.example.com",), longest=timedelta(days=20)))
    request = client.asked({"ttl": "5d"})
    assert client.run(request) == "failed"
    assert "its validity is beyond the ceiling" in client.status(request)["errorMessage"]
    assert len(client.ca.revoked) == 1 and client.setting.certificates.certificates == {}
