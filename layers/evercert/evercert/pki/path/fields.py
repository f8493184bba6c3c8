"""The fields of a certificate that path validation reads (RFC 5280 §4), from its DER.

`cryptography` refuses whole certificates for one malformed name in a CA's extension; here names remain undecoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evercert.pki import der
from evercert.pki.distinguished_names import Name, canonical, printed
from evercert.pki.path import general_names

SUBJECT_KEY, KEY_USAGE, ALTERNATIVE_NAME = "2.5.29.14", "2.5.29.15", "2.5.29.17"
BASIC_CONSTRAINTS, NAME_CONSTRAINTS = "2.5.29.19", "2.5.29.30"
AUTHORITY_KEY, EXTENDED_KEY_USAGE, POLICY_CONSTRAINTS = "2.5.29.35", "2.5.29.37", "2.5.29.36"
AUTHORITY_ACCESS, DISTRIBUTION_POINTS, POLICIES = "1.3.6.1.5.5.7.1.1", "2.5.29.31", "2.5.29.32"
KEY_CERT_SIGN, CRL_SIGN = 5, 6  # bits of keyUsage
_VERSION_TAG, _EXTENSIONS_TAG = 0xA0, 0xA3
_KEY_ID_TAG, _ISSUER_TAG, _SERIAL_TAG = 0x80, 0xA1, 0x82  # of an authority key identifier
_NAME_TAGS = frozenset((0xA0, 0x81, 0x82, 0xA3, 0xA4, 0xA5, 0x86, 0x87, 0x88))  # of general names
_POINT_TAGS = {0xA0, 0x81, 0xA2}  # of a distribution point
_PARTS, _FIELDS = 3, 6
_EC_KEY = "1.2.840.10045.2.1"


@dataclass(frozen=True)
class AuthorityKey:
    """An authority key identifier; `issuer` and `serial` name the issuer's own certificate."""

    key_id: bytes | None
    issuer: Name | None
    serial: int | None


