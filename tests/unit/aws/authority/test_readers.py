"""Readers of the authority's tables: any stored value gives a value or one typed error."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from evercert.authority.contracts.records import LoginFailures, Token
from evercert.aws.authority import certificate_items
from evercert.aws.authority.access_tokens import DynamoDBTokens, _written
from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.configuration import DynamoDBConfiguration
from evercert.aws.authority.signing_ledger_reader import LedgerReading
from evercert.aws.dynamodb.issuer_loader import read_definition
from evercert.aws.dynamodb.issuer_store import DynamoDBOperating
from evercert.errors import EvercertError
from tests.doubles.fakes import START
from tests.samples.authority import CA, crl, kept, requested
from tests.samples.stored_values import VALUES, places, spoiled

DEEP = {"S": "[" * 100_000}
TOKEN = Token("digest", "identity", START, START + timedelta(hours=1), None, 3_600, 5)
REQUEST = requested()
CERTIFICATE = kept(REQUEST)
REVOKED = {"revoked_at": START, "reason": "KEY_COMPROMISE", "revoked_by": CA}


class Stored:
    """A client whose every read returns these items."""

    def __init__(self, **found: dict[str, Any]) -> None:
        self.found = found

    def get_item(self, *, Key: dict[str, Any], **_: Any) -> dict[str, Any]:
        kind = Key["sk"]["S"] if Key["sk"]["S"] in self.found else Key["pk"]["S"]
        return {"Item": self.found[kind]} if kind in self.found else {}

    def query(self, **_: Any) -> dict[str, Any]:
        return {"Items": list(self.found.values())}

    def batch_get_item(self, **_: Any) -> dict[str, Any]:
        return {"Responses": {"table": list(self.found.values())}}

    def get_paginator(self, _: str) -> Any:
        pages = [{"Items": list(self.found.values())}]
        return type("Pages", (), {"paginate": staticmethod(lambda **_: pages)})

    def update_item(self, **_: Any) -> dict[str, Any]:
        return {"Attributes": {}}


def attributes(values: dict[str, Any]) -> dict[str, Any]:
    return certificate_items.attributes(values)


def linked(kind: str, **values: str) -> dict[str, Any]:
    return {**certificate_items.key(kind, "name"), **attributes(values)}


def document(kind: str) -> dict[str, Any]:
    return {"pk": {"S": kind}, "sk": {"S": "id"}, "schema": {"N": "1"}, "document": {"S": "{}"}}


CERTIFICATES = certificate_items.certificate_item(CERTIFICATE) | attributes(
    {**REVOKED, "renewal": "r", "renewed_by": "c"}
)
DER = {"der": {"B": crl(1)}}
ORDER = {
    "pk": {"S": "order#1"},
    "sk": {"S": "intent"},
    **attributes({"ca": "a", "serial_number": "1", "at": "x", "says": {}}),
}
RESULT = {"pk": {"S": "order#1"}, "sk": {"S": "result"}, **attributes({"ca": "a", "sha256": "x"}), **DER}
READERS: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], object]]] = {
    "request": (
        certificate_items.request_item(REQUEST),
        lambda item: DynamoDBCertificates(Stored(request=item), "table", "trail").request("id"),
    ),
    "requests": (
        certificate_items.request_item(REQUEST),
        lambda item: DynamoDBCertificates(Stored(request=item), "table", "trail").requests_by_id([REQUEST.id]),
    ),
    "request of a token": (
        linked("idempotency", request="id"),
        lambda item: DynamoDBCertificates(Stored(idempotency=item), "table", "trail").request_of("token"),
    ),
    "renewal": (
        CERTIFICATES,
        lambda item: DynamoDBCertificates(Stored(certificate=item), "table", "trail").renewal_of("id"),
    ),
    "certificate": (
        CERTIFICATES,
        lambda item: DynamoDBCertificates(Stored(certificate=item), "table", "trail").certificate("id"),
    ),
    "certificate by fingerprint": (
        linked("fingerprint", certificate="id"),
        lambda item: DynamoDBCertificates(Stored(fingerprint=item), "table", "trail").certificate("f" * 64),
    ),
    "CRL entries": (
        CERTIFICATES,
        lambda item: list(DynamoDBCertificates(Stored(entry=item), "table", "trail").revoked(CA, START)),
    ),
    "CRL number": (
        linked("crl") | {"number": {"N": "5"}},
        lambda item: DynamoDBCertificates(Stored(crl=item), "table", "trail").next_crl_number(CA),
    ),
    "CRL": (
        linked("crl") | {"published": {"N": "5"}, "parts": {"N": "1"}},
        lambda item: DynamoDBCertificates(Stored(crl=item, **{"crl-part": DER}), "table", "trail").published(CA),
    ),
    "CRL part": (
        {**linked("crl-part"), **DER},
        lambda item: DynamoDBCertificates(
            Stored(crl={"published": {"N": "5"}, "parts": {"N": "1"}}, **{"crl-part": item}), "table", "trail"
        ).published(CA),
    ),
    "token": (
        {**linked("token"), **attributes(_written(TOKEN))},
        lambda item: DynamoDBTokens(Stored(token=item), "table").find("digest"),
    ),
    "lockout": (
        linked("client") | {"locked_until": {"N": str(int(START.timestamp()) * 1_000)}},
        lambda item: DynamoDBTokens(Stored(client=item), "table").login_failures("client"),
    ),
    **{
        f"configuration {kind}": (
            document(kind),
            lambda item, kind=kind: getattr(DynamoDBConfiguration(Stored(**{kind: item}), "table"), kind)("id"),
        )
        for kind in ("ca", "profile", "application", "identity", "project")
    },
    "configuration lists": (
        document("ca"),
        lambda item: DynamoDBConfiguration(Stored(ca=item), "table").every_ca(),
    ),
    "client": (
        {"pk": {"S": "client"}, "sk": {"S": "id"}, "identity": {"S": "id"}},
        lambda item: DynamoDBConfiguration(Stored(client=item), "table").identity_of_client("id"),
    ),
    "ledger": (
        ORDER,
        lambda item: [entry.names for entry in LedgerReading(Stored(a=item, b=RESULT), "table").certificates()],
    ),
    "ledger result": (RESULT, lambda item: LedgerReading(Stored(a=ORDER, b=item), "table").certificates()),
    "ledger entry": (
        {**linked("serial", order_id="1")},
        lambda item: LedgerReading(Stored(serial=item, intent=ORDER, result=RESULT), "table").signed("ca", 1),
    ),
    "issuer": ({"pk": {"S": "issuer#a"}, "definition": {"S": "{}"}}, lambda item: read_definition(item, "a")),
    "issuers": (
        {"pk": {"S": "issuer#a"}, "definition": {"S": "{}"}},
        lambda item: DynamoDBOperating(Stored(a=item), "table").issuers(),
    ),
    "pauses": (
        {"pk": {"S": "pause#stack"}, "paused_at": {"S": "x"}, "reason": {"S": "x"}},
        lambda item: DynamoDBOperating(Stored(a=item), "table").pauses(START),
    ),
}
MORE = [DEEP, {"S": json.dumps({"a": 1})}, {"S": "x" * 70_000}, {"N": "1768478400000"}, {"N": "1E+20"}]


@pytest.mark.parametrize("reader", READERS)
def test_reader_returns_a_value_or_a_typed_error(reader: str) -> None:
    item, read = READERS[reader]
    for place in places(item):
        if place in {("pk",), ("sk",)}:
            continue
        for value in [*VALUES, *MORE]:
            try:
                read(spoiled(item, place, value))
            except EvercertError as error:
                assert "\n" not in str(error)
                assert len(str(error)) < 2_000, (place, value)
    for name in set(item) - {"pk", "sk"}:
        try:
            read({key: value for key, value in item.items() if key != name})
        except EvercertError:
            continue


def test_spoiled_revocation_stays_in_the_crl() -> None:
    for value in VALUES:
        for name in ("revoked_at", "reason"):
            (entry,) = READERS["CRL entries"][1](spoiled(CERTIFICATES, (name,), value))  # type: ignore[misc]
            assert entry.serial_number == int(CERTIFICATE.serial_number, 16)
            assert entry.at <= START or value["S"].startswith("9999")


def test_revocation_without_a_serial_number_is_left_out() -> None:
    """One spoiled item must not stop the list of its CA."""
    for value in ({"N": "1"}, {"S": "no"}, {"B": b"1"}):
        assert READERS["CRL entries"][1](spoiled(CERTIFICATES, ("serial_number",), value)) == []


def test_spoiled_crl_number_starts_again() -> None:
    for value in VALUES:
        if value == {"N": "0.5"}:
            continue
        stored = Stored(crl={"number": value})
        assert (
            DynamoDBCertificates(stored, "table", "trail").next_crl_number(CA, at_least=1_768_478_400) == 1_768_478_400
        )


def test_attributes_of_a_reader_are_read() -> None:
    """The items of this file are valid: without a spoiled value they are read."""
    assert READERS["request"][1](certificate_items.request_item(REQUEST)) == REQUEST
    assert READERS["token"][1](READERS["token"][0]) == TOKEN
    assert READERS["CRL"][1](READERS["CRL"][0]) == crl(1)
    assert READERS["lockout"][1](READERS["lockout"][0]) == LoginFailures(locked_until=START)
