"""Check certificates and CRLs with pkilint, OpenSSL, the verifier of `cryptography`, and two TLS stacks."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import verification

from evercert.authority.ca.builder import serial_number, sign_ca_csr
from evercert.authority.ca.kms_key import kms_private_key, public_key_of
from evercert.authority.ca.signing_orders import CrlOrder, Revoked
from evercert.authority.signer.signer import SigningService
from evercert.pki.identifiers import parse
from tests.doubles.authority.ceremony import ADDRESS, Ceremony, name, order, pem
from tests.doubles.authority.configuration import FakeConfiguration
from tests.doubles.authority.ledger import MemoryLedger
from tests.doubles.fakes import START
from tests.samples.certificates import certificate, private_key
from tests.tools.openssl import openssl, verify
from tests.tools.pkilint import findings

pytestmark = [pytest.mark.peer("openssl"), pytest.mark.peer("lint_pkix_cert")]

KEYS = ["EC_prime256v1", "EC_secp384r1", "EC_secp521r1", "RSA_2048", "RSA_3072", "RSA_4096"]
PURPOSES = {"server": ("server_auth",), "client": ("client_auth",), "mtls": ("server_auth", "client_auth")}
NAMES = ("dns:www.example.com", "dns:*.example.com", "ip:192.0.2.1", "ip:2001:db8::1", "uri:spiffe://example.com/web")


def signing(ceremony: Ceremony, now: datetime = START) -> SigningService:
    configuration = FakeConfiguration(ceremony.root, ceremony.issuing)
    return SigningService(configuration, MemoryLedger(), ceremony.keys, ADDRESS, lambda: now)


def issued(ceremony: Ceremony, now: datetime = START, **changes) -> x509.Certificate:
    return x509.load_der_x509_certificate(signing(ceremony, now).leaf(order(ceremony.issuing, now, **changes)))


def crl(ceremony: Ceremony, *revoked: Revoked) -> x509.CertificateRevocationList:
    crl_order = CrlOrder(ceremony.issuing.id, 7, START, START + timedelta(days=7), revoked)
    return x509.load_der_x509_crl(signing(ceremony).crl(crl_order))


def usages(algorithm: str) -> tuple[str, ...]:
    return ("digital_signature", "key_encipherment") if algorithm.startswith("RSA") else ("digital_signature",)


def test_pkilint_reports_findings() -> None:
    assert findings(certificate(extended=None, usages=("key_cert_sign",)))


@pytest.mark.parametrize("text", ["*.exa_mple.com", "*.-a.example", "*.a..example", "*.example", "www.*.example.com"])
def test_wildcard_exception_hides_no_other_finding(text: str) -> None:
    key = private_key("EC_prime256v1")
    builder = (
        x509.CertificateBuilder().subject_name(name("x")).issuer_name(name("x")).public_key(key.public_key())
        .serial_number(serial_number()).not_valid_before(START).not_valid_after(START + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(text)]), critical=False)
    )  # fmt: skip
    assert any(text in one for one in findings(builder.sign(key, hashes.SHA256())))


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("algorithm", KEYS)
def test_leaf_passes_pkilint(algorithm: str, purpose: str) -> None:
    ceremony = Ceremony(algorithm)
    more = {"key_usages": usages(algorithm), "extended_key_usages": PURPOSES[purpose]}
    assert findings(issued(ceremony, names=tuple(map(parse, NAMES)), **more)) == []
    subject = {
        "domain_components": ("com", "example"), "country": ("DE",), "state": ("Bavaria",), "locality": ("München",),
        "organization": ("Example",), "organizational_unit": ("Shop",), "common_name": ("www.example.com",),
    }  # fmt: skip
    assert findings(issued(ceremony, subject=subject, **more)) == []
    assert findings(issued(ceremony, subject={}, **more)) == []


@pytest.mark.parametrize("algorithm", KEYS)
def test_cas_and_crls_pass_pkilint(algorithm: str) -> None:
    ceremony = Ceremony(algorithm)
    assert findings(ceremony.root.current.x509) == []
    assert findings(ceremony.issuing.current.x509) == []
    revoked = (
        Revoked(serial_number(), START - timedelta(hours=2)),
        Revoked(serial_number(), START - timedelta(hours=1), "keyCompromise"),
    )
    for one in (crl(ceremony), crl(ceremony, *revoked)):
        assert findings(one) == []
        assert one.is_signature_valid(ceremony.issuing.current.x509.public_key())


@pytest.mark.parametrize("algorithm", KEYS)
def test_openssl_and_cryptography_verify_the_chain(algorithm: str) -> None:
    now = datetime.now(UTC)
    ceremony = Ceremony(algorithm, now)
    leaf = issued(ceremony, now, key_usages=usages(algorithm))
    root, middle = ceremony.root.current, ceremony.issuing.current
    assert verify(pem(leaf), trusted=root.certificate, chain=middle.certificate) == "OK"
    store = verification.Store([root.x509])
    verifier = (
        verification.PolicyBuilder().store(store).time(now).build_server_verifier(x509.DNSName("www.example.com"))
    )
    assert verifier.verify(leaf, [middle.x509]) == [leaf, middle.x509, root.x509]


def test_issuing_ca_may_sign_leaves_and_crls_only() -> None:
    ceremony = Ceremony()
    constraints = ceremony.issuing.current.x509.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    usage = ceremony.issuing.current.x509.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert usage.value.crl_sign
    assert not usage.value.key_encipherment


def test_openssl_reads_revocation_from_crl(tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    ceremony = Ceremony("EC_prime256v1", now)
    signer, leaf_order = signing(ceremony, now), order(ceremony.issuing, now)
    leaf = x509.load_der_x509_certificate(signer.leaf(leaf_order))
    (tmp_path / "leaf.pem").write_text(pem(leaf))
    (tmp_path / "middle.pem").write_text(ceremony.issuing.current.certificate)
    (tmp_path / "root.pem").write_text(ceremony.root.current.certificate)

    def verify(number: int, *revoked: Revoked) -> str:
        der = signer.crl(CrlOrder(ceremony.issuing.id, number, now, now + timedelta(days=7), revoked))
        text = x509.load_der_x509_crl(der).public_bytes(serialization.Encoding.PEM).decode()
        (tmp_path / "crl.pem").write_text(text)
        files = [str(tmp_path / f"{file}.pem") for file in ("crl", "root", "middle", "leaf")]
        command = [
            "openssl",
            "verify",
            "-crl_check",
            "-CRLfile",
            files[0],
            "-trusted",
            files[1],
            "-untrusted",
            *files[2:],
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        return done.stdout + done.stderr

    assert ": OK" in verify(1)
    assert "certificate revoked" in verify(2, Revoked(leaf.serial_number, now - timedelta(minutes=1), "superseded"))


@pytest.mark.parametrize("algorithm", ["EC_prime256v1", "RSA_2048"])
def test_openssl_accepts_csr_of_a_ca_key(algorithm: str) -> None:
    ceremony = Ceremony(algorithm)
    arn = ceremony.issuing.key
    request = sign_ca_csr(kms_private_key(ceremony.keys, arn, public_key_of(ceremony.keys, arn)), name("issuing"))
    text = request.public_bytes(serialization.Encoding.PEM).decode()
    shown = openssl("req", "-noout", "-verify", "-text", given=text)
    assert "CA:TRUE, pathlen:0" in shown
    assert "Certificate Sign, CRL Sign" in shown


# -- TLS --------------------------------------------------------------------------------------------------------------
@pytest.fixture(params=["EC_prime256v1", "RSA_2048"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a folder with the keys and certificates of a loopback server and its client."""
    now = datetime.now(UTC)
    ceremony = Ceremony(request.param, now)
    names = (parse("dns:localhost"), parse("ip:127.0.0.1"))
    both = ("server_auth", "client_auth")
    leaf = issued(ceremony, now, names=names, subject={}, key_usages=usages(request.param), extended_key_usages=both)
    (tmp_path / "chain.pem").write_text(pem(leaf) + ceremony.issuing.current.certificate)
    (tmp_path / "middle.pem").write_text(ceremony.issuing.current.certificate)
    (tmp_path / "root.pem").write_text(ceremony.root.current.certificate)
    key = private_key(request.param).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(key)
    return tmp_path


