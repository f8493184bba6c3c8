"""Rate limits of the ACME server: of accounts, credentials and addresses (RFC 8555 §6.6)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evercert.authority.acme.limits import Sender
from evercert.authority.configuration.acme_limits import AcmeLimits
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient, Answer

TWO = {"at-most": 2, "per": "1h"}


def bound(authority: AcmeAuthority, mac: tuple[str, bytes]) -> tuple[AcmeClient, Answer]:
    client = AcmeClient(authority)
    return client, client.register(mac)


def require_limited(answer: Answer, seconds: int) -> None:
    assert (answer.status, answer.problem) == (429, "rateLimited"), answer.text
    assert answer.headers["Retry-After"] == str(seconds)
    assert f"try again in {seconds} seconds" in answer.json["detail"]


def test_names_of_an_account_are_limited() -> None:
    authority = AcmeAuthority(limits={"names-of-account": TWO})
    client, other = AcmeClient(authority), AcmeClient(authority)
    client.register()
    other.register()
    assert client.order("www.example.com", "api.example.com").status == 201
    stored = dict(authority.setting.acme_orders.stored)
    require_limited(client.order("www.example.com"), 1_800)
    assert authority.setting.acme_orders.stored == stored
    assert other.order("www.example.com").status == 201
    authority.setting.clock.advance(seconds=1_800)
    assert client.order("www.example.com").status == 201


def test_names_of_all_accounts_of_a_credential_are_limited() -> None:
    authority = AcmeAuthority(limits={"names-of-credential": TWO}, eab="required")
    credential, mac_key = authority.credential()
    clients = [bound(authority, (credential.id, mac_key))[0] for _ in range(3)]
    assert [one.order("www.example.com").status for one in clients] == [201, 201, 429]
    another, key = authority.credential("other")
    assert bound(authority, (another.id, key))[0].order("www.example.com").status == 201


def test_accounts_without_credential_count_for_their_address() -> None:
    authority = AcmeAuthority(limits={"names-of-credential": TWO})
    clients = [AcmeClient(authority) for _ in range(3)]
    for one in clients:
        one.register()
    assert [one.order("www.example.com").status for one in clients] == [201, 201, 429]


def test_accounts_of_a_credential_are_limited() -> None:
    authority = AcmeAuthority(limits={"new-accounts": {"at-most": 4, "per": "1h"}}, eab="required")
    credential, mac_key = authority.credential()
    assert [bound(authority, (credential.id, mac_key))[1].status for _ in range(4)] == [201] * 4
    authority.address = "192.0.2.77"
    _, refused = bound(authority, (credential.id, mac_key))
    require_limited(refused, 900)
    assert len(authority.setting.acme_accounts.stored) == 4
    assert "credential" in refused.json["detail"]


def test_wrong_bindings_are_limited_for_each_address() -> None:
    """Credentials cannot be guessed as fast as the authority answers, and a guess harms no client beside the guesser."""
    authority = AcmeAuthority(limits={"new-accounts": TWO}, eab="required")
    credential, mac_key = authority.credential()
    for _ in range(2):
        assert bound(authority, (credential.id, bytes(32)))[1].problem == "unauthorized"
    require_limited(bound(authority, (credential.id, bytes(32)))[1], 1_800)
    assert bound(authority, (credential.id, mac_key))[1].status == 201
    authority.address = "192.0.2.77"
    assert bound(authority, (credential.id, bytes(32)))[1].problem == "unauthorized"


def test_missing_binding_uses_up_nothing() -> None:
    authority = AcmeAuthority(limits={"new-accounts": TWO}, eab="required")
    for _ in range(5):
        assert AcmeClient(authority).register().problem == "externalAccountRequired"
    assert authority.setting.buckets.full_at == {}


def test_accounts_without_credential_are_limited_by_address() -> None:
    authority = AcmeAuthority(limits={"new-accounts": TWO})
    assert [AcmeClient(authority).register().status for _ in range(3)] == [201, 201, 429]
    authority.address = "192.0.2.77"
    assert AcmeClient(authority).register().status == 201


def test_credentials_of_one_identity_share_their_limits() -> None:
    """An identity fetches as many credentials as it likes."""
    authority = AcmeAuthority(limits={"names-of-credential": TWO}, eab="required")
    identity, _ = authority.setting.identity("request")
    clients = []
    for number in range(3):
        authority.address = f"192.0.2.{number}"
        credential, mac_key = authority.setting.credentials.issue(identity, authority.profile)
        clients.append(bound(authority, (credential.id, mac_key))[0])
    assert [one.order("www.example.com").status for one in clients] == [201, 201, 429]


def test_order_above_the_own_limit_uses_up_nothing_of_others() -> None:
    authority = AcmeAuthority(limits={"names-of-account": TWO, "names-of-credential": {"at-most": 4, "per": "1h"}})
    first, second = AcmeClient(authority), AcmeClient(authority)
    first.register()
    second.register()
    assert first.order("www.example.com", "api.example.com").status == 201
    for _ in range(5):
        assert "this account" in first.order("www.example.com").json["detail"]
    assert second.order("www.example.com", "api.example.com").status == 201


def test_known_key_is_never_limited() -> None:
    authority = AcmeAuthority(limits={"new-accounts": TWO})
    client = AcmeClient(authority)
    assert client.register().status == 201
    for _ in range(5):
        client.key_id = None
        assert client.register().status == 200
    client.key_id = None
    assert client.register(onlyReturnExisting=True).status == 200


def test_refused_order_counts_nothing() -> None:
    authority = AcmeAuthority(limits={"names-of-account": TWO}, challenges=("http-01",))
    client = AcmeClient(authority)
    client.register()
    for _ in range(3):
        assert client.order("*.example.com").problem == "rejectedIdentifier"
    assert client.order("www.example.com", "api.example.com").status == 201


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("", "unknown"),
        ("junk", "unknown"),
    ],
)
def test_one_client_has_a_whole_ipv6_network(address: str, network: str) -> None:
    assert Sender("profile", AcmeLimits(), address).network == network


def test_usual_limits_are_not_stored() -> None:
    """A later release may change them."""
    options = AcmeAuthority().profile.acme
    assert options is not None
    assert "limits" not in options.model_dump()
    changed = options.model_copy(update={"limits": AcmeLimits.model_validate({"new-accounts": TWO})})
    assert changed.model_dump()["limits"]["new_accounts"] == {"at_most": 2, "per": timedelta(hours=1)}
