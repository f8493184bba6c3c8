"""What was issued: its facts, and whether it is what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from evercert.pki.attributes import Attributes, SignatureAlgorithm
from evercert.pki.identifiers import Identifier, from_general_name
from evercert.pki.keys import PrivateKey, public_bytes
from evercert.pki.subject import differences
from evercert.pki.usages import extended_key_usages_of, in_the_standard, key_usages_of
from evercert.schema import printable

AHEAD = timedelta(minutes=5)  # an issuer's clock may be this far ahead of ours
LONGEST_CHAIN = 10


@dataclass(frozen=True)
class Chain:
    """A certificate and its issuers, leaf first."""

    certificates: tuple[x509.Certificate, ...]

    @classmethod
    def from_pem(cls, pem: str) -> Chain:
        """Reads concatenated PEM; raises ValueError when there is nothing to read, or more than ten certificates."""
        certificates = x509.load_pem_x509_certificates(pem.encode())
        if len(certificates) > LONGEST_CHAIN:
            raise ValueError(f"{len(certificates)} certificates in one chain")
        return cls(tuple(certificates))

    @property
    def leaf(self) -> x509.Certificate:
        """The end-entity certificate."""
        return self.certificates[0]

    @property
    def public_key(self) -> object:
        """The leaf's; raises what the library raises for one that it does not know."""
        return self.leaf.public_key()

    @property
    def leaf_pem(self) -> str:
        """The end-entity certificate alone."""
        return to_pem([self.leaf])

    @property
    def pem(self) -> str:
        """All of it."""
        return to_pem(self.certificates)

    @property
    def issuers_pem(self) -> str:
        """The certificates above the leaf, without self-issued ones: a peer must have its root already."""
        return to_pem([c for c in self.certificates[1:] if c.issuer != c.subject])

    @property
    def top_pem(self) -> str:
        """The last certificate: the root where the issuer sent it, the leaf itself where it is self-signed."""
        return to_pem(self.certificates[-1:])

    @property
    def fullchain_pem(self) -> str:
        """What a TLS server sends: the leaf and its issuers, no root."""
        return self.leaf_pem + self.issuers_pem

    @cached_property
    def identifiers(self) -> tuple[Identifier, ...]:
        """The subject alternative names, sorted; kinds that evercert never asks for are left out."""
        return tuple(sorted(name for name in map(from_general_name, _alternative_names(self.leaf)) if name is not None))

    @property
    def common_name(self) -> str | None:
        """The subject's common name, if there is one."""
        found = self.leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(found[0].value) if found else None

    @property
    def serial_number(self) -> str:
        """In hexadecimal, two digits a byte, as openssl prints it."""
        digits = f"{self.leaf.serial_number:X}"
        return digits if len(digits) % 2 == 0 else f"0{digits}"

    @property
    def fingerprint_sha256(self) -> str:
        """SHA-256 of the DER leaf, in lower-case hexadecimal."""
        return self.leaf.fingerprint(hashes.SHA256()).hex()


@dataclass(frozen=True, repr=False)
class Bundle:
    """Chain and private key, as delivered."""

    chain: Chain
    private_key: PrivateKey | None  # None where the user supplied the CSR, and has the key


_SIGNATURES: dict[x509.ObjectIdentifier, SignatureAlgorithm] = {
    SignatureAlgorithmOID.RSA_WITH_SHA256: "RSA-SHA256",
    SignatureAlgorithmOID.RSA_WITH_SHA384: "RSA-SHA384",
    SignatureAlgorithmOID.RSA_WITH_SHA512: "RSA-SHA512",
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: "ECDSA-SHA256",
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: "ECDSA-SHA384",
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: "ECDSA-SHA512",
}


def signature_algorithm(leaf: x509.Certificate) -> SignatureAlgorithm | None:
    """What it was signed with, by the names that documents use."""
    return _SIGNATURES.get(leaf.signature_algorithm_oid)


def to_pem(certificates: Sequence[x509.Certificate]) -> str:
    """PEM, one after the other; empty text for none."""
    return "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in certificates)


