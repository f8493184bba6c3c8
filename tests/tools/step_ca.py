"""step-ca, a CA with an ACME server, which `go install` builds once in .local/go."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.tools import pebble
from tests.tools.go_programs import installed
from tests.tools.peers import REQUIRED
from tests.tools.ports import free_port

# It needs a C compiler, pkg-config and the headers of PC/SC.
MODULE, VERSION = "github.com/smallstep/certificates/cmd/step-ca", "v0.30.2"
PROVISIONER = "acme"
START_SECONDS = 60
PROXIES = {"http_proxy", "https_proxy", "all_proxy"}  # it would validate through them


@dataclass(frozen=True)
class StepCA:
    """A running step-ca: its address, its root as CA bundle, and the port at which it validates http-01."""

    address: str
    ca_bundle: str
    http_port: int

    @property
    def directory(self) -> str:
        return f"{self.address}/acme/{PROVISIONER}/directory"

    def revoked(self) -> set[int]:
        """Return the serial numbers in its CRL."""
        crl = x509.load_der_x509_crl(self.get("crl"))
        return {entry.serial_number for entry in crl}

    def get(self, path: str) -> bytes:
        context = ssl.create_default_context(cadata=self.ca_bundle)
        with urllib.request.urlopen(f"{self.address}/{path}", timeout=10, context=context) as answer:
            return bytes(answer.read())


@contextmanager
def step_ca() -> Iterator[StepCA]:
    """Run step-ca on loopback with one ACME provisioner. Every name resolves to 127.0.0.1."""
    program = _program()
    api, http, dns, dns_management = (free_port() for _ in range(4))
    with tempfile.TemporaryDirectory() as temporary:
        root, config = _written(Path(temporary), api)
        options = ["--resolver", f"127.0.0.1:{dns}", "--insecure", "--acme-http-port", str(http)]
        environment = {name: value for name, value in os.environ.items() if name.lower() not in PROXIES}
        commands: list[list[str | Path]] = [pebble.names(dns, dns_management), [program, str(config), *options]]
        log = (Path(temporary) / "log").open("wb")
        programs = [subprocess.Popen(command, env=environment, stdout=log, stderr=log) for command in commands]
        try:
            running = StepCA(f"https://127.0.0.1:{api}", root, http)
            _await(running, Path(temporary) / "log")
            yield running
        finally:
            for one in programs:
                one.terminate()
            for one in programs:
                one.wait(10)
            log.close()


def _program() -> Path:
    """Build step-ca; skip the test if that fails, as without headers, and peers are not required."""
    try:
        return installed(MODULE, VERSION, "step-ca") / "step-ca"
    except subprocess.CalledProcessError as error:
        if REQUIRED:
            raise
        pytest.skip(f"step-ca cannot be built: {error.stderr[-300:]}")


def _await(running: StepCA, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        with suppress(OSError):
            running.get("health")
            return
        time.sleep(0.05)
    raise TimeoutError(f"step-ca did not start: {log.read_text()[-2_000:]}")


def _written(folder: Path, port: int) -> tuple[str, Path]:
    """Write root, intermediate and configuration; return the root as PEM, and the configuration's file."""
    key, intermediate_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _ca("Root", key, "Root", key, 1)
    texts = {
        "root.pem": _pem(root),
        "intermediate.pem": _pem(_ca("Intermediate", intermediate_key, "Root", key, 0)),
        "intermediate.key": intermediate_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    files = dict(zip(("root", "crt", "key"), (str(folder / name) for name in texts), strict=True))
    config: dict[str, Any] = {
        **files,
        "address": f"127.0.0.1:{port}",
        "dnsNames": ["127.0.0.1", "localhost"],
        "logger": {"format": "text"},
        "db": {"type": "badgerv2", "dataSource": str(folder / "db")},
        "crl": {"enabled": True, "generateOnRevoke": True},
        "authority": {"provisioners": [{"type": "ACME", "name": PROVISIONER}]},
    }
    file = folder / "ca.json"
    file.write_text(json.dumps(config))
    return texts["root.pem"], file


def _ca(name: str, key: Any, issuer: str, issuer_key: Any, path_length: int) -> x509.Certificate:
    subjects = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in (name, issuer)]
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(subjects[0])
        .issuer_name(subjects[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
