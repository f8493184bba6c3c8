"""The directories of a profile: under each path that Infisical has used, with and without an application."""

from __future__ import annotations

import pytest

from evercert.authority.configuration.profiles import id_of
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient
from tests.doubles.authority.authority import STACK

APPLICATION = id_of(STACK, "application", "web")
PATHS = {
    "now": "/api/v1/cert-manager/acme/applications/{application}/profiles/{profile}",
    "before": "/api/v1/cert-manager/acme/profiles/{profile}",
    "oldest": "/api/v1/pki/acme/profiles/{profile}",
}


@pytest.fixture
def authority() -> AcmeAuthority:
    authority = AcmeAuthority()
    authority.setting.application("web", authority.profile.project, authority.profile.slug)
    return authority


def enter(authority: AcmeAuthority, path: str) -> AcmeClient:
    found = PATHS[path].format(profile=authority.profile.id, application=APPLICATION)
    authority.base = f"{authority.setting.address}{found}"
    return AcmeClient(authority)


@pytest.mark.parametrize("path", PATHS)
def test_every_path_issues_and_keeps_its_urls(authority: AcmeAuthority, path: str) -> None:
    client = enter(authority, path)
    assert client.register().status == 201
    order, _ = client.issue("www.example.com")
    urls = [
        *client.directory.values(),
        client.key_id,
        order["finalize"],
        *order["authorizations"],
        order["certificate"],
    ]
    assert all(url.startswith(f"{authority.base}/") for url in urls if isinstance(url, str))
    (record,) = authority.setting.certificates.certificates.values()
    assert record.application == (APPLICATION if path == "now" else None)


def test_account_uses_every_directory_of_its_profile(authority: AcmeAuthority) -> None:
    first = enter(authority, "before")
    first.register()
    second = enter(authority, "now")
    second.key = first.key
    assert second.register().status == 200
    second.issue("www.example.com")
    assert len(authority.setting.acme_accounts.stored) == 1


@pytest.mark.parametrize("what", ["unknown", "unattached"])
def test_application_without_the_profile_has_no_directory(authority: AcmeAuthority, what: str) -> None:
    other = authority.setting.application("other", authority.profile.project)
    application = other.id if what == "unattached" else "00000000-0000-0000-0000-000000000000"
    path = PATHS["now"].format(profile=authority.profile.id, application=application)
    answer = authority.call("GET", f"{authority.setting.address}{path}/directory")
    assert (answer.status, answer.problem) == (404, "malformed")


def test_profile_without_acme_has_no_directory(authority: AcmeAuthority) -> None:
    plain = authority.setting.profile("plain")
    path = PATHS["before"].format(profile=plain.id)
    assert authority.call("GET", f"{authority.setting.address}{path}/directory").status == 404


def test_profile_for_the_api_has_no_directory(authority: AcmeAuthority) -> None:
    client = enter(authority, "before")
    client.register()
    order = client.order("www.example.com")
    profile = authority.profile.model_copy(update={"enrollment": "api"})
    authority.setting.configuration.put(profile)
    assert authority.call("GET", f"{authority.base}/directory").status == 404
    assert client.finalize(order.json).status == 404
    identity = authority.setting.identity("request")[0]
    response = authority.call(
        "POST",
        f"{authority.setting.address}/api/v1/cert-manager/acme-credentials/{profile.id}",
        authorization=f"Bearer {authority.setting.token(identity)}",
    )
    assert response.status == 400 and "serves no ACME clients" in response.text
