"""`evercert authority init`: creating, resuming and extending the CAs of a stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from tests.contract.cli.authority.command_line import EXAMPLE, Command, FrontFunction, crl, fine, refused
from tests.doubles.world import World


def test_missing_authority_names_the_parameter(command: Command, outputs: dict[str, str]) -> None:
    del outputs["AuthorityConfiguration"]
    code, out, err = command("ca", "list")
    assert (code, out) == (1, "")
    assert "has no authority: deploy it with the parameter Authority=yes" in err


def test_init_confirms_then_creates_missing_cas(command: Command, configuration: ConfigurationWriter) -> None:
    refused(command("init"), "Cannot ask for confirmation without a terminal; pass --yes.")
    assert configuration.cas() == ()
    made = fine(command("init", "--organization", "Example Corp", "--common-name", "Example", "--yes", "--json"))
    assert [ca["name"] for ca in made] == ["root", "issuing-ec", "issuing-rsa"]
    assert [ca["certificates"][0]["subject"] for ca in made] == [
        "CN=Example Root,O=Example Corp", "CN=Example Issuing EC,O=Example Corp", "CN=Example Issuing RSA,O=Example Corp",
    ]  # fmt: skip
    assert fine(command("init", "--json")) == made  # nothing to ask for


def test_init_adds_an_issuing_ca_beside_existing_ones(
    command: Command, cas: list[Any], configuration: ConfigurationWriter
) -> None:
    made = fine(command("init", "--issuing", "issuing-ec-2=EC_secp384r1", "--yes", "--json"))
    assert [(ca["name"], ca["algorithm"], ca["status"]) for ca in made] == [
        ("root", "EC_secp384r1", "active"), ("issuing-ec-2", "EC_secp384r1", "active"),
    ]  # fmt: skip
    assert len(configuration.cas()) == 4
    refused(
        command("init", "--issuing", "issuing-ec=RSA_2048", "--yes"),
        "CA issuing-ec exists with EC_prime256v1; choose another name",
    )
    assert len(fine(command("init", "--issuing", "issuing-ec=EC_prime256v1", "--yes", "--json"))) == 2
    for wrong, message in (("x=RSA_1024", "one of EC_prime256v1"), ("x", "write NAME="), ("root=RSA_2048", "is taken")):
        refused(command("init", "--issuing", wrong, "--yes"), message)


def test_init_names_added_cas_after_the_root(command: Command) -> None:
    fine(command("init", "--common-name", "Example", "--organization", "Example Corp", "--yes", "--json"))
    _, added = fine(command("init", "--issuing", "issuing-ec-2=EC_prime256v1", "--yes", "--json"))
    assert added["certificates"][0]["subject"] == "CN=Example Issuing EC 2,O=Example Corp"
    _, other = fine(command("init", "--issuing", "third=RSA_2048", "--common-name", "Other", "--yes", "--json"))
    assert other["certificates"][0]["subject"] == "CN=Other Third,O=Example Corp"


def test_init_notes_names_ignored_for_existing_cas(command: Command, cas: list[Any]) -> None:
    assert cas[0]["certificates"][0]["subject"] == "CN=Example Root"
    assert command("init", "--common-name", "Example")[1:] == (command("init")[1], "")
    code, out, err = command("init", "--common-name", "Example", "--organization", "Example Corp")
    assert (code, out.splitlines()[0]) == (0, "exists already: root, issuing-ec, issuing-rsa")
    assert err.startswith(
        "note: --common-name and --organization ignored: the existing CAs keep their names: root (CN=Example Root); "
    )


def test_init_publishes_missing_revocation_lists_once(
    command: Command, function: FrontFunction, configuration: ConfigurationWriter, certificates: DynamoDBCertificates
) -> None:
    fine(command("init", "--yes", "--json"))
    fine(command("init", "--json"))  # still missing: the function published none
    assert function.payloads == [{"task": "crl"}] * 2
    for ca in configuration.cas():
        certificates.publish(ca.id, certificates.next_crl_number(ca.id), crl())
    fine(command("init", "--json"))
    assert len(function.payloads) == 2
    fine(command("init", "--issuing", "issuing-ec-2=EC_prime256v1", "--yes", "--json"))
    assert len(function.payloads) == 3


def test_init_succeeds_without_the_first_revocation_lists(command: Command, function: FrontFunction) -> None:
    function.action = None
    code, out, err = command("init", "--yes", "--json")
    assert (code, len(json.loads(out))) == (0, 3)
    assert err.startswith("note: ")
    assert "the schedule publishes them within a day" in err


def test_init_succeeds_without_access_to_the_front_table(
    command: Command, function: FrontFunction, outputs: dict[str, str]
) -> None:
    outputs["AuthorityTable"] = "closed-to-operators"
    code, out, err = command("init", "--yes", "--json")
    assert (code, len(json.loads(out)), function.payloads) == (0, 3, [])
    assert "note: cannot check whether every CA has a CRL: " in err


def test_init_restores_the_key_policies_of_all_cas(
    command: Command, world: World, configuration: ConfigurationWriter
) -> None:
    fine(command("init", "--issuing", "issuing-ec-2=EC_prime256v1", "--yes", "--json"))
    (key,) = [ca.key for ca in configuration.cas() if ca.name == "issuing-ec-2"]
    before = world.operator.kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    world.operator.kms.put_key_policy(KeyId=key, PolicyName="default", Policy=before.replace("role/signer", "role/x"))
    fine(command("init", "--yes", "--json"))  # names the default CAs only; all are restored
    after = world.operator.kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    assert json.loads(after) == json.loads(before)


def test_init_interrupted_says_how_to_resume(command: Command, function: FrontFunction) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    function.action = interrupted
    code, out, err = command("init", "--yes", "--json")
    assert (code, out) == (130, "")
    assert err == "note: interrupted: run the same command again to resume\n"


def test_empty_listings_name_the_command_that_creates_entries(command: Command, tmp_path: Path) -> None:
    for words, remedy in (
        (("ca", "list"), "evercert authority init"), (("status",), "evercert authority init"),
        (("profiles",), "evercert authority apply"), (("identity", "list"), "evercert authority identity create"),
    ):  # fmt: skip
        code, _, err = command(*words)
        assert code == 0
        assert remedy in err
        assert command(*words, "--json")[2] == ""
    both = [f"unknown issuing CA 'issuing-{one}'; create the CAs with evercert authority init" for one in ("ec", "rsa")]
    refused(command("apply", str(EXAMPLE)), *both)


def test_init_refuses_invalid_names_before_creating_keys(command: Command, configuration: ConfigurationWriter) -> None:
    refused(command("init", "--common-name", "x" * 60, "--yes"), "--common-name: ")
    refused(command("init", "--common-name", "", "--yes"), "--common-name: ")  # such as a variable that is not set
    refused(command("init", "--organization", "a\x00b", "--yes"), "--organization: ")
    refused(command("init", "--root-validity", "20 years", "--yes"), "--root-validity: ")
    assert configuration.cas() == ()
