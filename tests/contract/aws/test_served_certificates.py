"""Probes against real servers on loopback: well-behaved, hostile, and at addresses that are never asked."""

from __future__ import annotations

import hashlib
import ipaddress
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from evercert.aws.authority.validation_pages import NoAddress
from evercert.aws.served_certificates import ServedCertificates, leaf_of
from evercert.contracts.probe import MOST_ADDRESSES, ProbeAnswer, ProbeTarget
from tests.contract.aws.authority.test_validation_network import NEVER

TARGET = ProbeTarget("www.example.com", 443, "www.example.com")
NOW = datetime.now(UTC).replace(microsecond=0)
SPAN = timedelta(seconds=2)


class Certificate:
    """A certificate of a small CA, and its key."""

    def __init__(self, name: str, by: Certificate | None = None, *, size: int = 0) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(self.name if by is None else by.name)
            .public_key(self.key.public_key())
            .serial_number(0x0A0B)
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=30))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        )
        if size:
            oid = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, b"x" * size), critical=False)
        self.certificate = builder.sign(self.key if by is None else by.key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


@pytest.fixture(scope="module")
def ca() -> Certificate:
    return Certificate("CA")


@pytest.fixture(scope="module")
def own(ca: Certificate) -> Certificate:
    return Certificate("www.example.com", ca)


def context(folder: Path, *chain: Certificate) -> ssl.SSLContext:
    """Return the context of a server that sends this chain."""
    file = folder / f"{len(list(folder.iterdir()))}.pem"
    file.write_bytes(chain[0].key_pem + b"".join(one.pem for one in chain))
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(file)
    return found


@contextmanager
def listening(talk: Callable[[socket.socket], object]) -> Iterator[int]:
    """Accept connections on loopback and let `talk` answer each."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.05)
    stopped = threading.Event()

    def accept() -> None:
        while not stopped.is_set():
            with suppress(OSError):
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    connection.settimeout(5)
                    talk(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        stopped.set()
        thread.join(8)
        server.close()


def tls(context: ssl.SSLContext) -> Callable[[socket.socket], object]:
    """Return a server that performs the handshake and waits for the client to leave."""

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as found:
            found.recv(1)

    return talk


def probe(port: int, target: ProbeTarget = TARGET) -> ProbeAnswer:
    """Probe the server on loopback; check that the probe ends in time."""
    begun = time.monotonic()
    report = ServedCertificates(lambda _: [], local=("127.0.0.1", port), span=SPAN).probe(target)
    assert time.monotonic() - begun < 3.5
    (answer,) = report.answers
    return answer


# -- servers ----------------------------------------------------------------------------------------------------------
def test_leaf_of_a_server_is_read(tmp_path: Path, ca: Certificate, own: Certificate) -> None:
    """No authority of the system knows the CA: nothing is trusted."""
    with listening(tls(context(tmp_path, own, ca))) as port:
        found = probe(port).leaf
    assert found.fingerprint_sha256 == hashlib.sha256(own.der).hexdigest()
    assert (found.serial_number, found.covers_name) == ("0A0B", True)
    assert (found.not_before, found.not_after) == (NOW - timedelta(days=1), NOW + timedelta(days=30))
    assert found.issuer_until == ca.certificate.not_valid_after_utc


def test_missing_issuer_and_other_name_are_seen(tmp_path: Path, own: Certificate) -> None:
    with listening(tls(context(tmp_path, own))) as port:
        found = probe(port, ProbeTarget("db.example.com", 5432, "db.example.com")).leaf
    assert (found.issuer_until, found.covers_name) == (None, False)


def test_server_is_asked_for_its_name(tmp_path: Path, ca: Certificate, own: Certificate) -> None:
    default, asked = context(tmp_path, Certificate("default.example.com", ca)), []
    other = context(tmp_path, own)

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        asked.append(name)
        if name == "www.example.com":
            connection.context = other

    default.sni_callback = choose
    with listening(tls(default)) as port:
        assert probe(port).leaf.covers_name
        assert not probe(port, ProbeTarget("192.0.2.1", 443, None)).leaf.covers_name
    assert asked == ["www.example.com", None]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_server_that_requires_client_certificates_is_read(
    tmp_path: Path, ca: Certificate, own: Certificate, version: ssl.TLSVersion
) -> None:
    strict = context(tmp_path, own)
    strict.minimum_version = strict.maximum_version = version
    strict.verify_mode = ssl.CERT_REQUIRED
    strict.load_verify_locations(cadata=ca.pem.decode())
    with listening(tls(strict)) as port:
        assert probe(port).leaf.covers_name


def test_old_protocol_is_no_tls(tmp_path: Path, own: Certificate) -> None:
    old = context(tmp_path, own)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with listening(tls(old)) as port:
        assert probe(port).problem == "no-tls"


# -- hostile servers --------------------------------------------------------------------------------------------------
def flood(connection: socket.socket) -> None:
    for _ in range(10_000):
        connection.sendall(b"\x16\x03\x03\x40\x00" + b"secret" * 3_000)


def drip(connection: socket.socket) -> None:
    for _ in range(200):
        connection.sendall(b"\x16")
        time.sleep(0.05)


def warn_endlessly(connection: socket.socket) -> None:
    for _ in range(100_000):
        connection.sendall(b"\x15\x03\x03\x00\x02\x01\x00")  # alert: warning, close_notify


@pytest.mark.parametrize(
    ("talk", "problems"),
    [
        (lambda connection: time.sleep(4), {"timeout"}),
        (drip, {"no-tls", "timeout"}),
        (flood, {"no-tls", "failed"}),
        (warn_endlessly, {"no-tls", "failed"}),
        (lambda connection: None, {"no-tls", "failed"}),
        (lambda connection: connection.sendall(b"220 mail.example.com ESMTP\r\n"), {"no-tls", "failed"}),
        (lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), {"no-tls", "failed"}),
        (lambda connection: connection.sendall(b"\0" * 100_000), {"no-tls", "failed"}),
    ],
    ids=["silent", "drips", "floods", "warns", "closes", "smtp", "http", "zeros"],
)
def test_hostile_server_is_a_problem_in_time(talk: Callable[[socket.socket], object], problems: set[str]) -> None:
    with listening(talk) as port:
        answer = probe(port)
    assert answer.leaf is None
    assert answer.problem in problems
    assert "secret" not in answer.model_dump_json()


def test_certificate_of_a_megabyte_is_refused(tmp_path: Path, ca: Certificate) -> None:
    """The client's OpenSSL refuses it, and reads no more than the limit before that."""
    large = Certificate("www.example.com", ca, size=1_000_000)
    with listening(tls(context(tmp_path, large))) as port:
        answer = probe(port)
    assert (answer.leaf, answer.problem) == (None, "no-tls")


@pytest.mark.parametrize(("most", "problem"), [(100, "no-tls"), (100_000, None)])
def test_bytes_of_a_handshake_are_limited(
    tmp_path: Path, own: Certificate, monkeypatch: pytest.MonkeyPatch, most: int, problem: str | None
) -> None:
    monkeypatch.setattr("evercert.aws.served_certificates.MOST_BYTES", most)
    with listening(tls(context(tmp_path, own))) as port:
        assert probe(port).problem == problem


def test_reads_of_a_handshake_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evercert.aws.served_certificates._MOST_READS", 3)
    with listening(drip) as port:
        begun = time.monotonic()
        assert probe(port).problem == "no-tls"
        assert time.monotonic() - begun < 1


def test_refused_connection_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert probe(port).problem == "refused"


@pytest.mark.parametrize("der", [b"", b"junk", b"\x30\x82" + b"\xff" * 70_000], ids=["empty", "junk", "long"])
def test_bytes_that_are_no_certificate_have_a_fingerprint_only(der: bytes) -> None:
    found = leaf_of([der], TARGET)
    assert found.model_dump(exclude_none=True) == {"fingerprint_sha256": hashlib.sha256(der).hexdigest()}


def test_fields_that_do_not_parse_are_left_out(own: Certificate) -> None:
    """A date of the leaf is spoiled; the rest is reported."""
    ends = f"{NOW + timedelta(days=30):%y%m%d%H%M%SZ}".encode()
    found = leaf_of([own.der.replace(ends, b"991399999999Z")], TARGET)
    assert found.not_after is None
    assert len(found.fingerprint_sha256) == 64


# -- addresses --------------------------------------------------------------------------------------------------------


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Record connections instead of making them; each is refused."""
    made: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        assert 0 < timeout <= 3
        made.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr("evercert.aws.served_certificates.socket.create_connection", connect)
    return made


def problems(addresses: Sequence[str], networks: Sequence[str] = (), host: str = "www.example.com") -> list[object]:
    allowed = [ipaddress.ip_network(one) for one in networks]
    report = ServedCertificates(lambda _: list(addresses), allowed).probe(ProbeTarget(host, 443, None))
    return [one.problem for one in report.answers]


@pytest.mark.parametrize("address", NEVER)
def test_address_is_never_asked(connections: list[tuple[str, int]], address: str) -> None:
    """Not even if the operator lists its network, beside a public one, or written as the host."""
    everything = ("0.0.0.0/0", "::/0")
    assert problems([address], everything) == ["not-allowed"]
    assert problems(["93.184.216.34", address], everything) == ["not-allowed"]
    assert problems([], everything, host=address) == ["not-allowed"]
    assert connections == []


@pytest.mark.parametrize("address", ["10.1.2.3", "192.168.1.1", "fd12::1", "100.64.0.1", "64:ff9b::a01:203"])
def test_private_address_needs_the_parameter(connections: list[tuple[str, int]], address: str) -> None:
    assert problems([address]) == ["not-allowed"]
    assert connections == []


def test_listed_and_public_addresses_are_asked(connections: list[tuple[str, int]]) -> None:
    assert problems(["10.1.2.3", "93.184.216.34"], ["10.0.0.0/8"]) == ["refused", "refused"]
    assert connections == [("10.1.2.3", 443), ("93.184.216.34", 443)]


def test_at_most_four_addresses_are_asked(connections: list[tuple[str, int]]) -> None:
    assert len(problems([f"93.184.216.{number}" for number in range(1, 200)])) == MOST_ADDRESSES
    assert len(connections) == MOST_ADDRESSES


def test_name_without_address_is_named() -> None:
    def resolve(_: str) -> list[str]:
        raise NoAddress("www.example.com has no address")

    report = ServedCertificates(resolve).probe(TARGET)
    assert [one.problem for one in report.answers] == ["no-address"]
    assert problems([]) == ["no-address"]


def test_resolver_that_hangs_ends_in_time() -> None:
    begun = time.monotonic()
    report = ServedCertificates(lambda _: [time.sleep(3) or "93.184.216.34"], span=timedelta(seconds=0.3)).probe(TARGET)
    assert [one.problem for one in report.answers] == ["timeout"]
    assert time.monotonic() - begun < 2
