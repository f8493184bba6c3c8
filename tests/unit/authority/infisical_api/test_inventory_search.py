"""Search for certificates by the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from evercert.timestamps import to_text
from tests.doubles.authority.client import CERTIFICATES, Client, csr

SEARCH = f"{CERTIFICATES}/search"
EC = {"keyAlgorithm": "EC_prime256v1"}


@pytest.fixture(scope="module")
def client() -> Client:
    client = Client("request", "read-key", "administer")
    client.setting.profile("other", "bank")
    return client


@pytest.fixture(scope="module")
def issued(client: Client) -> dict[str, dict[str, Any]]:
    """Return certificates by name; the one of `api` is revoked, the one of `bank` belongs to another project."""
    found = {}
    for number, name in enumerate(("www", "api", "bank")):
        attributes = {"commonName": f"{name}.example.com", "ttl": f"{(number + 1) * 10}d", **EC}
        attributes["altNames"] = [{"type": "dns_name", "value": f"{name}.example.com"}]
        profile = client.setting.profile("other", "bank") if name == "bank" else client.profile
        found[name] = client.issued(attributes, profileId=profile.id)
    reason = {"revocationReason": "SUPERSEDED"}
    assert client.post(f"{CERTIFICATES}/{found['api']['certificateId']}/revoke", reason).status == 200
    return found


def search(client: Client, **body: Any) -> list[str]:
    response = client.post(SEARCH, body)
    assert response.status == 200, response.body
    return [one["commonName"].partition(".")[0] for one in response.json["certificates"]]


def test_search_returns_certificates_by_expiry(client: Client, issued: dict[str, dict[str, Any]]) -> None:
    response = client.post(SEARCH).json
    assert [one["id"] for one in response["certificates"]] == [issued[name]["certificateId"] for name in issued]
    assert response["nextCursor"] is None
    assert {one["requestedBy"] for one in response["certificates"]} == {client.identity.id}


@pytest.mark.usefixtures("issued")
def test_search_combines_criteria(client: Client) -> None:
    assert search(client, name="WWW.example.com") == ["www"]
    assert search(client, commonName="api.example.com") == ["api"]
    assert sorted(search(client, name="*.example.com", status="active")) == ["bank", "www"]
    assert search(client, search="AN", requestedBy=client.identity.id.upper()) == ["bank"]
    assert search(client, status="revoked") == ["api"]
    assert search(client, profileIds=[client.profile.id.upper()]) == ["www", "api"]
    assert search(client, profileIds=[]) == []
    now = client.setting.now()
    times = {"notAfterFrom": to_text(now + timedelta(days=15)), "notAfterTo": to_text(now + timedelta(days=25))}
    assert search(client, **times) == ["api"]
    assert search(client, **times, name="www.example.com") == []


def test_search_accepts_numbers_of_openssl(client: Client, issued: dict[str, dict[str, Any]]) -> None:
    serial = issued["www"]["serialNumber"].lstrip("0").upper()
    assert search(client, serialNumber=serial) == ["www"]
    found = client.get(f"{CERTIFICATES}/{issued['api']['certificateId']}").json["certificate"]
    digits = found["fingerprints"]["sha256"].upper()
    assert search(client, fingerprint=":".join(digits[n : n + 2] for n in range(0, 64, 2))) == ["api"]


@pytest.mark.usefixtures("issued")
def test_cursor_continues_the_search(client: Client) -> None:
    first = client.post(SEARCH, {"limit": 2}).json
    second = client.post(SEARCH, {"limit": 2, "cursor": first["nextCursor"]}).json
    assert len(first["certificates"]) == 2 and [one["commonName"] for one in second["certificates"]] == [
        "bank.example.com"
    ]
    refused = client.post(SEARCH, {"limit": 2, "cursor": first["nextCursor"], "name": "www.example.com"})
    assert (refused.status, refused.json["message"][0]["path"]) == (422, ["cursor"])


@pytest.mark.usefixtures("issued")
def test_search_ignores_invisible_profiles(client: Client) -> None:
    before = client.as_another("request", profile="bank/other")
    try:
        assert search(client) == ["bank"]
        assert search(client, profileIds=[client.profile.id]) == []
        assert search(client, name="www.example.com") == []
        client.as_another("request", profile="none/none")
        assert search(client) == []
    finally:
        client.token = before


@pytest.mark.usefixtures("issued")
def test_search_finds_certificates_of_deleted_profiles(client: Client) -> None:
    """Only identities with permissions for all profiles do."""
    profile = client.setting.profile("gone", "shop")
    found = client.issued({**EC, "ttl": "40d"}, profileId=profile.id)
    client.setting.configuration.remove(profile)
    assert [one["id"] for one in client.post(SEARCH, {"name": "www.example.com"}).json["certificates"]][-1:] == [
        found["certificateId"]
    ]
    before = client.as_another("request", profile="shop/*")
    assert search(client, name="www.example.com") == ["www"]
    client.token = before


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"serialNumber": "xyz"}, ["serialNumber"]),
        ({"serialNumber": "0" * 50}, ["serialNumber"]),
        ({"fingerprint": "ab"}, ["fingerprint"]),
        ({"name": "*.com"}, ["name"]),
        ({"name": "a*b"}, ["name"]),
        ({"name": "*"}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"notAfterFrom": "2026-01-01T00:00:00"}, ["notAfterFrom"]),
        ({"status": "renewed"}, ["status"]),
        ({"limit": 101}, ["limit"]),
        ({"cursor": "x"}, ["cursor"]),
        ({"profileIds": ["x"] * 101}, ["profileIds"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_invalid_criterion_is_named(client: Client, body: dict[str, Any], path: list[str]) -> None:
    response = client.post(SEARCH, body)
    assert (response.status, response.json["message"][0]["path"]) == (422, path)


def test_search_accepts_any_text(client: Client) -> None:
    for text in ("\x00", "ü" * 255, "#", "a#b", "*#*", "münchen.example", "http://x/#y", "[::1]", "*.ÿ.ÿ"):
        assert client.post(SEARCH, {"name": text}).status in {200, 422}
        assert client.post(SEARCH, {"requestedBy": text, "search": text}).status == 200
    assert client.post(SEARCH, b"[]").status == 422


def test_search_includes_certificates_of_a_csr(client: Client) -> None:
    before = client.as_another("request")
    client.issue({"ttl": "5d", "commonName": None, "altNames": None}, csr=csr("dns:csr.example.net")[1])
    client.post(
        CERTIFICATES,
        {"profileId": client.profile.id, "csr": csr("dns:csr.example.net")[1], "attributes": {"ttl": "5d"}},
    )
    found = client.post(SEARCH, {"name": "csr.example.net"}).json["certificates"]
    assert found and {one["altNames"] for one in found} == {"csr.example.net"}
    client.token = before
