"""The fields of a certification request (PKCS #10, RFC 2986), from its DER.

`cryptography` refuses some string types, and raises other errors than ValueError; here every field is read as bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evercert.pki import der

EXTENSION_REQUEST, MICROSOFT_EXTENSIONS = "1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14"
CHALLENGE_PASSWORD = "1.2.840.113549.1.9.7"  # noqa: S105 (an object identifier)
_RSA, _RSASSA_PSS, _EC = "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10", "1.2.840.10045.2.1"
_ATTRIBUTES_TAG = 0xA0
_NO_ATTRIBUTES = der.Element(_ATTRIBUTES_TAG, b"", b"\xa0\x00")
_PARTS, _FIELDS = 3, 4


class CertificationRequest:
    """The parsed fields of one request; raises ValueError if they are malformed.

    `extensions` has the criticality and the value of each requested extension, `attributes` the types of all others.
    """

    def __init__(self, encoded: bytes) -> None:
        self.encoded = encoded
        information, algorithm, signature = _exactly(der.read(encoded).children(der.SEQUENCE), _PARTS)
        self.signed_part = information.encoded
        self.signature_algorithm = der.object_identifier(_first(algorithm))
        self.signature = der.require(signature, der.BIT_STRING).content[1:]
        fields = information.children(der.SEQUENCE)
        if len(fields) == _FIELDS - 1:  # some devices leave the empty attributes out
            fields.append(_NO_ATTRIBUTES)
        version, subject, key_info, attributes = _exactly(fields, _FIELDS)
        self.version = der.integer(version) + 1
        self.subject_der = subject.encoded
        self.public_key_info = key_info.encoded
        self._attributes = der.require(attributes, _ATTRIBUTES_TAG).children()
        self._types = [der.object_identifier(_first(attribute)) for attribute in self._attributes]
        key_algorithm, self._key = _exactly(key_info.children(der.SEQUENCE), 2)
        self._key_algorithm = der.object_identifier(_first(key_algorithm))
        self._has_explicit_curve = (
            self._key_algorithm == _EC and key_algorithm.children(der.SEQUENCE)[-1].tag == der.SEQUENCE
        )
        self._sets_are_sorted = _is_sorted(self._attributes)

    def require_supported(self) -> None:
        """Raise ValueError for content that would be read in two ways, or that `cryptography` misreads."""
        if self.version != 1:
            raise ValueError(
                "unsupported version: must be 1 (value 0, RFC 2986 §4.1); create the CSR with another tool"
            )
        if len([kind for kind in self._types if kind in (EXTENSION_REQUEST, MICROSOFT_EXTENSIONS)]) > 1:
            raise ValueError(
                "two attributes with extensions (extensionRequest, RFC 2985 §5.4.2, or Microsoft's"
                f" {MICROSOFT_EXTENSIONS}): programs read different ones; create the CSR with one"
            )
        if self._key_algorithm == _RSASSA_PSS:
            raise ValueError(
                "unsupported key: RSASSA-PSS (RFC 4055 §1.2) is not accepted by every peer; use a plain RSA key"
            )
        if self._has_explicit_curve:
            raise ValueError(
                "unsupported key: explicit curve parameters (RFC 5480 §2.1.1); create the key with a named curve,"
                " such as with openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"
            )
        if not self._sets_are_sorted:
            raise ValueError("attributes not in DER order (X.690 §11.6); create the CSR with another tool")

    @property
    def rsa_key(self) -> tuple[int, int] | None:
        """The modulus and the exponent of an RSA key, or None for another key; raises ValueError."""
        if self._key_algorithm != _RSA:
            return None
        encoded = der.require(self._key, der.BIT_STRING).content[1:]
        modulus, exponent = _exactly(der.read(encoded).children(der.SEQUENCE), 2)
        return der.integer(modulus), der.integer(exponent)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The types of all attributes without extensions."""
        return tuple(kind for kind in self._types if kind not in (EXTENSION_REQUEST, MICROSOFT_EXTENSIONS))

    def extensions(self) -> dict[str, tuple[bool, der.Element]]:
        """Return criticality and parsed value of each requested extension; raise ValueError."""
        found: dict[str, tuple[bool, der.Element]] = {}
        for kind, critical, value in self._extensions():
            if kind in found:
                raise ValueError(f"extension {kind} occurs twice (RFC 5280 §4.2)")
            found[kind] = critical, value
        return found

    def _extensions(self) -> Iterator[tuple[str, bool, der.Element]]:
        for name, attribute in zip(self._types, self._attributes, strict=True):
            if name not in (EXTENSION_REQUEST, MICROSOFT_EXTENSIONS):
                continue
            values = _exactly(attribute.children(der.SEQUENCE), 2)[1].children(der.SET)
            if len(values) != 1:
                raise ValueError(f"the attribute {name} has {len(values)} values: must have one (RFC 2985 §5.4.2)")
            for extension in values[0].children(der.SEQUENCE):
                kind, *flags = extension.children(der.SEQUENCE) or [extension]
                if not 1 <= len(flags) <= 2:  # noqa: PLR2004 (criticality and value)
                    raise ValueError("malformed extension")
                content = der.require(flags.pop(), der.OCTET_STRING).content
                yield der.object_identifier(kind), any(map(der.boolean, flags)), _opaque(content)


def _opaque(content: bytes) -> der.Element:
    """Return the element in an extension, or an element without a tag if it is not DER."""
    try:
        return der.read(content)
    except ValueError:
        return der.Element(0, content, content)


def _first(element: der.Element) -> der.Element:
    parts = element.children(der.SEQUENCE)
    if not parts:
        raise ValueError("malformed certificate request")
    return parts[0]


def _is_sorted(elements: Sequence[der.Element]) -> bool:
    encoded = [element.encoded for element in elements]
    return encoded == sorted(encoded)


def _exactly(elements: list[der.Element], count: int) -> list[der.Element]:
    if len(elements) != count:
        raise ValueError("malformed certificate request")
    return elements
