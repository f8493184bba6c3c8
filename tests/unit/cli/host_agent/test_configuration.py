"""The host's file: what is read of it, and every mistake with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from evercert.cli.files import BadInput
from evercert.cli.host_agent import configuration
from evercert.cli.infisical_agent.host import Host
from evercert.host.hooks import Hook
from evercert.host.outputs import Output

NO_HOST = Host({}, lambda _: None)


def entry(folder: Path, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "application-name": "web",
        "profile-name": "tls",
        "attributes": {"common-name": "www.example.com"},
        "file-output": {
            "certificate": {"path": str(folder / "web.crt"), "permission": "0644"},
            "private-key": {"path": str(folder / "web.key")},
        },
    }
    return {key: value for key, value in (found | changes).items() if value is not None}


def read(folder: Path, *entries: dict[str, Any], **document: Any) -> configuration.HostFile:
    path = folder / "agent.yaml"
    path.write_text(yaml.safe_dump({"version": "v2", "certificates": list(entries), **document}))
    return configuration.read(str(path), NO_HOST)


def refused(folder: Path, *entries: dict[str, Any], **document: Any) -> list[str]:
    with pytest.raises(BadInput) as error:
        read(folder, *entries, **document)
    return [line.removeprefix(f"{folder}/") for line in error.value.lines]


def test_files_and_hooks_come_from_the_file(tmp_path: Path) -> None:
    hooks = {"on-renewal": {"command": "systemctl reload nginx", "timeout": 5, "rollback-on-failure": True}}
    (found,) = read(tmp_path, entry(tmp_path, **{"post-hooks": hooks})).certificates
    assert (found.name, found.common_name) == ("www.example.com", "www.example.com")
    assert found.outputs == (
        Output("certificate", tmp_path / "web.crt", 0o644),
        Output("private-key", tmp_path / "web.key"),
    )
    assert found.hooks == {"on-renewal": Hook("systemctl reload nginx", 5, rollback=True)}


def test_auth_is_ignored_with_a_note_and_not_required(tmp_path: Path) -> None:
    auth = {"type": "universal-auth", "config": {"client-id": "/no/such/file", "client-secret": "/no/such/file"}}
    assert read(tmp_path, entry(tmp_path), auth=auth).notes == [f"{tmp_path}/agent.yaml:1: {configuration.IGNORED}"]
    assert read(tmp_path, entry(tmp_path)).notes == []


def test_names_are_those_of_apply(tmp_path: Path) -> None:
    other = entry(tmp_path / "b", **{"profile-name": "mtls"})
    found = read(tmp_path, entry(tmp_path), other).certificates
    assert [one.name for one in found] == ["www.example.com-tls", "www.example.com-mtls"]


def test_combined_file_replaces_certificate_and_key(tmp_path: Path) -> None:
    files = {"combined": {"path": str(tmp_path / "haproxy.pem"), "owner": "haproxy", "group": "haproxy"}}
    (found,) = read(tmp_path, entry(tmp_path, **{"file-output": files})).certificates
    assert found.outputs == (Output("combined", tmp_path / "haproxy.pem", owner="haproxy", group="haproxy"),)


def test_relative_paths_and_home_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/web")
    files = {"certificate": {"path": "tls/web.crt"}, "private-key": {"path": "~/web.key"}}
    (found,) = read(tmp_path, entry(tmp_path, **{"file-output": files})).certificates
    assert [one.path for one in found.outputs] == [tmp_path / "tls/web.crt", Path("/home/web/web.key")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file-output": None}, "agent.yaml:2: certificate 1: file-output.certificate.path is required, as by the agent"),
        ({"file-output": {"pkcs12": {"path": "/x"}}},
         "agent.yaml:6: certificate 1: file-output.pkcs12.passphrase-file is required"),
        ({"profile-name": None}, "agent.yaml:2: certificate 1 (version v2): 'profile-name' is required"),
        ({"post-hooks": {"on-renewal": {"command": "x", "timeout": 9_999}}},
         "agent.yaml:14: certificate 1: invalid on-renewal.timeout: must be 1 to 3600 seconds"),
        ({"post-hooks": {"on-failure": {"command": "x", "rollback-on-failure": True}}},
         ("agent.yaml:14: certificate 1: invalid on-failure.rollback-on-failure: allowed for on-issuance and "
          "on-renewal only; remove it")),
    ],
)  # fmt: skip
def test_mistakes_have_their_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    assert message in refused(tmp_path, entry(tmp_path, **changes))


def test_two_certificates_never_share_a_file(tmp_path: Path) -> None:
    other = entry(tmp_path, attributes={"common-name": "b.example.com"})
    assert len(refused(tmp_path, entry(tmp_path), other)) == 2


def test_a_certificate_is_listed_once(tmp_path: Path) -> None:
    twice = entry(tmp_path / "b", name="web")
    assert refused(tmp_path, entry(tmp_path, name="web"), twice)[0].endswith("web is also certificate 1; remove one")


@pytest.mark.parametrize("text", ["version: evercert/v1\ncertificates: []\n", "[]", "x: ["])
def test_other_documents_are_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(text)
    with pytest.raises(BadInput) as error:
        configuration.read(str(path), NO_HOST)
    assert len(error.value.lines) == 1


def test_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read: No such file or directory"):
        configuration.read(str(tmp_path / "agent.yaml"), NO_HOST)


def test_stores_name_their_passphrase_file(tmp_path: Path) -> None:
    files = {"pkcs12": {"path": "/etc/tomcat/web.p12", "passphrase-file": "/etc/tomcat/passphrase", "alias": "tomcat"}}
    (found,) = read(tmp_path, entry(tmp_path, **{"file-output": files})).certificates
    passphrase = Path("/etc/tomcat/passphrase")
    assert found.outputs == (Output("pkcs12", Path("/etc/tomcat/web.p12"), passphrase_file=passphrase, alias="tomcat"),)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ".."}, "certificate 1: a certificate named .. has no files; rename it"),
        ({"file-output": {"combined": {"path": "/etc/.evercert/web.pem"}}}, "keeps its sets in folders .evercert"),
        ({"file-output": {"combined": {"path": "/etc/web.pem", "permission": "4755"}}}, "must be at most 0777"),
        ({"file-output": {"combined": {"path": "/etc/web.pem"}, "fullchain": {"path": "/etc/x/../web.pem"}}},
         "/etc/web.pem is also the"),
    ],
)  # fmt: skip
def test_dangerous_paths_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    assert message in " ".join(refused(tmp_path, entry(tmp_path, **changes)))


def test_wildcard_and_its_folder_are_not_two_certificates(tmp_path: Path) -> None:
    both = [entry(tmp_path / name, name=name) for name in ("*.example.com", "_wildcard.example.com")]
    assert refused(tmp_path, *both)[0].endswith("is also certificate 1; remove one")
