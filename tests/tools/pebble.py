"""Pebble, Let's Encrypt's ACME test server, which `go install` builds once in .local/go; with its DNS server."""

from __future__ import annotations

import ipaddress
import json
import os
import ssl
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.doubles.infisical.http_server import Answer, Serving
from tests.tools.go_programs import installed
from tests.tools.ports import free_port

MODULE, VERSION = "github.com/letsencrypt/pebble/v2/cmd/...", "v2.10.1"
EAB_KEY_ID, EAB_HMAC_KEY = "kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
START_SECONDS = 60  # it generates up to ten RSA keys


@dataclass(frozen=True)
class Pebble:
    """A running Pebble: its directory, the CA bundle of its API, and the port at which it validates http-01."""

    directory: str
    ca_bundle: str
    http_port: int
    management: str

    def root(self, number: int = 0) -> x509.Certificate:
        """Return a root certificate of its CA."""
        return x509.load_pem_x509_certificate(self._managed(f"roots/{number}"))

    def status(self, serial_number: str) -> str:
        """Return the status of a certificate: Valid or Revoked."""
        return str(json.loads(self._managed(f"cert-status-by-serial/{serial_number.lower()}"))["Status"])

    def set_renewal_info(self, certificate: str, response: Mapping[str, Any]) -> None:
        """Answer with this renewal information for a certificate."""
        body = {"Certificate": certificate, "ARIResponse": json.dumps(response)}
        self._managed("set-renewal-info/", json.dumps(body).encode())

    def _managed(self, path: str, body: bytes | None = None) -> bytes:
        context = ssl.create_default_context(cadata=self.ca_bundle)
        with urllib.request.urlopen(f"{self.management}/{path}", body, timeout=10, context=context) as answer:
            return bytes(answer.read())


def folder() -> Path:
    """Return the folder with both programs."""
    return installed(MODULE, VERSION, "pebble", "pebble-challtestsrv")


def names(port: int, management: int) -> list[str | Path]:
    """Return the command of a DNS server on loopback that resolves every name to 127.0.0.1."""
    ports = f"-dnsserver=127.0.0.1:{port} -management=127.0.0.1:{management} -http01= -https01= -tlsalpn01= -doh="
    return [folder() / "pebble-challtestsrv", *ports.split(), "-defaultIPv6="]


@contextmanager
def pebble(
    *, nonce_reject: int = 5, authz_reuse: int = 0, alternate_roots: int = 0, chain_length: int = 1, eab: bool = False,
    config: Mapping[str, Any] | None = None, dns_server: str | None = None,
) -> Iterator[Pebble]:  # fmt: skip
    """Run Pebble on loopback. Every name resolves to 127.0.0.1, or as `dns_server` says; validation is immediate."""
    api, management, dns, dns_management, http = (free_port() for _ in range(5))
    with tempfile.TemporaryDirectory() as temporary:
        certificate, key = _server_certificate(Path(temporary))
        settings = {
            "listenAddress": f"127.0.0.1:{api}",
            "managementListenAddress": f"127.0.0.1:{management}",
            "certificate": str(certificate),
            "privateKey": str(key),
            "httpPort": http,
            "tlsPort": free_port(),
            "externalAccountBindingRequired": eab,
            "externalAccountMACKeys": {EAB_KEY_ID: EAB_HMAC_KEY} if eab else {},
            "domainBlocklist": ["blocked.example.com"],
            "profiles": {"default": {"description": "90 days"}, "short": {"description": "6 days", "validityPeriod": 518_400}},
            **(config or {}),
        }  # fmt: skip
        file = Path(temporary) / "pebble.json"
        file.write_text(json.dumps({"pebble": settings}))
        environment = {
            **os.environ,
            "PEBBLE_WFE_NONCEREJECT": str(nonce_reject),
            "PEBBLE_AUTHZREUSE": str(authz_reuse),
            "PEBBLE_ALTERNATE_ROOTS": str(alternate_roots),
            "PEBBLE_CHAIN_LENGTH": str(chain_length),
            "PEBBLE_VA_NOSLEEP": "1",
        }
        commands: list[list[str | Path]] = [
            names(dns, dns_management),
            [folder() / "pebble", "-config", file, "-dnsserver", dns_server or f"127.0.0.1:{dns}", "-strict"],
        ]
        log = (Path(temporary) / "log").open("wb")
        programs = [subprocess.Popen(command, env=environment, stdout=log, stderr=log) for command in commands]
        try:
            running = Pebble(
                f"https://127.0.0.1:{api}/dir", certificate.read_text(), http, f"https://127.0.0.1:{management}"
            )
            _await(running, Path(temporary) / "log")
            yield running
        finally:
            for program in programs:
                program.terminate()
            for program in programs:
                program.wait(10)
            log.close()


@contextmanager
def redirecting_host(port: int, target: str) -> Iterator[list[str]]:
    """Redirect every request at a loopback port to the same path of `target`; yield the paths that were requested."""
    paths: list[str] = []

    def answer(_method: str, path: str, *_: object) -> Answer:
        paths.append(path)
        return 302, {"Location": f"{target}{path}"}, b""

    serving = Serving(answer, port=port)
    serving.start()
    try:
        yield paths
    finally:
        serving.stop()


def _await(running: Pebble, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        with suppress(OSError):
            running.root()
            return
        time.sleep(0.05)
    raise TimeoutError(f"Pebble did not start: {log.read_text()[-2_000:]}")


def _server_certificate(where: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for 127.0.0.1, which is its own CA bundle."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pebble")]), datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = where / "server.pem", where / "server.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files
