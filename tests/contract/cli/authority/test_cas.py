"""`evercert authority ca`: show, enable, disable and renew CAs."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from evercert.aws.authority.configuration_writer import ConfigurationWriter
from tests.contract.cli.authority.command_line import Command, fine, refused


def test_ca_show_prints_the_chain_as_pem(command: Command, cas: list[dict[str, Any]]) -> None:
    code, out, _ = command("ca", "show", "root", "--pem")
    (root,) = x509.load_pem_x509_certificates(out.encode())
    assert code == 0
    assert root.fingerprint(hashes.SHA256()).hex() == cas[0]["certificates"][0]["sha256"]
    _, out, _ = command("ca", "show", "issuing-ec", "--pem")
    assert x509.load_pem_x509_certificates(out.encode())[1] == root


def test_ca_disable_and_enable_are_idempotent(
    command: Command, cas: list[Any], configuration: ConfigurationWriter
) -> None:
    refused(command("ca", "disable", "issuing-ec"), "pass --yes")
    assert fine(command("ca", "disable", "issuing-ec", "--yes", "--json"))["changed"]
    assert not fine(command("ca", "disable", "issuing-ec", "--json"))["changed"]
    assert configuration.ca_named("issuing-ec").status == "disabled"
    assert fine(command("ca", "enable", "issuing-ec", "--json"))["changed"]
    assert configuration.ca_named("issuing-ec").status == "active"
    refused(command("ca", "disable", "root"), "cannot enable or disable the root: no function signs with it")


def test_ca_renew_keeps_a_disabled_ca_disabled(
    command: Command, cas: list[Any], configuration: ConfigurationWriter
) -> None:
    command("ca", "disable", "issuing-ec", "--yes")
    renewed = fine(command("ca", "renew", "issuing-ec", "--json"))
    assert (renewed["status"], len(renewed["certificates"])) == ("disabled", 2)


def test_ca_show_suggests_existing_names(command: Command, cas: list[Any]) -> None:
    refused(command("ca", "show", "issuing-rs"), "unknown CA 'issuing-rs'; did you mean 'issuing-rsa'?")
    refused(command("ca", "show", "x"), "unknown CA 'x'; known: issuing-ec, issuing-rsa, root")
    refused(command("ca", "show", "a/b"), "invalid CA name 'a/b'")


def test_ca_renew_root_requires_confirmation(command: Command, cas: list[dict[str, Any]]) -> None:
    refused(command("ca", "renew", "root"), "Cannot ask for confirmation without a terminal")
    again = fine(command("ca", "renew", "root", "--yes", "--json"))
    assert len(again["certificates"]) == 2
    assert fine(command("ca", "renew", "issuing-rsa", "--json"))["certificates"][1]["issuer"] == "CN=Example Root"


def test_ca_csr_refuses_cas_under_the_own_root(command: Command, cas: list[Any]) -> None:
    refused(command("ca", "csr", "issuing-ec"), "is certified by this authority's own root")
    refused(command("init", "--no-root", "--yes"), "has a root already")
