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
