"""The extensions that a certification request asks for, from their DER (RFC 5280 §4.2.1)."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.x509.oid import AttributeOID, ExtendedKeyUsageOID, ExtensionOID, NameOID

from evercert.pki import der
from evercert.pki.certification_request import CertificationRequest
from evercert.pki.identifiers import Identifier, from_der, parse
from evercert.pki.path.fields import BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE, KEY_USAGE, SUBJECT_KEY
from evercert.pki.usages import EXTENDED_KEY_USAGES, KEY_USAGE_BITS, OIDS, RESTRICTIONS, ExtendedKeyUsage, KeyUsage

ALTERNATIVE_NAME, TLS_FEATURE = "2.5.29.17", "1.3.6.1.5.5.7.1.24"
ANY_PURPOSE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE.dotted_string
KEY_CERT_SIGN, CRL_SIGN = 5, 6  # bits of keyUsage that only a CA has
_KEY_AGREEMENT = 4
_MAX_PATH_LENGTH = 255
# Frequent types by name; messages show the others by number.
_NAMES = {
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.GIVEN_NAME: "givenName",
    NameOID.SURNAME: "surname",
    NameOID.TITLE: "title",
    NameOID.USER_ID: "UID",
    NameOID.UNSTRUCTURED_NAME: "unstructuredName",
    NameOID.STREET_ADDRESS: "streetAddress",
    NameOID.POSTAL_CODE: "postalCode",
    NameOID.DN_QUALIFIER: "dnQualifier",
    AttributeOID.CHALLENGE_PASSWORD: "challengePassword",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
    ExtensionOID.NAME_CONSTRAINTS: "nameConstraints",
    ExtensionOID.CERTIFICATE_POLICIES: "certificatePolicies",
    ExtensionOID.TLS_FEATURE: "TLS feature (must-staple)",
}
_SHORT = {oid.dotted_string: name for oid, name in _NAMES.items()}
_NAME_TYPES = {
    0xA0: "otherName",
    0xA3: "x400Address",
    0xA4: "directoryName",
    0xA5: "ediPartyName",
    0x88: "registeredID",
}


@dataclass(frozen=True)
class RequestedExtensions:
    """The requested extensions; None if absent. `others` has the types of those that evercert does not interpret."""

    names: tuple[Identifier, ...] | None
    key_usage: frozenset[int] | None
    purposes: tuple[str, ...] | None
    basic_constraints: tuple[bool, int | None] | None
    others: tuple[str, ...]

    @property
    def key_usages(self) -> tuple[KeyUsage, ...]:
        """The key usages without those of a CA; restrictions count only with key agreement (§4.2.1.3)."""
        bits = self.key_usage or frozenset()
        return tuple(
            usage
            for usage, bit in KEY_USAGE_BITS.items()
            if bit in bits and (usage not in RESTRICTIONS or _KEY_AGREEMENT in bits)
        )

    @property
    def extended_key_usages(self) -> tuple[ExtendedKeyUsage, ...]:
        """The purposes that evercert supports."""
        return tuple(usage for usage in EXTENDED_KEY_USAGES if OIDS[usage].dotted_string in (self.purposes or ()))

    @property
    def unknown_purposes(self) -> tuple[str, ...]:
        """The purposes that evercert does not support."""
        known = {oid.dotted_string for oid in OIDS.values()}
        return tuple(purpose for purpose in self.purposes or () if purpose not in known)


def parse_extensions(request: CertificationRequest) -> RequestedExtensions:
    """Parse the requested extensions; raise ValueError for malformed ones, and for unknown critical ones."""
    try:
        extensions = request.extensions()
        usage = extensions.pop(KEY_USAGE, (False, None))[1]
        purposes = extensions.pop(EXTENDED_KEY_USAGE, (False, None))[1]
        constraints = extensions.pop(BASIC_CONSTRAINTS, (False, None))[1]
        names = extensions.pop(ALTERNATIVE_NAME, (False, None))[1]
        entries = None if names is None else names.children(der.SEQUENCE)
        bits = None if usage is None else der.bits(der.require(usage, der.BIT_STRING).content)
        allowed = None if purposes is None else tuple(map(der.object_identifier, purposes.children(der.SEQUENCE)))
        ca = None if constraints is None else _basic_constraints(constraints)
    except ValueError as error:
        raise ValueError(f"invalid extensions: {error}; create the CSR with another tool") from error
    for kind, (critical, _) in extensions.items():
        if critical:
            raise ValueError(f"unsupported critical extension {name_of(kind)}; remove it from the CSR")
    others = tuple(kind for kind in extensions if kind != SUBJECT_KEY)  # every CA sets its own key identifier
    return RequestedExtensions(None if entries is None else _identifiers(entries), bits, allowed, ca, others)


def _identifiers(names: list[der.Element]) -> tuple[Identifier, ...]:
    found = set()
    for name in names:
        if (known := from_der(name)) is None:
            kind = _NAME_TYPES.get(name.tag, "malformed name")
            raise ValueError(f"unsupported name type {kind}; create the CSR with DNS, IP, URI and e-mail names only")
        found.add(parse(str(known)))
    return tuple(sorted(found))


def _basic_constraints(value: der.Element) -> tuple[bool, int | None]:
    parts = value.children(der.SEQUENCE)
    ca = bool(parts) and parts[0].tag == der.BOOLEAN and der.boolean(parts.pop(0))
    length = der.integer(parts.pop(0)) if parts else None
    if parts or (length is not None and not 0 <= length <= _MAX_PATH_LENGTH):
        raise ValueError("malformed basic constraints")
    return ca, length


def name_of(kind: str) -> str:
    """Return the name of an object identifier with its number, or the number alone."""
    name = _SHORT.get(kind)
    return f"{name} ({kind})" if name else kind
