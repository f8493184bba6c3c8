"""Promises of every answer of the ACME server, and of every certificate."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import unquote, urlsplit

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from evercert.acme.problem import MEDIA_TYPE, URN
from evercert.authority.acme.problems import STATUS
from evercert.pki.keys import public_bytes
from tests.doubles.authority.acme_client import Answer
from tests.fuzz.server.wire import Wire

NONCE = re.compile(r"[A-Za-z0-9_-]{16,}")
LONGEST = timedelta(days=90)
EXTENSIONS = {
    x509.SubjectKeyIdentifier, x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage, x509.SubjectAlternativeName,
    x509.AuthorityKeyIdentifier, x509.CRLDistributionPoints, x509.AuthorityInformationAccess,
}  # fmt: skip


@dataclass
class Answers:
    """Checks answers; remembers the nonces, each of which must be new."""

    nonces: set[str] = field(default_factory=set)

    def check(self, base: str, wire: Wire, answer: Answer) -> None:
        """Raise AssertionError for a broken promise; `base` is the URL of the directory without its last part."""
        assert answer.status < 500, f"an error of the server: {answer.text}"
        path = unquote(urlsplit(wire.url).path).rstrip("/")
        if not path.startswith(f"{urlsplit(base).path}/") or "\n" in path:
            return  # an unknown path of the API, which is not for ACME clients
        headers = {name.lower(): value for name, value in answer.headers.items()}
        assert headers["cache-control"] == "no-store"
        if path != f"{urlsplit(base).path}/directory":
            assert f'<{base}/directory>;rel="index"' in headers["link"]
        if wire.method == "POST":
            nonce = headers["replay-nonce"]
            assert NONCE.fullmatch(nonce) and nonce not in self.nonces, "a nonce that is not fresh"
            self.nonces.add(nonce)
        if answer.status >= 400:
            check_problem(wire, answer, headers["content-type"])
        elif headers["content-type"] == "application/json" and answer.text:
            assert isinstance(json.loads(answer.text), dict)


def check_problem(wire: Wire, answer: Answer, content_type: str) -> None:
    """Check the form of a problem document (RFC 8555 §6.7, RFC 7807)."""
    assert content_type == MEDIA_TYPE
    if wire.method == "HEAD" and not answer.text:
        return
    problem = json.loads(answer.text)
    assert problem["status"] == answer.status
    for one in (problem, *problem.get("subproblems", ())):
        assert one["type"].removeprefix(URN) in STATUS and one["type"].startswith(URN)
        assert isinstance(one["detail"], str) and one["detail"].isprintable() and len(one["detail"]) <= 600
    for one in problem.get("subproblems", ()):
        assert set(one["identifier"]) == {"type", "value"} and one["identifier"]["value"].isprintable()
    if problem["type"] == f"{URN}badSignatureAlgorithm":
        assert "ES256" in problem["algorithms"]


def names_in(certificate: x509.Certificate) -> frozenset[str]:
    """Return the alternative names, as `type:value`; any other type than DNS names and addresses is kept as it is."""
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    kinds = {x509.DNSName: "dns", x509.IPAddress: "ip"}
    return frozenset(f"{kinds.get(type(one), type(one).__name__)}:{one.value}" for one in found)


def check_certificate(certificate: x509.Certificate, names: frozenset[str], key: bytes) -> None:
    """Check that the certificate has the names and the key (SubjectPublicKeyInfo), and else only what the CA and the profile give it."""
    assert names_in(certificate) == names, (
        f"a certificate for {sorted(names_in(certificate))}, ordered: {sorted(names)}"
    )
    assert public_bytes(certificate.public_key()) == key
    subject = list(certificate.subject)
    assert [one.oid for one in subject] in ([], [NameOID.COMMON_NAME])
    assert all(f"{kind}:{one.value}" in names for one in subject for kind in ("dns",) if f"ip:{one.value}" not in names)
    extensions = certificate.extensions
    assert {type(one.value) for one in extensions} == EXTENSIONS
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature and not usage.key_cert_sign and not usage.crl_sign
    purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(purposes) <= {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert lifetime <= LONGEST + timedelta(minutes=5)