class Fields:
    """The parsed fields of one certificate. Raises ValueError if they are malformed."""

    def __init__(self, certificate: x509.Certificate) -> None:
        self.certificate = certificate
        self.encoded = certificate.public_bytes(serialization.Encoding.DER)
        tbs, self._outer_algorithm, _ = _exactly(der.read(self.encoded).children(der.SEQUENCE), _PARTS)
        parts = tbs.children(der.SEQUENCE)
        self.version = 1
        if parts and parts[0].tag == _VERSION_TAG:
            self.version = der.integer(_exactly(parts.pop(0).children(), 1)[0]) + 1
        serial, self._inner_algorithm, issuer, _validity, subject, self.public_key_info = _exactly(
            parts[:_FIELDS], _FIELDS
        )
        self.serial, self.serial_length = der.integer(serial), len(serial.content)
        self.issuer_der, self.subject_der = issuer.encoded, subject.encoded
        self.issuer, self.subject = canonical(self.issuer_der), canonical(self.subject_der)
        self.not_before: datetime = certificate.not_valid_before_utc
        self.not_after: datetime = certificate.not_valid_after_utc
        self.critical: set[str] = set()
        self.extensions: dict[str, bytes] = {}
        for part in parts[_FIELDS:]:
            if part.tag == _EXTENSIONS_TAG:
                self._read_extensions(_exactly(part.children(), 1)[0])
        self._require_parsed()

    def _read_extensions(self, extensions: der.Element) -> None:
        for extension in extensions.children(der.SEQUENCE):
            parts = extension.children(der.SEQUENCE)
            critical = [der.boolean(part) for part in parts[1:-1]]
            if len(critical) > 1 or len(parts) == 1:
                raise ValueError("malformed extension")
            kind, value = der.object_identifier(parts[0]), der.require(parts[-1], der.OCTET_STRING)
            if kind in self.extensions:
                raise ValueError(f"extension {kind} occurs twice (RFC 5280, section 4.2)")
            if any(critical):
                self.critical.add(kind)
            self.extensions[kind] = value.content

    def _require_parsed(self) -> None:
        """Parse every known extension now: reading a field later never fails."""
        for read in (
            "explicit_curve",
            "ca",
            "key_usage",
            "extended_key_usage",
            "alternative_names",
            "authority_key",
            "subject_key",
        ):
            getattr(self, read)
        for description in self._sequence(AUTHORITY_ACCESS):
            der.object_identifier(_exactly(description.children(der.SEQUENCE), 2)[0])
        for point in self._sequence(DISTRIBUTION_POINTS):
            if not {part.tag for part in point.children(der.SEQUENCE)} <= _POINT_TAGS:
                raise ValueError("malformed CRL distribution point")
        policies = [der.object_identifier(policy.children(der.SEQUENCE)[0]) for policy in self._sequence(POLICIES)]
        if len(set(policies)) != len(policies):
            raise ValueError("a certificate policy occurs twice (RFC 5280, section 4.2.1.4)")

    def _sequence(self, kind: str) -> list[der.Element]:
        """Return the parts of an extension that is a sequence of sequences, none of them empty."""
        if (value := self.extensions.get(kind)) is None:
            return []
        parts = der.read(value).children(der.SEQUENCE)
        if not parts or not all(part.children(der.SEQUENCE) for part in parts):
            raise ValueError(f"malformed extension {kind}")
        return parts

    def __repr__(self) -> str:
        return f"<Fields of {self.label}>"

    @property
    def label(self) -> str:
        """The subject for messages."""
        return printed(self.subject_der)

    @property
    def self_issued(self) -> bool:
        """Whether issuer and subject are the same name; such a certificate may still be signed by another key."""
        return self.issuer == self.subject

    @property
    def explicit_curve(self) -> bool:
        """Whether an EC key has explicit parameters instead of a named curve (RFC 5480 §2.1.1)."""
        algorithm = self.public_key_info.children(der.SEQUENCE)[0].children(der.SEQUENCE)
        return der.object_identifier(algorithm[0]) == _EC_KEY and algorithm[-1].tag == der.SEQUENCE

    @property
    def algorithms_agree(self) -> bool:
        """Whether both signature algorithm fields are equal (§4.1.1.2)."""
        return self._outer_algorithm.encoded == self._inner_algorithm.encoded

    @cached_property
    def basic_constraints(self) -> tuple[bool, int | None] | None:
        """The CA flag and the path length, or None without the extension (§4.2.1.9)."""
        if (value := self.extensions.get(BASIC_CONSTRAINTS)) is None:
            return None
        parts = der.read(value).children(der.SEQUENCE)
        flag = bool(parts) and parts[0].tag == der.BOOLEAN and der.boolean(parts.pop(0))
        length = der.integer(_exactly(parts, 1)[0]) if parts else None
        if length is not None and length < 0:
            raise ValueError("negative path length")
        return flag, length

    @cached_property
    def ca(self) -> bool:
        """Whether the basic constraints say that it is a CA."""
        return self.basic_constraints is not None and self.basic_constraints[0]

    @cached_property
    def key_usage(self) -> frozenset[int] | None:
        """The bits of the key usage, or None without the extension (§4.2.1.3)."""
        if (value := self.extensions.get(KEY_USAGE)) is None:
            return None
        return der.bits(der.require(der.read(value), der.BIT_STRING).content)

    @cached_property
    def extended_key_usage(self) -> frozenset[str] | None:
        """The purposes, or None without the extension (§4.2.1.12)."""
        if (value := self.extensions.get(EXTENDED_KEY_USAGE)) is None:
            return None
        purposes = der.read(value).children(der.SEQUENCE)
        if not purposes:
            raise ValueError("empty extended key usage")
        return frozenset(map(der.object_identifier, purposes))

    @cached_property
    def alternative_names(self) -> tuple[der.Element, ...]:
        """The subject alternative names, undecoded (§4.2.1.6)."""
        if (value := self.extensions.get(ALTERNATIVE_NAME)) is None:
            return ()
        names = der.read(value).children(der.SEQUENCE)
        if not names:
            raise ValueError("empty subject alternative name")
        if any(name.tag not in _NAME_TAGS for name in names):
            raise ValueError("malformed subject alternative name")
        return tuple(names)

    @cached_property
    def subject_key(self) -> bytes | None:
        """The subject key identifier (§4.2.1.2)."""
        value = self.extensions.get(SUBJECT_KEY)
        return None if value is None else der.require(der.read(value), der.OCTET_STRING).content

    @cached_property
    def authority_key(self) -> AuthorityKey | None:
        """The authority key identifier (§4.2.1.1)."""
        if (value := self.extensions.get(AUTHORITY_KEY)) is None:
            return None
        parts = {part.tag: part for part in der.read(value).children(der.SEQUENCE)}
        key_id, issuer, serial = (parts.get(tag) for tag in (_KEY_ID_TAG, _ISSUER_TAG, _SERIAL_TAG))
        names = issuer.children() if issuer is not None else []
        directory = next(
            (_exactly(name.children(), 1)[0] for name in names if name.tag == general_names.DIRECTORY), None
        )
        return AuthorityKey(
            None if key_id is None else key_id.content,
            None if directory is None else canonical(directory.encoded),
            None if serial is None else int.from_bytes(serial.content, signed=True),
        )


def _exactly(elements: list[der.Element], count: int) -> list[der.Element]:
    if len(elements) != count:
        raise ValueError("malformed certificate")
    return elements
