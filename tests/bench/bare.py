"""Renewal by a plain script without evercert: key, CSR, self-signed certificate, and the same AWS calls.

The script replays the recorded calls of one renewal, with its own key and certificate in the payloads, so that its
requests have the same number and size.
"""

from __future__ import annotations

import copy
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore import xform_name
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOST = "www.example.com"


@dataclass(frozen=True)
class Call:
    """Recorded request: service, operation and parameters."""

    service: str
    operation: str
    parameters: dict[str, Any]


class Script:
    """`clients` by the name of the service."""

    def __init__(self, clients: dict[str, Any], calls: list[Call]) -> None:
        self._clients = clients
        self._calls = calls

    def renew(self) -> None:
        """Run one renewal, from the first call to the last."""
        key = ec.generate_private_key(ec.SECP256R1())
        request = _request(key)
        certificate = _certificate(key, request)
        pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        for call in self._calls:
            parameters = copy.deepcopy(call.parameters)
            match call.operation:
                case "Encrypt":
                    parameters["Plaintext"] = key.private_bytes(
                        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                    )
                case "PutSecretValue":
                    parameters["SecretString"] = json.dumps(_value(certificate, pem, private))
                    parameters["ClientRequestToken"] = str(uuid.uuid4())
                case "ImportCertificate":
                    parameters |= {"Certificate": pem.encode(), "PrivateKey": private.encode()}
                case "Publish":
                    event = json.loads(json.loads(parameters["Message"])["default"])
                    parameters["Message"] = json.dumps(
                        {**json.loads(parameters["Message"]), "default": json.dumps(event)}
                    )
            getattr(self._clients[call.service], xform_name(call.operation))(**parameters)


def _request(key: ec.EllipticCurvePrivateKey) -> x509.CertificateSigningRequest:
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(_name())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _certificate(key: ec.EllipticCurvePrivateKey, request: x509.CertificateSigningRequest) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(request.subject)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(request.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _name() -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])


def _value(certificate: x509.Certificate, pem: str, private: str) -> dict[str, str]:
    """Return the fields of the secret."""
    return {
        "certificate": pem,
        "private_key": private,
        "certificate_chain": "",
        "ca_certificate": pem,
        "fullchain": pem,
        "serial_number": f"{certificate.serial_number:040X}",
        "not_after": certificate.not_valid_after_utc.isoformat(),
        "fingerprint_sha256": certificate.fingerprint(hashes.SHA256()).hex(),
    }
