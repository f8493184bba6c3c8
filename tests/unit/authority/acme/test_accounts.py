"""Accounts over the entry point of the function, and what belongs to each."""

from __future__ import annotations

import json

import pytest

from evercert.acme import jws
from evercert.acme.jwk import to_jwk
from evercert.pki.keys import PrivateKey
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient

DNS = "http://{}/.well-known/acme-challenge/"


def test_binding_is_required_unless_the_profile_says_so() -> None:
    client = AcmeClient(AcmeAuthority(eab="required"))
    assert client.directory["meta"]["externalAccountRequired"] is True
    assert client.register().problem == "externalAccountRequired"


def test_names_of_a_credential_limit_its_orders() -> None:
    authority = AcmeAuthority(eab="required")
    credential, mac_key = authority.credential(names=("*.team.example",))
    client = AcmeClient(authority)
    client.register((credential.id, mac_key))
    refused = client.order("www.team.example", "www.other.example")
    assert (refused.status, refused.problem) == (400, "rejectedIdentifier")
    assert [one["identifier"]["value"] for one in refused.json["subproblems"]] == ["www.other.example"]
    assert client.order("www.team.example").status == 201


def test_revoked_credential_stops_its_accounts() -> None:
    authority = AcmeAuthority(eab="required")
    credential, mac_key = authority.credential()
    client = AcmeClient(authority)
    client.register((credential.id, mac_key))
    placed = client.order("www.example.com")
    client.prove(placed.json)
    authority.setting.configuration.put(credential.model_copy(update={"revoked": True}))
    refused = client.order("www.example.com")
    assert (refused.status, refused.problem) == (403, "unauthorized")
    assert client.finalize(placed.json).problem == "unauthorized"
    assert AcmeClient(authority).register((credential.id, mac_key)).problem == "unauthorized"


def test_credential_for_one_account_binds_one() -> None:
    authority = AcmeAuthority(eab="required")
    credential, mac_key = authority.credential(once=True)
    first, second = AcmeClient(authority), AcmeClient(authority)
    assert first.register((credential.id, mac_key)).status == 201
    first.key_id = None
    assert first.register((credential.id, mac_key)).status == 200  # the same account
    assert second.register((credential.id, mac_key)).problem == "unauthorized"


def test_deactivated_account_can_do_nothing(client: AcmeClient) -> None:
    assert client.key_id is not None
    assert client.post(client.key_id, {"status": "deactivated"}).json["status"] == "deactivated"
    refused = client.order("www.example.com")
    assert (refused.status, refused.problem) == (401, "unauthorized")


def test_changed_key_signs_the_next_request(client: AcmeClient) -> None:
    new, url = PrivateKey.generate("EC_prime256v1"), client.directory["keyChange"]
    payload = json.dumps({"account": client.key_id, "oldKey": to_jwk(client.key.public_key)}).encode()
    inner = jws.signed(payload, {"jwk": to_jwk(new.public_key), "url": url}, new)
    assert client.post(url, inner).status == 200
    assert client.order("www.example.com").problem == "malformed"
    client.key = new
    assert client.issue("www.example.com")


def test_orders_are_listed_in_pages(client: AcmeClient) -> None:
    urls = []
    for number in range(53):
        client.authority.setting.clock.advance(seconds=1)
        urls.append(client.order(f"www{number}.example.com").headers["Location"])
    first = client.read(f"{client.key_id}/orders")
    (link,) = [part for part in first.headers["Link"].split(", ") if 'rel="next"' in part]
    second = client.read(link.partition(">")[0].removeprefix("<"))
    assert first.json["orders"] + second.json["orders"] == urls[::-1]
    assert 'rel="next"' not in second.headers["Link"]


def test_account_of_another_client_is_not_found(client: AcmeClient) -> None:
    other = AcmeClient(client.authority)
    other.register()
    assert client.key_id is not None
    for url, payload in ((client.key_id, {"status": "deactivated"}), (f"{client.key_id}/orders", None)):
        assert other.post(url, payload).status == 404
    assert client.order("www.example.com").status == 201


def test_objects_of_another_account_are_not_found(client: AcmeClient) -> None:
    placed = client.order("www.example.com")
    other = AcmeClient(client.authority)
    other.register()
    challenge = client.read(placed.json["authorizations"][0]).json["challenges"][0]
    for url in (placed.headers["Location"], placed.json["authorizations"][0], challenge["url"]):
        assert (other.read(url).status, other.read(url).problem) == (404, "malformed")
    assert other.post(challenge["url"], {}).status == 404
    assert other.finalize(placed.json).status == 404


@pytest.mark.parametrize(
    "contact", ["mailto:\ud800@example.com", "mailto:a\0b@example.com", "mailto:b\u00fccher@example.com"]
)
def test_contact_that_cannot_be_stored_is_refused(client: AcmeClient, contact: str) -> None:
    assert client.post(str(client.key_id), {"contact": [contact]}).problem == "invalidContact"
    client.key_id, client.key = None, PrivateKey.generate("EC_prime256v1")
    assert client.register(contact=[contact]).problem == "invalidContact"


def test_directory_and_nonce_are_read_by_post_too(client: AcmeClient) -> None:
    """A POST-as-GET is allowed beside GET (§6.3)."""
    url = f"{client.authority.base}/directory"
    answer = client.read(url)
    assert (answer.status, answer.json) == (200, client.directory)
    assert "Replay-Nonce" in client.read(client.directory["newNonce"]).headers
    assert client.post(url, {}).problem == "malformed"
