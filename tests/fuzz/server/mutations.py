"""Changes of headers, keys and URLs of requests, and which changes each resource gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evercert.acme.jwk import to_jwk
from tests.fuzz.changes import changed_tree, mutated_text, nested
from tests.fuzz.server.contents import (
    Chance,
    as_header,
    change_binding,
    change_certificate,
    change_csr,
    change_dates,
    change_inner,
    change_names,
    change_order,
    change_payload,
    change_status,
    other_key,
)
from tests.fuzz.server.drafts import JOSE, Draft
from tests.fuzz.server.party import Party

TYPES = [
    None,
    "",
    "application/json",
    "application/jose",
    f"{JOSE}; charset=utf-8",
    JOSE.upper(),
    f" {JOSE} ",
    "text/plain",
    "*/*",
]


def change_header(draft: Draft, party: Party, chance: Chance) -> None:
    if chance.random() < 0.5:
        draft.header = as_header(changed_tree(draft.header, chance), draft.header)
        return
    jwk = to_jwk(other_key(chance, ("EC_prime256v1", "RSA_2048", "Ed25519")).public_key)
    choices: list[dict[str, Any]] = [
        {"alg": "none"}, {"alg": "HS256"}, {"alg": "RS256"}, {"alg": "ES512"}, {"alg": ["ES256"]}, {"crit": ["exp"]}, {"b64": False},
        {"jwk": jwk}, {"jwk": changed_tree(jwk, chance)}, {"kid": party.client.key_id}, {"kid": f"{party.client.key_id}/"},
        {"kid": mutated_text(str(party.client.key_id), chance)}, {"nonce": mutated_text(str(draft.header["nonce"]), chance)},
        {"url": mutated_text(draft.url, chance)}, {"url": draft.url.upper()}, {"x5c": nested(50)}, {"nonce": None},
    ]  # fmt: skip
    draft.header = {**draft.header, **chance.choice(choices)}


def change_signer(draft: Draft, _: Party, chance: Chance) -> None:
    draft.key = other_key(chance)
    if "jwk" in draft.header and chance.random() < 0.7 and (draft.key.algorithm != "EC_secp521r1"):
        draft.header = {**draft.header, "jwk": to_jwk(draft.key.public_key)}


def change_url(draft: Draft, _: Party, chance: Chance) -> None:
    """Change the path; mostly, the header follows it."""
    start, end = draft.url[:-40], draft.url[-40:]
    query = chance.choice(("", "", "cursor=x", "cursor=20260101T000000000000%23x", "a=%ff&cursor=", "&&=", "?"))
    if chance.random() < 0.7:
        end = chance.choice((f"{end}/", f"{end}/x", end.upper(), mutated_text(end, chance), mutated_text(end, chance)))
    path = "".join(one for one in start + end if one.isprintable())
    draft.url = f"{path}?{query}" if query else path
    if chance.random() < 0.7 and "url" in draft.header:
        draft.header = {**draft.header, "url": draft.url}


def change_method(draft: Draft, _: Party, chance: Chance) -> None:
    draft.method = chance.choice(("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "post", "TRACE"))


def change_type(draft: Draft, _: Party, chance: Chance) -> None:
    draft.content_type = chance.choice(TYPES)


Change = Callable[[Draft, Party, Chance], None]
ANY: tuple[Change, ...] = (change_payload, change_payload, change_header, change_header, change_signer, change_url, change_method, change_type)  # fmt: skip
OF_RESOURCE: dict[str, tuple[Change, ...]] = {
    "new-account": (change_binding, change_binding, change_status),
    "new-order": (change_names, change_dates, change_order),
    "finalize": (change_csr, change_csr, change_csr),
    "key-change": (change_inner, change_inner),
    "revoke-cert": (change_certificate,),
    "account": (change_status,),
    "authorization": (change_status,),
}
OF_READING: tuple[Change, ...] = (change_url, change_url, change_method, change_type)
