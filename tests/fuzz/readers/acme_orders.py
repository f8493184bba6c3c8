"""Readers of the ACME server and its validator: whole requests, paths, redirects, settings, messages and stored orders."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from functools import cache
from types import SimpleNamespace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from evercert.acme import base64url, jws
from evercert.acme.challenges import HTTP_PATH
from evercert.acme.jwk import to_jwk
from evercert.authority.acme.records import Challenge, new_authorization
from evercert.authority.acme.summary import reason
from evercert.authority.validation.challenges import validate
from evercert.authority.validation.ports import NotValidated, Page
from evercert.authority.validation.settings import ValidatorSettings
from evercert.aws.authority import validation_queue
from evercert.aws.authority.acme_accounts import DynamoDBServerSecret
from evercert.aws.authority.acme_orders import DynamoDBAcmeOrders
from evercert.aws.authority.acme_report import AcmeReport
from evercert.errors import Misconfigured, Rejected
from evercert.pki.attributes import Attributes
from evercert.pki.identifiers import Identifier
from evercert.pki.keys import PrivateKey
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient, Answer, FakeNetwork
from tests.fuzz.changes import changed_tree, mutated_text
from tests.fuzz.reader import Reader
from tests.samples.certificates import private_key

HIGHEST = 499


@cache
def client() -> tuple[AcmeClient, dict[str, str], dict[str, Any]]:
    """Return a client, the URLs of its resources, and a payload that each accepts."""
    unlimited = {"at-most": 1_000_000, "per": "1s"}
    limits = dict.fromkeys(("names-of-account", "names-of-credential", "new-accounts"), unlimited)
    made = AcmeClient(AcmeAuthority(limits=limits))
    made.register()
    order, chain = made.issue("www.example.com")
    placed = made.order("www.example.com")
    made.prove(placed.json)
    attributes = Attributes.model_validate({"alt-names": ["dns:www.example.com"]})
    csr = x509.load_pem_x509_csr(PrivateKey(private_key("EC_prime256v1")).sign_csr(attributes).encode())
    urls = {
        "new-order": made.directory["newOrder"],
        "finalize": placed.json["finalize"],
        "revoke-cert": made.directory["revokeCert"],
        "account": str(made.key_id),
        "authorization": placed.json["authorizations"][0],
        "key-change": made.directory["keyChange"],
    }
    new = PrivateKey(private_key("EC_prime256v1"))
    header = {"jwk": to_jwk(new.public_key), "url": urls["key-change"]}
    inner = {"account": "another one", "oldKey": to_jwk(made.key.public_key)}
    payloads: dict[str, Any] = {
        "new-order": {"identifiers": [{"type": "dns", "value": "www.example.com"}], "profile": "tls-server",
                      "notBefore": "2026-01-16T00:00:00Z", "notAfter": "2026-01-20T00:00:00Z", "replaces": "AA.BB"},
        "finalize": {"csr": base64url.encode(csr.public_bytes(Encoding.DER))},
        "revoke-cert": {"certificate": base64url.encode(chain[0].public_bytes(Encoding.DER)), "reason": 4},
        "account": {"contact": ["mailto:ops@example.com"]},
        "authorization": {"status": "pending"},
        "key-change": json.loads(jws.sign(json.dumps(inner).encode(), header, new)),
    }  # fmt: skip
    urls["certificate"] = order["certificate"]
    return made, urls, payloads


def payloads() -> list[Any]:
    _, urls, found = client()
    return [{"url": urls[name], "payload": payload} for name, payload in found.items()]


def read_payload(found: Any) -> None:
    """Send the payload to its resource; no answer is an error of the server."""
    made, urls, _ = client()
    url = found.get("url") if isinstance(found, dict) else None
    known = url if url in urls.values() else urls["new-order"]
    payload = found.get("payload") if isinstance(found, dict) else found
    require_answer(made.post(known, payload if isinstance(payload, dict) else {"payload": payload}))


def paths() -> list[str]:
    made, urls, _ = client()
    found = [urls["certificate"], urls["authorization"], f"{made.key_id}/orders?cursor=20260101T000000000000%23x"]
    more = [f"{made.authority.base}/renewal-info/AAAA.BBBB", f"{made.authority.base}/new-nonce"]
    return [url.removeprefix(made.authority.base) for url in [*found, *more]]


def read_path(text: str) -> None:
    """Read a resource by GET and by POST-as-GET."""
    made, _, _ = client()
    url = f"{made.authority.base}/{''.join(c for c in text if c.isprintable() and c.isascii()).lstrip('/')}"
    try:
        require_answer(made.authority.call("GET", url))
        require_answer(made.read(url))
    except ValueError:  # no URL that a client could send
        return


def require_answer(answer: Answer) -> None:
    assert answer.status <= HIGHEST, answer.text


def read_redirect(text: str) -> None:
    """Follow a redirect to the end."""
    own = f"http://www.example.com{HTTP_PATH}token"
    network = FakeNetwork({own: Page(302, text, b"")})
    authorization = new_authorization(Identifier("dns", "www.example.com"), ())
    validate(authorization, Challenge(type="http-01", token="token", thumbprint="x"), network, network)


def read_settings(text: str) -> None:
    """Read the operator's networks and resolvers."""
    given = {"AUTHORITY_TABLE": "t", "VALIDATION_QUEUE": "q"}
    ValidatorSettings.of({**given, "VALIDATION_NETWORKS": text.partition(" ")[0]})
    ValidatorSettings.of({**given, "VALIDATION_RESOLVERS": text.partition(" ")[2]})


