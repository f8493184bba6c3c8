"""`evercert authority apply`, `profiles` and `show`: policies, profiles and applications from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from evercert.aws.authority.configuration_writer import ConfigurationWriter
from tests.contract.cli.authority.command_line import EXAMPLE, Command, fine, refused
from tests.tools.local_stack import ROOT


def test_apply_example_is_idempotent(command: Command, cas: list[Any], configuration: ConfigurationWriter) -> None:
    code, out, _ = command("apply", str(EXAMPLE), "--dry-run")
    assert (code, configuration.profiles()) == (0, ())
    assert "+ profile my-project/tls-server" in out
    assert "nothing was written (--dry-run)" in out
    done = fine(command("apply", str(EXAMPLE), "--json"))
    assert [(step["verb"], step["what"]) for step in done["steps"]] == [
        ("create", "project"), ("create", "profile"), ("create", "application"),
    ]  # fmt: skip
    assert [profile.key for profile in configuration.profiles()] == ["my-project/tls-server"]
    assert configuration.applications()[0].profiles == ("tls-server",)
    again = fine(command("apply", str(EXAMPLE), "--json"))
    assert {step["verb"] for step in again["steps"]} == {"unchanged"}
    assert fine(command("show", "my-project/tls-server", "--json")) == fine(command("profiles", "--json"))[0]
    refused(command("show", "other"), "unknown profile 'other'; run evercert authority profiles")
    refused(command("show", "my-project/tls-sever"), "did you mean 'my-project/tls-server'?")
    refused(command("show", "tls-server"), "unknown profile 'tls-server'; write my-project/tls-server")


def test_apply_shows_changes_and_keeps_omitted_entries(
    command: Command, cas: list[Any], configuration: ConfigurationWriter, tmp_path: Path
) -> None:
    command("apply", str(EXAMPLE))
    document = yaml.safe_load(EXAMPLE.read_text())
    document["profiles"][0]["cas"] = ["issuing-ec"]
    del document["applications"]
    file = tmp_path / "authority.yaml"
    file.write_text(yaml.safe_dump(document))
    code, out, _ = command("apply", str(file))
    assert code == 0
    assert "~ profile my-project/tls-server\n    cas: issuing-ec, issuing-rsa → issuing-ec\n" in out
    assert len(configuration.applications()) == 1


def test_apply_shows_only_changed_policy_fields(command: Command, cas: list[Any], tmp_path: Path) -> None:
    command("apply", str(EXAMPLE))
    document = yaml.safe_load(EXAMPLE.read_text())
    policy = document["policies"]["web-servers"]
    policy["sans"][0]["allowed"] = ["*"]
    policy["subject"][0]["denied"] = ["admin.example.com"]
    policy["validity"] = {"max": "30d"}
    document["profiles"][0]["defaults"] = {"ttl-days": 7}
    file = tmp_path / "authority.yaml"
    file.write_text(yaml.safe_dump(document))
    code, out, _ = command("apply", str(file), "--dry-run")
    assert code == 0
    assert "    policy.sans[dns_name].allowed: *.example.com, example.com → *\n" in out
    assert "    policy.subject[common_name].denied: (none) → admin.example.com\n" in out
    assert "    policy.validity.max: 397d → 30d\n" in out
    assert "    defaults.ttlDays: 90 → 7\n" in out
    assert "extended-key-usages" not in out


def test_apply_notes_profiles_of_ocsp_responders(command: Command, cas: list[Any], tmp_path: Path) -> None:
    document = yaml.safe_load(EXAMPLE.read_text())
    file = tmp_path / "authority.yaml"
    for purposes, noted in ((["server_auth"], False), (["server_auth", "ocsp_signing"], True)):
        document["policies"]["web-servers"]["extended-key-usages"] = {"allowed": purposes}
        file.write_text(yaml.safe_dump(document))
        code, _, err = command("apply", str(file), "--dry-run")
        assert code == 0
        assert ("profile my-project/tls-server: ocsp_signing makes an OCSP responder" in err) is noted


def test_apply_reports_errors_of_all_files_without_writing(
    command: Command, cas: list[Any], configuration: ConfigurationWriter, tmp_path: Path
) -> None:
    one, two, three = tmp_path / "one.yaml", tmp_path / "two.yaml", tmp_path / "three.yaml"
    one.write_text(EXAMPLE.read_text().replace("issuing-rsa", "issuing-dsa"))
    two.write_text(EXAMPLE.read_text())
    three.write_text(EXAMPLE.read_text().replace("[tls-server]", "[tls-sever]"))
    refused(
        command("apply", str(one), str(two)),
        "one.yaml:20: unknown issuing CA 'issuing-dsa'",
    )
    refused(command("apply", str(three)), "unknown profile 'tls-sever'")
    three.write_text(EXAMPLE.read_text())
    refused(
        command("apply", str(two), str(three)),
        "three.yaml: duplicate profile my-project/tls-server: already defined in", "three.yaml: duplicate application my-app: already defined in",
    )  # fmt: skip
    refused(command("apply", str(tmp_path / "none.yaml")), "cannot be read")
    assert configuration.profiles() == ()


def test_apply_refuses_two_cas_of_one_key_family(
    command: Command, cas: list[Any], configuration: ConfigurationWriter, tmp_path: Path
) -> None:
    command("init", "--issuing", "issuing-ec-2=EC_secp384r1", "--yes")
    file = tmp_path / "authority.yaml"
    file.write_text(EXAMPLE.read_text().replace("issuing-rsa", "issuing-ec-2"))
    refused(command("apply", str(file)), "my-project/tls-server: issuing-ec, issuing-ec-2 all certify EC keys")
    assert configuration.profiles() == ()


def test_apply_refuses_documents_of_another_kind(command: Command) -> None:
    refused(command("apply", str(ROOT / "examples" / "web.yaml")), "web.yaml:2: not an authority document")
    refused(command("apply", str(ROOT / "examples" / "agent.yaml")), "not an authority document")
