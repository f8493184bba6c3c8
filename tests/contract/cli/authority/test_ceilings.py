"""`evercert authority ceiling`: show and set the limits of an issuing CA."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from evercert.aws.authority.configuration_writer import ConfigurationWriter
from tests.contract.cli.authority.command_line import Command, fine, fine_with_notes, refused


def test_ceiling_options_replace_only_their_fields(
    command: Command, cas: list[Any], configuration: ConfigurationWriter
) -> None:
    before = fine(command("ceiling", "issuing-ec", "--json"))
    refused(command("ceiling", "issuing-ec", "--dns", "example.com", "--json"), "pass --yes")
    options = ("--dns", "example.com", "--dns", "*.example.com", "--uri", "none", "--longest", "90d")
    after = fine(command("ceiling", "issuing-ec", *options, "--usage", "client-auth", "--yes", "--json"))
    assert after == {
        **before, "dns": ["example.com", "*.example.com"], "uri": [], "longest": "90d", "key-usages": [],
        "extended-key-usages": ["client_auth"], "changed": True,
    }  # fmt: skip
    assert configuration.ca_named("issuing-ec").ceiling.longest == timedelta(days=90)
    assert not fine(command("ceiling", "issuing-ec", "--longest", "90d", "--json"))["changed"]
    assert not before["any-purpose"]
    assert fine(command("ceiling", "issuing-ec", "--any-purpose", "--yes", "--json"))["any-purpose"]
    assert configuration.ca_named("issuing-ec").ceiling.any_purpose


def test_ceiling_notes_ocsp_signing(command: Command, cas: list[Any]) -> None:
    result = command("ceiling", "issuing-ec", "--usage", "ocsp-signing", "--yes", "--json")
    assert fine_with_notes(result)["extended-key-usages"] == ["ocsp_signing"]
    assert "ocsp_signing makes an OCSP responder" in result[2]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        *[("--dns", name, "a name, *.name or *") for name in ("*example.com", "a.*.com", "", "**", "exa mple.com")],
        ("--dns", "Example.com", "did you mean example.com?"),
        ("--dns", "*.bücher.example", "did you mean *.xn--bcher-kva.example?"),
        ("--email", "a@example.com", "a name, *.name or *"),
        ("--ip", "10.0.0.1/8", "has host bits set"),
        ("--ip", "10.0.0.0/33", "does not appear to be"),
        ("--uri", "", "write a URI prefix with its scheme"),  # the prefix of every URI
        ("--uri", "spiffe", "write a URI prefix with its scheme"),
        ("--key", "RSA_1024", "one of EC_prime256v1"),
        ("--key", "Ed25519", "one of EC_prime256v1"),
        ("--usage", "key_cert_sign", "one of digital_signature"),
        ("--longest", "forever", "is not a duration"),
        ("--longest", "0s", "out of range"),
    ],
)
def test_ceiling_refuses_invalid_values(
    command: Command, cas: list[Any], option: str, value: str, message: str
) -> None:
    result = command("ceiling", "issuing-ec", option, value, "--yes")
    refused(result, message)
    assert result[2].startswith(f"evercert: {option}")


def test_ceiling_reports_all_invalid_options(
    command: Command, cas: list[Any], configuration: ConfigurationWriter
) -> None:
    options = ("--dns", "example.com", "--dns", "none", "--dns", "a b", "--uri", "x", "--key", "DSA", "--yes")
    refused(command("ceiling", "issuing-ec", *options), "--dns 'none'", "--dns 'a b'", "--uri 'x'", "--key 'DSA'")
    assert configuration.ca_named("issuing-ec").ceiling.dns == ("*",)
    refused(command("ceiling", "root"), "is a root")


def test_ceiling_notes_keys_the_ca_cannot_certify(command: Command, cas: list[Any]) -> None:
    code, _, err = command("ceiling", "issuing-ec", "--key", "RSA_2048", "--yes")
    assert (code, err) == (0, "note: CA issuing-ec can sign nothing: it certifies EC keys only\n")
    assert command("ceiling", "issuing-rsa", "--key", "RSA_2048", "--yes")[2] == ""


def test_ceiling_refuses_none_among_other_values(command: Command, cas: list[Any]) -> None:
    options = ("--dns", "none", "--dns", "example.com", "--yes")
    refused(
        command("ceiling", "issuing-ec", *options),
        "--dns 'none': none clears the list: do not combine it with other values",
    )
