"""One-time credentials that a machine identity fetches, from the API to the account of its ACME client."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.acme import base64url
from evercert.authority.configuration.identity import Identity
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient, Answer


@pytest.fixture
def authority() -> AcmeAuthority:
    return AcmeAuthority(eab="required")


@pytest.fixture
def identity(authority: AcmeAuthority) -> Identity:
    return authority.setting.identity("request")[0]


def fetched(authority: AcmeAuthority, identity: Identity, profile: str | None = None) -> Answer:
    path = f"/api/v1/cert-manager/acme-credentials/{profile or authority.profile.id}"
    token = authority.setting.token(identity)
    return authority.call("POST", f"{authority.setting.address}{path}", authorization=f"Bearer {token}")


def registered(authority: AcmeAuthority, credential: Any) -> tuple[AcmeClient, Answer]:
    client = AcmeClient(authority)
    return client, client.register((credential["eabKid"], base64url.decode(credential["eabSecret"])))


def test_host_without_a_stored_secret_gets_a_certificate(authority: AcmeAuthority, identity: Identity) -> None:
    answer = fetched(authority, identity)
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.json["directoryUrl"] == f"{authority.base}/directory"
    client, registration = registered(authority, answer.json)
    assert registration.status == 201, registration.text
    client.issue("www.example.com")


def test_credential_registers_one_account(authority: AcmeAuthority, identity: Identity) -> None:
    credential = fetched(authority, identity).json
    assert registered(authority, credential)[1].status == 201
    assert registered(authority, credential)[1].problem == "unauthorized"
    assert fetched(authority, identity).json["eabKid"] != credential["eabKid"]


def test_credential_ends_after_an_hour(authority: AcmeAuthority, identity: Identity) -> None:
    credential = fetched(authority, identity).json
    authority.setting.clock.advance(seconds=3_601)
    assert registered(authority, credential)[1].problem == "unauthorized"


def test_account_ends_with_the_permission_of_its_identity(authority: AcmeAuthority, identity: Identity) -> None:
    client, _ = registered(authority, fetched(authority, identity).json)
    assert client.order("www.example.com").status == 201
    authority.setting.configuration.put(identity.model_copy(update={"grants": ()}))
    assert client.order("www.example.com").problem == "unauthorized"


def test_identity_needs_the_permission_to_request(authority: AcmeAuthority) -> None:
    for permission in ("read-key", "administer"):
        assert fetched(authority, authority.setting.identity(permission)[0]).status == 403
    assert fetched(authority, authority.setting.identity("request", profile="other/profile")[0]).status == 403


def test_profile_without_acme_has_no_credentials(authority: AcmeAuthority, identity: Identity) -> None:
    plain = authority.setting.profile("plain")
    refused = fetched(authority, identity, plain.id)
    assert (refused.status, "serves no ACME clients" in refused.text) == (400, True)
    assert fetched(authority, identity, "unknown").status == 404


def test_credential_is_for_its_profile_only(authority: AcmeAuthority, identity: Identity) -> None:
    other = authority.setting.profile("other", acme={"eab": "required"})
    assert registered(authority, fetched(authority, identity, other.id).json)[1].problem == "unauthorized"


@pytest.mark.parametrize("place", range(0, 46, 5))
def test_changed_key_id_is_refused(authority: AcmeAuthority, identity: Identity, place: int) -> None:
    """A longer life, another profile, another identity: each has another MAC key."""
    credential = fetched(authority, identity).json
    raw = bytearray(base64url.decode(credential["eabKid"][1:]))
    raw[place] ^= 1
    changed = {**credential, "eabKid": f"h{base64url.encode(bytes(raw))}"}
    assert registered(authority, changed)[1].problem == "unauthorized"


@pytest.mark.parametrize("key_id", ["h", "hAAAA", "h!", "h" + "A" * 62])
def test_key_id_that_is_none_is_refused(authority: AcmeAuthority, key_id: str) -> None:
    assert registered(authority, {"eabKid": key_id, "eabSecret": "AAAA"})[1].problem == "unauthorized"


def test_secret_is_never_taken_for_an_option(authority: AcmeAuthority, identity: Identity) -> None:
    """`certbot --eab-hmac-key -x…` fails."""
    fetched = [
        base64url.encode(authority.setting.credentials.issue(identity, authority.profile)[1]) for _ in range(200)
    ]
    created = [base64url.encode(authority.setting.mac_keys.new("team")[0]) for _ in range(200)]
    assert not [one for one in fetched + created if one.startswith("-")]
    assert len({one[0] for one in created}) > 20
