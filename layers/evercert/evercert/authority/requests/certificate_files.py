"""Parse a certificate that was issued elsewhere, its chain and its private key.

Messages never quote the text, which may contain a private key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from evercert.authority.api_errors import bad_request
from evercert.authority.ca.leaf_fields import SUBJECT_FIELDS, Leaf
from evercert.authority.requests.requested_fields import MOST_NAMES, Spelling
from evercert.pki import distinguished_names, subject
from evercert.pki.certificate import load
from evercert.pki.identifiers import Identifier, from_der, parse_valid
from evercert.pki.keys import PrivateKey, public_bytes
from evercert.pki.path.fields import Fields
from evercert.pki.path.signatures import signed_by
from evercert.pki.usages import KEY_USAGE_BITS, OIDS
from evercert.schema import printable

MOST_CHAIN = 10  # certificates
LONGEST_KEY = 10_000  # characters; RSA with 4,096 bits has about 3,300
_LONGEST_TEXT = 255  # characters of one value of the subject
_SERIAL_BITS = 160  # RFC 5280 §4.1.2.2
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)  # leaves room for date arithmetic
_BEGIN = re.compile("-----BEGIN ")
_CERTIFICATE = re.compile(r"-----BEGIN ((?:X509 )?CERTIFICATE)-----[^-]{1,100000}-----END \1-----")


@dataclass(frozen=True, repr=False)
class CertificateFiles:
    """A certificate, the CAs above it in order, and its private key."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    private_key: PrivateKey | None
    leaf: Leaf
    spelling: Spelling


def read(certificate: str, chain: str | None, private_key: str | None, now: datetime) -> CertificateFiles:
    """Parse the files and check that they belong together; raise Refusal (400)."""
    try:
        fields = _end_entity(certificate, now)
        leaf = _leaf(fields)
        return CertificateFiles(
            fields.certificate,
            () if chain is None else tuple(_chain(fields, chain)),
            None if private_key is None else _private_key(fields.certificate, private_key),
            leaf,
            Spelling(alt_names=tuple(printable(name.value, _LONGEST_TEXT) for name in _names(fields))),
        )
    except ValueError as error:
        raise bad_request(printable(str(error), 400)) from None


def _certificates(field: str, text: str) -> list[x509.Certificate]:
    blocks = [match.group() for match in _CERTIFICATE.finditer(text)]
    if not blocks:
        raise ValueError(f"{field}: no PEM certificate found")
    if len(_BEGIN.findall(text)) != len(blocks):
        raise ValueError(f"{field}: it contains something else than certificates, such as a private key; remove it")
    if len(blocks) > MOST_CHAIN + 1:
        raise ValueError(f"{field}: it contains {len(blocks)} certificates; the limit is {MOST_CHAIN + 1}")
    try:
        return [load(block) for block in blocks]
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from None


def _end_entity(text: str, now: datetime) -> Fields:
    """Return the fields of the certificate; raise ValueError for one that the inventory cannot hold."""
    found, *others = _certificates("certificatePem", text)
    if others:
        raise ValueError("certificatePem: it contains several certificates; send those of its issuers as chainPem")
    fields = Fields(found)
    if problem := next(_problems(fields, now), None):
        raise ValueError(f"certificatePem: {problem}")
    try:
        public_bytes(fields.certificate.public_key())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("certificatePem: its public key cannot be parsed, or is of an unknown type") from None
    return fields


def _problems(fields: Fields, now: datetime) -> Iterator[str]:
    if fields.ca:
        yield "it is a CA certificate; import certificates of end entities only"
    if not 0 < fields.serial < 1 << _SERIAL_BITS:
        yield "its serial number is invalid: it must be positive, with at most 20 octets (RFC 5280, section 4.1.2.2)"
    if fields.not_before > fields.not_after:
        yield "it ends before it begins"
    if fields.not_after <= now:
        yield "it has expired"
    if fields.not_after > _LATEST:
        yield f"it ends after the year {_LATEST.year - 1}"


def _names(fields: Fields) -> list[Identifier]:
    """Return the alternative names as written, without kinds that evercert does not know."""
    found = [name for name in map(from_der, fields.alternative_names) if name is not None]
    if len(found) > MOST_NAMES:
        raise ValueError(f"certificatePem: it has {len(found)} names; the limit is {MOST_NAMES}")
    return found


def _leaf(fields: Fields) -> Leaf:
    """Return the fields of the inventory; the certificate itself may have more.

    A search does not find names that are invalid.
    """
    names = dict.fromkeys(parse_valid(str(name)) for name in _names(fields))
    leaf = Leaf.model_validate(
        {
            "subject": _subject(fields),
            "names": tuple(name for name in names if name is not None),
            "key-usages": tuple(usage for usage, bit in KEY_USAGE_BITS.items() if bit in (fields.key_usage or ())),
            "extended-key-usages": tuple(
                usage for usage, oid in OIDS.items() if oid.dotted_string in (fields.extended_key_usage or ())
            ),
            "not-before": fields.not_before,
            "not-after": fields.not_after,
        }
    )
    all_names = {*leaf.subject.get("common_name", ()), *(name.value for name in leaf.names)}
    if (count := len(all_names)) > MOST_NAMES:
        raise ValueError(f"certificatePem: it has {count} names; the limit is {MOST_NAMES}")
    return leaf


def _subject(fields: Fields) -> dict[str, tuple[str, ...]]:
    """Return the values of the subject without control characters, which could move the cursor of a terminal."""
    found: dict[str, tuple[str, ...]] = {}
    known = {subject.OIDS[field].dotted_string: field for field in SUBJECT_FIELDS}
    for kind, text in distinguished_names.entries(fields.subject_der):
        field, value = known.get(kind), printable(text or "", _LONGEST_TEXT)
        if field is not None and value:
            found[field] = (*found.get(field, ()), value)
    return found


def _chain(leaf: Fields, text: str) -> Iterator[x509.Certificate]:
    """Yield the issuers of the certificate; the certificate itself may come first."""
    found = [Fields(one) for one in _certificates("chainPem", text)]
    if found[0].encoded == leaf.encoded:
        found = found[1:]
    if not found:
        raise ValueError("chainPem: it must contain at least one issuer certificate")
    for number, (below, above) in enumerate(pairwise([leaf, *found]), 1):
        place = "certificatePem" if below is leaf else f"certificate {number - 1}"
        if not above.ca and above.version != 1:
            raise ValueError(f"chainPem: certificate {number} is not a CA certificate")
        if above.subject != below.issuer or not signed_by(below.certificate, above.certificate):
            raise ValueError(
                f"chainPem: certificate {number} did not sign {place}: order the chain from the issuer to the root"
            )
        yield above.certificate


def _private_key(certificate: x509.Certificate, text: str) -> PrivateKey:
    try:
        key = PrivateKey.from_pem(text)
    except ValueError as error:
        raise ValueError(f"privateKeyPem: {error}") from None
    if key.public_bytes() != public_bytes(certificate.public_key()):
        raise ValueError("privateKeyPem: it is not the key of the certificate")
    return key
