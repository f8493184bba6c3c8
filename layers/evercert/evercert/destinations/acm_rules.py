"""What ACM imports, and what may replace an imported certificate under its ARN: told before anything is issued.

ACM's user guide, "Prerequisites for importing certificates" and "Reimporting a certificate".
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
LARGEST_CERTIFICATE = 32_768
_DOMAINS, _FAMILIES = {"dns", "ip"}, {"EC", "RSA"}
_MAY_GO = {"key_encipherment"}  # from an EC certificate
_MAY_GO_EXTENDED = {"client_auth"}
NEW_ARN = "for a new ARN take `arn` out of the destination, or give it another `name`"


def require_importable(spec: Spec) -> None:
    """Raises Rejected for what ACM could never take."""
    algorithm = spec.private_key.known  # None: the issuer decides, and what ACM makes of it is seen then
    if spec.csr is not None:
        raise Rejected("ACM takes no certificate without its private key, and a csr comes without it")
    if algorithm is not None and algorithm not in KEY_TYPES:
        raise Rejected(f"ACM imports RSA and EC keys (P-256, P-384, P-521), and no {algorithm}")
    if spec.certificate_id is None and not any(name.kind in _DOMAINS for name in spec.attributes.identifiers):
        raise Rejected("ACM imports only certificates with a DNS name or an IP address")
    size = (1_200 + sum(len(str(name)) + 4 for name in spec.attributes.identifiers)) * 66 // 48
    if size > LARGEST_CERTIFICATE:
        count = len(spec.attributes.identifiers)
        raise Rejected(f"its {count} names make a certificate of about {size} bytes; ACM takes {LARGEST_CERTIFICATE}")


def require_replaceable(held: x509.Certificate, spec: Spec) -> None:
    """The same as `require_allowed`, as far as the spec alone tells what will be issued."""
    attributes = spec.attributes
    if spec.certificate_id is not None:
        return  # what is followed is as it is
    _require(
        held,
        spec.private_key.known,
        {name.value for name in attributes.identifiers if name.kind in _DOMAINS},
        set(attributes.key_usages) or None,
        set(attributes.extended_key_usages) or None,
    )


def require_allowed(held: x509.Certificate, leaf: x509.Certificate) -> None:
    """Raises Rejected when ACM would not let this leaf take the place of the held one."""
    _require(held, _kind(leaf), _names(leaf), _usages(leaf) or (), _extended_usages(leaf) or ())


def require_family(chain: Chain) -> None:
    """Raises Rejected when leaf and issuer have keys of different families: the leaf's signature tells."""
    kind, signed_by = _kind(chain.leaf), _signed_by(chain.leaf)
    if kind.partition("_")[0] == signed_by:
        return
    mend = f"a private-key.algorithm of family {signed_by}" if signed_by in _FAMILIES else "an issuer with EC or RSA"
    raise Rejected(
        f"ACM wants key and issuer of one family: the key is {kind}, and the issuer signs with {signed_by}; "
        f"ask for {mend}"
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
            f"ACM does not change key type or size on re-import: it holds {has}, this is {algorithm}; {NEW_ARN}"
        )
    if not _names(held) & set(names):
        raise Rejected(f"ACM does not take away all names on re-import; {NEW_ARN}")
    may_go = _MAY_GO if has.startswith("EC_") else set()
    for what, before, after, free in (
        ("key usage", _usages(held), usages, may_go),
        ("extended key usage", _extended_usages(held), extended, _MAY_GO_EXTENDED),
    ):
        if after is None:
            continue  # the issuer decides
        if gone := set(before or ()) - set(after) - free:
            raise Rejected(f"ACM takes away no {what} on re-import: {', '.join(sorted(gone))} would go; {NEW_ARN}")
        if before is None and after:
            raise Rejected(f"ACM adds no {what} on re-import to a certificate that had none; {NEW_ARN}")


def _kind(leaf: x509.Certificate) -> str:
    """Whatever it is: what was adopted may have a key that evercert would not make."""
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
    return "Ed25519" if leaf.signature_algorithm_oid == SignatureAlgorithmOID.ED25519 else "another kind of key"


def _names(leaf: x509.Certificate) -> set[str]:
    """What ACM calls domain names; a common name is one if it can be."""
    found = {name.value for name in Chain((leaf,)).identifiers if name.kind in _DOMAINS}
    with suppress(ValueError):
        common = parse(f"dns:{Chain((leaf,)).common_name}").value
        found |= {common} if "." in common else set()
    return found


def _usages(leaf: x509.Certificate) -> set[str] | None:
    """None: the certificate says nothing of its usages. Those of a CA count too: ACM keeps them like any other."""
    try:
        found = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
    return {*key_usages_of(found), *(word for word in ("key_cert_sign", "crl_sign") if getattr(found, word))}


def _extended_usages(leaf: x509.Certificate) -> set[str] | None:
    """The words for those that evercert has a word for, the numbers of the others."""
    try:
        found = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return None
    words: dict[x509.ObjectIdentifier, str] = {oid: word for word, oid in OIDS.items()}
    return {words.get(oid, oid.dotted_string) for oid in found}