def misfits(
    chain: Chain, attributes: Attributes | None, public_key: bytes, now: datetime, *, profiled: bool = False
) -> list[str]:
    """Every way in which this is not the certificate that was asked for; empty when it fits.

    Without attributes nothing was asked for but that it is valid, belongs to the key, and is no CA's. `profiled`:
    usages that were not asked for are the issuer's to choose; else they are a TLS server's.
    """
    leaf = chain.leaf
    found = []
    try:
        _, found_key = leaf.extensions, public_bytes(leaf.public_key())
    except (ValueError, UnsupportedAlgorithm):
        return ["its extensions or its public key cannot be read"]
    if found_key != public_key:
        found.append("it is for another public key")
    if attributes is not None:
        found += _unasked(chain, attributes)
    found += _usage_misfits(leaf, attributes, TLS_SERVER if attributes is not None and not profiled else ((), ()))
    if leaf.not_valid_before_utc > now + AHEAD:
        found.append(f"it is not valid before {leaf.not_valid_before_utc:%Y-%m-%d %H:%M:%S}Z")
    if leaf.not_valid_after_utc <= max(now, leaf.not_valid_before_utc):
        found.append(f"it is not valid after {leaf.not_valid_after_utc:%Y-%m-%d %H:%M:%S}Z")
    return found + _chain_misfits(chain)


def _unasked(chain: Chain, attributes: Attributes) -> list[str]:
    found, leaf = [], chain.leaf
    if sorted(attributes.identifiers) != list(chain.identifiers) or _strange_names(leaf):
        asked = ", ".join(map(str, attributes.identifiers))
        got = printable(", ".join(map(str, chain.identifiers)) or "none")
        found.append(f"its names are {got}; asked for were {asked}")
    if wrong := differences(leaf.subject, attributes):
        found.append(f"its subject has another {', '.join(wrong)} than was asked for, or none")
    wanted, signed = attributes.signature_algorithm, signature_algorithm(leaf)
    if wanted is not None and signed != wanted:
        found.append(f"it is signed with {signed or 'another algorithm'}; asked for was {wanted}")
    return found


def _alternative_names(leaf: x509.Certificate) -> list[x509.GeneralName]:
    try:
        return list(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def _strange_names(leaf: x509.Certificate) -> bool:
    return any(from_general_name(name) is None for name in _alternative_names(leaf))


TLS_SERVER: tuple[tuple[str, ...], tuple[str, ...]] = ("digital_signature",), ("server_auth",)


def _usage_misfits(
    leaf: x509.Certificate, attributes: Attributes | None, usual: tuple[tuple[str, ...], tuple[str, ...]]
) -> list[str]:
    """RFC 5280 §4.2.1.3, §4.2.1.9, §4.2.1.12: what was asked for, else what is usual; never a CA's.

    An extension that is absent allows every usage, which is enough only where none was asked for.
    """
    found = []
    extensions = {type(extension.value): extension.value for extension in leaf.extensions}
    constraints = extensions.get(x509.BasicConstraints)
    if isinstance(constraints, x509.BasicConstraints) and constraints.ca:
        found.append("it is a CA certificate")
    usage = extensions.get(x509.KeyUsage)
    asked, asked_extended = (attributes.key_usages, attributes.extended_key_usages) if attributes else ((), ())
    if isinstance(usage, x509.KeyUsage) or asked:
        there = key_usages_of(usage) if isinstance(usage, x509.KeyUsage) else ()
        found += _lacking("key usage", asked or usual[0], there)
    extended = extensions.get(x509.ExtendedKeyUsage)
    if isinstance(extended, x509.ExtendedKeyUsage) or asked_extended:
        present = extended_key_usages_of(extended) if isinstance(extended, x509.ExtendedKeyUsage) else ()
        found += _lacking("extended key usage", asked_extended or usual[1], present)
    return found


def _lacking(what: str, asked: tuple[str, ...], there: tuple[str, ...]) -> list[str]:
    missing = [in_the_standard(usage) for usage in asked if usage not in there]
    return [f"its {what} lacks {', '.join(missing)}"] if missing else []


def _chain_misfits(chain: Chain) -> list[str]:
    for below, above in zip(chain.certificates, chain.certificates[1:], strict=False):
        try:
            below.verify_directly_issued_by(above)
            authority = above.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            authority = False
        if not authority:  # RFC 5280 §6.1.4 (k): only a CA may issue
            return ["its chain is broken: one of its certificates was not issued by the next, or that is no CA"]
    return []
