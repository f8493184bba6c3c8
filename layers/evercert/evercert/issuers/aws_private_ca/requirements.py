"""The order for a certificate, and what the CA would refuse, checked before anything is requested."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, get_args

from evercert.aws.private_ca import ACTIVE, Authority, CertificateOrder
from evercert.errors import Misconfigured, Rejected, Unsuited
from evercert.issuers.aws_private_ca.settings import AWSPrivateCASettings, SigningAlgorithm
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from evercert.contracts.issuer import Request
    from evercert.pki.attributes import Attributes

LONGEST_SHORT_LIVED = timedelta(days=7)
# Lifetimes of specs without one; that of short-lived CAs is below their limit, because clocks differ.
DEFAULT_TTL, DEFAULT_SHORT_LIVED_TTL = timedelta(days=90), timedelta(days=6)
_REMEDIES = {
    "CREATING": "wait until AWS has created it, and install its certificate",
    "PENDING_CERTIFICATE": "install its certificate",
    "DISABLED": "enable it",
    "EXPIRED": "renew its certificate",
    "DELETED": "restore it, or use another CA",
    "FAILED": "use another CA",
}


def require_active(arn: str, authority: Authority) -> None:
    """Raise Misconfigured for a CA that cannot issue certificates now, or that evercert does not support."""
    if authority.status != ACTIVE:
        remedy = _REMEDIES.get(authority.status, "use another CA")
        raise Misconfigured(f"CA {arn} cannot issue certificates: its status is {authority.status}; {remedy}")
    if not authority.key_algorithm.startswith(("RSA_", "EC_")):
        raise Misconfigured(
            f"unsupported key algorithm {authority.key_algorithm} of CA {arn}: use a CA with an RSA or EC key"
        )


def order_of(request: Request, settings: AWSPrivateCASettings, authority: Authority | None) -> CertificateOrder:
    """Return the order; raise an error for one that the CA would refuse. `authority` None: it cannot be described."""
    spec = request.spec
    if request.csr is None or spec.certificate_id is not None:
        what = "cannot follow a certificate-id" if spec.certificate_id is not None else "generates no private keys"
        raise Unsuited(f"AWS Private CA {what}; use private-key with source: local, and attributes")
    if authority is not None:
        require_active(settings.arn, authority)
    settings.template.require_certified(spec.attributes)
    not_before, not_after = _validity(spec.attributes, request.now, authority)
    if authority is not None:
        _require_within(settings.arn, authority, not_before or request.now, not_after)
    return CertificateOrder(
        csr=request.csr,
        token=request.token,
        template=settings.template_in_use,
        signing_algorithm=_signing_algorithm(spec.attributes, settings, authority),
        not_before=not_before,
        not_after=not_after,
    )


def _validity(attributes: Attributes, now: datetime, authority: Authority | None) -> tuple[datetime | None, datetime]:
    """Return begin and end; the CA chooses a begin that is None."""
    begin = attributes.not_before
    usual = DEFAULT_SHORT_LIVED_TTL if authority is not None and authority.short_lived else DEFAULT_TTL
    end = attributes.not_after or (begin or now) + (attributes.ttl or usual)
    if end <= now:
        raise Rejected(f"the certificate would end at {to_text(end)}: not-after of attributes must be in the future")
    return begin, end


def _require_within(arn: str, authority: Authority, begin: datetime, end: datetime) -> None:
    if authority.short_lived and end - begin > LONGEST_SHORT_LIVED:
        raise Unsuited(
            f"CA {arn} issues certificates of at most 7 days, and {to_text(end)} is later: set attributes.ttl to 7d or "
            "less, or use a general-purpose CA"
        )
    if authority.expires is not None and end > authority.expires:
        raise Misconfigured(
            f"CA {arn} expires at {to_text(authority.expires)}, before the certificate would, at {to_text(end)}: renew "
            "the CA's certificate, or set a shorter attributes.ttl"
        )


def _signing_algorithm(attributes: Attributes, settings: AWSPrivateCASettings, authority: Authority | None) -> str:
    """Return the algorithm of the spec, the issuer or the CA; the key of the CA decides between RSA and ECDSA."""
    chosen = settings.signing_algorithm or (authority.signing_algorithm if authority is not None else None)
    if chosen is None:
        raise Misconfigured(f"no signing algorithm for CA {settings.arn}: set signing-algorithm of the issuer")
    if authority is not None and _family(chosen) != _family_of_key(authority.key_algorithm):
        raise Misconfigured(
            f"CA {settings.arn} cannot sign with {chosen}: its key is {authority.key_algorithm}; correct or remove "
            "signing-algorithm of the issuer"
        )
    if chosen not in get_args(SigningAlgorithm):
        raise Misconfigured(f"unsupported signing algorithm {chosen} of CA {settings.arn}: set signing-algorithm")
    if attributes.signature_algorithm is None:
        return chosen
    return f"{attributes.signature_algorithm.partition('-')[2]}WITH{_family(chosen)}"


def _family(algorithm: str) -> str:
    """Return RSA or ECDSA, of a signing algorithm such as SHA256WITHRSA_PSS."""
    return algorithm.partition("WITH")[2].partition("_")[0]


def _family_of_key(algorithm: str) -> str:
    return "RSA" if algorithm.startswith("RSA_") else "ECDSA"
