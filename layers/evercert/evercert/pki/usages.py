"""Key usages and extended key usages, and which key algorithms support them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Annotated, Literal, get_args

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from pydantic import AfterValidator, BeforeValidator

from evercert.pki.algorithms import Family, KeyAlgorithm, family
from evercert.schema import at_most, nearest, printable

KeyUsage = Literal[
    "digital_signature",
    "non_repudiation",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "encipher_only",
    "decipher_only",
]
ExtendedKeyUsage = Literal[
    "server_auth", "client_auth", "code_signing", "email_protection", "time_stamping", "ocsp_signing"
]
KEY_USAGES: tuple[KeyUsage, ...] = get_args(KeyUsage)
EXTENDED_KEY_USAGES: tuple[ExtendedKeyUsage, ...] = get_args(ExtendedKeyUsage)
MOST_USAGES = 100  # of one list, repeated ones included
# The bits of the extension (RFC 5280 §4.2.1.3); 5 and 6 are a CA's.
KEY_USAGE_BITS: dict[KeyUsage, int] = dict(zip(KEY_USAGES, (0, 1, 2, 3, 4, 7, 8), strict=True))
OIDS: dict[ExtendedKeyUsage, x509.ObjectIdentifier] = {
    "server_auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code_signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email_protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "time_stamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp_signing": ExtendedKeyUsageOID.OCSP_SIGNING,
}
_REFUSED = {
    "key_cert_sign": "only a CA signs certificates, and evercert does not issue CA certificates",
    "crl_sign": "only a CA signs CRLs, and evercert does not issue CA certificates",
    "any_purpose": "name the purposes: a certificate for any purpose also allows unintended ones",
}
# Usages that keys of a family do not support, and the rule.
_IMPOSSIBLE: dict[Family, tuple[frozenset[KeyUsage], str]] = {
    "RSA": (
        frozenset({"key_agreement", "encipher_only", "decipher_only"}),
        "RSA keys do not support key agreement (RFC 3279 §2.3.1)",
    ),
    "EC": (
        frozenset({"key_encipherment", "data_encipherment"}),
        "EC keys do not encrypt (RFC 5480 §3, RFC 8813 §3)",
    ),
    "Ed25519": (
        frozenset(KEY_USAGES) - {"digital_signature", "non_repudiation"},
        "Ed25519 keys only sign (RFC 8410 §5, RFC 9295)",
    ),
}
RESTRICTIONS: tuple[KeyUsage, ...] = ("encipher_only", "decipher_only")  # of key agreement
OCSP_SIGNING_NOTE = (
    "ocsp_signing makes an OCSP responder: its holder decides which certificates of the CA count as revoked (RFC 6960 "
    "§4.2.2.2)"
)


def _word(known: tuple[str, ...]) -> Callable[[object], object]:
    """Return a validator that accepts dashes or underscores, and refuses unknown and CA usages."""

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        word = value.replace("-", "_")
        if word in _REFUSED:
            raise ValueError(f"{word}: {_REFUSED[word]}")
        if word not in known:
            raise ValueError(f"unsupported usage {printable(value, 60)!r}{nearest(word, list(known))}")
        return word

    return read


def _once(known: tuple[str, ...]) -> AfterValidator:
    """Return a validator that sorts and deduplicates usages, so that equal requests compare equal."""
    return AfterValidator(lambda words: tuple(word for word in known if word in words))


KeyUsages = Annotated[
    tuple[Annotated[KeyUsage, BeforeValidator(_word(KEY_USAGES))], ...],
    _once(KEY_USAGES),
    at_most(MOST_USAGES),
]
ExtendedKeyUsages = Annotated[
    tuple[Annotated[ExtendedKeyUsage, BeforeValidator(_word(EXTENDED_KEY_USAGES))], ...],
    _once(EXTENDED_KEY_USAGES),
    at_most(MOST_USAGES),
]


def impossible(usages: Collection[KeyUsage], algorithm: KeyAlgorithm) -> str | None:
    """Return why a key of this algorithm cannot have these usages, with the rule; None if it can."""
    never, rule = _IMPOSSIBLE[family(algorithm)]
    problems = []
    if wrong := [usage for usage in usages if usage in never]:
        problems.append(f"{', '.join(wrong)} with {algorithm}: {rule}")
    restrictions = [usage for usage in RESTRICTIONS if usage in usages and usage not in never]
    if restrictions and "key_agreement" not in usages:
        problems.append(f"{', '.join(restrictions)}: has no meaning without key_agreement (RFC 5280 §4.2.1.3)")
    elif len(restrictions) > 1:
        each = f"{', '.join(restrictions)}: each excludes the other"
        problems.append(f"{each} (RFC 5280 §4.2.1.3); request one or neither")
    return "; ".join(problems) or None


def without_impossible(usages: Collection[KeyUsage], algorithm: KeyAlgorithm) -> list[KeyUsage]:
    """Return the usages that a key of this algorithm can have."""
    possible = [usage for usage in usages if usage not in _IMPOSSIBLE[family(algorithm)][0]]
    if "key_agreement" in possible and not set(RESTRICTIONS) <= set(possible):
        return possible
    return [usage for usage in possible if usage not in RESTRICTIONS]


def purpose_conflict(purposes: Collection[str]) -> str | None:
    """Return why no certificate has all these extended key usages, with the rule; None if it can."""
    others = [purpose for purpose in purposes if purpose != "time_stamping"]
    if others and len(others) < len(purposes):
        return f"time_stamping with {', '.join(others)}: must be the only purpose (RFC 3161 §2.3)"
    return None


def without_conflict(purposes: Collection[str]) -> list[str]:
    """Return the purposes without `time_stamping` if there are others."""
    return [purpose for purpose in purposes if purpose != "time_stamping"] or list(purposes)


def usage_extensions(
    usages: Collection[KeyUsage], purposes: Collection[ExtendedKeyUsage]
) -> list[tuple[x509.ExtensionType, bool]]:
    """Return the extensions of a certificate with these usages, and whether each is critical; none for no usages.

    The purposes are not critical (RFC 5280 §4.2.1.12 allows both), so that peers that do not know the extension accept
    it. Time stamping is the exception (RFC 3161 §2.3).
    """
    found: list[tuple[x509.ExtensionType, bool]] = []
    if usages:
        found.append((key_usage(usages), True))
    if purposes:
        found.append((extended_key_usage(purposes), "time_stamping" in purposes))
    return found


def key_usage(usages: Iterable[KeyUsage]) -> x509.KeyUsage:
    """Return the key usage extension (RFC 5280 §4.2.1.3)."""
    wanted = frozenset(usages)
    return x509.KeyUsage(
        digital_signature="digital_signature" in wanted,
        content_commitment="non_repudiation" in wanted,  # its name in X.509 since 2000
        key_encipherment="key_encipherment" in wanted,
        data_encipherment="data_encipherment" in wanted,
        key_agreement="key_agreement" in wanted,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only="encipher_only" in wanted,
        decipher_only="decipher_only" in wanted,
    )


def extended_key_usage(usages: Iterable[ExtendedKeyUsage]) -> x509.ExtendedKeyUsage:
    """Return the extended key usage extension (RFC 5280 §4.2.1.12)."""
    return x509.ExtendedKeyUsage([OIDS[usage] for usage in usages])


def key_usages_of(extension: x509.KeyUsage) -> tuple[KeyUsage, ...]:
    """Return the usages in the extension, without those of a CA."""
    found: Mapping[KeyUsage, bool] = {
        "digital_signature": extension.digital_signature,
        "non_repudiation": extension.content_commitment,
        "key_encipherment": extension.key_encipherment,
        "data_encipherment": extension.data_encipherment,
        "key_agreement": extension.key_agreement,
        # Both restrict key agreement, and `cryptography` raises if they are read without it.
        "encipher_only": extension.key_agreement and extension.encipher_only,
        "decipher_only": extension.key_agreement and extension.decipher_only,
    }
    return tuple(usage for usage in KEY_USAGES if found[usage])


def extended_key_usages_of(extension: x509.ExtendedKeyUsage) -> tuple[ExtendedKeyUsage, ...]:
    """Return the purposes in the extension that evercert supports."""
    return tuple(usage for usage in EXTENDED_KEY_USAGES if OIDS[usage] in extension)


def in_the_standard(usage: str) -> str:
    """Return the usage as RFC 5280 spells it: `digitalSignature`, `serverAuth`."""
    if usage == "ocsp_signing":
        return "OCSPSigning"
    first, *rest = usage.split("_")
    return first + "".join(part.capitalize() for part in rest)


def purpose_name(oid: str) -> str:
    """Return the purpose as RFC 5280 spells it, or the object identifier of an unknown one."""
    return next((in_the_standard(usage) for usage, known in OIDS.items() if known.dotted_string == oid), oid)
