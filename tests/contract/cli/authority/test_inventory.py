"""`evercert authority issuances` and `certificates` on the tables of the emulator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from evercert.authority.configuration.identity import Identity
from evercert.authority.contracts.issuance_trail import OPERATOR, Asked, IssuanceEntry
from evercert.authority.contracts.records import CertificateRecord
from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.cli import terminal
from evercert.pki.identifiers import parse
from tests.contract.cli.authority.command_line import Command, fine, refused
from tests.doubles.authority.certificates import fingerprint
from tests.doubles.world import World
from tests.samples.authority import CA, PROFILE, kept, leaf, requested

WEB = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
Issue = Callable[..., CertificateRecord]


@pytest.fixture
def issue(certificates: DynamoDBCertificates, configuration: ConfigurationWriter) -> Issue:
    configuration.write(Identity.model_validate({"id": WEB, "name": "web"}))

    def issued(name: str, days: int = 90, **changes: str) -> CertificateRecord:
        found = leaf(subject={"common_name": (name,)}, names=(parse(name),))
        now = terminal.now()
        request = certificates.open(requested(leaf=found, created_at=now, updated_at=now, **changes), None)
        return certificates.finish(request, kept(request, not_after=now + timedelta(days=days), created_at=now))

    return issued


def test_certificates_are_found_by_each_criterion(
    command: Command, issue: Issue, certificates: DynamoDBCertificates
) -> None:
    first, second = issue("www.example.com", identity=WEB), issue("api.example.com", 20, profile=CA)
    old = issue("old.example.net", -3)
    certificates.revoke(first.id, terminal.now(), "SUPERSEDED", OPERATOR)

    def found(*options: str) -> list[str]:
        return [one["id"] for one in fine(command("certificates", *options, "--json"))]

    assert found() == [old.id, second.id, first.id]
    assert found("--name", "WWW.example.com") == [first.id]
    assert found("--name", "*.example.com", "--profile", CA) == [second.id]
    assert found("--name", "*old*") == [old.id]
    assert found("--identity", "web") == found("--identity", WEB) == [first.id]
    assert found("--profile", CA) == [second.id]
    assert found("--status", "revoked") == [first.id]
    assert found("--status", "expired") == [old.id]
    assert found("--expires-after", "1d", "--expires-before", "30d") == [second.id]
    assert found("--expires-before", "2030-01-01T00:00Z", "--expires-after", "2020-01-01") != []
    assert found("--serial", ":".join(second.serial_number.upper())) == [second.id]
    assert found("--fingerprint", fingerprint(old).upper()) == [old.id]
    assert found("--name", "none.example.com") == []


def test_certificates_are_printed_as_a_table(command: Command, issue: Issue) -> None:
    code, out, err = command("certificates")
    assert (code, out) == (0, "") and "no matching certificates" in err
    for days in (10, 20, 30):
        issue(f"w{days}.example.com", days, identity=WEB)
    code, out, err = command("certificates", "--limit", "2")
    assert code == 0 and "more than 2 certificates" in err
    assert [line.split("\t")[0] for line in out.splitlines()] == ["EXPIRES", "in 9d", "in 19d"]
    assert "web" in out and PROFILE in out and "w10.example.com" in out


def test_imported_certificates_are_marked(command: Command, issue: Issue, certificates: DynamoDBCertificates) -> None:
    issued = issue("www.example.com")
    request = requested(identity=WEB)
    imported = kept(request, id=request.id, imported=True, not_after=terminal.now() + timedelta(days=9))
    certificates.add_imported(imported)
    found = {one["id"]: (one["imported"], one["request"]) for one in fine(command("certificates", "--json"))}
    assert found == {imported.id: (True, None), issued.id: (False, issued.request)}
    _, out, _ = command("certificates")
    assert [line.split("\t")[1] for line in out.splitlines()] == ["STATUS", "active, imported", "active"]


def test_certificates_of_many_pages_are_listed(command: Command, issue: Issue) -> None:
    for number in range(103):
        issue(f"w{number}.example.com")
    assert len(fine(command("certificates", "--limit", "1000", "--json"))) == 103
    assert len(fine(command("certificates", "--name", "*.example.com", "--limit", "103", "--json"))) == 103


def test_reindex_adds_certificates_of_earlier_releases(
    command: Command, issue: Issue, world: World, outputs: dict[str, str]
) -> None:
    issue("www.example.com")
    table, client = outputs["AuthorityTable"], world.operator.dynamodb
    for item in client.scan(TableName=table)["Items"]:
        if item["pk"]["S"].startswith("inventory#"):
            client.delete_item(TableName=table, Key={name: item[name] for name in ("pk", "sk")})
    client.put_item(TableName=table, Item={"pk": {"S": "certificate#spoiled"}, "sk": {"S": "certificate"}})
    assert fine(command("certificates", "--json")) == []
    code, out, err = command("certificates", "--reindex")
    assert code == 0 and "www.example.com" in out
    assert "1 certificates are in the inventory" in err and "certificate#spoiled cannot be read" in err


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--serial", "xyz"), "invalid --serial xyz: write up to 40 hexadecimal digits"),
        (("--fingerprint", "ab"), "invalid --fingerprint ab: write 64 hexadecimal digits"),
        (("--expires-before", "soon"), "invalid --expires-before soon: write a duration"),
        (("--name", "a*b"), "invalid name a*b: write a name, *.example.com or *part*"),
        (("--name", "*.com"), "*.com is too wide"),
    ],
    ids=["serial", "fingerprint", "time", "pattern", "wide"],
)
def test_invalid_criterion_is_refused(command: Command, options: tuple[str, ...], error: str) -> None:
    code, _, err = command("certificates", *options)
    assert code != 0 and error in err


def test_issuances_are_listed_newest_first(command: Command, issue: Issue, certificates: DynamoDBCertificates) -> None:
    assert "no matching entries in the last 7d" in command("issuances")[2]
    first = issue("www.example.com", identity=WEB)
    asked = Asked(WEB, "api", PROFILE, None, tuple(f"n{number}.example.net" for number in range(5)))
    certificates.record(IssuanceEntry.refused(asked, terminal.now() - timedelta(days=2), "denied by the policy"))
    certificates.record(
        IssuanceEntry.refused(replace(asked, identity="acct", origin="acme"), terminal.now() - timedelta(days=9), "no")
    )
    certificates.revoke(first.id, terminal.now(), "SUPERSEDED", OPERATOR)

    def found(*options: str) -> list[str]:
        return [one["answer"] for one in fine(command("issuances", *options, "--json"))]

    assert found() == ["revoked", "issued", "refused"]
    assert found("--since", "30d") == ["revoked", "issued", "refused", "refused"]
    assert found("--identity", "web") == found("--identity", WEB) == ["issued", "refused"]
    assert found("--since", "30d", "--identity", "acct", "--profile", PROFILE) == ["refused"]
    assert found("--name", "www.example.com") == ["revoked", "issued"]
    assert found("--name", "*.example.net") == ["refused"]
    assert found("--profile", CA) == []
    code, out, err = command("issuances", "--since", "30d", "--limit", "3")
    assert code == 0 and "more than 3 entries" in err
    assert "operator" in out and "revoke (command)" in out
    assert "n2.example.net and 2 more: denied by the policy" in out
    refused(command("issuances", "--since", "401d"), "must be at most 400d")


def test_revocation_by_the_command_is_recorded(command: Command, issue: Issue) -> None:
    certificate = issue("www.example.com")
    assert command("revoke", certificate.id, "--yes", "--json")[0] == 0
    (entry, _) = fine(command("issuances", "--json"))
    assert (entry["answer"], entry["origin"], entry["certificate"]) == ("revoked", "command", certificate.id)


def test_old_stack_refuses_revocation(command: Command, issue: Issue, outputs: dict[str, str]) -> None:
    certificate = issue("www.example.com")
    del outputs["AuthorityAudit"]
    code, _, err = command("revoke", certificate.id, "--yes")
    assert code == 1 and "AuthorityAudit" in err
