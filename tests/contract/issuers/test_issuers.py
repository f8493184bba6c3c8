"""Test suite for every registered issuer, and for the scripted one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from evercert.contracts.issuer import Issued, Request, SelfIssuer
from evercert.documents.spec import Component
from evercert.errors import Misconfigured, Rejected
from evercert.issuers import ISSUERS
from evercert.pki.algorithms import ALGORITHMS
from evercert.pki.certificate import mismatches
from evercert.pki.keys import PrivateKey
from evercert.registry import Registry
from tests.doubles.enrollment import Enrollment, enrolled
from tests.doubles.fakes import START, spec
from tests.doubles.scripted_ca import ScriptedCA, ScriptedIssuer

EVERY = Registry("issuer", {**ISSUERS.entries, "scripted": "tests.doubles.scripted_ca:ScriptedIssuer"})
DEFINITIONS = {
    "self-signed": Component(type="self-signed"),
    "scripted": Component.model_validate({"type": "scripted", "address": "https://ca.example"}),
}


@pytest.fixture(autouse=True)
def _ca() -> Iterator[None]:
    ScriptedIssuer.transport = ScriptedCA().transport()
    yield
    ScriptedIssuer.transport = None


@pytest.fixture(scope="module")
def enrollment() -> Iterator[Enrollment]:
    with enrolled(defaults={"ttlDays": 30}) as enrollment:
        yield enrollment


def opened(kind: str, enrollment: Enrollment):
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
    kind: str, algorithm: str, attributes: dict, enrollment: Enrollment
) -> None:
    wanted = spec(attributes=attributes, **{"private-key": {"algorithm": algorithm}})
    key = PrivateKey.generate(wanted.private_key.algorithm)
    request = Request("web", wanted, key.sign_csr(wanted.attributes), 1, "token", START)
    issuer, _ = opened(kind, enrollment)
    if kind == "infisical" and (algorithm == "Ed25519" or "street-address" in attributes):
        with pytest.raises(Rejected, match="Infisical"):
            issuer.issue(request)
        return
    answer = issuer.issue_with(request, key) if isinstance(issuer, SelfIssuer) else issuer.issue(request)
    assert isinstance(answer, Issued)
    assert mismatches(answer.chain, wanted.attributes, key.public_bytes()) == []


@pytest.mark.parametrize("kind", sorted(EVERY.entries))
def test_issuer_identity_is_stable(kind: str, enrollment: Enrollment) -> None:
    issuer, settings = opened(kind, enrollment)
    assert type(issuer).identity(settings) == type(issuer).identity(settings)
    assert type(issuer).identity(settings)["type"] == kind


def test_issuer_identity_ignores_time_limits() -> None:
    one = ScriptedIssuer.Settings(address="https://ca.example")
    two = ScriptedIssuer.Settings.model_validate({"address": "https://ca.example", "deadline-minutes": 5})
    other = ScriptedIssuer.Settings(address="https://other.example")
    assert ScriptedIssuer.identity(one) == ScriptedIssuer.identity(two) != ScriptedIssuer.identity(other)


def test_issuer_definition_is_read_at_each_opening(world) -> None:
    with pytest.raises(Misconfigured, match="issuer 'main' is not defined"):
        world.ports.issuers.open("main")
    world.specs.write_issuer("main", Component(type="self-signed"))
    assert world.ports.issuers.open("main").identity_hash
    for issuer in (None, "main"):
        assert world.specs.pause(issuer, START)
        assert world.ports.issuers.open("main").paused is True
        assert world.specs.resume(issuer)
        assert world.ports.issuers.open("main").paused is False
    world.specs.write_issuer("main", Component(type="self-singed"))
    with pytest.raises(Misconfigured, match="did you mean 'self-signed'"):
        world.ports.issuers.open("main")
    client, table = world.operator.dynamodb, world.issuers_table
    client.put_item(TableName=table, Item={"pk": {"S": "issuer#main"}, "definition": {"S": "no json"}})
    with pytest.raises(Misconfigured, match="does not parse"):
        world.ports.issuers.open("main")
