"""`evercert authority ca replace` and `ca delete`: a new key for an issuing CA, without a gap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.cli import terminal
from tests.contract.cli.authority.command_line import (
    EXAMPLE,
    Command,
    FrontFunction,
    crl,
    fine,
    fine_with_notes,
    refused,
)  # fmt: skip
from tests.contract.cli.authority.test_external_certificate import ExternalCA, pem
from tests.tools.openssl import verify

DAY = timedelta(days=1)


@pytest.fixture
def front(
    function: FrontFunction, configuration: ConfigurationWriter, certificates: DynamoDBCertificates
) -> FrontFunction:
    """Publish a list for each issuing CA when the front is called."""

    def publish() -> None:
        for ca in configuration.cas():
            if ca.kind == "issuing" and ca.installed and certificates.published(ca.id) is None:
                certificates.publish(ca.id, 1, crl())

    function.action = publish
    return function


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """Return a document with two profiles that both CAs serve."""
    more = "  - {slug: web, project: my-project, cas: [issuing-ec, issuing-rsa], policy: web-servers}\n"
    file = tmp_path / "authority.yaml"
    file.write_text(EXAMPLE.read_text().replace("\napplications:", f"{more}\napplications:"))
    return file


@pytest.fixture
def profiles(command: Command, cas: list[Any], front: FrontFunction, document: Path) -> list[str]:
    """Return the keys of the profiles."""
    assert command("apply", str(document))[0] == 0
    return [one["project"] + "/" + one["slug"] for one in fine(command("profiles", "--json")) if one["cas"]]


def cas_of(configuration: ConfigurationWriter) -> set[tuple[str, ...]]:
    return {profile.cas for profile in configuration.profiles() if profile.cas}


def test_replace_moves_profiles_and_retires_the_ca(
    command: Command, profiles: list[str], configuration: ConfigurationWriter, certificates: DynamoDBCertificates
) -> None:
    assert cas_of(configuration) == {("issuing-ec", "issuing-rsa")}
    fine(command("ceiling", "issuing-ec", "--dns", "*.example.com", "--yes", "--json"))
    done = fine(command("ca", "replace", "issuing-ec", "--yes", "--json"))
    moves = [{"verb": "move", "what": "profile", "name": key} for key in profiles]
    assert done == {
        "name": "issuing-ec", "replacement": "issuing-ec-2", "written": True, "next": [],
        "steps": [
            {"verb": "create", "what": "CA", "name": "issuing-ec-2"},
            {"verb": "certify", "what": "CA", "name": "issuing-ec-2"},
            *moves, {"verb": "retire", "what": "CA", "name": "issuing-ec"},
        ],
    }  # fmt: skip
    assert cas_of(configuration) == {("issuing-ec-2", "issuing-rsa")}
    old, new, root = (configuration.ca_named(name) for name in ("issuing-ec", "issuing-ec-2", "root"))
    assert (old.status, old.replaced_by, new.status) == ("retired", new.id, "active")
    assert old.key != new.key
    assert old.ceiling == new.ceiling
    assert new.current.x509.subject.rfc4514_string() == "CN=Example Issuing EC 2"
    assert certificates.published(new.id) is not None
    assert verify(new.current.certificate, trusted=root.current.certificate, chain=new.current.chain) == "OK"
    again = fine(command("ca", "replace", "issuing-ec", "--json"))
    assert (again["steps"], again["replacement"]) == ([], "issuing-ec-2")


def test_replace_dry_run_writes_nothing(
    command: Command, profiles: list[str], configuration: ConfigurationWriter
) -> None:
    before = configuration.cas(), configuration.profiles()
    code, out, err = command("ca", "replace", "issuing-ec", "--dry-run")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "+ CA issuing-ec-2: EC_prime256v1, CN=Example Issuing EC 2", "+ certificate of CA issuing-ec-2",
        *(f"~ profile {key}: CA issuing-ec → issuing-ec-2" for key in profiles),
        "~ CA issuing-ec: active → no certificates, CRLs only", "nothing was written (--dry-run)",
    ]  # fmt: skip
    assert (configuration.cas(), configuration.profiles()) == before
    refused(command("ca", "replace", "issuing-ec", "--json"), "pass --yes")
    assert (configuration.cas(), configuration.profiles()) == before


def test_replace_moves_one_profile_first(
    command: Command, profiles: list[str], configuration: ConfigurationWriter
) -> None:
    assert len(profiles) > 1
    refused(command("ca", "replace", "issuing-ec", "--profile", "no/such", "--yes"), "profile no/such does not name CA")
    code, out, _ = command("ca", "replace", "issuing-ec", "--profile", profiles[0], "--yes")
    assert code == 0
    assert "remain with CA issuing-ec, which still issues" in out
    assert cas_of(configuration) == {("issuing-ec", "issuing-rsa"), ("issuing-ec-2", "issuing-rsa")}
    assert configuration.ca_named("issuing-ec").status == "active"
    again = fine(command("ca", "replace", "issuing-ec", "--profile", profiles[0], "--yes", "--json"))
    assert again["steps"] == []  # it was moved
    assert command("ca", "replace", "issuing-ec", "--yes")[0] == 0
    assert cas_of(configuration) == {("issuing-ec-2", "issuing-rsa")}
    assert configuration.ca_named("issuing-ec").status == "retired"
    assert len(configuration.cas()) == 4


def test_replace_twice_moves_profiles_to_the_newest(
    command: Command, profiles: list[str], configuration: ConfigurationWriter, document: Path
) -> None:
    fine(command("ca", "replace", "issuing-ec", "--yes", "--json"))
    code, _, err = command("apply", str(document))
    assert code == 2
    assert err.count("CA issuing-ec was replaced: name issuing-ec-2 instead") == 2
    third = fine(command("ca", "replace", "issuing-ec-2", "--algorithm", "EC_secp384r1", "--yes", "--json"))
    assert third["replacement"] == "issuing-ec-3"
    assert configuration.ca_named("issuing-ec-3").algorithm == "EC_secp384r1"
    stray = configuration.profiles()[0].model_copy(update={"cas": ("issuing-ec", "issuing-rsa")})
    configuration.write(stray)  # of an API call that was under way
    assert fine(command("ca", "replace", "issuing-ec", "--yes", "--json"))["replacement"] == "issuing-ec-3"
    assert cas_of(configuration) == {("issuing-ec-3", "issuing-rsa")}


def test_replace_waits_for_the_first_crl(
    command: Command, profiles: list[str], configuration: ConfigurationWriter, function: FrontFunction
) -> None:
    function.action = lambda: None
    code, _, err = command("ca", "replace", "issuing-ec", "--yes", "--json")
    assert code == 1
    assert "CA issuing-ec-2 has no CRL yet: no profile was moved; run the command again" in err
    assert cas_of(configuration) == {("issuing-ec", "issuing-rsa")}


def test_replace_keeps_a_disabled_ca_disabled(
    command: Command, profiles: list[str], configuration: ConfigurationWriter
) -> None:
    fine(command("ca", "crl", "--revoke", "issuing-ec", "--yes", "--json"))
    fine(command("ca", "replace", "issuing-ec", "--yes", "--json"))
    assert configuration.ca_named("issuing-ec").status == "disabled"
    assert cas_of(configuration) == {("issuing-ec-2", "issuing-rsa")}
    assert fine(command("ca", "replace", "issuing-ec", "--json"))["steps"] == []


def test_replace_refuses_a_disabled_replacement(
    command: Command, profiles: list[str], configuration: ConfigurationWriter
) -> None:
    fine(command("ca", "replace", "issuing-ec", "--profile", profiles[0], "--yes", "--json"))
    fine(command("ca", "disable", "issuing-ec-2", "--yes", "--json"))
    refused(command("ca", "replace", "issuing-ec", "--yes"), "which is disabled: run evercert authority ca enable")
    done = fine(command("ca", "replace", "issuing-ec", "--name", "third", "--yes", "--json"))
    assert done["replacement"] == "third"
    assert cas_of(configuration) == {("issuing-ec-2", "issuing-rsa"), ("third", "issuing-rsa")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("root",), "cannot replace the root: clients trust its key"),
        (("issuing-ec", "--algorithm", "RSA_3072"), "CA issuing-ec certifies EC keys; so must its replacement"),
        (("issuing-ec", "--algorithm", "RSA_1024"), "write one of EC_prime256v1"),
        (("issuing-ec", "--name", "issuing-rsa"), "CA issuing-rsa exists already"),
        (("issuing-ec", "--name", "root"), "CA root exists already"),
        (("issuing-ec", "--common-name", "Example Issuing EC"), "the old CA has this name"),
        (("issuing-ec", "--permit-dns", "example.com"), "run evercert authority ceiling issuing-ec first"),
    ],
)
def test_replace_refuses(command: Command, cas: list[Any], arguments: tuple[str, ...], message: str) -> None:
    code, out, err = command("ca", "replace", *arguments, "--yes")
    assert (code, out) == (2, "")
    assert message in err


def test_replace_refuses_stacks_of_earlier_releases(command: Command, cas: list[Any], outputs: dict[str, str]) -> None:
    outputs["Version"] = "0.1.0"
    refused(command("ca", "replace", "issuing-ec", "--yes"), "upgrade the stack to")
    refused(
        command("init", "--issuing", "x=EC_prime256v1", "--permit-dns", "example.com", "--yes", "--json"), "upgrade"
    )


def test_replace_refuses_other_options_when_resumed(command: Command, profiles: list[str]) -> None:
    fine(command("ca", "replace", "issuing-ec", "--profile", profiles[0], "--yes", "--json"))
    for option, message in (
        (("--name", "third"), "omit --name"), (("--algorithm", "EC_secp384r1"), "omit --algorithm"),
        (("--exclude-dns", "example.com"), "with other name constraints: omit them"),
    ):  # fmt: skip
        refused(command("ca", "replace", "issuing-ec", *option, "--yes"), message)


def test_replace_below_an_external_ca_takes_two_steps(
    command: Command, configuration: ConfigurationWriter, front: FrontFunction, tmp_path: Path
) -> None:
    external, file = ExternalCA(), tmp_path / "ca.pem"
    assert command("init", "--no-root", "--issuing", "outside=EC_prime256v1", "--yes")[0] == 0

    def certify(name: str) -> Any:
        csr = x509.load_pem_x509_csr(command("ca", "csr", name)[1].encode())
        file.write_text(pem(external.signed(csr.subject, csr.public_key(), 0), external.root))
        return command("ca", "import", name, str(file), "--json")

    fine(certify("outside"))
    text = EXAMPLE.read_text().replace("[issuing-ec, issuing-rsa]", "[outside]")
    document = tmp_path / "document.yaml"
    document.write_text(text)
    assert command("apply", str(document))[0] == 0, text
    commands = [
        "evercert authority ca csr outside-2", "evercert authority ca import outside-2 FILE",
        "evercert authority ca replace outside",
    ]  # fmt: skip
    done = fine(command("ca", "replace", "outside", "--yes", "--json"))
    assert (done["next"], cas_of(configuration)) == (commands, {("outside",)})
    key = configuration.ca_named("outside-2").key
    assert command("ca", "replace", "outside", "--yes")[1].splitlines()[-3:] == [f"    {one}" for one in commands]
    result = certify("outside-2")
    fine_with_notes(result)
    assert "run evercert authority ca replace outside to move its profiles" in result[2]
    assert fine(command("ca", "replace", "outside", "--yes", "--json"))["next"] == []
    assert cas_of(configuration) == {("outside-2",)}
    assert (configuration.ca_named("outside-2").key, configuration.ca_named("outside").status) == (key, "retired")


def test_delete_waits_for_the_last_certificate(
    command: Command,
    profiles: list[str],
    configuration: ConfigurationWriter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused(command("ca", "delete", "root", "--yes"), "cannot delete the root")
    refused(
        command("ca", "delete", "issuing-ec", "--yes"), "issue from it; run evercert authority ca replace issuing-ec"
    )
    fine(command("ca", "replace", "issuing-ec", "--yes", "--json"))
    refused(command("ca", "delete", "issuing-ec", "--yes"), "cannot delete CA issuing-ec until 20")
    old, now = configuration.ca_named("issuing-ec"), datetime.now(UTC)
    monkeypatch.setattr(terminal, "now", lambda: now + 5 * 366 * DAY)
    refused(command("ca", "delete", "issuing-ec"), "pass --yes")
    assert fine(command("ca", "delete", "issuing-ec", "--yes", "--json")) == {"deleted": "issuing-ec", "key": old.key}
    assert configuration.ca_named("issuing-ec") is None
    assert [ca.name for ca in configuration.cas()] == ["issuing-ec-2", "issuing-rsa", "root"]


def test_delete_refuses_a_ca_that_was_not_replaced(command: Command, cas: list[Any]) -> None:
    refused(command("ca", "delete", "issuing-ec", "--yes"), "is active and was not replaced")
    fine(command("ca", "disable", "issuing-ec", "--yes", "--json"))
    refused(command("ca", "delete", "issuing-ec", "--yes"), "is disabled and was not replaced")


def test_delete_of_a_replacement_forgets_it(
    command: Command, profiles: list[str], configuration: ConfigurationWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("issuing-ec", "issuing-ec-2"):
        fine(command("ca", "replace", name, "--yes", "--json"))
    now = datetime.now(UTC)
    monkeypatch.setattr(terminal, "now", lambda: now + 5 * 366 * DAY)
    fine(command("ca", "delete", "issuing-ec-2", "--yes", "--json"))
    found = configuration.ca_named("issuing-ec").replaced_by
    assert found == configuration.ca_named("issuing-ec-3").id
