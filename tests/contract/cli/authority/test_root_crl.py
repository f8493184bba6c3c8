"""The root's CRL: signed by `init`, `ca renew` and `ca crl`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from evercert.authority.ca.crl import signed_at
from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.cli.authority import ceremony, root_crl
from evercert.errors import Unavailable
from tests.contract.cli.authority.command_line import Command, fine, refused


def published(certificates: DynamoDBCertificates, configuration: ConfigurationWriter) -> x509.CertificateRevocationList:
    root = configuration.ca_named("root")
    assert root is not None
    der = certificates.published(root.id)
    assert der is not None
    crl = x509.load_der_x509_crl(der)
    assert crl.is_signature_valid(root.current.x509.public_key())  # type: ignore[arg-type]
    assert crl.issuer == root.current.x509.subject
    return crl


def number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def test_init_signs_the_list_of_the_root(
    command: Command, cas: list[Any], certificates: DynamoDBCertificates, configuration: ConfigurationWriter
) -> None:
    crl, now = published(certificates, configuration), datetime.now(UTC)
    assert len(crl) == 0
    assert now - timedelta(minutes=12) < crl.last_update_utc <= now - timedelta(minutes=10)
    assert crl.next_update_utc is not None and timedelta(days=364) < crl.next_update_utc - now < timedelta(days=366)
    fine(command("init", "--json"))
    assert number(published(certificates, configuration)) == number(crl)  # it ends late: no new one


def test_init_replaces_an_ending_list(
    command: Command,
    cas: list[Any],
    certificates: DynamoDBCertificates,
    configuration: ConfigurationWriter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = published(certificates, configuration)
    monkeypatch.setattr(root_crl, "RENEWED", timedelta(days=400))
    fine(command("init", "--json"))
    second = published(certificates, configuration)
    assert number(second) > number(first)


def test_issuing_certificates_name_the_list_of_the_root(cas: list[Any], configuration: ConfigurationWriter) -> None:
    root = configuration.ca_named("root")
    assert root is not None
    for ca in configuration.cas():
        if ca.kind == "issuing":
            (point,) = ca.current.x509.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
            assert point.full_name[0].value == f"https://ca.example.com/api/v1/cert-manager/crl/{root.id}/der"  # type: ignore[index]


def test_issuing_certificates_name_the_published_address(
    command: Command, outputs: dict[str, str], configuration: ConfigurationWriter
) -> None:
    outputs["AuthorityPublishedAddress"] = "http://pki.example.com"
    fine(command("init", "--yes", "--json"))
    ca = configuration.ca_named("issuing-ec")
    assert ca is not None
    (point,) = ca.current.x509.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    (access,) = ca.current.x509.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert point.full_name[0].value.startswith("http://pki.example.com/api/v1/cert-manager/crl/")  # type: ignore[index]
    assert access.access_location.value.startswith("http://pki.example.com/api/v1/cert-manager/ca/internal/")


@pytest.mark.parametrize("name", ["root", "issuing-ec"])
def test_renew_signs_a_new_list(
    command: Command, cas: list[Any], certificates: DynamoDBCertificates, configuration: ConfigurationWriter, name: str
) -> None:
    before = published(certificates, configuration)
    fine(command("ca", "renew", name, "--yes", "--json"))
    assert number(published(certificates, configuration)) > number(before)


def test_crl_signs_a_new_list(
    command: Command, cas: list[Any], certificates: DynamoDBCertificates, configuration: ConfigurationWriter
) -> None:
    before = published(certificates, configuration)
    made = fine(command("ca", "crl", "--json"))
    after = published(certificates, configuration)
    assert number(after) > number(before) and signed_at(after) > signed_at(before)
    assert (made["name"], made["revoked"]) == ("root", 0)
    code, out, err = command("ca", "crl")
    assert (code, err) == (0, "") and "signed the CRL of CA root, valid until" in out


def test_crl_revokes_every_certificate_of_a_ca(
    command: Command, cas: list[Any], certificates: DynamoDBCertificates, configuration: ConfigurationWriter
) -> None:
    fine(command("ca", "renew", "issuing-ec", "--yes", "--json"))
    refused(command("ca", "crl", "--revoke", "issuing-ec"), "pass --yes")
    assert fine(command("ca", "crl", "--revoke", "issuing-ec", "--yes", "--json"))["revoked"] == 2
    ca = configuration.ca_named("issuing-ec")
    assert ca is not None and ca.status == "disabled"
    serials = {one.x509.serial_number for one in ca.installed}
    first = published(certificates, configuration)
    assert {one.serial_number for one in first} == serials
    assert {one.extensions.get_extension_for_class(x509.CRLReason).value.reason for one in first} == {
        x509.ReasonFlags.ca_compromise
    }
    dates = {one.serial_number: one.revocation_date_utc for one in first}
    fine(command("ca", "renew", "issuing-rsa", "--yes", "--json"))
    again = published(certificates, configuration)
    assert {one.serial_number: one.revocation_date_utc for one in again} == dates  # later lists keep them


def test_revoked_ca_is_neither_enabled_nor_renewed(
    command: Command, cas: list[Any], configuration: ConfigurationWriter
) -> None:
    fine(command("ca", "crl", "--revoke", "issuing-ec", "--yes", "--json"))
    before = configuration.ca_named("issuing-ec")
    for action in (("enable",), ("renew", "--yes")):
        done = command("ca", action[0], "issuing-ec", *action[1:])
        refused(done, "run evercert authority ca replace issuing-ec to create a CA with a new key")
        assert "CA issuing-ec was revoked on 20" in done[2]
    assert configuration.ca_named("issuing-ec") == before
    assert not fine(command("ca", "disable", "issuing-ec", "--yes", "--json"))["changed"]


def test_other_ca_is_enabled_beside_a_revoked_one(
    command: Command, cas: list[Any], configuration: ConfigurationWriter
) -> None:
    fine(command("ca", "crl", "--revoke", "issuing-ec", "--yes", "--json"))
    fine(command("ca", "disable", "issuing-rsa", "--yes", "--json"))
    assert fine(command("ca", "enable", "issuing-rsa", "--json"))["changed"]
    fine(command("ca", "renew", "issuing-rsa", "--yes", "--json"))


def test_crl_refuses_cas_that_it_cannot_name(command: Command, cas: list[Any]) -> None:
    refused(command("ca", "crl", "--revoke", "root", "--yes"), "not certified by this authority's own root")
    refused(command("ca", "crl", "--revoke", "other", "--yes"), "unknown CA 'other'")


def test_crl_needs_a_root(command: Command) -> None:
    fine(command("init", "--no-root", "--yes", "--json"))
    refused(command("ca", "crl"), "unknown CA 'root'")


def test_init_continues_without_access_to_the_table(
    command: Command,
    certificates: DynamoDBCertificates,
    configuration: ConfigurationWriter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unavailable(*_: object) -> None:
        raise Unavailable("cannot read crl: AccessDenied")

    monkeypatch.setattr(root_crl, "current_crl", unavailable)
    code, _, err = command("init", "--yes")
    assert code == 0 and "note: the root has no current CRL: cannot read crl" in err
    assert "run evercert authority ca crl" in err
    assert ceremony.ROOT in {ca.name for ca in configuration.cas()}
