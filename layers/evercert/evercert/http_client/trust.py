"""Trusted certificate authorities for TLS connections to servers."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable

from evercert.errors import Misconfigured
from evercert.origins import Origin

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----", re.ASCII)


def check(ca_bundle: str, origin: Origin) -> None:
    """Raise Misconfigured if the bundle is not PEM with certificates."""
    if (message := problem(ca_bundle)) is not None:
        raise Misconfigured(f"invalid ca-bundle for {origin}: {message}")


def problem(ca_bundle: str) -> str | None:
    """Return why the bundle is invalid, without quoting it, or None."""
    if "PRIVATE KEY-----" in ca_bundle:
        return "it contains a private key; write only the certificates of a CA, as PEM"
    if not _CERTIFICATE.search(ca_bundle):
        return "must be PEM with the certificates of a CA; write the text, not the name of a file"
    if len(_CERTIFICATE.findall(ca_bundle)) != ca_bundle.count("BEGIN CERTIFICATE"):
        return "one of its certificates is not PEM: letters other than base64, or without an end"
    try:
        ssl_context(ca_bundle)
    except (ssl.SSLError, ValueError):
        return "cannot parse it as PEM certificates"
    return None


def ssl_context(
    ca_bundle: str | None, make: Callable[..., ssl.SSLContext] = ssl.create_default_context
) -> ssl.SSLContext:
    """Return a context that trusts only the CAs of the bundle or, without one, the public CAs of certifi."""
    if ca_bundle is not None:
        # Text between the certificates may be in any alphabet, and OpenSSL accepts only ASCII.
        trusted = make(cadata="\n".join(_CERTIFICATE.findall(ca_bundle)))
        # Python 3.13 sets this flag, which rejects private CAs without key identifiers (RFC 5280 §4.2.1.1).
        trusted.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return trusted
    import certifi  # noqa: PLC0415

    return make(cafile=certifi.where())
