"""step-ca, a CA with an ACME server, which `go install` builds once in .local/go."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import subprocess
import tempfile
import time
import urllib.request
import uuid
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
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from evercert.acme import base64url
from tests.tools import pebble
from tests.tools.go_programs import installed
from tests.tools.peers import REQUIRED
from tests.tools.ports import free_port

# It needs a C compiler, pkg-config and the headers of PC/SC.
MODULE, VERSION = "github.com/smallstep/certificates/cmd/step-ca", "v0.30.2"
PROVISIONER, JWK = "acme", "jwk"
START_SECONDS = 60
PROXIES = {"http_proxy", "https_proxy", "all_proxy"}  # it would validate through them


@dataclass(frozen=True)
class StepCA:
    """A running step-ca: its address, its root as CA bundle, and the port at which it validates http-01.

    `process` is its process id; `signs` makes the one-time tokens of its provisioner JWK.
    """

    address: str
    ca_bundle: str
    http_port: int
    process: int
    signs: ec.EllipticCurvePrivateKey

    def one_time_token(self, name: str) -> str:
        """Return a token with which a client may have one certificate of this name signed."""
        now = int(time.time())
        header = {"alg": "ES256", "kid": key_id(self.signs), "typ": "JWT"}
        claims = {"iss": JWK, "aud": f"{self.address}/1.0/sign", "sub": name, "sans": [name], "jti": uuid.uuid4().hex}
        claims |= {"iat": now, "nbf": now - 60, "exp": now + 300}
        text = ".".join(base64url.encode(json.dumps(part).encode()) for part in (header, claims))
        r, s = decode_dss_signature(self.signs.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{base64url.encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

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
    """Run step-ca on loopback with a provisioner for ACME and one for tokens. Every name resolves to 127.0.0.1."""
    program = _program()
    api, http, dns, dns_management = (free_port() for _ in range(4))
    with tempfile.TemporaryDirectory() as temporary:
        signs = ec.generate_private_key(ec.SECP256R1())
        root, config = _written(Path(temporary), api, signs)
        options = ["--resolver", f"127.0.0.1:{dns}", "--insecure", "--acme-http-port", str(http)]
        environment = {name: value for name, value in os.environ.items() if name.lower() not in PROXIES}
        commands: list[list[str | Path]] = [pebble.names(dns, dns_management), [program, str(config), *options]]
        log = (Path(temporary) / "log").open("wb")
        programs = [subprocess.Popen(command, env=environment, stdout=log, stderr=log) for command in commands]
        try:
            running = StepCA(f"https://127.0.0.1:{api}", root, http, programs[1].pid, signs)
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


def key_id(key: ec.EllipticCurvePrivateKey) -> str:
    """Return the thumbprint of the public key (RFC 7638)."""
    text = json.dumps(_public(key), sort_keys=True, separators=(",", ":"))
    return base64url.encode(hashlib.sha256(text.encode()).digest())


def _public(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    places = {name: base64url.encode(value.to_bytes(32, "big")) for name, value in (("x", numbers.x), ("y", numbers.y))}
    return {"kty": "EC", "crv": "P-256", **places}


def _written(folder: Path, port: int, signs: ec.EllipticCurvePrivateKey) -> tuple[str, Path]:
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
        "authority": {
            "provisioners": [
                {"type": "ACME", "name": PROVISIONER},
                {
                    "type": "JWK",
                    "name": JWK,
                    "key": {**_public(signs), "kid": key_id(signs), "alg": "ES256", "use": "sig"},
                },
            ]
        },
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
