"""`evercert authority eab`: credentials for ACME clients."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.aws.authority.configuration_writer import ConfigurationWriter
from tests.contract.cli.authority.command_line import EXAMPLE, Command, FrontFunction, fine, refused

PROFILE = "my-project/tls-server"


@pytest.fixture
def profile(command: Command, cas: list[Any], function: FrontFunction) -> str:
    assert command("apply", str(EXAMPLE))[0] == 0
    function.answer = {"mac_key": "c2VjcmV0", "sealed": "ciphertext"}
    return PROFILE


def test_credential_is_created_listed_and_revoked(
    command: Command, profile: str, configuration: ConfigurationWriter
) -> None:
    options = ("--expires", "7d", "--once", "--names", "*.team.example", "--description", "team")
    made = fine(command("eab", "create", "--profile", profile, *options, "--json"))
    stored = configuration.eab_credential(made["key_id"])
    assert stored is not None
    assert (stored.sealed, stored.once, stored.names) == ("ciphertext", True, ("*.team.example",))
    assert made["hmac_key"] == "c2VjcmV0"
    assert made["directory"].endswith(f"/acme/profiles/{stored.profile}/directory")
    code, out, _ = command("eab", "list")
    assert code == 0
    assert made["key_id"] in out and "*.team.example" in out and "c2VjcmV0" not in out
    fine(command("eab", "revoke", made["key_id"], "--yes", "--json"))
    assert fine(command("eab", "list", "--json"))[0]["revoked"] is True


def test_credential_of_deleted_profile_is_listed_as_such(
    command: Command, profile: str, configuration: ConfigurationWriter
) -> None:
    made = fine(command("eab", "create", "--profile", profile, "--json"))
    (stored,) = (one for one in configuration.profiles() if one.key == profile)
    assert configuration.eab_credential(made["key_id"]).generation == stored.generation != ""
    configuration.write(stored.model_copy(update={"generation": "another one"}))
    assert fine(command("eab", "list", "--json"))[0]["profile"] is None
    assert "deleted" in command("eab", "list")[1]


def test_text_shows_what_a_client_needs(command: Command, profile: str) -> None:
    code, out, err = command("eab", "create", "--profile", profile)
    assert code == 0
    assert [line.partition(":")[0] for line in out.splitlines()] == ["directory", "key ID", "HMAC key"]
    assert "save the HMAC key now" in err


def test_mistakes_are_named(command: Command, profile: str, function: FrontFunction) -> None:
    refused(command("eab", "create", "--profile", "my-project/none"), "unknown profile")
    refused(command("eab", "create", "--profile", profile, "--names", "bücher.example"), "--names")
    refused(command("eab", "create", "--profile", profile, "--expires", "soon"), "--expires")
    refused(command("eab", "revoke", "none", "--yes"), "no credential has the key ID")
    function.answer = {"errorMessage": "x"}
    function.fails = True
    assert command("eab", "create", "--profile", profile)[0] != 0


def test_profile_without_acme_is_refused(command: Command, profile: str, tmp_path: Any) -> None:
    file = tmp_path / "authority.yaml"
    file.write_text("\n".join(line for line in EXAMPLE.read_text().splitlines() if "acme:" not in line))
    assert command("apply", str(file))[0] == 0
    refused(command("eab", "create", "--profile", profile), "serves no ACME clients")


def test_unchecked_profile_needs_bindings(command: Command, cas: list[Any], tmp_path: Any) -> None:
    file = tmp_path / "authority.yaml"
    both = EXAMPLE.read_text().replace("acme: {}", "acme: {eab: optional, ownership: unchecked}")
    file.write_text(both)
    refused(command("apply", str(file)), "unchecked needs eab: required")
