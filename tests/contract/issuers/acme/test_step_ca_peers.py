"""Certificates from step-ca, an ACME server of its own lineage: other URLs, chains and errors than Pebble's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from evercert.contracts.issuer import Issued, Request
from evercert.contracts.record import Facts
from evercert.errors import Misconfigured, NotProven, Unavailable
from evercert.pki.certificate import mismatches
from evercert.pki.csr_parser import public_key_of
from evercert.pki.keys import public_bytes
from tests.doubles.acme import AcmeBench, clock, web_host
from tests.tools.openssl import verify
from tests.tools.step_ca import StepCA, step_ca

pytestmark = [pytest.mark.peer("go"), pytest.mark.timeout(1_200)]  # the first test builds it
ACCOUNT_KEYS = ["EC_prime256v1", "EC_secp384r1", "RSA_2048"]
STEPS = 9


@pytest.fixture(scope="module")
def server() -> Iterator[StepCA]:
    with step_ca() as running:
        yield running


@pytest.fixture
def bench(server: StepCA, request: pytest.FixtureRequest) -> Iterator[AcmeBench]:
    settings: dict[str, Any] = {
        "directory": server.directory,
        "ca-bundle": server.ca_bundle,
        "email": "ops@example.com",
    }
    bench = AcmeBench(**settings, **getattr(request, "param", {}))
    with web_host(bench.answers, server.http_port), closing(bench):
        yield bench


def finished(
    bench: AcmeBench, server: StepCA, *names: str, previous: Facts | None = None, restart: bool = False, **more: Any
) -> Issued:
    """Order a certificate; check its names, key and chain."""
    request = replace(bench.request(*names, **more), previous=previous)
    issued = bench.finish(request, restart=restart)
    key = public_bytes(public_key_of(request.csr or ""))
    assert mismatches(issued.chain, request.spec.attributes, key, profiled=True) == []
    assert verify(issued.chain.leaf_pem, trusted=server.ca_bundle, chain=issued.chain.pem) == "OK"
    assert bench.answers.left == []
    return issued


@pytest.mark.parametrize("bench", [{"account-key": key} for key in ACCOUNT_KEYS], indirect=True, ids=ACCOUNT_KEYS)
def test_certificate_is_issued_renewed_and_revoked(bench: AcmeBench, server: StepCA) -> None:
    first = finished(bench, server, "a.example.com", "b.example.com")
    facts = Facts.of(first.chain, 1, clock(), first.reference)
    bench.process()
    second = finished(bench, server, "a.example.com", "b.example.com", previous=facts)
    assert first.chain.serial_number != second.chain.serial_number
    assert len(bench.accounts.accounts) == 1
    for _ in range(2):
        bench.issuer.revoke(first.chain, first.reference)
    revoked = server.revoked()
    assert first.chain.leaf.serial_number in revoked
    assert second.chain.leaf.serial_number not in revoked


def test_order_is_finished_by_new_processes(bench: AcmeBench, server: StepCA) -> None:
    finished(bench, server, "www.example.com", restart=True)
    assert len(bench.accounts.accounts) == 1


def test_rsa_certificate_is_issued(bench: AcmeBench, server: StepCA) -> None:
    finished(bench, server, "www.example.com", algorithm="RSA_2048")


def test_renewal_window_is_absent(bench: AcmeBench, server: StepCA) -> None:
    issued = finished(bench, server, "www.example.com")
    advice = bench.issuer.advise(Facts.of(issued.chain, 1, clock(), issued.reference), clock())
    assert advice is None or advice.window is None


def test_key_change_is_refused_in_one_line(bench: AcmeBench, server: StepCA) -> None:
    """The directory of step-ca has keyChange, which it does not implement; the old key remains in use."""
    finished(bench, server, "www.example.com")
    with pytest.raises(Unavailable, match="/key-change answered 501: ") as raised:
        bench.issuer.account.rotate_key()
    assert str(raised.value).isprintable()
    finished(bench, server, "www.example.com", restart=True)
    assert len(bench.accounts.accounts) == 1


def test_deactivated_account_is_replaced_on_request_only(bench: AcmeBench, server: StepCA) -> None:
    finished(bench, server, "www.example.com")
    first = bench.issuer._account.url
    for _ in range(2):
        assert bench.issuer.account.deactivate() == f"deactivated {first}"
        with pytest.raises(Misconfigured, match="was deactivated"):
            bench.process().issue(bench.request("www.example.com"))
    assert bench.issuer.account.register() != f"registered {first}"
    finished(bench, server, "www.example.com")


def taken(bench: AcmeBench, answer: Issued | Request, steps: int) -> Issued | Request:
    """Return what an order is after this number of steps."""
    for _ in range(steps):
        if isinstance(answer, Request):
            answer = bench.step(answer)
    return answer


def test_wrong_answer_names_the_name(bench: AcmeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    put = bench.answers.put
    monkeypatch.setattr(bench.answers, "put", lambda token, _, expires: put(token, f"{token}.wrong", expires))
    with pytest.raises(NotProven, match=r"control of 1 name\(s\): www\.example\.com"):
        taken(bench, bench.request("www.example.com"), STEPS)


def test_failed_connection_is_tried_again(bench: AcmeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The web host has the answer only after the first validation."""
    held: list[tuple[Any, ...]] = []
    put = bench.answers.put
    monkeypatch.setattr(bench.answers, "put", lambda *given: held.append(given))
    answer: Issued | Request = bench.request("www.example.com")
    while not bench.answers.asked:
        answer = taken(bench, answer, 1)
    put(*held[0])
    assert isinstance(taken(bench, answer, STEPS), Issued)
