"""Certificate templates of AWS Private CA, and the usages that they certify."""

from __future__ import annotations

from dataclasses import dataclass

from evercert.errors import Unsuited
from evercert.pki.attributes import Attributes

DEFAULT = "EndEntityCertificate/V1"
BLANK = "BlankEndEntityCertificate_CSRPassthrough/V1"
_TLS = frozenset({"digital_signature", "key_encipherment"})
# Key usages and extended key usages (user guide of AWS Private CA, "Template definitions"). An extension of the
# template replaces that of the CSR, also in the variants that pass other extensions of the CSR through.
_USAGES: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "EndEntityCertificate": (_TLS, frozenset({"server_auth", "client_auth"})),
    "EndEntityClientAuthCertificate": (_TLS, frozenset({"client_auth"})),
    "EndEntityServerAuthCertificate": (_TLS, frozenset({"server_auth"})),
    "CodeSigningCertificate": (frozenset({"digital_signature"}), frozenset({"code_signing"})),
    "OCSPSigningCertificate": (frozenset({"digital_signature"}), frozenset({"ocsp_signing"})),
    "BlankEndEntityCertificate": (frozenset(), frozenset()),
}


@dataclass(frozen=True)
class Template:
    """A template by its name, such as EndEntityCertificate/V1."""

    name: str

    def require_certified(self, attributes: Attributes) -> None:
        """Raise Unsuited for usages that the certificate would lack; nothing is known about new templates."""
        kind, _, variants = self.name.partition("/")[0].partition("_")
        known = _USAGES.get(kind)
        if known is None or (kind.startswith("Blank") and "CSRPassthrough" in variants):
            return
        for key, asked, has in (
            ("key-usages", attributes.key_usages, known[0]),
            ("extended-key-usages", attributes.extended_key_usages, known[1]),
        ):
            if lacking := [usage for usage in asked if usage not in has]:
                raise Unsuited(
                    f"template {self.name} does not certify attributes.{key} {', '.join(lacking)}: remove them, or use "
                    f"an issuer whose template-arn ends with {BLANK}"
                )
