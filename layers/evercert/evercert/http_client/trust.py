"""Which certificate authorities a server's certificate may come from."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable

from evercert.errors import Misconfigured
from evercert.origins import Origin

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


def check(ca_bundle: str, origin: Origin) -> None:
    """Raises Misconfigured if it is no PEM with a certificate."""
    if (wrong := problem(ca_bundle)) is not None:
        raise Misconfigured(f"ca-bundle for {origin}: {wrong}")


def problem(ca_bundle: str) -> str | None:
    """Why nobody could be trusted by it, without a word of it; None: it is fine."""
    if "PRIVATE KEY-----" in ca_bundle:
        return "it has a private key in it; write the certificates of a CA as PEM, and nothing else"
    if not _CERTIFICATE.search(ca_bundle):
        return "it must be PEM with the certificates of a CA, and nothing else; the text, not the name of a file"
    try:
        context(ca_bundle)
    except (ssl.SSLError, ValueError):
        return "it does not parse as PEM certificates"
    return None


def context(ca_bundle: str | None, make: Callable[..., ssl.SSLContext] = ssl.create_default_context) -> ssl.SSLContext:
    """With a bundle, that one alone is trusted: a private server needs no public authority to vouch for it."""
    if ca_bundle is not None:
        # What stands between certificates are words for people, in any alphabet; OpenSSL is given ASCII.
        trusted = make(cadata="\n".join(_CERTIFICATE.findall(ca_bundle)))
        # Python 3.13 sets it, and then refuses private CAs that name no key identifier (RFC 5280 §4.2.1.1).
        trusted.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return trusted
    import certifi  # noqa: PLC0415

    return make(cafile=certifi.where())
