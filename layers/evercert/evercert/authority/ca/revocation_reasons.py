"""Revocation reasons of the Infisical API, mapped to those of RFC 5280 (§5.3.1)."""

from __future__ import annotations

REASONS: dict[str, str | None] = {
    "UNSPECIFIED": None,  # RFC 5280: omit the extension
    "KEY_COMPROMISE": "keyCompromise",
    "CA_COMPROMISE": "cACompromise",
    "AFFILIATION_CHANGED": "affiliationChanged",
    "SUPERSEDED": "superseded",
    "CESSATION_OF_OPERATION": "cessationOfOperation",
    "CERTIFICATE_HOLD": "certificateHold",
    "PRIVILEGE_WITHDRAWN": "privilegeWithdrawn",
    "A_A_COMPROMISE": "aACompromise",
}
# The reasons for a leaf. A hold would have to be lifted, which `revoke` cannot do; the other two revoke CAs and
# attribute authorities (X.509, extension reasonCode). CRLs still express them, because older records may hold them.
LEAF_REASONS = tuple(
    reason for reason in REASONS if reason not in {"CA_COMPROMISE", "CERTIFICATE_HOLD", "A_A_COMPROMISE"}
)
