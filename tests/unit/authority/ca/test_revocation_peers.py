"""nginx, HAProxy, OpenSSL and Java check the revocation of the whole chain with the lists of root and issuing CA."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evercert.authority.ca.builder import Issuer, IssuerURLs
from evercert.authority.ca.crl import BACKDATED, sign_crl
from evercert.authority.ca.definition import CA
from evercert.authority.ca.kms_key import kms_private_key
from evercert.authority.ca.signing_orders import CrlOrder, Revoked
from evercert.authority.signer.signer import SigningService
from evercert.pki.identifiers import parse
from tests.doubles.authority.ceremony import ADDRESS, Ceremony, order, pem
from tests.doubles.authority.configuration import FakeConfiguration
from tests.doubles.authority.ledger import MemoryLedger
from tests.samples.certificates import private_key
from tests.tools.ports import free_port

KEYS = ["EC_prime256v1", "RSA_2048"]
LEAVES = ("good", "revoked")
# Which lists a verifier has, and its verdict on the good and on the revoked leaf.
LISTS = {
    "both": (True, False),
    "issuing": (False, False),  # without the list of the root, nothing is accepted
    "issuing-ca-revoked": (False, False),
}
cases = pytest.mark.parametrize(("lists", "accepted"), LISTS.items(), ids=LISTS.keys())
JAVA = Path(__file__).with_name("ValidatePath.java")


@dataclass
class Files:
    """PEM files of a chain with its lists; `good` and `revoked` are leaves with their issuer."""

    folder: Path

    def __getitem__(self, name: str) -> str:
        return str(self.folder / f"{name}.pem")


@pytest.fixture(scope="module", params=KEYS)
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Files:
    now = datetime.now(UTC).replace(microsecond=0)
    ceremony, found = Ceremony(request.param, now), Files(tmp_path_factory.mktemp("pki"))
    signer = SigningService(
        FakeConfiguration(ceremony.root, ceremony.issuing), MemoryLedger(), ceremony.keys, ADDRESS, lambda: now
    )
    middle, key = ceremony.issuing.current, private_key(request.param)
    usages = ("digital_signature", "key_encipherment") if request.param == "RSA_2048" else ("digital_signature",)
    leaves = {}
    for name in LEAVES:
        leaf_order = order(
            ceremony.issuing, now, names=(parse("dns:localhost"),), subject={}, key_usages=usages,
            extended_key_usages=("server_auth", "client_auth"), key=key,
        )  # fmt: skip
        leaves[name] = x509.load_der_x509_certificate(signer.leaf(leaf_order))
        Path(found[name]).write_text(pem(leaves[name]) + middle.certificate)
    root, issuing = ceremony.root, ceremony.issuing
    listed = Revoked(leaves["revoked"].serial_number, now - BACKDATED, "superseded")
    by_issuing = signed(ceremony, issuing, now, listed)
    by_root = signed(ceremony, root, now)
    revoking = signed(ceremony, root, now, Revoked(middle.x509.serial_number, now - BACKDATED, "cACompromise"))
    Path(found["both"]).write_bytes(by_root + by_issuing)
    Path(found["issuing"]).write_bytes(by_issuing)
    Path(found["issuing-ca-revoked"]).write_bytes(revoking + by_issuing)
    Path(found["root"]).write_text(root.current.certificate)
    Path(found["middle"]).write_text(middle.certificate)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    Path(found["key"]).write_bytes(private)
    Path(found["server"]).write_bytes(Path(found["good"]).read_bytes() + private)
    return found


def signed(ceremony: Ceremony, ca: CA, now: datetime, *revoked: Revoked) -> bytes:
    crl_order = CrlOrder(ca.id, int(now.timestamp()), now - BACKDATED, now + timedelta(days=7), revoked)
    key = kms_private_key(ceremony.keys, ca.key, ca.current.x509.public_key())  # type: ignore[arg-type]
    crl = sign_crl(crl_order, Issuer(ca.current.x509, IssuerURLs(), key))
    return crl.public_bytes(serialization.Encoding.PEM)


# -- verifiers ---------------------------------------------------------------------------------------------------------
@pytest.mark.peer("openssl")
@cases
def test_openssl_checks_the_whole_chain(files: Files, lists: str, accepted: tuple[bool, bool]) -> None:
    def verdict(leaf: str) -> bool:
        command = [
            "openssl", "verify", "-x509_strict", "-crl_check_all", "-CRLfile", files[lists], "-trusted", files["root"],
            "-untrusted", files["middle"], files[leaf],
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0

    assert tuple(map(verdict, LEAVES)) == accepted


@pytest.mark.peer("java")
@pytest.mark.peer("javac")
@cases
def test_java_checks_the_whole_chain(files: Files, lists: str, accepted: tuple[bool, bool]) -> None:
    """Revocation checking is on by default; single-file programs need the compiler."""
    command = ["java", str(JAVA), files["root"], files[lists], *(files[leaf] for leaf in LEAVES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert tuple(line == "valid" for line in done.stdout.splitlines()) == accepted, done.stdout


# -- servers that check their clients --------------------------------------------------------------------------------
@pytest.mark.peer("nginx")
@cases
def test_nginx_checks_the_whole_chain(files: Files, tmp_path: Path, lists: str, accepted: tuple[bool, bool]) -> None:
    port = free_port()
    temporary = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(f"""
        daemon off; master_process off; pid {tmp_path}/pid; error_log stderr; events {{}}
        http {{ access_log off; {temporary}
          server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {files["good"]}; ssl_certificate_key {files["key"]};
            ssl_verify_client on; ssl_client_certificate {files["root"]}; ssl_verify_depth 2; ssl_crl {files[lists]};
            location / {{ return 200 hello; }} }} }}""")
    with running(["nginx", "-e", "stderr", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")], port):
        assert tuple(welcomed(files, leaf, port) for leaf in LEAVES) == accepted


@pytest.mark.peer("haproxy")
@cases
def test_haproxy_checks_the_whole_chain(files: Files, tmp_path: Path, lists: str, accepted: tuple[bool, bool]) -> None:
    port = free_port()
    (tmp_path / "haproxy.cfg").write_text(f"""
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 10s
frontend test
  bind 127.0.0.1:{port} ssl crt {files["server"]} ca-file {files["root"]} crl-file {files[lists]} verify required
  http-request return status 200 content-type text/plain string hello
""")
    with running(["haproxy", "-db", "-f", str(tmp_path / "haproxy.cfg")], port):
        assert tuple(welcomed(files, leaf, port) for leaf in LEAVES) == accepted


def welcomed(files: Files, leaf: str, port: int) -> bool:
    """Return whether the server answers a client with this certificate."""
    context = ssl.create_default_context(cafile=files["root"])
    context.load_cert_chain(files[leaf], files["key"])
    received = b""
    with (
        suppress(ssl.SSLError, ConnectionError),
        socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as wrapped,
    ):
        wrapped.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        while part := wrapped.recv(4_096):
            received += part
    return b" 200 " in received.partition(b"\r\n")[0] and received.endswith(b"hello")


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """Run a server until it accepts connections, and end it."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            wait_for(lambda: listening(port) or server.poll() is not None)
            assert server.poll() is None, server.stdout and server.stdout.read()
            yield
        finally:
            server.kill()


def listening(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("the server does not listen")
