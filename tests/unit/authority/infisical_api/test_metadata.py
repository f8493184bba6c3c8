"""Change of the metadata of certificates."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.documents.spec import RESERVED_METADATA
from tests.doubles.authority.client import CERTIFICATES, Client, Response

EC = {"keyAlgorithm": "EC_prime256v1"}
MISSING = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def client() -> Client:
    return Client()


def change(client: Client, issued: dict[str, Any], body: Any) -> Response:
    return client.call("PATCH", f"{CERTIFICATES}/{issued['certificateId']}", body)


def shown(client: Client, issued: dict[str, Any]) -> list[dict[str, str]]:
    found = client.get(f"{CERTIFICATES}/{issued['certificateId']}").json["certificate"]["metadata"]
    return [dict(one) for one in found]


def pairs(**values: str) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def test_metadata_is_replaced(client: Client) -> None:
    issued = client.issued(EC, metadata=pairs(team="web"))
    for metadata in (pairs(team="shop", cost="7"), [*pairs(a="b"), *pairs(a="c")], []):
        client.setting.clock.advance(minutes=1)
        response = change(client, issued, {"metadata": metadata})
        assert (response.status, response.json) == (200, {"metadata": metadata})
        assert shown(client, issued) == metadata
    assert change(client, issued, {"metadata": [{"key": "a"}]}).json == {"metadata": pairs(a="")}


def test_metadata_is_unchanged_without_a_field(client: Client) -> None:
    issued = client.issued(EC, metadata=pairs(team="web"))
    before = client.setting.certificates.certificates[issued["certificateId"]]
    assert change(client, issued, {}).json == {"metadata": pairs(team="web")}
    assert client.setting.certificates.certificates[issued["certificateId"]] == before


def test_renewal_inherits_changed_metadata(client: Client) -> None:
    issued = client.issued(EC, metadata=pairs(team="web"))
    change(client, issued, {"metadata": pairs(team="shop")})
    renewed = client.post(f"{CERTIFICATES}/{issued['certificateId']}/renew").json
    assert shown(client, renewed) == pairs(team="shop")


def test_idempotency_token_stays(client: Client) -> None:
    token = pairs(**{RESERVED_METADATA: "one"})
    issued = client.issued(EC, metadata=[*token, *pairs(team="web")])
    assert change(client, issued, {"metadata": pairs(team="x")}).json == {"metadata": [*pairs(team="x"), *token]}
    assert change(client, issued, {"metadata": [*token, *pairs(a="b")]}).json["metadata"] == [*pairs(a="b"), *token]
    response = change(client, issued, {"metadata": pairs(**{RESERVED_METADATA: "two"})})
    assert (response.status, response.json["message"][0]["path"]) == (422, ["metadata"])
    other = client.issued(EC)
    assert change(client, other, {"metadata": token}).status == 422
    assert shown(client, other) == []


def test_change_needs_ownership_or_administer(client: Client) -> None:
    issued = client.issued(EC)
    for permissions in (("request", "read-key"), ("approve",)):
        client.as_another(*permissions)
        response = change(client, issued, {"metadata": pairs(a="b")})
        assert (response.status, response.json["details"][0]["action"]) == (403, "edit")
    client.as_another("request", profile="other/*")
    assert change(client, issued, {"metadata": []}).status == 404
    client.as_another("administer")
    assert change(client, issued, {"metadata": pairs(a="b")}).status == 200


def test_change_of_an_imported_certificate(client: Client) -> None:
    from tests.samples import foreign

    client.as_another("administer")
    body = {"certificatePem": foreign.pem(foreign.certificate())}
    imported = client.post(f"{CERTIFICATES}/import-certificate", body).json
    assert change(client, imported, {"metadata": pairs(a="b")}).status == 200
    assert client.post(f"{CERTIFICATES}/import-certificate", body).json == imported


@pytest.mark.parametrize(
    "metadata",
    ["x", [1], [{"key": ""}], [{"value": "x"}], [{"key": "k" * 256}], [{"key": "a", "value": "v" * 1021}],
     [{"key": "a", "value": None}], pairs(**{f"k{one}": "" for one in range(51)})],
    ids=["text", "number", "empty key", "no key", "long key", "long value", "null", "too many"],
)  # fmt: skip
def test_invalid_metadata_is_refused(client: Client, metadata: Any) -> None:
    issued = client.issued(EC, metadata=pairs(team="web"))
    assert change(client, issued, {"metadata": metadata}).status == 422
    assert shown(client, issued) == pairs(team="web")


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"{"], ids=["empty", "list", "text", "broken"])
def test_invalid_body_is_refused(client: Client, body: bytes) -> None:
    assert change(client, client.issued(EC), body).status in {400, 422}


def test_missing_certificate_is_not_found(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert change(client, {"certificateId": MISSING}, {"metadata": []}).status == 404
    issued = client.issued(EC)
    monkeypatch.setattr(client.setting.certificates, "set_metadata", lambda *_: None)
    assert change(client, issued, {"metadata": []}).status == 404
