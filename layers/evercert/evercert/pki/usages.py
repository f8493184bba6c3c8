"""What a certificate's key may be used for, and which kinds of keys can do it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Annotated, Literal, get_args

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from pydantic import AfterValidator, BeforeValidator

from evercert.pki.algorithms import Family, KeyAlgorithm, family
from evercert.schema import nearest, printable

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
OIDS: dict[ExtendedKeyUsage, x509.ObjectIdentifier] = {
    "server_auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code_signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email_protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "time_stamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp_signing": ExtendedKeyUsageOID.OCSP_SIGNING,
}
_REFUSED = {
    "key_cert_sign": "only a CA signs certificates, and evercert asks for no CA certificates",
    "crl_sign": "only a CA signs revocation lists, and evercert asks for no CA certificates",
    "any_purpose": "name the purposes: a certificate for any purpose is one for those that nobody thought of",
}
# What a key of the family cannot do, and where it is written.
_IMPOSSIBLE: dict[Family, tuple[frozenset[KeyUsage], str]] = {
    "RSA": (
        frozenset({"key_agreement", "encipher_only", "decipher_only"}),
        "an RSA key signs and encrypts, but agrees on no keys (RFC 3279 §2.3.1)",
    ),
    "EC": (
        frozenset({"key_encipherment", "data_encipherment"}),
        "an EC key encrypts nothing (RFC 5480 §3, RFC 8813 §3)",
    ),
    "Ed25519": (
        frozenset(KEY_USAGES) - {"digital_signature", "non_repudiation"},
        "an Ed25519 key only signs (RFC 8410 §5, RFC 9295)",
    ),
}
_NEEDS_AGREEMENT: tuple[KeyUsage, ...] = ("encipher_only", "decipher_only")


def _word(known: tuple[str, ...]) -> Callable[[object], object]:
    """The word with underscores, however it was written; raises ValueError for words of no use here."""

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        word = value.replace("-", "_")
        if word in _REFUSED:
            raise ValueError(f"{word}: {_REFUSED[word]}")
        if word not in known:
            raise ValueError(f"{printable(value, 60)!r} is no usage that evercert asks for{nearest(word, list(known))}")
        return word

    return read


def _once(known: tuple[str, ...]) -> AfterValidator:
    """Each word once, in the order of the standard, so that equal wishes are equal."""
    return AfterValidator(lambda words: tuple(word for word in known if word in words))


KeyUsages = Annotated[
    tuple[Annotated[KeyUsage, BeforeValidator(_word(KEY_USAGES))], ...],
    _once(KEY_USAGES),
]
ExtendedKeyUsages = Annotated[
    tuple[Annotated[ExtendedKeyUsage, BeforeValidator(_word(EXTENDED_KEY_USAGES))], ...],
    _once(EXTENDED_KEY_USAGES),
]


def impossible(usages: Collection[KeyUsage], algorithm: KeyAlgorithm) -> str | None:
    """Why no key of this kind can be used so, with the rule; None when it can."""
    never, rule = _IMPOSSIBLE[family(algorithm)]
    if wrong := [usage for usage in usages if usage in never]:
        return f"{', '.join(wrong)} with {algorithm}: {rule}"
    if "key_agreement" not in usages and (wrong := [usage for usage in usages if usage in _NEEDS_AGREEMENT]):
        return f"{', '.join(wrong)}: means nothing without key_agreement (RFC 5280 §4.2.1.3)"
    return None


def key_usage(usages: Iterable[KeyUsage]) -> x509.KeyUsage:
    """The extension of RFC 5280 §4.2.1.3 with these bits."""
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
    """The extension of RFC 5280 §4.2.1.12 with these purposes."""
    return x509.ExtendedKeyUsage([OIDS[usage] for usage in usages])


def key_usages_of(extension: x509.KeyUsage) -> tuple[KeyUsage, ...]:
    """The bits that are set, those of a CA left out."""
    found: Mapping[KeyUsage, bool] = {
        "digital_signature": extension.digital_signature,
        "non_repudiation": extension.content_commitment,
        "key_encipherment": extension.key_encipherment,
        "data_encipherment": extension.data_encipherment,
        "key_agreement": extension.key_agreement,
        # The two say which way a key agreement goes, and cannot be read without one.
        "encipher_only": extension.key_agreement and extension.encipher_only,
        "decipher_only": extension.key_agreement and extension.decipher_only,
    }
    return tuple(usage for usage in KEY_USAGES if found[usage])


def extended_key_usages_of(extension: x509.ExtendedKeyUsage) -> tuple[ExtendedKeyUsage, ...]:
    """The purposes that evercert has a word for."""
    return tuple(usage for usage in EXTENDED_KEY_USAGES if OIDS[usage] in extension)


def in_the_standard(usage: str) -> str:
    """The word as RFC 5280 writes it: `digitalSignature`, `serverAuth`."""
    if usage == "ocsp_signing":
        return "OCSPSigning"
    first, *rest = usage.split("_")
    return first + "".join(part.capitalize() for part in rest)
