"""A valid request to each resource of the ACME server, as parts that can be changed before they are signed."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from evercert.acme import base64url, external_account, jws
from evercert.acme.jwk import to_jwk
from evercert.acme.renewal_info import certificate_id
from evercert.pki.keys import PrivateKey, public_bytes
from tests.fuzz.server.party import KEY, Party, Placed, csr_der

JOSE = "application/jose+json"


@dataclass
class Draft:
    """A request; `payload` is a tree of JSON, raw bytes, or None for a POST-as-GET.

    `placed` is the order that it finalizes, `new_key` the key of a key change, `leaf_key` the key of a CSR.
    """

    resource: str
    url: str
    payload: Any = None
    key: PrivateKey | None = None  # None: a GET
    header: dict[str, Any] = field(default_factory=dict)
    method: str = "POST"
    content_type: str | None = JOSE
    placed: Placed | None = None
    new_key: PrivateKey | None = None
    leaf_key: bytes = b""  # SubjectPublicKeyInfo

    @property
    def content(self) -> bytes:
        if self.payload is None or isinstance(self.payload, bytes):
            return self.payload or b""
        return json.dumps(self.payload).encode()

    def members(self) -> dict[str, Any]:
        """Return the JWS, signed by the key with the algorithm that the header names, if the key has one."""
        if self.key is None:
            return {}
        return signed(self.content, self.header, self.key)


def signed(content: bytes, header: Mapping[str, Any], key: PrivateKey) -> dict[str, Any]:
    try:
        return jws.signed(content, header, key)
    except ValueError:  # a curve without algorithm
        return jws.flattened(content, {"alg": "ES512", **header}, key.sign)


def bound(binding: Mapping[str, Any], header: Mapping[str, Any], content: bytes, mac_key: bytes) -> dict[str, Any]:
    """Return a binding with this header and payload, and a MAC that fits them."""
    digest = {"HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(str(header.get("alg")), hashlib.sha256)
    found = jws.flattened(content, header, lambda data: hmac.new(mac_key, data, digest).digest())
    return {**binding, **found}


def _post(party: Party, resource: str, url: str, payload: Any = None, **more: Any) -> Draft:
    client = party.client
    header = {"nonce": client.nonce(), "url": url, "kid": client.key_id}
    return Draft(resource, url, payload, client.key, header, **more)


def _registration(party: Party) -> Draft:
    key, url = PrivateKey.generate(KEY), party.client.directory["newAccount"]
    payload: dict[str, Any] = {"contact": ["mailto:ops@example.com"], "termsOfServiceAgreed": True}
    if party.mac is not None:
        payload["externalAccountBinding"] = external_account.bind(to_jwk(key.public_key), *party.mac, url)
    header = {"nonce": party.client.nonce(), "url": url, "jwk": to_jwk(key.public_key)}
    return Draft("new-account", url, payload, key, header)


def _order(party: Party) -> Draft:
    names = [{"type": "dns", "value": "www.fuzz.example.com"}, {"type": "dns", "value": "*.fuzz.example.com"}]
    payload = {"identifiers": names, "profile": "tls-server"}
    return _post(party, "new-order", party.client.directory["newOrder"], payload)


def _finalize(party: Party) -> Draft:
    placed, key = party.prepare(), PrivateKey.generate(KEY)
    payload = {"csr": base64url.encode(csr_der(placed.names, key))}
    return _post(
        party, "finalize", placed.json["finalize"], payload, placed=placed, leaf_key=public_bytes(key.public_key)
    )


def _revocation(party: Party) -> Draft:
    url = party.client.directory["revokeCert"]
    draft = _post(party, "revoke-cert", url, {"certificate": party.issued.der, "reason": 4})
    if party.issued.certificate.serial_number % 2:  # half of them by the key of the certificate
        draft.key = party.issued.key
        draft.header = {"nonce": draft.header["nonce"], "url": url, "jwk": to_jwk(draft.key.public_key)}
    return draft


def _key_change(party: Party) -> Draft:
    client, new, url = party.client, PrivateKey.generate(KEY), party.client.directory["keyChange"]
    content = json.dumps({"account": client.key_id, "oldKey": to_jwk(client.key.public_key)}).encode()
    inner = jws.signed(content, {"jwk": to_jwk(new.public_key), "url": url}, new)
    return _post(party, "key-change", url, inner, new_key=new)


def _account(party: Party) -> Draft:
    return _post(party, "account", str(party.client.key_id), {"contact": ["mailto:ops@example.com"]})


def _challenge(party: Party) -> Draft:
    url = f"{party.pending.json['authorizations'][0]}/challenges/dns-01"
    return _post(party, "challenge", url, {} if party.addresses else None)


def _reading(party: Party, resource: str, method: str = "GET") -> Draft:
    directory = party.client.directory
    renewal = f"{directory['renewalInfo']}/{certificate_id(party.issued.certificate)}"
    urls = {"directory": f"{party.authority.base}/directory", "new-nonce": directory["newNonce"]}
    return Draft(resource, urls.get(resource, renewal), method=method, content_type=None)


VALID: dict[str, Callable[[Party], Draft]] = {
    "new-account": _registration,
    "new-order": _order,
    "finalize": _finalize,
    "revoke-cert": _revocation,
    "key-change": _key_change,
    "account": _account,
    "orders": lambda party: _post(party, "orders", f"{party.client.key_id}/orders"),
    "order": lambda party: _post(party, "order", party.pending.url),
    "certificate": lambda party: _post(party, "certificate", f"{party.issued.order.url}/certificate"),
    "authorization": lambda party: _post(party, "authorization", party.pending.json["authorizations"][0]),
    "challenge": _challenge,
    "directory": lambda party: _reading(party, "directory"),
    "new-nonce": lambda party: _reading(party, "new-nonce", "HEAD"),
    "renewal-info": lambda party: _reading(party, "renewal-info"),
}
WEIGHTS = {"finalize": 12, "new-order": 8, "new-account": 6, "key-change": 6, "revoke-cert": 4, "challenge": 3}
