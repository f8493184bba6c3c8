"""Rules of ACM for imports and re-imports, written a second time, independently of the package.

Sources: the service model that botocore ships ("model"; its documentation of an operation too), and ACM's user guide:
"Prerequisites" (for importing certificates) and "Reimport".
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from tests.doubles.strict_aws import refuse
from tests.samples.certificates import BITS

# model: KeyAlgorithm
RSA_SIZES = (1_024, 2_048, 3_072, 4_096)
CURVES = {"secp256r1": "prime256v1", "secp384r1": "secp384r1", "secp521r1": "secp521r1"}
# model: ImportCertificate's documentation, CertificateBodyBlob, CertificateChainBlob
LARGEST_KEY, LARGEST_CERTIFICATE, LARGEST_CHAIN = 5_120, 32_768, 2_097_152
LONGEST_OCSP = 1_000  # model: ImportCertificate
_FQDN = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)


def read(body: bytes, key: bytes, chain: bytes | None, now: datetime) -> x509.Certificate:
    """Prerequisites, and the guidelines in the model's documentation of ImportCertificate."""
    for size, least, most in (
        (body, 1, LARGEST_CERTIFICATE),
        (key, 1, LARGEST_KEY),
        (b"-" if chain is None else chain, 1, LARGEST_CHAIN),
    ):
        if not least <= len(size) <= most:
            raise invalid("size")
    try:
        (leaf,) = x509.load_pem_x509_certificates(body)  # Prerequisites: the chain is a field of its own
        private = serialization.load_pem_private_key(key, password=None, unsafe_skip_rsa_key_validation=True)
        issuers = [] if chain is None else x509.load_pem_x509_certificates(chain)
    except (ValueError, TypeError) as error:  # TypeError: the key is encrypted
        raise invalid("not PEM, or an encrypted key") from error
    public, form = leaf.public_key(), (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != public.public_bytes(*form):
        raise invalid("the key is not the certificate's")
    if algorithm(public) is None:
        raise invalid("key type")
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        raise invalid("not valid now")
    if not leaf.issuer.rdns:
        raise invalid("empty issuer")
    if leaf.version is not x509.Version.v3 or not _domains(leaf):
        raise invalid("X.509 version 3 with a domain name or an IP address")
    if any(len(url) > LONGEST_OCSP for url in _ocsp(leaf)):
        raise invalid("OCSP URL")
    if _signed_by(leaf) != _family(public):
        raise invalid("algorithm of the signing CA")
    try:
        for below, above in zip([leaf, *issuers], issuers, strict=False):
            below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise invalid("the chain does not verify") from error
    return leaf


def require_replaceable(held: x509.Certificate, leaf: x509.Certificate) -> None:
    """Check the rules of a re-import: what must not change."""
    if algorithm(held.public_key()) != algorithm(leaf.public_key()):
        raise invalid("key type and size cannot be changed")
    if not _domains(held) & _domains(leaf):
        raise invalid("all domain names cannot be removed")
    ecdsa = _family(held.public_key()) == "EC"
    for before, after, free in (
        (_bits(held), _bits(leaf), {"key_encipherment"} if ecdsa else set()),
        (_purposes(held), _purposes(leaf), {ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string}),
    ):
        if before is None and after:
            raise invalid("usages cannot be added where the extension was absent")
        if set(before or ()) - set(after or ()) - free:
            raise invalid("usages cannot be removed")


def algorithm(key: object) -> str | None:
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA_{key.key_size}" if key.key_size in RSA_SIZES else None
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES:
        return f"EC_{CURVES[key.curve.name]}"
    return None


def _family(key: object) -> str:
    return "RSA" if isinstance(key, rsa.RSAPublicKey) else "EC"


def _signed_by(leaf: x509.Certificate) -> str | None:
    match leaf.signature_algorithm_parameters:
        case ec.ECDSA():
            return "EC"
        case padding.PKCS1v15() | padding.PSS():
            return "RSA"
    return None


def _domains(leaf: x509.Certificate) -> set[str]:
    """Return DNS names, IP addresses, and the common name if it is a domain name."""
    common = [str(a.value) for a in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    found = {text for text in common if _FQDN.fullmatch(text)}
    if names := _extension(leaf, x509.SubjectAlternativeName):
        found |= set(names.get_values_for_type(x509.DNSName))
        found |= {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    return {text.lower() for text in found}


def _ocsp(leaf: x509.Certificate) -> list[str]:
    found = _extension(leaf, x509.AuthorityInformationAccess) or ()
    return [d.access_location.value for d in found if d.access_method == AuthorityInformationAccessOID.OCSP]


def _bits(leaf: x509.Certificate) -> Collection[str] | None:
    found = _extension(leaf, x509.KeyUsage)
    if found is None:
        return None
    agreement = {"encipher_only", "decipher_only"} if not found.key_agreement else set()
    return {bit for bit in BITS if bit not in agreement and getattr(found, bit)}


def _purposes(leaf: x509.Certificate) -> Collection[str] | None:
    found = _extension(leaf, x509.ExtendedKeyUsage)
    return None if found is None else {oid.dotted_string for oid in found}


def _extension(leaf: x509.Certificate, kind: Any) -> Any:
    try:
        return leaf.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def invalid(message: str, operation: str = "ImportCertificate") -> ClientError:
    return refuse("ValidationException", operation, message)