def stored() -> list[Any]:
    made, _, _ = client()
    order = next(iter(made.authority.setting.acme_orders.stored.values()))
    return [{"document": {"S": order.model_dump_json()}, "version": {"N": "1"}}, {"sealed": {"S": "x"}}]


def attributes(item: Any) -> dict[str, Any]:
    """Return the attributes that DynamoDB could store."""
    values = {name: value for name, value in item.items() if isinstance(value, dict) and set(value) in ({"S"}, {"N"})}
    return {name: value for name, value in values.items() if isinstance(next(iter(value.values())), str)}


def read_item(item: Any) -> None:
    """Read an item of the table as an order and as the sealed secret."""
    values = attributes(item)
    table: Any = SimpleNamespace(get_item=lambda **_: {"Item": {n: v for n, v in values.items() if "S" in v}})
    DynamoDBServerSecret(table, "t").read()
    DynamoDBAcmeOrders(table, "t").of_id("x")


def read_listed(item: Any) -> None:
    """Read an item as `evercert authority acme status` does."""
    values = {name: value for name, value in attributes(item).items() if "S" in value}
    pages = SimpleNamespace(paginate=lambda **_: [{"Items": [{"sk": {"S": "20260101T000000000000#x"}}]}])
    table: Any = SimpleNamespace(
        get_paginator=lambda _: pages,
        batch_get_item=lambda **_: {"Responses": {"t": [{**values, "pk": {"S": "acme-order#x"}}]}},
    )
    for order in AcmeReport(table, "t").orders("a", datetime(2026, 1, 1, tzinfo=UTC)):
        reason(order, datetime(2027, 1, 1, tzinfo=UTC))


def read_key_id(text: str) -> None:
    """Read the key id of a credential."""
    client()[0].authority.setting.credentials.of_id(text)


def changed_item(item: Any, chance: random.Random) -> Any:
    found = changed_tree(item, chance)
    return found if isinstance(found, dict) else {}


READERS = (
    Reader("payload of an ACME request", payloads, read_payload, changed_tree, (), 5),
    Reader("path of the ACME server", paths, read_path, mutated_text, (), 3),
    Reader(
        "redirect of a validation",
        lambda: ["https://b.example.com/x", "/y", "http://192.0.2.1/"],
        read_redirect,
        mutated_text,
        (NotValidated,),
    ),
    Reader(
        "settings of the validator",
        lambda: ["10.0.0.0/8,fd00::/8 192.0.2.1,[2001:db8::1]:53,192.0.2.2:5353"],
        read_settings,
        mutated_text,
        (Misconfigured,),
    ),
    Reader(
        "message of the validation queue",
        lambda: ['{"order": "x", "authorization": 0, "challenge": "http-01", "tries": 0}'],
        validation_queue.read,
        mutated_text,
        (Rejected,),
    ),
    Reader("stored ACME order", stored, read_item, changed_item, (Misconfigured,)),
    Reader("listed ACME order", stored, read_listed, changed_item, ()),
    Reader("key id of an ACME credential", lambda: [f"h{'A' * 62}", "team"], read_key_id, mutated_text, ()),
)
