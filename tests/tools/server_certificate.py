"""The certificate that a TLS server shows, whatever it is."""

from __future__ import annotations

import ssl
from contextlib import suppress


def of_port(port: int) -> bytes | None:
    """Return the DER certificate of the server on this port of loopback, or None if there is none."""
    with suppress(OSError):
        return of_pem(ssl.get_server_certificate(("127.0.0.1", port), timeout=5))
    return None


def of_pem(text: str) -> bytes:
    """Return the first certificate of a PEM text as DER."""
    end = "-----END CERTIFICATE-----"
    return ssl.PEM_cert_to_DER_cert(f"{text.partition(end)[0]}{end}\n")
