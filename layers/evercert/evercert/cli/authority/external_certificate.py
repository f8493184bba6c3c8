"""Read and validate a certificate that an external CA signed for one of our issuing CAs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import types

from evercert.cli.files import BadInput
from evercert.pki.certificate import to_pem
from evercert.pki.keys import public_bytes
from evercert.schema import printable

LARGEST = 100_000  # bytes; ten certificates are smaller
MOST = 10
E = TypeVar("E", bound=x509.ExtensionType)


def read(file: str, public_key: types.PublicKeyTypes, now: datetime) -> tuple[str, str]:
    """Return the CA's certificate and its chain in PEM, each issuer after its subject.

    Raise BadInput with one line per error.
    """
    certificates = _load(file)
    problems = [*_ca_problems(certificates[0], public_key, now), *_chain_problems(certificates, now)]
    if problems:
        raise BadInput([f"{file}: {problem}" for problem in problems])
    return to_pem(certificates[:1]), to_pem(certificates[1:])


def _load(file: str) -> list[x509.Certificate]:
    try:
        raw = Path(file).read_bytes()
    except OSError as error:
        raise BadInput([f"cannot read {file}: {error.strerror}"]) from error
    if b"PRIVATE KEY-----" in raw:
        raise BadInput([f"{file}: contains a private key: remove it, a PEM file of certificates is enough"])
    if b"-----BEGIN CERTIFICATE-----" not in raw:
        remedy = "; this is a CSR: have the external CA sign it" if b"CERTIFICATE REQUEST-----" in raw else ""
        raise BadInput([f"{file}: no PEM certificates found{remedy}"])
    try:
        found = x509.load_pem_x509_certificates(raw[:LARGEST])
        for certificate in found:
            _ = certificate.extensions  # parsed lazily: fail here rather than later
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise BadInput([f"{file}: malformed certificate: {printable(str(error), 120)}"]) from error
    if len(found) > MOST:
        raise BadInput([f"{file}: too many certificates: {len(found)}, at most {MOST}"])
    return found


def _ca_problems(ca: x509.Certificate, public_key: types.PublicKeyTypes, now: datetime) -> Iterator[str]:
    if public_bytes(ca.public_key()) != public_bytes(public_key):
        yield "the first certificate is for another key than the CA's: have the external CA sign the output of `ca csr`"
    constraints = _extension(ca, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        yield "the first certificate is not a CA certificate: basic constraints lack CA:true"
    usage = _extension(ca, x509.KeyUsage)
    if usage is not None and not (usage.key_cert_sign and usage.crl_sign):
        yield "the first certificate may not sign certificates and revocation lists: its key usage forbids it"
    if _extension(ca, x509.SubjectKeyIdentifier) is None:
        yield "the first certificate has no subject key identifier (RFC 5280, section 4.2.1.2)"
    if not ca.subject.rdns:
        yield "the first certificate has no subject"
    if not ca.not_valid_before_utc <= now < ca.not_valid_after_utc:
        yield (
            f"the first certificate is not valid now: valid from {ca.not_valid_before_utc} to {ca.not_valid_after_utc}"
        )


def _chain_problems(certificates: Sequence[x509.Certificate], now: datetime) -> Iterator[str]:
    if len(certificates) == 1 or certificates[-1].issuer != certificates[-1].subject:
        yield "the chain does not end with a root: append all issuers, the root last"
    for depth, (subject, issuer) in enumerate(pairwise(certificates), 1):
        name = printable(issuer.subject.rfc4514_string(), 100)
        try:
            subject.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            yield f"{name} has not signed the certificate before it: put each issuer after its subject"
        if issuer.not_valid_after_utc <= now:
            yield f"{name} has expired"
        if not _allows_depth(issuer, depth):
            yield f"{name} is not a CA, or its path length allows fewer CAs below it (RFC 5280, section 4.2.1.9)"


def _allows_depth(issuer: x509.Certificate, depth: int) -> bool:
    """Return whether the issuer allows this many CAs below it; an old root may lack basic constraints."""
    constraints = _extension(issuer, x509.BasicConstraints)
    if constraints is None:
        return issuer.issuer == issuer.subject
    return constraints.ca and (constraints.path_length is None or constraints.path_length >= depth)


def _extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
