"""A profile that was deleted and created again with its slug: accounts and credentials of the first one."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.acme import base64url
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient
from tests.doubles.authority.client import PROFILES
from tests.doubles.authority.manager import Manager

ANY_NAME = {
    "subject": [{"type": "common_name", "allowed": ["*"]}],
    "sans": [{"type": "dns_name", "allowed": ["*"]}],
}


@pytest.fixture
def manager() -> Manager:
    return Manager()


@pytest.fixture(params=["earlier release", "API"])
def authority(manager: Manager, request: pytest.FixtureRequest) -> AcmeAuthority:
    """Return an authority whose profile has no generation yet, or one."""
    found = AcmeAuthority(manager.setting, eab="required")
    if request.param == "API":
        recreate(manager, found)
    return found


def recreate(manager: Manager, authority: AcmeAuthority) -> None:
    name = authority.profile.id
    assert manager.call("DELETE", f"{PROFILES}/{name}", None).status == 200
    policies = manager.setting.configuration.policies()
    policy = {"id": policies[0].id} if policies else manager.policy(**ANY_NAME)
    fields: dict[str, Any] = {"enrollmentType": "acme", "acmeConfig": {}, "policy": policy}
    made = manager.new_profile(authority.profile.slug, **fields)
    assert made["id"] == name
    found = manager.setting.configuration.profile(name)
    assert found is not None
    authority.profile = found


def credential(authority: AcmeAuthority, name: str = "team") -> tuple[str, bytes]:
    """Return key id and MAC key of an operator's credential."""
    return name, authority.credential(name, generation=authority.profile.generation)[1]


def fetched(manager: Manager, authority: AcmeAuthority, token: str) -> tuple[str, bytes]:
    """Return key id and MAC key of a credential that a host fetched."""
    url = f"{authority.setting.address}/api/v1/cert-manager/acme-credentials/{authority.profile.id}"
    answer = authority.call("POST", url, authorization=f"Bearer {token}")
    assert answer.status == 200, answer.text
    return answer.json["eabKid"], base64url.decode(answer.json["eabSecret"])


def test_account_of_deleted_profile_orders_nothing(manager: Manager, authority: AcmeAuthority) -> None:
    client = AcmeClient(authority)
    assert client.register(credential(authority)).status == 201
    order = client.order("www.example.com")
    assert order.status == 201
    recreate(manager, authority)
    for refused in (
        client.order("www.example.com"),
        client.read(order.headers["Location"]),
        client.finalize(order.json),
    ):
        assert (refused.status, refused.problem) == (400, "accountDoesNotExist")
        assert "deleted profile of this name; register another account" in refused.json["detail"]


def test_account_key_of_deleted_profile_is_not_found(manager: Manager, authority: AcmeAuthority) -> None:
    """The key may register another account, with a credential of the new profile."""
    client = AcmeClient(authority)
    first = client.register(credential(authority)).headers["Location"]
    recreate(manager, authority)
    client.key_id = None
    assert client.register(onlyReturnExisting=True).problem == "accountDoesNotExist"
    assert client.register().problem == "externalAccountRequired"
    again = client.register(credential(authority, "new"))
    assert (again.status, again.headers["Location"] != first) == (201, True)
    assert client.order("www.example.com").status == 201


def test_credential_of_deleted_profile_binds_nothing(manager: Manager, authority: AcmeAuthority) -> None:
    unused = credential(authority)
    recreate(manager, authority)
    assert AcmeClient(authority).register(unused).problem == "unauthorized"


def test_fetched_credential_of_deleted_profile_binds_nothing(manager: Manager, authority: AcmeAuthority) -> None:
    host, _ = manager.setting.identity("request", profile="shop/*", name="host")
    unused = fetched(manager, authority, manager.setting.token(host))
    recreate(manager, authority)
    assert AcmeClient(authority).register(unused).problem == "unauthorized"
    assert AcmeClient(authority).register(fetched(manager, authority, manager.setting.token(host))).status == 201


def test_changed_profile_keeps_its_accounts(manager: Manager, authority: AcmeAuthority) -> None:
    client = AcmeClient(authority)
    unused = credential(authority, "other")
    assert client.register(credential(authority)).status == 201
    manager.made(f"{PROFILES}/{authority.profile.id}", {"description": "changed"}, "PATCH")
    assert client.order("www.example.com").status == 201
    assert AcmeClient(authority).register(unused).status == 201
