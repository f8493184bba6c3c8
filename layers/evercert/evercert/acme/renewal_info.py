"""ACME Renewal Information (RFC 9773): certificate ids and suggested windows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from cryptography import x509

from evercert.acme import base64url, times
from evercert.pki.path.fields import Fields
from evercert.schema import printable


def certificate_id(certificate: x509.Certificate) -> str | None:
    """Return the id (§4.1), or None if the certificate has no authority key identifier or is malformed.

    The serial number has exactly the octets of its DER encoding, a leading zero included.
    """
    try:
        fields = Fields(certificate)  # `cryptography` refuses all extensions for one unusual name in any of them
    except ValueError:
        return None
    if fields.authority_key is None or not fields.authority_key.key_id:
        return None
    serial = fields.serial.to_bytes(fields.serial_length, "big", signed=True)
    return f"{base64url.encode(fields.authority_key.key_id)}.{base64url.encode(serial)}"


@dataclass(frozen=True)
class RenewalWindow:
    """The period in which the CA suggests a renewal; `explanation` is the URL of a page for operators."""

    start: datetime
    end: datetime
    explanation: str | None = None

    @classmethod
    def of(cls, body: Any) -> Self:  # noqa: ANN401 (parsed JSON)
        """Parse a response (§4.2); raise ValueError if the window is missing or ends before it starts."""
        window = body.get("suggestedWindow") if isinstance(body, dict) else None
        if not isinstance(window, dict):
            raise ValueError("no suggestedWindow")
        start, end = times.parse(window.get("start")), times.parse(window.get("end"))
        if end <= start:
            raise ValueError("the suggested window ends before it starts")
        explanation = body.get("explanationURL")
        return cls(start, end, printable(explanation, 500) if isinstance(explanation, str) else None)
