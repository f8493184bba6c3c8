"""Rules of ACM for imports and reimports, checked before a certificate is issued.

See the ACM user guide, "Prerequisites for importing certificates" and "Reimporting a certificate".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import SignatureAlgorithmOID

from evercert.documents.spec import Spec
from evercert.errors import Rejected
from evercert.pki.algorithms import algorithm_of
from evercert.pki.certificate import Chain
from evercert.pki.identifiers import parse
from evercert.pki.usages import OIDS, key_usages_of

if TYPE_CHECKING:
    from types_boto3_acm.literals import KeyAlgorithmType

KEY_TYPES: Sequence[KeyAlgorithmType] = (
    "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1", "RSA_1024"
)  # fmt: skip
MAX_CERTIFICATE_BYTES = 32_768
_DOMAINS, _FAMILIES = {"dns", "ip"}, {"EC", "RSA"}
_MAY_GO = {"key_encipherment"}  # ACM permits to remove it from an EC certificate
_MAY_GO_EXTENDED = {"client_auth"}
NEW_ARN = "for a new certificate in ACM, set another `name` in the destination (and no `arn`)"


def require_importable(spec: Spec) -> None:
    """Raise Rejected if ACM could never import the certificate."""
    algorithm = spec.private_key.known  # None: the issuer decides, and the import shows whether ACM accepts it
    if spec.csr is not None:
        raise Rejected("ACM requires the private key, which a certificate from a csr does not have")
    if algorithm is not None and algorithm not in KEY_TYPES:
        raise Rejected(f"unsupported key algorithm {algorithm}: ACM accepts RSA and EC (P-256, P-384, P-521)")
    if spec.certificate_id is None and not any(name.kind in _DOMAINS for name in spec.attributes.identifiers):
        raise Rejected("unsupported names: ACM requires a DNS name or an IP address")
    size = (1_200 + sum(len(str(name)) + 4 for name in spec.attributes.identifiers)) * 66 // 48
    if size > MAX_CERTIFICATE_BYTES:
        count = len(spec.attributes.identifiers)
        raise Rejected(
            f"too many names ({count}): the certificate would have about {size} bytes, "
            f"and ACM accepts {MAX_CERTIFICATE_BYTES}"
        )


def require_replaceable(held: x509.Certificate, spec: Spec) -> None:
    """Raise Rejected like `require_allowed`, as far as the spec determines the certificate."""
    attributes = spec.attributes
    if spec.certificate_id is not None:
        return  # the attributes of a followed certificate are unknown
    _require(
        held,
        spec.private_key.known,
        {name.value for name in attributes.identifiers if name.kind in _DOMAINS},
        set(attributes.key_usages) or None,
        set(attributes.extended_key_usages) or None,
    )


def require_allowed(held: x509.Certificate, leaf: x509.Certificate) -> None:
    """Raise Rejected if ACM would refuse to replace the held certificate with this leaf."""
    _require(held, _kind(leaf), _names(leaf), _usages(leaf) or (), _extended_usages(leaf) or ())


def require_family(chain: Chain) -> None:
    """Raise Rejected if the keys of leaf and issuer, known from the leaf's signature, have different families."""
    kind, signed_by = _kind(chain.leaf), _signed_by(chain.leaf)
    if kind.partition("_")[0] == signed_by:
        return
    fix = f"a private-key.algorithm of family {signed_by}" if signed_by in _FAMILIES else "an issuer with EC or RSA"
    raise Rejected(
        f"ACM requires key and issuer of one family: the key is {kind}, the issuer signs with {signed_by}; use {fix}"
    )


def _require(
    held: x509.Certificate,
    algorithm: str | None,
    names: Collection[str],
    usages: Collection[str] | None,
    extended: Collection[str] | None,
) -> None:
    has = _kind(held)
    if algorithm not in (None, has):
        raise Rejected(
            f"ACM cannot change key type or size on reimport: it holds {has}, the new one is {algorithm}; {NEW_ARN}"
        )
    if not _names(held) & set(names):
        raise Rejected(f"ACM cannot remove all names on reimport; {NEW_ARN}")
    may_go = _MAY_GO if has.startswith("EC_") else set()
    for what, before, after, free in (
        ("key usage", _usages(held), usages, may_go),
        ("extended key usage", _extended_usages(held), extended, _MAY_GO_EXTENDED),
    ):
        if after is None:
            continue  # the issuer decides
        if gone := set(before or ()) - set(after) - free:
            raise Rejected(f"ACM cannot remove {what} on reimport: {', '.join(sorted(gone))} is missing; {NEW_ARN}")
        if before is None and after:
            raise Rejected(f"ACM cannot add {what} on reimport to a certificate without it; {NEW_ARN}")


def _kind(leaf: x509.Certificate) -> str:
    """Return the key type in ACM's spelling; an adopted certificate may have one that evercert does not generate."""
    key = leaf.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA_{key.key_size}"
    return algorithm_of(key) or (f"EC_{key.curve.name}" if isinstance(key, ec.EllipticCurvePublicKey) else "another")


def _signed_by(leaf: x509.Certificate) -> str:
    match leaf.signature_algorithm_parameters:
        case ec.ECDSA():
            return "EC"
        case padding.PKCS1v15() | padding.PSS():
            return "RSA"
    return "Ed25519" if leaf.signature_algorithm_oid == SignatureAlgorithmOID.ED25519 else "an unknown key type"


def _names(leaf: x509.Certificate) -> set[str]:
    """Return the domain names in ACM's sense, including the common name if it is a domain name."""
    found = {name.value for name in Chain((leaf,)).identifiers if name.kind in _DOMAINS}
    with suppress(ValueError):
        common = parse(f"dns:{Chain((leaf,)).common_name}").value
        found |= {common} if "." in common else set()
    return found


def _usages(leaf: x509.Certificate) -> set[str] | None:
    """Return the key usages, including those of a CA, which ACM keeps too; None without the extension."""
    try:
        found = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
    return {*key_usages_of(found), *(word for word in ("key_cert_sign", "crl_sign") if getattr(found, word))}


def _extended_usages(leaf: x509.Certificate) -> set[str] | None:
    """Return the extended key usages by name, or by OID if evercert has no name; None without the extension."""
    try:
        found = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return None
    words: dict[x509.ObjectIdentifier, str] = {oid: word for word, oid in OIDS.items()}
    return {words.get(oid, oid.dotted_string) for oid in found}
