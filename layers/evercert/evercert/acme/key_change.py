"""Account key change (RFC 8555 §7.3.5): the new key signs the account's URL and the old key."""

from __future__ import annotations

import json

from evercert.acme import jws
from evercert.acme.jwk import JWK, to_jwk
from evercert.acme.jws import Signer


def inner_request(url: str, account: str, old_key: JWK, new_key: Signer) -> dict[str, str]:
    """Return the payload of keyChange, a JWS of the new key without a nonce; `url` is that of the request around it."""
    payload = json.dumps({"account": account, "oldKey": old_key}).encode()
    return jws.signed(payload, {"jwk": to_jwk(new_key.public_key), "url": url}, new_key)
