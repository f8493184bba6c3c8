"""Why a certificate is revoked: the contract's words, and RFC 5280's (§5.3.1)."""

from __future__ import annotations

REASONS: dict[str, str | None] = {
    "UNSPECIFIED": None,  # RFC 5280: leave it out instead
    "KEY_COMPROMISE": "keyCompromise",
    "CA_COMPROMISE": "cACompromise",
    "AFFILIATION_CHANGED": "affiliationChanged",
    "SUPERSEDED": "superseded",
    "CESSATION_OF_OPERATION": "cessationOfOperation",
    "CERTIFICATE_HOLD": "certificateHold",
    "PRIVILEGE_WITHDRAWN": "privilegeWithdrawn",
    "A_A_COMPROMISE": "aACompromise",
}
