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
# Reasons that no leaf gets, and why. CRLs still express them, because older records may hold them.
REFUSED_REASONS: dict[str, str] = {
    "CERTIFICATE_HOLD": "a hold cannot be lifted here, and a revocation is final",
    "CA_COMPROMISE": "it is for certificates of CAs (RFC 5280 §5.3.1)",
    "A_A_COMPROMISE": "it is for certificates of attribute authorities (X.509, extension reasonCode)",
    "REMOVE_FROM_CRL": "it is for delta CRLs (RFC 5280 §5.3.1), and a revocation is final",
}
LEAF_REASONS = tuple(reason for reason in REASONS if reason not in REFUSED_REASONS)
