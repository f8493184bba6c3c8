"""Issued certificates: their facts, and whether they match the request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization

from evercert.pki import common_name, signature_algorithm
from evercert.pki.algorithms import algorithm_of
from evercert.pki.attributes import Attributes
from evercert.pki.distinguished_names import COMMON_NAME, values
from evercert.pki.identifiers import Identifier, from_der
from evercert.pki.keys import PrivateKey, public_bytes
from evercert.pki.path.builder import is_self_signed
from evercert.pki.path.fields import Fields
from evercert.pki.subject import differences
from evercert.pki.usages import KEY_USAGE_BITS, OIDS, in_the_standard, purpose_name, without_impossible
from evercert.schema import printable

MAX_ANSWER_CERTIFICATES = 50  # those that belong to no path included
_PEM_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]{0,20}CERTIFICATE)-----[^-]{0,100000}-----END \1-----")


@dataclass(frozen=True)
class Chain:
    """A certificate chain, leaf first; as an issuer answers, the others may be in any order."""

    certificates: tuple[x509.Certificate, ...]
    unreadable: tuple[str, ...] = ()  # why further certificates cannot be parsed

    @classmethod
    def from_pem(cls, pem: str) -> Chain:
        """Parse concatenated PEM without duplicates; raise ValueError if the first certificate cannot be parsed.

        Others that cannot be parsed, and those beyond MAX_ANSWER_CERTIFICATES, are left out and named in `unreadable`.
        """
        blocks = list(dict.fromkeys(match.group() for match in _PEM_BLOCK.finditer(pem)))
        if not blocks:
            raise ValueError("no PEM certificate found")
        found, problems = [load(blocks[0])], []
        if len(blocks) > MAX_ANSWER_CERTIFICATES:
            problems.append(
                f"the answer has {len(blocks)} certificates; only the first {MAX_ANSWER_CERTIFICATES} are read"
            )
        for block in blocks[1:MAX_ANSWER_CERTIFICATES]:
            try:
                found.append(load(block))
            except ValueError as error:
                problems.append(str(error))
        return cls(tuple(dict.fromkeys(found)), tuple(problems))

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
        """The certificates above the leaf as PEM, without the root: a peer must have it already."""
        return to_pem([certificate for certificate in self.certificates[1:] if not is_self_signed(certificate)])

    @property
    def begins(self) -> datetime:
        """The time from which every certificate of the chain is valid."""
        return max(certificate.not_valid_before_utc for certificate in self.certificates)

    @property
    def ends(self) -> datetime:
        """The end of the first certificate that expires: no peer accepts the chain after it."""
        return min(certificate.not_valid_after_utc for certificate in self.certificates)

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
        """The subject alternative names, sorted, without duplicates and kinds that evercert never requests."""
        return tuple(sorted({name for name in map(from_der, self.fields.alternative_names) if name is not None}))

    @cached_property
    def fields(self) -> Fields:
        """The fields of the leaf; raises ValueError if they are malformed."""
        return Fields(self.leaf)

    @property
    def common_name(self) -> str | None:
        """The subject's common name, or None."""
        return next(iter(values(self.fields.subject_der, COMMON_NAME)), None)

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


def to_pem(certificates: Sequence[x509.Certificate]) -> str:
    """Return the certificates as concatenated PEM."""
    return "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in certificates)


