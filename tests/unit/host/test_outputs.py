"""Formats on a host: read back by other code, and each refusal in one line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from evercert.errors import Misconfigured
from evercert.host.bundle import read
from evercert.host.outputs import WITH_KEY, Output
from tests.doubles.host import FakeHost, secret_value

PASSPHRASE = "correct horse"


@pytest.fixture
def passphrase_file(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(f"{PASSPHRASE}\nsecond line\n")
    return path


def test_pkcs12_holds_key_leaf_and_issuer(tmp_path: Path, passphrase_file: Path) -> None:
    output = Output("pkcs12", tmp_path / "web.p12", passphrase_file=passphrase_file, alias="tomcat")
    found = pkcs12.load_pkcs12(output.content(read(secret_value(1), "s")), PASSPHRASE.encode())
    assert found.cert is not None
    assert (found.cert.friendly_name, found.cert.certificate.serial_number) == (b"tomcat", 1_001)
    assert len(found.additional_certs) == 1
    assert found.key is not None


def test_der_files_hold_leaf_and_key(tmp_path: Path) -> None:
    bundle = read(secret_value(1), "s")
    leaf = x509.load_der_x509_certificate(Output("certificate-der", tmp_path / "a").content(bundle))
    key = serialization.load_der_private_key(Output("private-key-der", tmp_path / "b").content(bundle), None)
    assert leaf.serial_number == 1_001
    assert leaf.public_key() == key.public_key()  # type: ignore[union-attr]


@pytest.mark.peer("keytool")
def test_jks_is_read_by_java(tmp_path: Path, passphrase_file: Path) -> None:
    output = Output("jks", tmp_path / "web.jks", passphrase_file=passphrase_file)
    output.path.write_bytes(output.content(read(secret_value(1), "s")))
    command = ["keytool", "-list", "-keystore", str(output.path), "-storepass:file", str(passphrase_file)]
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert "Keystore type: JKS" in done.stdout
    assert "certificate, " in done.stdout and "PrivateKeyEntry" in done.stdout


def test_missing_keytool_is_one_line(tmp_path: Path, passphrase_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Misconfigured, match="no program keytool on this host"):
        Output("jks", tmp_path / "x", passphrase_file=passphrase_file).content(read(secret_value(1), "s"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read passphrase-file .*: No such file"),
        (b"short", "6 to 128 ASCII"),
        (b"\xff\xff", "is not text"),
    ],
)
def test_bad_passphrase_is_one_line_and_not_quoted(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "passphrase"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Misconfigured, match=message) as error:
        Output("pkcs12", tmp_path / "x", passphrase_file=path).content(read(secret_value(1), "s"))
    assert "short" not in str(error.value)


@pytest.mark.parametrize("kind", sorted(WITH_KEY))
def test_key_of_a_csr_is_nowhere(tmp_path: Path, kind: str) -> None:
    with pytest.raises(Misconfigured, match=f"remove file-output.{kind}"):
        Output(kind, tmp_path / "x").content(read(secret_value(1, with_key=False), "s"))  # type: ignore[arg-type]


def test_salted_format_is_installed_once(tmp_path: Path, passphrase_file: Path) -> None:
    host = FakeHost(tmp_path, outputs=("certificate",))
    host.outputs += (Output("pkcs12", tmp_path / "tls" / "web.p12", passphrase_file=passphrase_file),)
    host.stack.deliver(1)
    host.restart().check()
    for file in (tmp_path / "state").iterdir():
        file.unlink()
    host.restart().check()
    assert host.hooks.commands == ["on-issuance"]
