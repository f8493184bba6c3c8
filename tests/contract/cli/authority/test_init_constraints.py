"""Name constraints and path length of new CAs: `init`, `ca replace` and `ceiling`."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509

from evercert.authority.ca.definition import CA
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from tests.contract.cli.authority.command_line import Command, fine, fine_with_notes, refused

LIMITS = (
    "--permit-dns", "example.com", "--exclude-dns", "secret.example.com", "--permit-ip", "10.0.0.0/8",
    "--permit-email", "example.com", "--permit-uri", "example.com",
)  # fmt: skip


def constraints(ca: CA | None) -> Any:
    assert ca is not None
    try:
        found = ca.current.x509.extensions.get_extension_for_class(x509.NameConstraints)
    except x509.ExtensionNotFound:
        return None
    assert found.critical
    return found.value


def path_length(ca: CA | None) -> int | None:
    assert ca is not None
    return ca.current.x509.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length


@pytest.fixture
def limited(command: Command) -> list[dict[str, Any]]:
    done = command("init", "--common-name", "Example", *LIMITS, "--path-length", "1", "--yes", "--json")
    return list(fine(done))


def test_init_writes_constraints_into_issuing_cas(
    command: Command, limited: list[dict[str, Any]], configuration: ConfigurationWriter
) -> None:
    root, ec, rsa = (configuration.ca_named(name) for name in ("root", "issuing-ec", "issuing-rsa"))
    assert constraints(root) is None
    assert constraints(ec) == constraints(rsa) == ec.constraints.extension()
    assert [(one.value) for one in constraints(ec).excluded_subtrees] == ["secret.example.com"]
    assert (path_length(root), path_length(ec)) == (1, 0)
    assert ec.ceiling.dns == ("example.com", "*.example.com")
    assert (ec.ceiling.ip, ec.ceiling.uri) == (("10.0.0.0/8",), ("spiffe://example.com/",))
    assert limited[0]["path_length"] == 1
    shown = command("ca", "show", "issuing-ec")[1]
    assert "permitted dns: example.com\nexcluded dns: secret.example.com" in shown.replace(
        "permitted ip: 10.0.0.0/8\n", ""
    ).replace("permitted email: example.com\n", "").replace("permitted uri: example.com\n", "")


def test_init_constrains_the_root_if_asked(command: Command, configuration: ConfigurationWriter) -> None:
    fine(command("init", *LIMITS, "--constrain-root", "--yes", "--json"))
    root = configuration.ca_named("root")
    assert constraints(root) == root.constraints.extension()
    assert path_length(root) is None


def test_renewals_keep_limits(
    command: Command, limited: list[dict[str, Any]], configuration: ConfigurationWriter
) -> None:
    before = constraints(configuration.ca_named("issuing-ec"))
    fine(command("ca", "renew", "root", "--yes", "--json"))
    fine(command("ca", "renew", "issuing-ec", "--json"))
    assert path_length(configuration.ca_named("root")) == 1
    assert constraints(configuration.ca_named("issuing-ec")) == before


def test_init_refuses_other_limits_for_existing_cas(command: Command, limited: list[dict[str, Any]]) -> None:
    assert fine(command("init", "--yes", "--json")) == limited
    assert fine(command("init", *LIMITS, "--path-length", "1", "--yes", "--json")) == limited
    refused(command("init", "--path-length", "2", "--yes"), "root exists with another path length")
    refused(
        command("init", "--permit-dns", "example.net", "--yes"),
        "CA issuing-ec exists with other name constraints: only a new key can have these; run evercert authority ca replace",
        "CA issuing-rsa exists with other name constraints",
    )
    refused(command("init", "--issuing", "x=EC_prime256v1", *LIMITS, "--constrain-root", "--yes"), "root exists with")


def test_init_notes_unrestricted_names(command: Command) -> None:
    result = command("init", "--permit-dns", "example.com", "--yes", "--json")
    fine_with_notes(result)
    assert "leave IP addresses, e-mail addresses, URIs unrestricted" in result[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--permit-dns", "*.example.com"), "--permit-dns '*.example.com': invalid DNS subtree"),
        (("--exclude-ip", "10.0.0.1/8"), "--exclude-ip '10.0.0.1/8': invalid network"),
        (("--permit-uri", "https://example.com"), "--permit-uri 'https://example.com': invalid host"),
        (("--no-root", "--permit-dns", "example.com"), "the external CA sets name constraints"),
        (("--no-root", "--path-length", "1"), "the external CA sets name constraints"),
        (("--constrain-root",), "no name constraints given"),
        (("--path-length", "0"), "Input should be greater than or equal to 1"),
    ],
)
def test_init_refuses_invalid_limits(command: Command, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = command("init", *arguments, "--yes")
    assert (code, out) == (2, "")
    assert message in err


def test_ceiling_refuses_names_outside_of_constraints(command: Command, limited: list[dict[str, Any]]) -> None:
    refused(
        command("ceiling", "issuing-ec", "--dns", "*", "--yes"),
        "ceiling of CA issuing-ec: dns *: not permitted by the name constraints of CN=Example Issuing EC, which permit "
        "example.com; clients would refuse such certificates",
    )
    assert fine(command("ceiling", "issuing-ec", "--dns", "a.example.com", "--yes", "--json"))["changed"]


def test_replace_takes_constraints(command: Command, cas: list[Any], configuration: ConfigurationWriter) -> None:
    """A new key can have them: the certificates of the old key stay without them."""
    ceiling = ("--dns", "*.example.com", "--ip", "none", "--uri", "none")
    fine(command("ceiling", "issuing-ec", *ceiling, "--yes", "--json"))
    command("ca", "replace", "issuing-ec", "--permit-dns", "example.com", "--yes", "--json")  # without a CRL
    new = configuration.ca_named("issuing-ec-2")
    assert constraints(new) == new.constraints.extension()
    assert new.ceiling == configuration.ca_named("issuing-ec").ceiling
