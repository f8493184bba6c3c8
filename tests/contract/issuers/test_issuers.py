"""Test suite for every registered issuer, and for the scripted one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from evercert.contracts.issuer import Issued, Request, SelfIssuer
from evercert.contracts.spec_store import STACK, Pause, PauseTarget
from evercert.documents.spec import Component
from evercert.errors import Misconfigured, Rejected
from evercert.issuers import ISSUERS
from evercert.pki.algorithms import ALGORITHMS
from evercert.pki.certificate import mismatches
from evercert.pki.keys import PrivateKey
from evercert.registry import Registry
from tests.doubles.acme import AcmeBench
from tests.doubles.acme_server import AcmeServer
from tests.doubles.enrollment import Enrollment, enrolled
from tests.doubles.fakes import START, HandClock, spec
from tests.doubles.private_ca import PrivateCABench
from tests.doubles.scripted_ca import ScriptedCA, ScriptedIssuer

EVERY = Registry("issuer", {**ISSUERS.entries, "scripted": "tests.doubles.scripted_ca:ScriptedIssuer"})
DEFINITIONS = {
    "self-signed": Component(type="self-signed"),
    "scripted": Component.model_validate({"type": "scripted", "address": "https://ca.example"}),
}


BLANK = "arn:aws:acm-pca:::template/BlankEndEntityCertificate_CSRPassthrough/V1"
# An ACME CA chooses the usages, and evercert refuses a certificate that lacks the requested ones.
OF_THE_CA = ["its key usage lacks nonRepudiation", "its extended key usage lacks clientAuth"]


@pytest.fixture(autouse=True)
def _ca() -> Iterator[None]:
    ScriptedIssuer.transport = ScriptedCA().transport()
    yield
    ScriptedIssuer.transport = None


@pytest.fixture(scope="module")
def acme() -> Iterator[AcmeBench]:
    clock = HandClock()
    with AcmeServer(clock) as server, closing(AcmeBench(clock=clock, directory=server.directory)) as bench:
        server.use(bench.answers)
        yield bench


@pytest.fixture(scope="module")
def enrollment() -> Iterator[Enrollment]:
    with enrolled(defaults={"ttlDays": 30}) as enrollment:
        yield enrollment


def opened(kind: str, enrollment: Enrollment, acme: AcmeBench):
    if kind == "acme":
        return acme.open(), acme.settings
    if kind == "aws-private-ca":
        bench = PrivateCABench()
        return bench.open(**{"template-arn": BLANK}), bench.settings(**{"template-arn": BLANK})
    definition = DEFINITIONS.get(kind) or enrollment.definition()
    settings = EVERY.settings(definition)
    return EVERY.load(kind)(settings, enrollment.context), settings


@pytest.mark.parametrize("kind", sorted(EVERY.entries))
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    "attributes",
    [
        {"common-name": "www.example.com"},
        {"alt-names": ["www.example.com"]},
        {"common-name": "Payroll", "alt-names": ["*.example.com", "ip:192.0.2.1", "ip:2001:db8::1", "uri:spiffe://a/b", "email:a@example.com"]},
        {
            "common-name": "www.example.com", "organization": "Example", "organizational-unit": "Web", "country": "DE", "state": "Hessen",
            "locality": "Frankfurt", "street-address": "Am Main 1", "postal-code": "60311", "domain-components": ["example", "com"],
        },
        {"common-name": "www.example.com", "key-usages": ["digital_signature", "non_repudiation"], "extended-key-usages": ["client_auth"]},
    ],
    ids=["common name", "no common name", "every kind of name", "full subject", "usages"],
)  # fmt: skip
def test_issuer_issues_matching_certificate(
    kind: str, algorithm: str, attributes: dict, enrollment: Enrollment, acme: AcmeBench
) -> None:
    wanted = spec(attributes=attributes, **{"private-key": {"algorithm": algorithm}})
    key = PrivateKey.generate(wanted.private_key.algorithm)
    request = Request("web", wanted, key.sign_csr(wanted.attributes), 1, "token", START)
    issuer, _ = opened(kind, enrollment, acme)
    if kind == "infisical" and (algorithm == "Ed25519" or "street-address" in attributes):
        with pytest.raises(Rejected, match="Infisical"):
            issuer.issue(request)
        return
    if kind == "acme" and (len(attributes.get("alt-names", ())) > 1 or "street-address" in attributes):
        with pytest.raises(Rejected, match=r"names and IP addresses only|certifies names only"):
            issuer.issue(request)
        return
    if kind == "aws-private-ca":
        if algorithm == "Ed25519":
            with pytest.raises(Rejected, match="the CA does not accept the CSR"):
                issuer.issue(request)
            return
        found = PrivateCABench().finish(issuer, request).chain
        assert mismatches(found, wanted.attributes, key.public_bytes(), profiled=True) == []
        return
    if kind == "acme":
        lacking = mismatches(acme.finish(request).chain, wanted.attributes, key.public_bytes(), profiled=True)
        assert lacking == (OF_THE_CA if "key-usages" in attributes else [])
        return
    answer = issuer.issue_with(request, key) if isinstance(issuer, SelfIssuer) else issuer.issue(request)
    assert isinstance(answer, Issued)
    assert mismatches(answer.chain, wanted.attributes, key.public_bytes()) == []


@pytest.mark.parametrize("kind", sorted(EVERY.entries))
def test_issuer_identity_is_stable(kind: str, enrollment: Enrollment, acme: AcmeBench) -> None:
    issuer, settings = opened(kind, enrollment, acme)
    assert type(issuer).identity(settings) == type(issuer).identity(settings)
    assert type(issuer).identity(settings)["type"] == kind


def test_issuer_identity_ignores_time_limits() -> None:
    one = ScriptedIssuer.Settings(address="https://ca.example")
    two = ScriptedIssuer.Settings.model_validate({"address": "https://ca.example", "deadline-minutes": 5})
    other = ScriptedIssuer.Settings(address="https://other.example")
    assert ScriptedIssuer.identity(one) == ScriptedIssuer.identity(two) != ScriptedIssuer.identity(other)


def test_pause_of_a_certificate_holds_for_it_alone(world) -> None:
    world.specs.write_issuer("main", Component(type="self-signed"))
    world.specs.pause(PauseTarget(certificate="web"), Pause(START), START)
    assert [world.ports.issuers.open("main", name).paused for name in ("web", "mail", None)] == [True, False, False]
    world.specs.resume(PauseTarget(certificate="web"))
    assert world.ports.issuers.open("main", "web").paused is False


def test_issuer_is_paused_until_its_last_pause_ends(world) -> None:
    world.specs.write_issuer("main", Component(type="self-signed"))
    now = world.clock()
    for target, minutes in ((STACK, 5), (PauseTarget("main"), 10)):
        world.specs.pause(target, Pause(now, until=now + timedelta(minutes=minutes)), now)
    found = []
    for _ in range(3):
        found.append(world.ports.issuers.open("main").paused)
        world.clock.advance(minutes=5)
    assert found == [True, True, False]


def test_issuer_definition_is_read_at_each_opening(world) -> None:
    with pytest.raises(Misconfigured, match="issuer 'main' is not defined"):
        world.ports.issuers.open("main")
    world.specs.write_issuer("main", Component(type="self-signed"))
    assert world.ports.issuers.open("main").identity_hash
    for issuer in (None, "main"):
        assert world.specs.pause(PauseTarget(issuer), Pause(START), START)
        assert world.ports.issuers.open("main").paused is True
        assert world.specs.resume(PauseTarget(issuer))
        assert world.ports.issuers.open("main").paused is False
    world.specs.write_issuer("main", Component(type="self-singed"))
    with pytest.raises(Misconfigured, match="did you mean 'self-signed'"):
        world.ports.issuers.open("main")
    client, table = world.operator.dynamodb, world.issuers_table
    client.put_item(TableName=table, Item={"pk": {"S": "issuer#main"}, "definition": {"S": "no json"}})
    with pytest.raises(Misconfigured, match="does not parse"):
        world.ports.issuers.open("main")
