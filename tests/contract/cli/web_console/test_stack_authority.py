"""The console's view of an authority, on the tables and keys of the emulator."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.cli import terminal
from evercert.cli.web_console import stack_authority
from evercert.cli.web_console.stack_authority import StackAuthority
from evercert.console.document_service import InvalidInput
from evercert.console.pages.authority_document import START
from evercert.errors import Rejected
from tests.contract.cli.authority.command_line import Command, FrontFunction
from tests.contract.cli.authority.conftest import cas, certificates, command, configuration, function, outputs
from tests.contract.cli.authority.test_requests import waiting
from tests.doubles.world import World
from tests.samples.authority import kept, requested

__all__ = ["cas", "certificates", "command", "configuration", "function", "outputs"]


@pytest.fixture
def desk(command: Command) -> StackAuthority:
    found = stack_authority.of(terminal.connect("evercert", None))
    assert found is not None
    return found


def test_tables_show_cas_profiles_and_policies(desk: StackAuthority, cas: list[dict[str, Any]]) -> None:
    planned = desk.documents.plan(START)
    assert planned.lines[:2] == ("+ project my-project", "+ profile my-project/web-servers")
    assert desk.tables().profiles == []
    assert not desk.documents.apply(START).empty
    found = desk.tables()
    assert sorted((ca.title, ca.status) for ca in found.cas) == sorted((ca["name"], "active") for ca in cas)
    (profile,) = found.profiles
    assert profile.title == "my-project/web-servers"
    assert ("Automatic renewal", "30 days before") in profile.facts
    (policy,) = found.policies
    assert ("DNS names", "allowed: *.example.com") in policy.facts


def test_applied_document_changes_nothing_more(desk: StackAuthority, cas: list[dict[str, Any]]) -> None:
    desk.documents.apply(START)
    assert desk.documents.plan(START).empty
    text = desk.documents.text_of("my-project/web-servers")
    assert desk.documents.plan(f"version: authority/v1\n{text}" if "version" not in text else text).empty
    with pytest.raises(Rejected, match="unknown profile"):
        desk.documents.text_of("other/profile")


def test_mistakes_name_their_line(desk: StackAuthority, cas: list[dict[str, Any]]) -> None:
    with pytest.raises(InvalidInput) as raised:
        desk.documents.plan(START.replace("issuing-rsa", "issuing-rs"))
    (line,) = raised.value.lines
    assert line.startswith("line 13: ")
    assert "/tmp" not in line


def test_request_is_decided_once(
    desk: StackAuthority, world: World, outputs: dict[str, str], configuration: ConfigurationWriter
) -> None:
    assert desk.waiting() == []
    request = waiting(world, outputs, configuration)
    (found,) = desk.waiting()
    assert (found.id, found.profile, found.approvals) == (request.id, "shop/payments", "0 of 1")
    assert desk.decide(request.id, "release 42", approved=True) == "approved"
    assert desk.waiting() == []
    with pytest.raises(Rejected, match="does not wait"):
        desk.decide(request.id, "", approved=False)
    with pytest.raises(Rejected, match="invalid request"):
        desk.decide("x", "", approved=True)


def test_issued_certificate_is_revoked_once(
    desk: StackAuthority, certificates: DynamoDBCertificates, function: FrontFunction, cas: list[dict[str, Any]]
) -> None:
    request = requested()
    certificates.open(request, None)
    issued = certificates.finish(request, kept(request, ca=cas[-1]["id"]))
    listed = [one for one in desk.issued("", 100) if one["id"] == issued.id]
    if issued.not_after > terminal.now():
        assert [one["status"] for one in listed] == ["active"]
    assert [one["id"] for one in desk.issued(issued.serial_number, 100)] == [issued.id]
    with pytest.raises(Rejected, match="invalid name"):
        desk.issued("*", 100)
    with pytest.raises(Rejected, match="write one of"):
        desk.revoke(issued.id, "because")
    desk.revoke(issued.id, "superseded")
    stored = certificates.certificate(issued.id)
    assert stored is not None
    assert stored.reason == "SUPERSEDED"
    with pytest.raises(Rejected, match="revoked"):
        desk.revoke(issued.id, "superseded")


def test_chain_of_an_issued_certificate(
    desk: StackAuthority, certificates: DynamoDBCertificates, cas: list[dict[str, Any]]
) -> None:
    request = requested()
    certificates.open(request, None)
    issued = certificates.finish(request, kept(request, ca=cas[-1]["id"]))
    text = desk.chain(issued.id)
    assert text.startswith(issued.certificate.strip())
    assert text.count("BEGIN CERTIFICATE") == 1 + issued.chain.count("BEGIN CERTIFICATE")
    with pytest.raises(Rejected, match="unknown certificate"):
        desk.chain("00000000-0000-4000-8000-000000000000")


def test_ca_is_planned_but_not_created(desk: StackAuthority, cas: list[dict[str, Any]], world: World) -> None:
    keys = len(world.operator.kms.list_keys(Limit=1000)["Keys"])
    found = desk.plan_ca("issuing-ec-2", "EC_prime256v1")
    command = "evercert authority init --issuing issuing-ec-2=EC_prime256v1 --stack evercert --region eu-central-1"
    assert found.command == command
    assert any("signed by root, until" in line for line in found.lines)
    assert len(world.operator.kms.list_keys(Limit=1000)["Keys"]) == keys
    for name, algorithm in (("root", "EC_prime256v1"), ("issuing-ec", "RSA_2048"), ("a b", "RSA_2048"), ("x", "DSA")):
        with pytest.raises(Rejected):
            desk.plan_ca(name, algorithm)
