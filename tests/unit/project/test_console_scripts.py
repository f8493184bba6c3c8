"""Third-party scripts of the console: they match the lock, call no other host, and make keys and requests."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evercert.authority.requests import csr
from evercert.pki.algorithms import algorithm_of
from tests.tools import console_scripts
from tests.tools.console_scripts import SOURCES, VENDOR, MissingScriptsError
from tests.tools.local_stack import ROOT
from tests.tools.peers import REQUIRED

LOCK: dict[str, Any] = json.loads((ROOT / SOURCES / "package-lock.json").read_text())
PACKAGE: dict[str, Any] = json.loads((ROOT / SOURCES / "package.json").read_text())
SCRIPTS = ("htmx.js", "keys.js")


@pytest.fixture(scope="module")
def vendor() -> Path:
    """Return the folder of the built scripts; skip without npm, except where every peer is required."""
    try:
        console_scripts.install()
    except MissingScriptsError as error:
        (pytest.fail if REQUIRED else pytest.skip)(str(error))
    if not (ROOT / VENDOR / "LICENSES.txt").exists():
        console_scripts.build()
    return ROOT / VENDOR


def packages(script: Path) -> dict[str, set[str]]:
    """Return the versions of each package that the first line of a script names."""
    header = script.read_text().partition("\n")[0]
    assert header.startswith("/*! ") and header.endswith(" */"), header
    found: dict[str, set[str]] = {}
    for one in header[4:-3].split(", "):
        name, version = one.split(" ")
        found.setdefault(name, set()).add(version)
    return found


def locked(name: str) -> set[str]:
    """Return the versions of a package that the lock installs, nested copies included."""
    return {entry["version"] for path, entry in LOCK["packages"].items() if path.endswith(f"node_modules/{name}")}


def test_lock_pins_every_package_by_hash() -> None:
    entries = {path: entry for path, entry in LOCK["packages"].items() if path}
    assert [path for path, entry in entries.items() if not entry.get("integrity", "").startswith("sha512-")] == []
    wanted = {**PACKAGE["dependencies"], **PACKAGE["devDependencies"]}
    assert {name: {version} for name, version in wanted.items()} == {name: locked(name) for name in wanted}


def test_scripts_contain_the_locked_versions(vendor: Path) -> None:
    found: dict[str, set[str]] = {}
    for script in SCRIPTS:
        for name, versions in packages(vendor / script).items():
            found.setdefault(name, set()).update(versions)
    assert found.keys() >= PACKAGE["dependencies"].keys()
    assert not found.keys() & PACKAGE["devDependencies"].keys()
    assert {name: versions - locked(name) for name, versions in found.items() if versions - locked(name)} == {}


def test_licenses_name_every_package(vendor: Path) -> None:
    licenses = (vendor / "LICENSES.txt").read_text()
    for script in SCRIPTS:
        for name, versions in packages(vendor / script).items():
            for version in versions:
                section = re.search(
                    rf"^{re.escape(f'{name} {version}')} \(([\w.-]+)\)\n\n(.{{200}})",
                    licenses,
                    re.MULTILINE | re.DOTALL,
                )
                assert section is not None, name
                assert section[1] in {"0BSD", "Apache-2.0", "BSD-3-Clause", "MIT"}


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_names_no_other_host(vendor: Path, script: str) -> None:
    text = (vendor / script).read_text()
    assert re.findall(r"(?:https?:|wss?:)?//[a-z0-9-]+\.[a-z]{2,}", text) == []
    assert re.findall(r"\bimport\s*\(|\bimportScripts\b|sourceMappingURL", text) == []


def test_keys_make_no_requests(vendor: Path) -> None:
    text = (vendor / "keys.js").read_text()
    assert (
        re.findall(r"\b(?:fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon|localStorage|WebAssembly)\b", text)
        == []
    )


def test_build_repeats_byte_for_byte(vendor: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / SOURCES, tmp_path / SOURCES)
    again = console_scripts.build(tmp_path)
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in vendor.iterdir()
    }


def test_install_without_npm_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_scripts, "NODE_MODULES", tmp_path / "browser")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingScriptsError, match=r"^npm is not installed$"):
        console_scripts.install()


def test_install_names_the_failure_of_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = {"node": "echo v20.0.0", "npm": "echo 'npm error code ENOTFOUND' >&2; echo more >&2; exit 1"}
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(console_scripts, "NODE_MODULES", tmp_path / "browser")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingScriptsError, match=r"^npm ci: npm error code ENOTFOUND$"):
        console_scripts.install()
    assert not (tmp_path / "browser" / "installed.json").exists()


@pytest.mark.parametrize("version", ["v16.20.2", "", "unknown"])
def test_install_refuses_an_old_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    for name, text in {"node": f"echo {version}", "npm": "exit 0"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(console_scripts, "NODE_MODULES", tmp_path / "browser")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingScriptsError, match=r"^Node\.js 18 or newer is needed; this is "):
        console_scripts.install()


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)], ids=["in CI", "elsewhere"])
def test_setup_fails_without_npm_only_in_ci(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ci: str, code: int
) -> None:
    monkeypatch.setattr(console_scripts, "NODE_MODULES", tmp_path / "browser")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    line = "the scripts of `evercert console` were not built: npm is not installed"
    if code:
        with pytest.raises(SystemExit, match=line):
            console_scripts.main()
    else:
        console_scripts.main()
        assert capsys.readouterr().out == f"{line}\n"


RUN = """
import { webcrypto } from "node:crypto";
globalThis.crypto ??= webcrypto;  // Node.js 18
const { makeRequest } = await import(process.argv[2]);
for (const name of ["fetch", "XMLHttpRequest", "WebSocket"]) globalThis[name] = undefined;
try {
  console.log(JSON.stringify(await makeRequest(JSON.parse(process.argv[3]))));
} catch (error) {
  console.log(JSON.stringify({ error: error.message }));
}
"""


@pytest.fixture(scope="module")
def node(vendor: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that calls `makeRequest` of the built script in Node.js, without eval."""
    folder = tmp_path_factory.mktemp("node")
    shutil.copy(vendor / "keys.js", folder / "keys.mjs")
    (folder / "run.mjs").write_text(RUN)

    def call(**options: Any) -> dict[str, str]:
        command = ["node", "--disallow-code-generation-from-strings", "run.mjs", "./keys.mjs", json.dumps(options)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
        return dict(json.loads(done.stdout))

    return call


NAMES = {
    "dns": ["app.example.com", "*.example.com", "xn--mller-kva.example"],
    "ip": ["192.0.2.7", "2001:db8::1"],
    "email": ["ops@example.com"],
    "uri": ["spiffe://example.com/app"],
}
ALGORITHMS = {
    "EC_prime256v1": "EC_prime256v1",
    "EC_secp384r1": "EC_secp384r1",
    "EC_secp521r1": "EC_secp521r1",
    "EC_P256": "EC_prime256v1",
    "EC_P384": "EC_secp384r1",
    "RSA_2048": "RSA_2048",
    "RSA_3072": "RSA_3072",
    "RSA_4096": "RSA_4096",
}


@pytest.mark.peer("node")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_request_has_the_key_that_was_made(node: Any, algorithm: str) -> None:
    made = node(algorithm=algorithm, names=NAMES, commonName="app.example.com")
    key = serialization.load_pem_private_key(made["privateKeyPem"].encode(), None)
    request = x509.load_pem_x509_csr(made["csrPem"].encode())
    assert algorithm_of(key.public_key()) == ALGORITHMS[algorithm]
    assert request.is_signature_valid and request.public_key() == key.public_key()
    parsed = csr.read(made["csrPem"])
    assert (parsed.algorithm, parsed.notes) == (ALGORITHMS[algorithm], ())
    assert parsed.requested["common_name"] == "app.example.com"
    assert {(name.kind, name.value) for name in parsed.requested["names"]} == {
        (kind, value) for kind, values in NAMES.items() for value in values
    }


@pytest.mark.peer("node")
def test_keys_differ_from_call_to_call(node: Any) -> None:
    options = {"algorithm": "EC_prime256v1", "names": {"dns": ["app.example.com"]}}
    first, second = node(**options), node(**options)
    assert first["privateKeyPem"] != second["privateKeyPem"] and first["csrPem"] != second["csrPem"]


@pytest.mark.peer("node")
def test_common_name_is_not_parsed_as_a_subject(node: Any) -> None:
    made = node(algorithm="EC_prime256v1", commonName='a", O=b+OU=c \u202e', names={})
    (attribute,) = x509.load_pem_x509_csr(made["csrPem"].encode()).subject
    assert attribute.value == 'a", O=b+OU=c \u202e'


@pytest.mark.peer("node")
def test_request_without_a_common_name_has_no_subject(node: Any) -> None:
    made = node(algorithm="EC_prime256v1", names={"dns": ["app.example.com"]})
    assert csr.read(made["csrPem"]).requested.get("common_name") is None
    assert not list(x509.load_pem_x509_csr(made["csrPem"].encode()).subject)


@pytest.mark.peer("node")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"algorithm": "DSA", "names": {"dns": ["a.example"]}},
            "unsupported key algorithm DSA: use one of EC_prime256v1, ",
        ),
        ({"algorithm": "toString", "names": {"dns": ["a.example"]}}, "unsupported key algorithm toString: "),
        (
            {"algorithm": "RSA_2048", "names": {"dns": ["müller.example"]}},
            'invalid dns name "müller.example": use ASCII ',
        ),
        ({"algorithm": "RSA_2048", "names": {"dns": ["a b.example"]}}, 'invalid dns name "a b.example": '),
        ({"algorithm": "RSA_2048", "names": {"dns": [""]}}, 'invalid dns name "": '),
        ({"algorithm": "RSA_2048", "names": {"upn": ["a"]}}, "unsupported kind of name upn: use dns, ip, email, uri"),
        ({"algorithm": "RSA_2048", "names": {}}, "no names: enter a DNS name, "),
        (
            {"algorithm": "RSA_2048", "commonName": "x" * 65},
            "invalid common name: 65 characters, at most 64 are allowed",
        ),
    ],
    ids=["algorithm", "prototype", "non-ASCII", "space", "empty", "kind", "none", "common name"],
)
def test_request_refuses_invalid_names(node: Any, options: dict[str, Any], message: str) -> None:
    assert node(**options)["error"].startswith(message)


@pytest.mark.peer("node")
@pytest.mark.parametrize("address", ["300.0.0.1", "not-an-address", "2001:db8:::1"])
def test_request_refuses_invalid_addresses(node: Any, address: str) -> None:
    assert "error" in node(algorithm="EC_prime256v1", names={"ip": [address]})
