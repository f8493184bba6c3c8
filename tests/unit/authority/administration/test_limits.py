"""Limits: one project cannot make the calls of others slow or impossible."""

from __future__ import annotations

import pytest

from evercert.authority.administration import applications, changes
from tests.doubles.authority.client import PROFILES
from tests.doubles.authority.manager import APPLICATIONS, POLICIES, PROJECT, Manager

IDENTITIES = f"/api/v1/projects/{PROJECT}/identities"


@pytest.mark.parametrize(
    ("path", "word"), [(POLICIES, "policies"), (APPLICATIONS, "applications"), (IDENTITIES, "identities")]
)
def test_objects_of_a_kind_are_limited(manager: Manager, monkeypatch: pytest.MonkeyPatch, path: str, word: str) -> None:
    monkeypatch.setattr(changes, "MAX_OBJECTS", 3)
    answers = [manager.post(path, {"name": f"n{number}"}) for number in range(4)]
    assert answers[0].status == 200 and answers[-1].status == 400
    assert f"The project has 3 {word}, the maximum: delete some first" in answers[-1].message


def test_profiles_are_limited(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MAX_OBJECTS", 2)
    policy = manager.policy()
    manager.new_profile(policy=policy)
    values = {"projectId": PROJECT, "caId": manager.ca("RSA-issuing"), "certificatePolicyId": policy["id"]}
    assert "The project has 2 profiles" in manager.post(PROFILES, {**values, "slug": "third"}).message


def test_policy_with_many_profiles_does_not_change(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = manager.policy()
    for number in range(3):
        manager.new_profile(f"p{number}", policy=policy)
    monkeypatch.setattr("evercert.authority.administration.policies.MAX_OTHERS", 2)
    response = manager.call("PATCH", f"{POLICIES}/{policy['id']}", {"validity": {"max": "7d"}})
    assert response.status == 400 and "has 3 profiles: at most 2" in response.message


def test_profile_in_many_applications_is_not_deleted(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = manager.new_profile()
    for number in range(3):
        manager.made(APPLICATIONS, {"name": f"a{number}", "profileIds": [profile["id"]]})
    monkeypatch.setattr(changes, "MAX_WRITES", 7)  # the profile, three applications, an audit entry for each
    response = manager.call("DELETE", f"{PROFILES}/{profile['id']}")
    assert response.status == 400 and "8 writes, but at most 7 are possible" in response.message


def test_large_policy_is_refused(manager: Manager) -> None:
    names = [f"{'n' * 200}{number}.example.com" for number in range(100)]
    body = {"name": "large", "sans": [{"type": "dns_name", "allowed": names}]}
    response = manager.post(POLICIES, body)
    assert response.status == 400 and "larger than 16384 bytes" in response.message


def test_bytes_of_a_policy_count(manager: Manager) -> None:
    names = [f"{'ü' * 50}{number}" for number in range(80)]
    response = manager.post(POLICIES, {"name": "large", "subject": [{"type": "organization", "allowed": names}]})
    assert response.status == 400 and "larger than 16384 bytes" in response.message


def test_large_changes_are_refused(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    made = manager.new_profile()
    path, entries = f"{PROFILES}/{made['id']}", len(manager.audit)
    monkeypatch.setattr(changes, "MAX_ITEM", 1500)
    response = manager.call("PATCH", path, {"description": "ü" * 1000})
    assert response.status == 400 and "in one object, but at most 1500 are possible" in response.message
    monkeypatch.setattr(changes, "MAX_ITEM", 10_000)
    monkeypatch.setattr(changes, "MAX_CHANGE", 3000)
    response = manager.call("PATCH", path, {"description": "ü" * 1000})
    assert response.status == 400 and "bytes, but at most 3000 are possible" in response.message
    assert len(manager.audit) == entries


def test_profiles_of_an_application_are_limited(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applications, "MAX_PROFILES", 1)
    policy = manager.policy()
    first, second = (manager.new_profile(slug, policy=policy)["id"] for slug in ("first", "second"))
    application = manager.made(APPLICATIONS, {"name": "web", "profileIds": [first]})["application"]
    response = manager.post(f"{APPLICATIONS}/{application['id']}/profiles", {"profileIds": [first, second]})
    assert response.status == 400 and "at most 1 profiles" in response.message
