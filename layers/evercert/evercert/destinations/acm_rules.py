"""What ACM imports, and what may replace an imported certificate under its ARN: told before anything is issued.

ACM's user guide, "Prerequisites for importing certificates" and "Reimporting a certificate".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from cryptography import x509

from evercert.algorithms import algorithm_of, family
from evercert.certificate import Chain
from evercert.errors import Rejected
from evercert.identifiers import Identifier
from evercert.spec import Spec
from evercert.usages import extended_key_usages_of, key_usages_of

if TYPE_CHECKING:
    from types_boto3_acm.literals import KeyAlgorithmType

KEY_TYPES: Sequence[KeyAlgorithmType] = (
    "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1", "RSA_1024"
)  # fmt: skip
LARGEST_CERTIFICATE = 32_768
_MAY_GO = {"key_encipherment"}  # from an EC certificate
_MAY_GO_EXTENDED = {"client_auth"}
NEW_ARN = "give the destination another `name` to import it under a new ARN"


def require_importable(spec: Spec) -> None:
    """Raises Rejected for what ACM could never take."""
    algorithm = spec.private_key.algorithm
    if spec.csr is not None:
        raise Rejected("ACM takes no certificate without its private key, and a csr comes without it")
    if algorithm not in KEY_TYPES:
        raise Rejected(f"ACM imports RSA and EC keys (P-256, P-384, P-521), and no {algorithm}")
    if not any(name.kind in {"dns", "ip"} for name in spec.attributes.identifiers):
        raise Rejected("ACM imports only certificates with a DNS name or an IP address")
    size = (1_200 + sum(len(str(name)) + 4 for name in spec.attributes.identifiers)) * 66 // 48
    if size > LARGEST_CERTIFICATE:
        count = len(spec.attributes.identifiers)
        raise Rejected(f"its {count} names make a certificate of about {size} bytes; ACM takes {LARGEST_CERTIFICATE}")


def require_replaceable(held: x509.Certificate, spec: Spec) -> None:
    """The same as `require_allowed`, as far as the spec alone tells what will be issued."""
    attributes = spec.attributes
    _require(
        held,
        spec.private_key.algorithm,
        attributes.identifiers,
        set(attributes.key_usages) or None,
        set(attributes.extended_key_usages) or None,
    )


def require_allowed(held: x509.Certificate, leaf: x509.Certificate) -> None:
    """Raises Rejected when ACM would not let this leaf take the place of the held one."""
    _require(
        held,
        algorithm_of(leaf.public_key()),
        Chain((leaf,)).identifiers,
        _usages(leaf) or (),
        _extended_usages(leaf) or (),
    )


def require_family(chain: Chain) -> None:
    """Raises Rejected when leaf and issuer have keys of different families."""
    leaf = algorithm_of(chain.leaf.public_key())
    above = chain.certificates[1:] or chain.certificates[:1]
    issuer = algorithm_of(above[0].public_key())
    if leaf is not None and issuer is not None and family(leaf) != family(issuer):
        raise Rejected(
            f"ACM wants key and issuer of one family: the key is {leaf}, the issuer's {issuer}; "
            f"ask for a private-key.algorithm of family {family(issuer)}"
        )


def _require(
    held: x509.Certificate,
    algorithm: str | None,
    names: Collection[Identifier],
    usages: Collection[str] | None,
    extended: Collection[str] | None,
) -> None:
    has = algorithm_of(held.public_key())
    if has != algorithm:
        raise Rejected(
            f"ACM does not change key type or size on re-import: it holds {has}, this is {algorithm}; {NEW_ARN}"
        )
    if not set(names) & set(Chain((held,)).identifiers):
        raise Rejected(f"ACM does not take away all names on re-import; {NEW_ARN}")
    may_go = _MAY_GO if has is not None and family(has) == "EC" else set()
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


def _usages(leaf: x509.Certificate) -> tuple[str, ...] | None:
    """None: the certificate says nothing of its usages."""
    try:
        return key_usages_of(leaf.extensions.get_extension_for_class(x509.KeyUsage).value)
    except x509.ExtensionNotFound:
        return None


def _extended_usages(leaf: x509.Certificate) -> tuple[str, ...] | None:
    try:
        return extended_key_usages_of(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return None
