"""Values of the stack's secrets: a certificate with its chain and private key, checked before they are written."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm

from evercert import json_parser
from evercert.errors import Misconfigured
from evercert.pki.certificate import Bundle, Chain
from evercert.pki.keys import PrivateKey, public_bytes


def read(value: str, secret: str) -> Bundle:
    """Parse the value of a secret; raise Misconfigured if it is broken or its key is of another certificate."""
    try:
        found = json_parser.parse(value)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("certificate"), str):
        raise Misconfigured(
            f"{secret} does not hold a certificate as JSON: it has another format, or was edited; the agent needs a "
            "destination secrets-manager without `format`"
        )
    pem = found.get("private_key")
    try:
        chain = Chain.from_pem(f"{found['certificate']}\n{found.get('certificate_chain') or ''}")
        key = None if pem is None else PrivateKey.from_pem(str(pem))
        belongs = key is None or key.public_bytes() == public_bytes(chain.public_key)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Misconfigured(f"{secret} cannot be parsed: {error}; if it was edited, renew the certificate") from None
    if not belongs:
        raise Misconfigured(f"{secret} holds a private key of another certificate; renew the certificate")
    return Bundle(chain, key)
