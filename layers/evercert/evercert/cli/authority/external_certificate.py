"""Read and validate a certificate that an external CA signed for one of our issuing CAs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import types

from evercert.cli.files import BadInput
from evercert.pki.certificate import Chain, to_pem
from evercert.pki.keys import public_bytes
from evercert.pki.path.fields import CRL_SIGN, SUBJECT_KEY, Fields
from evercert.pki.path.validation import validate
from evercert.schema import printable

LARGEST = 500_000  # bytes; fifty certificates are smaller


def read(file: str, public_key: types.PublicKeyTypes, now: datetime) -> tuple[str, str]:
    """Return the CA's certificate and its chain in PEM, each issuer after its subject; the file may have any order.

    Raise BadInput with one line per error.
    """
    chain = _load(file)
    candidates = [one for one in chain.certificates if _key_of(one) == public_bytes(public_key)]
    if not candidates:
        raise BadInput([f"{file}: no certificate for the CA's key: have the external CA sign the output of `ca csr`"])
    paths = (
        validate(one, [o for o in chain.certificates if o != one], now, ca=True, unreadable=chain.unreadable)
        for one in candidates
    )
    # The file may hold an older certificate of the CA, or the self-signed one of a tool.
    path = min(paths, key=lambda found: (len(found.faults), not found.anchored, len(found.certificates) == 1))
    ours = path.certificates[0]
    problems = [*map(str, path.faults), *_ca_problems(Fields(ours))]
    if not path.anchored and not path.faults_of_chain():
        problems.append("the chain does not end with a root: append all issuers up to the root")
    if not _has_copyable_subject(ours):
        problems.append("the CA's subject has text that does not fit its string type; sign it with the name in the CSR")
    if problems:
        raise BadInput([f"{file}: {printable(problem, 300)}" for problem in problems])
    return to_pem(path.certificates[:1]), to_pem(path.certificates[1:])


def _load(file: str) -> Chain:
    try:
        with Path(file).open("rb") as opened:
            raw = opened.read(LARGEST)  # the name may refer to a device
    except OSError as error:
        raise BadInput([f"cannot read {file}: {error.strerror}"]) from error
    if b"PRIVATE KEY-----" in raw:
        raise BadInput([f"{file}: contains a private key: remove it, a PEM file of certificates is enough"])
    if b"-----BEGIN CERTIFICATE-----" not in raw:
        remedy = "; this is a CSR: have the external CA sign it" if b"CERTIFICATE REQUEST-----" in raw else ""
        raise BadInput([f"{file}: no PEM certificates found{remedy}"])
    try:
        return Chain.from_pem(raw.decode("ascii", "replace"))
    except ValueError as error:
        raise BadInput([f"{file}: {printable(str(error), 200)}"]) from error


def _key_of(certificate: x509.Certificate) -> bytes | None:
    try:
        return public_bytes(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm):
        return None


def _has_copyable_subject(certificate: x509.Certificate) -> bool:
    """Return whether the subject can become the issuer name of leaves, which `cryptography` builds."""
    try:
        return bool(certificate.subject.public_bytes())
    except (ValueError, TypeError):  # of another string type than the attribute's
        return False


def _ca_problems(ca: Fields) -> Iterator[str]:
    """Yield what is wrong with a certificate that is to issue certificates and CRLs."""
    if ca.key_usage is not None and CRL_SIGN not in ca.key_usage:
        yield "the CA's certificate may not sign CRLs: its key usage lacks cRLSign"
    if SUBJECT_KEY not in ca.extensions:
        yield "the CA's certificate has no subject key identifier (RFC 5280, section 4.2.1.2)"
