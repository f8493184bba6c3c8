"""Which certificate authorities a server's certificate may come from."""

from __future__ import annotations

import ssl

from evercert.errors import Misconfigured
from evercert.origins import Origin


def check(ca_bundle: str, origin: Origin) -> None:
    """Raises Misconfigured if it is no PEM with a certificate."""
    if "-----BEGIN CERTIFICATE-----" not in ca_bundle or "PRIVATE KEY-----" in ca_bundle:
        raise Misconfigured(f"ca-bundle for {origin}: it must be PEM with the certificates of a CA, and nothing else")
    try:
        context(ca_bundle)
    except (ssl.SSLError, ValueError) as error:
        raise Misconfigured(f"ca-bundle for {origin}: it does not parse as PEM certificates") from error


def context(ca_bundle: str | None) -> ssl.SSLContext:
    """With a bundle, that one alone is trusted: a private server needs no public authority to vouch for it."""
    if ca_bundle is not None:
        return ssl.create_default_context(cadata=ca_bundle)
    import certifi  # noqa: PLC0415

    return ssl.create_default_context(cafile=certifi.where())
