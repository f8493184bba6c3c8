"""Issued certificates: their facts, and whether they match the request."""

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

AHEAD = timedelta(minutes=5)  # tolerated clock skew of issuers
LONGEST_CHAIN = 10


@dataclass(frozen=True)
class Chain:
    """A certificate chain, leaf first."""

    certificates: tuple[x509.Certificate, ...]

    @classmethod
    def from_pem(cls, pem: str) -> Chain:
        """Parse concatenated PEM; raise ValueError if it has no certificates, or more than ten."""
        certificates = x509.load_pem_x509_certificates(pem.encode())
        if len(certificates) > LONGEST_CHAIN:
            raise ValueError(f"chain of {len(certificates)} certificates: at most {LONGEST_CHAIN} are supported")
        return cls(tuple(certificates))

    @property
    def leaf(self) -> x509.Certificate:
        """The leaf certificate."""
        return self.certificates[0]

    @property
    def public_key(self) -> object:
        """The leaf's public key; raises ValueError or UnsupportedAlgorithm of `cryptography` for an unknown one."""
        return self.leaf.public_key()

    @property
    def leaf_pem(self) -> str:
        """The leaf certificate as PEM."""
        return to_pem([self.leaf])

    @property
    def pem(self) -> str:
        """The whole chain as PEM."""
        return to_pem(self.certificates)

    @property
    def issuers_pem(self) -> str:
        """The certificates above the leaf as PEM, without self-issued ones: a peer must have its root already."""
        return to_pem([c for c in self.certificates[1:] if c.issuer != c.subject])

    @property
    def top_pem(self) -> str:
        """The last certificate as PEM: the root if the issuer sent it, the leaf if it is self-signed."""
        return to_pem(self.certificates[-1:])

    @property
    def fullchain_pem(self) -> str:
        """The chain as a TLS server sends it, as PEM: leaf and intermediates without root."""
        return self.leaf_pem + self.issuers_pem

    @cached_property
    def identifiers(self) -> tuple[Identifier, ...]:
        """The subject alternative names, sorted, without kinds that evercert never requests."""
        return tuple(sorted(name for name in map(from_general_name, _alternative_names(self.leaf)) if name is not None))

    @property
    def common_name(self) -> str | None:
        """The subject's common name, or None."""
        found = self.leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(found[0].value) if found else None

    @property
    def serial_number(self) -> str:
        """The leaf's serial number in hexadecimal, two digits a byte, as openssl prints it."""
        digits = f"{self.leaf.serial_number:X}"
        return digits if len(digits) % 2 == 0 else f"0{digits}"

    @property
    def fingerprint_sha256(self) -> str:
        """SHA-256 of the DER leaf, in lower-case hexadecimal."""
        return self.leaf.fingerprint(hashes.SHA256()).hex()


@dataclass(frozen=True, repr=False)
class Bundle:
    """A chain and its private key, as delivered."""

    chain: Chain
    private_key: PrivateKey | None  # None if the user supplied the CSR and holds the key


_SIGNATURES: dict[x509.ObjectIdentifier, SignatureAlgorithm] = {
    SignatureAlgorithmOID.RSA_WITH_SHA256: "RSA-SHA256",
    SignatureAlgorithmOID.RSA_WITH_SHA384: "RSA-SHA384",
    SignatureAlgorithmOID.RSA_WITH_SHA512: "RSA-SHA512",
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: "ECDSA-SHA256",
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: "ECDSA-SHA384",
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: "ECDSA-SHA512",
}


def signature_algorithm(leaf: x509.Certificate) -> SignatureAlgorithm | None:
    """Return the signature algorithm under its name in documents, or None for another one."""
    return _SIGNATURES.get(leaf.signature_algorithm_oid)


def to_pem(certificates: Sequence[x509.Certificate]) -> str:
    """Return the certificates as concatenated PEM."""
    return "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in certificates)


def misfits(
    chain: Chain, attributes: Attributes | None, public_key: bytes, now: datetime, *, profiled: bool = False
) -> list[str]:
    """List the differences between the certificate and its request; an empty list means that it matches.

    Without attributes, only validity, public key and CA flag are checked. `profiled`: the issuer chooses usages that
    were not requested; otherwise they must be those of a TLS server.
    """
    leaf = chain.leaf
    found = []
    try:
        _, found_key = leaf.extensions, public_bytes(leaf.public_key())
    except (ValueError, UnsupportedAlgorithm):
        return ["its extensions or its public key cannot be parsed"]
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
        found.append(f"its names are {got}; requested were {asked}")
    if wrong := differences(leaf.subject, attributes):
        found.append(f"its subject does not have the requested {', '.join(wrong)}")
    wanted, signed = attributes.signature_algorithm, signature_algorithm(leaf)
    if wanted is not None and signed != wanted:
        found.append(f"it is signed with {signed or 'another algorithm'}; requested was {wanted}")
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
    """List missing usages (RFC 5280 §4.2.1.3, §4.2.1.12) and a CA flag (§4.2.1.9).

    An absent extension allows every usage, but is accepted only if no usage was requested.
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
            return ["its chain is broken: a certificate was not issued by the next one, or the next one is not a CA"]
    return []
