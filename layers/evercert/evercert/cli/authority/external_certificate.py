"""A CA certificate that somebody outside signed: read and checked before anything is signed with it."""

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

LARGEST = 100_000  # bytes; ten certificates have fewer
MOST = 10
E = TypeVar("E", bound=x509.ExtensionType)


def read(file: str, public_key: types.PublicKeyTypes, now: datetime) -> tuple[str, str]:
    """PEM of the CA's certificate, and of those above it in order; raises BadInput with all that is wrong."""
    certificates = _load(file)
    wrong = [*_of_leaf(certificates[0], public_key, now), *_of_chain(certificates, now)]
    if wrong:
        raise BadInput([f"{file}: {problem}" for problem in wrong])
    return to_pem(certificates[:1]), to_pem(certificates[1:])


def _load(file: str) -> list[x509.Certificate]:
    try:
        raw = Path(file).read_bytes()
    except OSError as error:
        raise BadInput([f"{file}: cannot be read: {error.strerror}"]) from error
    if b"PRIVATE KEY-----" in raw:
        raise BadInput([f"{file}: holds a private key, which belongs nowhere near here; give certificates alone"])
    if b"-----BEGIN CERTIFICATE-----" not in raw:
        mend = "; it is a request, which the CA outside has to sign" if b"CERTIFICATE REQUEST-----" in raw else ""
        raise BadInput([f"{file}: has no certificates in PEM{mend}"])
    try:
        found = x509.load_pem_x509_certificates(raw[:LARGEST])
        for certificate in found:
            _ = certificate.extensions  # read here, so that what cannot be read is told here
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise BadInput([f"{file}: has a certificate that cannot be read: {printable(str(error), 120)}"]) from error
    if len(found) > MOST:
        raise BadInput([f"{file}: has {len(found)} certificates; a chain has at most {MOST}"])
    return found


def _of_leaf(ca: x509.Certificate, public_key: types.PublicKeyTypes, now: datetime) -> Iterator[str]:
    if public_bytes(ca.public_key()) != public_bytes(public_key):
        yield "the first certificate is for another key than the CA's; was it signed from `ca csr`?"
    constraints = _extension(ca, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        yield "the first certificate is none of a CA (basic constraints: CA:true is missing)"
    usage = _extension(ca, x509.KeyUsage)
    if usage is not None and not (usage.key_cert_sign and usage.crl_sign):
        yield "the first certificate may not sign certificates and revocation lists (key usage)"
    if _extension(ca, x509.SubjectKeyIdentifier) is None:
        yield "the first certificate has no subject key identifier (RFC 5280 §4.2.1.2)"
    if not ca.subject.rdns:
        yield "the first certificate has no subject"
    if not ca.not_valid_before_utc <= now < ca.not_valid_after_utc:
        yield f"the first certificate is valid from {ca.not_valid_before_utc} to {ca.not_valid_after_utc}, not now"


def _of_chain(certificates: Sequence[x509.Certificate], now: datetime) -> Iterator[str]:
    if len(certificates) == 1 or certificates[-1].issuer != certificates[-1].subject:
        yield "the chain does not end with a root; put all certificates above it behind it, the root last"
    for depth, (below, above) in enumerate(pairwise(certificates), 1):
        who = printable(above.subject.rfc4514_string(), 100)
        try:
            below.verify_directly_issued_by(above)
        except (ValueError, TypeError, InvalidSignature):
            yield f"{who} has not signed the certificate before it; the order is from below to above"
        if above.not_valid_after_utc <= now:
            yield f"{who} has expired"
        if not _has_room(above, depth):
            yield f"{who} is none of a CA, or lets fewer CAs stand below it (RFC 5280 §4.2.1.9)"


def _has_room(above: x509.Certificate, depth: int) -> bool:
    """Whether verifiers take so many CAs below it; an old root may say nothing of it."""
    constraints = _extension(above, x509.BasicConstraints)
    if constraints is None:
        return above.issuer == above.subject
    return constraints.ca and (constraints.path_length is None or constraints.path_length >= depth)


def _extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
