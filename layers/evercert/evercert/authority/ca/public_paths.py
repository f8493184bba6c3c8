"""Paths of CRLs and CA certificates, the same at the API, in the bucket and in certificates."""

from __future__ import annotations

PREFIX = "/api/v1/cert-manager"


def crl_path(ca_id: str) -> str:
    """Return the path of a CA's CRL in DER."""
    return f"{PREFIX}/crl/{ca_id}/der"


def certificate_path(ca_id: str, installed_id: str) -> str:
    """Return the path of one certificate of a CA in DER."""
    return f"{PREFIX}/ca/internal/{ca_id}/certificates/{installed_id}/der"
