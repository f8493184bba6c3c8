"""Tests of the file formats, each with the readers that people use: OpenSSL, Java and HAProxy where they are present."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from evercert.errors import Rejected
from evercert.pki import formats
from evercert.pki.algorithms import ALGORITHMS
from evercert.pki.certificate import Bundle, Chain
from evercert.pki.keys import PrivateKey
from tests.samples import chains
from tests.samples.certificates import private_key

PASSPHRASE = 'six words: a "quoted" $ and `tick`'
ROOT = chains.issue("Root")
INTERMEDIATE = chains.issue("Intermediate", ROOT)


def bundle(algorithm: str = "EC_prime256v1", *, key: bool = True) -> Bundle:
    leaf = chains.leaf(INTERMEDIATE, key=private_key(algorithm))
    chain = Chain((leaf.certificate, INTERMEDIATE.certificate, ROOT.certificate))
    return Bundle(chain, PrivateKey(private_key(algorithm)) if key else None)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.mark.parametrize(("omit_root", "expected"), [(True, 2), (False, 3)])
def test_combined_pem_has_leaf_issuers_and_key_in_order(omit_root: bool, expected: int) -> None:
    made = bundle()
    text = formats.combined_pem(made, omit_root=omit_root)
    assert x509.load_pem_x509_certificates(text.encode()) == list(made.chain.certificates[:expected])
    labels = [line.strip("-").removeprefix("BEGIN ") for line in text.splitlines() if line.startswith("-----BEGIN")]
    assert labels == ["CERTIFICATE"] * expected + ["PRIVATE KEY"]
    assert made.private_key is not None
    assert text.endswith(made.private_key.pem())


def test_combined_pem_of_a_csr_has_no_key() -> None:
    assert "PRIVATE" not in formats.combined_pem(bundle(key=False))


def test_der_is_that_of_leaf_and_pkcs8_key() -> None:
    made = bundle()
    assert made.private_key is not None
    assert x509.load_der_x509_certificate(formats.certificate_der(made)) == made.chain.leaf
    loaded = serialization.load_der_private_key(formats.key_der(made), None)
    assert PrivateKey(loaded).public_bytes() == made.private_key.public_bytes()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make", [formats.key_der, lambda made: formats.pkcs12(made, PASSPHRASE, "web")], ids=["der", "pkcs12"]
)
def test_formats_without_a_key_are_refused(make: Callable[[Bundle], bytes]) -> None:
    with pytest.raises(Rejected, match="requires the private key, which a certificate from a csr does not have"):
        make(bundle(key=False))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_pkcs12_contains_key_leaf_and_issuers(algorithm: str) -> None:
    made = bundle(algorithm)
    loaded = pkcs12.load_pkcs12(formats.pkcs12(made, PASSPHRASE, "web"), PASSPHRASE.encode())
    assert loaded.cert is not None and made.private_key is not None
    assert (loaded.cert.certificate, loaded.cert.friendly_name) == (made.chain.leaf, b"web")
    assert [each.certificate for each in loaded.additional_certs] == [INTERMEDIATE.certificate]
    assert PrivateKey(loaded.key).public_bytes() == made.private_key.public_bytes()  # type: ignore[arg-type]


def test_pkcs12_keeps_the_root_on_request() -> None:
    loaded = pkcs12.load_pkcs12(formats.pkcs12(bundle(), PASSPHRASE, "web", omit_root=False), PASSPHRASE.encode())
    assert [each.certificate for each in loaded.additional_certs] == [INTERMEDIATE.certificate, ROOT.certificate]


def test_pkcs12_needs_its_passphrase() -> None:
    made = formats.pkcs12(bundle(), PASSPHRASE, "web")
    with pytest.raises(ValueError, match="Invalid password"):
        pkcs12.load_pkcs12(made, b"another")
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_pkcs12(made, None)


@pytest.mark.parametrize("passphrase", ["", "short", "x" * 129, "geheim-ß-geheim", "with\nnewline"])
def test_unsuitable_passphrase_is_refused_unquoted(passphrase: str) -> None:
    with pytest.raises(ValueError, match=r"^a passphrase has 6 to 128 ASCII characters$"):
        formats.pkcs12(bundle(), passphrase, "web")


@pytest.mark.peer("openssl")
def test_openssl_reads_pkcs12_with_modern_ciphers(tmp_path: Path) -> None:
    store, made = tmp_path / "web.p12", bundle()
    store.write_bytes(formats.pkcs12(made, PASSPHRASE, "web"))
    reading = ["openssl", "pkcs12", "-in", str(store), "-passin", f"pass:{PASSPHRASE}", "-nodes"]
    text = run(*reading)
    assert "friendlyName: web" in text
    assert x509.load_pem_x509_certificates(text.encode()) == [made.chain.leaf, INTERMEDIATE.certificate]
    done = subprocess.run([*reading, "-info", "-noout"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.count("PBES2, PBKDF2, AES-256-CBC, Iteration 20000, PRF hmacWithSHA256") == 2
    assert "MAC: sha256" in done.stderr


@pytest.mark.peer("keytool")
def test_java_reads_pkcs12(tmp_path: Path) -> None:
    store = tmp_path / "web.p12"
    store.write_bytes(formats.pkcs12(bundle(), PASSPHRASE, "web"))
    listed = run(
        "keytool", "-J-Duser.language=en", "-list", "-v", "-storetype", "PKCS12", "-keystore", str(store),
        "-storepass", PASSPHRASE,
    )  # fmt: skip
    assert "Alias name: web" in listed
    assert "Entry type: PrivateKeyEntry" in listed
    assert "Certificate chain length: 2" in listed


@pytest.mark.peer("haproxy")
def test_haproxy_reads_combined_pem(tmp_path: Path) -> None:
    pem, configuration = tmp_path / "web.pem", tmp_path / "haproxy.cfg"
    pem.write_text(formats.combined_pem(bundle()))
    configuration.write_text(
        f"frontend web\n  mode http\n  timeout client 1s\n  bind {tmp_path}/socket ssl crt {pem}\n"
    )
    run("haproxy", "-c", "-f", str(configuration))