def serve_once(folder: Path, listener: socket.socket) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    context.load_verify_locations(folder / "root.pem")
    context.verify_mode = ssl.CERT_REQUIRED  # the leaf is valid for server and client
    connection, _ = listener.accept()
    connection.settimeout(10)
    with context.wrap_socket(connection, server_side=True) as wrapped:
        wrapped.sendall(b"hello")


@pytest.fixture
def listener() -> socket.socket:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(10)
        yield made


def test_python_client_connects_to_python_server(served: Path, listener: socket.socket) -> None:
    server = threading.Thread(target=serve_once, args=(served, listener))
    server.start()
    context = ssl.create_default_context(cafile=str(served / "root.pem"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_cert_chain(served / "chain.pem", served / "key.pem")
    raw = socket.create_connection(listener.getsockname(), timeout=10)
    with context.wrap_socket(raw, server_hostname="localhost") as wrapped:
        assert wrapped.recv(5) == b"hello"
    server.join(10)


def test_openssl_client_connects_to_python_server(served: Path, listener: socket.socket) -> None:
    server = threading.Thread(target=serve_once, args=(served, listener))
    server.start()
    port = listener.getsockname()[1]
    done = subprocess.run(
        [
            "openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", served / "root.pem", "-x509_strict",
            "-verify_return_error", "-verify_hostname", "localhost", "-cert", served / "chain.pem",
            "-cert_chain", served / "middle.pem", "-key", served / "key.pem", "-ign_eof",
        ],
        capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    server.join(10)
    assert "Verify return code: 0 (ok)" in done.stdout, done.stderr
    assert "hello" in done.stdout


def test_python_client_connects_to_openssl_server(served: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        "openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", served / "chain.pem", "-key", served / "key.pem",
        "-cert_chain", served / "middle.pem", "-naccept", "1", "-www",
    ]  # fmt: skip
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
    with subprocess.Popen(command, **piped) as server:
        try:
            assert any(b"ACCEPT" in line for line in server.stdout)
            context = ssl.create_default_context(cafile=str(served / "root.pem"))
            context.verify_flags |= ssl.VERIFY_X509_STRICT
            raw = socket.create_connection(("127.0.0.1", port), timeout=10)
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as wrapped:
                assert ("IP Address", "127.0.0.1") in wrapped.getpeercert()["subjectAltName"]
        finally:
            server.kill()


def test_signer_signs_a_hundred_long_names() -> None:
    """KMS accepts raw messages of at most 4,096 bytes, so this needs a digest."""
    ceremony = Ceremony()
    names = tuple(parse(f"dns:{'a' * 50}.{number}.example.com") for number in range(100))
    leaf = issued(ceremony, names=names)
    assert len(leaf.tbs_certificate_bytes) > 4_096
    leaf.verify_directly_issued_by(ceremony.issuing.current.x509)