def load(pem: str) -> x509.Certificate:
    """Parse one PEM certificate with all its fields; raise ValueError with the reason if it is malformed."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        Fields(certificate)
    except (ValueError, x509.InvalidVersion) as error:
        raise ValueError(f"malformed certificate: {printable(str(error), 120)}") from error
    return certificate


def mismatches(chain: Chain, attributes: Attributes | None, public_key: bytes, *, profiled: bool = False) -> list[str]:
    """List the differences between the leaf and its request; an empty list means that it matches.

    Without attributes, only the public key is compared. `profiled`: the issuer chooses usages that were not requested;
    otherwise they must be those of a TLS server.
    """
    found = []
    try:
        found_key = public_bytes(chain.public_key)
    except (ValueError, UnsupportedAlgorithm):
        return ["its public key cannot be parsed"]
    if found_key != public_key:
        found.append("it is for another public key")
    if attributes is not None:
        found += _request_mismatches(chain, attributes)
    usual = TLS_SERVER if attributes is not None and not profiled else ((), ())
    return found + _usage_mismatches(chain, attributes, usual)


def _request_mismatches(chain: Chain, attributes: Attributes) -> list[str]:
    found = []
    has_unsupported = _has_unsupported_names(chain)
    if not _has_names(chain, attributes) or has_unsupported:
        asked = ", ".join(map(str, attributes.identifiers))
        got = printable(", ".join(map(str, chain.identifiers)) or "none")
        others = " and a name of another kind" if has_unsupported else ""
        found.append(f"its names are {got}{others}; requested were {asked}")
    found += common_name.mismatches(
        values(chain.fields.subject_der, COMMON_NAME), attributes.common_name, attributes.identifiers
    )
    if wrong := differences(chain.fields.subject_der, attributes):
        found.append(f"its subject does not have the requested {', '.join(wrong)}")
    if signed := signature_algorithm.mismatch(chain.leaf, attributes.signature_algorithm):
        found.append(signed)
    return found


def _has_names(chain: Chain, attributes: Attributes) -> bool:
    """Return whether the names are the requested ones; a common name need not be one of them for clients only."""
    purposes, found, wanted = chain.fields.extended_key_usage, set(chain.identifiers), set(attributes.identifiers)
    serves = purposes is None or OIDS["server_auth"].dotted_string in purposes
    return found == wanted or (not serves and found == set(attributes.alt_names))


def _has_unsupported_names(chain: Chain) -> bool:
    return any(from_der(name) is None for name in chain.fields.alternative_names)


TLS_SERVER: tuple[tuple[str, ...], tuple[str, ...]] = ("digital_signature",), ("server_auth",)


def _usage_mismatches(
    chain: Chain, attributes: Attributes | None, usual: tuple[tuple[str, ...], tuple[str, ...]]
) -> list[str]:
    """List missing usages (RFC 5280 §4.2.1.3, §4.2.1.12); one that the key cannot have is not missing.

    An absent extension allows every usage, but is accepted only if no usage was requested.
    """
    found, leaf, algorithm = [], chain.fields, algorithm_of(chain.public_key)
    asked, asked_extended = (attributes.key_usages, attributes.extended_key_usages) if attributes else ((), ())
    if algorithm is not None:
        asked = tuple(without_impossible(asked, algorithm))
    if leaf.key_usage is not None or asked:
        present = [usage for usage, bit in KEY_USAGE_BITS.items() if bit in (leaf.key_usage or ())]
        found += _lacking("key usage", asked or usual[0], present)
    if leaf.extended_key_usage is not None or asked_extended:
        purposes = [usage for usage, oid in OIDS.items() if oid.dotted_string in (leaf.extended_key_usage or ())]
        found += _lacking("extended key usage", asked_extended or usual[1], purposes)
    if "time_stamping" in asked_extended and leaf.extended_key_usage is not None:
        found += _unfit_for_time_stamping(leaf)
    return found


def _unfit_for_time_stamping(leaf: Fields) -> Iterator[str]:
    """Yield why verifiers of time stamps refuse the certificate (RFC 3161 §2.3).

    A usage that is not critical is no mismatch: self-signed profiles of Infisical issue no other, however often asked.
    """
    others = sorted(map(purpose_name, (leaf.extended_key_usage or frozenset()) - {OIDS["time_stamping"].dotted_string}))
    if others:
        yield f"its extended key usage has {', '.join(others)}: timeStamping must be alone (RFC 3161, section 2.3)"


def _lacking(what: str, asked: Sequence[str], there: Sequence[str]) -> list[str]:
    missing = [in_the_standard(usage) for usage in asked if usage not in there]
    return [f"its {what} lacks {', '.join(missing)}"] if missing else []
