"""Changes of the contents of requests: names, dates, CSRs, bindings, inner JWS; the signatures fit them."""

from __future__ import annotations

import json
import random
from typing import Any

from evercert.acme import base64url
from evercert.acme.jwk import to_jwk
from evercert.pki.keys import PrivateKey, public_bytes
from tests.fuzz.changes import TEXTS, changed_tree, extreme, mutated, mutated_text
from tests.fuzz.der_changes import changed_der
from tests.fuzz.server.csrs import odd
from tests.fuzz.server.drafts import Draft, bound, signed
from tests.fuzz.server.party import Party
from tests.samples.certificates import private_key

OTHER_KEYS = ("EC_prime256v1", "EC_secp384r1", "EC_secp521r1", "RSA_2048", "Ed25519")
NAMES = [
    "WWW.fuzz.Example.com", "www.fuzz.example.com.", "*.*.example.com", "*", "a..example.com", "xn--80ak6aa92e.com",
    "www.fuzz.example.com\0.evil.net", "127.1", "0x7f.0.0.1", "0177.0.0.1", "2130706433", "::ffff:127.0.0.1", "::1", "1.2.3.4/32",
    "localhost", "a_b.example.com", "-a.example.com", ".example.com", f"{'a.' * 130}com", "198.51.100.7", "2001:db8::1",
    "evil.net", "fe80::1%eth0", "\uff57ww.example.com", "http://example.com/",
]  # fmt: skip
TIMES = [
    "2026-01-16T00:00:00Z", "2030-01-01T00:00:00Z", "2026-01-16T00:00:00+01:00", "2026-01-16t00:00:00z", "2026-01-16", "now",
    "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-01-16T24:00:00Z", "2026-01-16T00:00:60Z", "2026-01-16T00:00:00.5Z",
]  # fmt: skip
Chance = random.Random


def change_payload(draft: Draft, _: Party, chance: Chance) -> None:
    if isinstance(draft.payload, bytes) or chance.random() < 0.2:
        draft.payload = mutated(draft.content, chance)
    else:
        draft.payload = changed_tree(draft.payload, chance)


def change_names(draft: Draft, _: Party, chance: Chance) -> None:
    kinds = ("dns", "dns", "dns", "ip", "email", "DNS", "")
    names = [
        {"type": chance.choice(kinds), "value": chance.choice(NAMES)} for _ in range(chance.choice((1, 1, 2, 5, 101)))
    ]
    kept = draft.payload["identifiers"] if chance.random() < 0.3 else []
    draft.payload = {**draft.payload, "identifiers": [*kept, *names]}


def change_dates(draft: Draft, _: Party, chance: Chance) -> None:
    for member in chance.sample(("notBefore", "notAfter"), chance.choice((1, 2))):
        value = chance.choice(TIMES) if chance.random() < 0.8 else extreme(chance)
        draft.payload = {**draft.payload, member: value}


def change_order(draft: Draft, party: Party, chance: Chance) -> None:
    known = f"{party.issued.certificate.serial_number:x}"
    choices: list[tuple[str, Any]] = [
        ("profile", chance.choice(["other", "", 7, None, "TLS-SERVER"])),
        ("replaces", chance.choice(["AAAA.BBBB", ".", known, 7, "a.b.c", "A" * 300])),
        (chance.choice(TEXTS), extreme(chance)),
    ]
    draft.payload = {**draft.payload, **dict([chance.choice(choices)])}


def change_csr(draft: Draft, _: Party, chance: Chance) -> None:
    assert draft.placed is not None
    der, key = odd(draft.placed.names, chance)
    draft.leaf_key = public_bytes(key.public_key())
    text = base64url.encode(der)
    if chance.random() < 0.05:
        text = chance.choice((text + "=", text.replace("-", "+"), f"{text}\n", mutated_text(text, chance)))
    draft.payload = {"csr": text}


def change_binding(draft: Draft, party: Party, chance: Chance) -> None:
    """Change header or payload of the binding, with a MAC that fits, or any of its members."""
    found = draft.payload.get("externalAccountBinding")
    if found is None or party.mac is None:
        draft.payload = {**draft.payload, "externalAccountBinding": extreme(chance)}
        return
    header = json.loads(base64url.decode(found["protected"]))
    content = base64url.decode(found["payload"])
    match chance.randrange(6):
        case 0:
            found = changed_tree(found, chance)
        case 1:
            found = bound(found, header, mutated(content, chance), party.mac[1])
        case 2:
            jwk = changed_tree(json.loads(content), chance)
            found = bound(found, header, json.dumps(jwk).encode(), party.mac[1])
        case 3:
            more = chance.choice(
                ({"alg": "HS384"}, {"alg": "none"}, {"nonce": "x"}, {"kid": "x"}, {"kid": 7}, {"url": "x"})
            )
            found = bound(found, {**header, **more}, content, party.mac[1])
        case 4:
            found = bound(found, header, content, chance.choice((b"", b"x" * 32)))
        case _:
            found = bound({**found, chance.choice(TEXTS): extreme(chance)}, header, content, party.mac[1])
    draft.payload = {**draft.payload, "externalAccountBinding": found}


def change_inner(draft: Draft, party: Party, chance: Chance) -> None:
    """Change header or payload of the inner JWS of a key change, signed again, or any of its members."""
    assert draft.new_key is not None
    header = json.loads(base64url.decode(draft.payload["protected"]))
    content = json.loads(base64url.decode(draft.payload["payload"]))
    signer = draft.new_key
    match chance.randrange(5):
        case 0:
            draft.payload = changed_tree(draft.payload, chance)
            return
        case 1:
            content = changed_tree(content, chance)
        case 2:
            header = as_header(changed_tree(header, chance), header)
        case 3:
            signer = other_key(chance)
            header["jwk"] = to_jwk(party.client.key.public_key) if chance.random() < 0.5 else header["jwk"]
        case _:
            more = chance.choice(
                ({"nonce": "x"}, {"kid": party.client.key_id}, {"url": "x"}, {"crit": ["x"]}, {"b64": False})
            )
            header |= more
    header.pop("alg", None)
    draft.payload = signed(json.dumps(content).encode(), header, signer)


def change_certificate(draft: Draft, _: Party, chance: Chance) -> None:
    der = base64url.decode(draft.payload["certificate"])
    certificate = base64url.encode(chance.choice((mutated, changed_der, changed_der))(der, chance))
    if chance.random() < 0.2:
        certificate = chance.choice(TEXTS)
    reasons = (0, 1, 2, 3, 6, 7, 8, 9, 10, 11, -1, 2**70, 1.0, True, "1", None, [])
    draft.payload = {
        **draft.payload,
        **chance.choice(({"certificate": certificate}, {"reason": chance.choice(reasons)})),
    }


def change_status(draft: Draft, _: Party, chance: Chance) -> None:
    found = (
        {"status": "deactivated"},
        {"status": "valid"},
        {"status": 7},
        {},
        {"contact": []},
        {"onlyReturnExisting": True},
    )
    draft.payload = {**(draft.payload if isinstance(draft.payload, dict) else {}), **chance.choice(found)}


def as_header(found: Any, otherwise: dict[str, Any]) -> dict[str, Any]:
    return found if isinstance(found, dict) else {**otherwise, "extra": found}


def other_key(chance: Chance, kinds: tuple[str, ...] = OTHER_KEYS) -> PrivateKey:
    return PrivateKey(private_key(chance.choice(kinds), 3))
