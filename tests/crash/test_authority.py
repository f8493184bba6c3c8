"""Crash the authority at every call; after the client's retry there is one certificate, one result, right links.

Table and seal key are the emulator's, by the real adapters; the signer's ledger and keys are in memory, and it dies by
itself: then the front hears nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from evercert.authority.api_errors import Refusal
from evercert.authority.contracts.inventory import Criteria
from evercert.authority.infisical_api.services import Services
from evercert.aws.authority.private_key_seal import KMSKeySeal
from evercert.pki.keys import public_bytes
from tests.crash.authority_stage import Stage
from tests.doubles.authority.client import NAMES, USAGES, csr
from tests.doubles.world import Killed, KillSwitch, When, World

CSR = csr()[1]
EC = {**NAMES, **USAGES, "ttl": "90d", "keyAlgorithm": "EC_prime256v1"}
Ask = Callable[["Stage", Services], dict[str, Any]]


@dataclass(frozen=True)
class Scenario:
    """`ask` is the repeated request of the client; `before` is what it renews."""

    name: str
    ask: Ask
    before: dict[str, Any] | None = None
    self_signed: bool = False

    def __str__(self) -> str:
        return self.name


def issue(**body: Any) -> Ask:
    def ask(stage: Stage, front: Services) -> dict[str, Any]:
        return front.enrollment.issue(stage.identity, {"profileId": stage.profile.id, **body}, "token")

    return ask


def renew(key: str | None, **body: Any) -> Ask:
    def ask(stage: Stage, front: Services) -> dict[str, Any]:
        try:
            return {"certificate": front.renewals.renew(stage.identity, stage.old, body, key)}
        except Refusal as refusal:  # without a token: done before, and to be found
            if key is not None or "already been renewed" not in str(refusal):
                raise
            response = front.retrieval.certificate(stage.identity, stage.old)["certificate"]
            return {"certificate": {"certificateId": response["latestRenewalCertificateId"]}}

    return ask


SCENARIOS = [
    Scenario("issue", issue(attributes=EC)),
    Scenario("issue by csr", issue(attributes={"ttl": "90d"}, csr=CSR)),
    Scenario("renew", renew("token"), {"attributes": EC}),
    Scenario("renew without a token", renew(None), {"attributes": EC}),
    Scenario("renew by csr", renew(None, renewalKeySource="csr", csr=CSR), {"attributes": {"ttl": "90d"}, "csr": CSR}),
    Scenario("reuse", renew("token", renewalKeySource="reuse"), {"attributes": EC}),
]
ALL = pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
ALONE = [
    Scenario("self-signed", issue(attributes=EC), self_signed=True),
    Scenario("self-signed, renewed", renew("token"), {"attributes": EC}, self_signed=True),
]


def staged(world: World, scenario: Scenario) -> Stage:
    stage = Stage(world)
    if scenario.self_signed:
        stage.setting.profile(issuer_type="self-signed")
    if scenario.before is not None:
        stage.old = stage.issued(**scenario.before)["certificate"]["certificateId"]
    return stage


def points(world: World, scenario: Scenario, of: Callable[[Stage], KillSwitch]) -> list[str]:
    stage = staged(world, scenario)
    switch = of(stage)
    switch.arm(None)
    scenario.ask(stage, stage.front)
    switch.listening = False
    return switch.calls


def settled(stage: Stage, scenario: Scenario) -> None:
    """The final response to the client, and everything stored."""
    for _ in range(3):
        said = scenario.ask(stage, stage.front)["certificate"]
        if said and said["certificateId"]:
            break
    assert scenario.ask(stage, stage.front)["certificate"]["certificateId"] == said["certificateId"]
    certificates = {one.id: one for one in stage.certificates}
    assert len(certificates) == (2 if stage.old else 1)
    new = certificates[said["certificateId"]]
    entries = stage.trail
    issued = [(one.certificate, one.serial_number, one.request) for one in entries if one.result == "issued"]
    assert sorted(issued) == sorted((one.id, one.serial_number, one.request) for one in certificates.values())
    assert {one.result for one in entries} <= {"issued", "pending", "refused"}
    assert [one.id for one in stage.front.ports.certificates.search(Criteria(stage.world.clock()), 100).records] == [
        one.id for one in sorted(certificates.values(), key=lambda one: (one.not_after, one.id))
    ]
    ledger = stage.setting.ledger
    der = {
        x509.load_pem_x509_certificate(one.certificate.encode()).public_bytes(Encoding.DER)
        for one in certificates.values()
    }
    assert len(der) == len(certificates)
    assert set(ledger.results.values()) == (set() if scenario.self_signed else der)
    assert len(ledger.results) == len(ledger.intents) == (0 if scenario.self_signed else len(certificates))
    assert {one.status for one in stage.requests} == {"issued"} and len(stage.requests) == len(certificates)
    assert new.renews == (stage.old or None)
    if stage.old:
        assert certificates[stage.old].renewed_by == new.id
    if new.sealed_key is not None:
        key = KMSKeySeal(stage.world.operator.kms, stage.world.authority_seal_key, "world").open(
            new.sealed_key, new.request
        )
        assert key.public_bytes() == public_bytes(x509.load_pem_x509_certificate(new.certificate.encode()).public_key())


@pytest.mark.parametrize("scenario", [*SCENARIOS, *ALONE], ids=str)
@pytest.mark.parametrize("when", ["before", "after"])
def test_client_retries_after_front_crash(world: World, scenario: Scenario, when: When) -> None:
    calls = points(world, scenario, lambda stage: stage.world.switch)
    assert len(calls) >= 4
    for at in range(1, len(calls) + 1):
        stage = staged(world, scenario)
        world.switch.arm(at, when)
        with pytest.raises(Killed):
            scenario.ask(stage, stage.front)
        world.switch.dead = world.switch.listening = False
        settled(stage, scenario)


@ALL
@pytest.mark.parametrize("when", ["before", "after"])
def test_client_retries_after_signer_crash(world: World, scenario: Scenario, when: When) -> None:
    calls = points(world, scenario, lambda stage: stage.signers)
    assert calls == ["intend", "sign", "conclude"]
    for at in range(1, len(calls) + 1):
        stage = staged(world, scenario)
        stage.signers.arm(at, when)
        said = scenario.ask(stage, stage.front)["certificate"]
        assert not said or not said["certificateId"]
        stage.signers.dead = stage.signers.listening = False
        settled(stage, scenario)


@ALL
def test_every_signature_has_an_intent(world: World, scenario: Scenario) -> None:
    """Every signature has a row in the ledger, whichever process died."""
    stage = staged(world, scenario)
    before = len(stage.setting.ledger.intents)
    stage.signers.arm(2, "after")
    scenario.ask(stage, stage.front)
    assert stage.setting.kms.calls and len(stage.setting.ledger.intents) == before + 1
    assert len(stage.setting.ledger.results) == before


@ALL
def test_poll_resumes_crashed_issuance(world: World, scenario: Scenario) -> None:
    """A client that only polls the id of its request."""
    stage = staged(world, scenario)
    stage.signers.arm(3, "before")
    scenario.ask(stage, stage.front)
    stage.signers.dead = stage.signers.listening = False
    (waiting,) = [one for one in stage.requests if one.status == "pending"]
    response = stage.front.retrieval.poll(stage.identity, waiting.id)
    assert (response["status"], response["certificateId"]) == ("issued", waiting.certificate_id)
    settled(stage, scenario)


def test_interrupted_failure_is_completed(world: World) -> None:
    """The signer refuses, and the front dies before or after it stored that."""
    for when in ("before", "after"):
        stage = staged(world, SCENARIOS[2])
        stage.setting.signer.trouble = [Refusal(400, "BadRequest", "no")] * 2
        calls = points(world, SCENARIOS[2], lambda stage: stage.world.switch)
        fail = calls.index("invoke signer") + 2
        world.switch.arm(fail, when)  # type: ignore[arg-type]
        with pytest.raises(Killed):
            SCENARIOS[2].ask(stage, stage.front)
        world.switch.dead = world.switch.listening = False
        with pytest.raises(Refusal, match="no"):
            SCENARIOS[2].ask(stage, stage.front)
        stage.setting.signer.trouble.clear()
        failed = [one for one in stage.trail if one.result == "failed"]
        assert [(one.action, one.reason) for one in failed] == [("renew", "no")]
        again = replace(SCENARIOS[2], ask=renew("other"))
        assert again.ask(stage, stage.front)["certificate"]["certificateId"]
