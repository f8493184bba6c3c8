"""Requirements of ACME CAs, checked before anything is ordered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evercert.errors import Unsuited
from evercert.pki.common_name import identifier_of

if TYPE_CHECKING:
    from evercert.documents.spec import Spec

_SUBJECT = (
    "organization", "organizational_unit", "country", "state", "locality", "street_address", "postal_code",
    "domain_components",
)  # fmt: skip


def require_supported(spec: Spec) -> None:
    """Raise Unsuited for a spec that no ACME CA can fulfill, before anything is ordered."""
    if spec.certificate_id is not None or spec.key_from_issuer:
        what = "cannot follow a certificate-id" if spec.certificate_id is not None else "generates no private keys"
        raise Unsuited(f"an ACME CA {what}; use private-key with source: local, and attributes")
    attributes = spec.attributes
    if other := [str(name) for name in attributes.identifiers if name.kind not in ("dns", "ip")]:
        raise Unsuited(f"ACME has DNS names and IP addresses only, not {', '.join(other)}; remove them")
    if attributes.common_name is not None and identifier_of(attributes.common_name) is None:
        raise Unsuited(f"common-name {attributes.common_name!r} is not a DNS name; an ACME CA refuses it: remove it")
    asked = attributes.model_dump(include=set(_SUBJECT), exclude_defaults=True, by_alias=True)
    if asked:
        raise Unsuited(f"an ACME CA certifies names only, not {', '.join(asked)}; remove them")
