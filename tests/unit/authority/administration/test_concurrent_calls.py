"""Calls at the same time: a change rests on what it replaces, so that none is lost."""

from __future__ import annotations

from evercert.authority.administration.changes import ATTEMPTS
from evercert.authority.configuration.profiles import id_of
from tests.doubles.authority.client import PROFILES
from tests.doubles.authority.configuration import STACK
from tests.doubles.authority.manager import APPLICATIONS, POLICIES, PROJECT, RULES, Manager


def test_a_profile_takes_the_policy_that_another_call_changed(manager: Manager) -> None:
    policy = manager.policy()
    manager.new_profile("first", policy=policy)
    manager.setting.configuration.before_read["policy", 1] = lambda: manager.made(
        f"{POLICIES}/{policy['id']}", {"validity": {"max": "1d"}}, "PATCH"
    )
    manager.new_profile("second", policy=policy)
    stored = manager.setting.configuration
    policies = [one.policy for one in stored.profiles() if one.slug in {"first", "second"}]
    assert policies == [stored.policies()[0].policy] * 2
    assert policies[0].validity.max == "1d"


def test_a_change_of_a_profile_keeps_that_of_another_call(manager: Manager) -> None:
    profile, other = manager.new_profile("first"), manager.policy("other")
    path = f"{PROFILES}/{profile['id']}"
    manager.setting.configuration.before_read["profiles", 1] = lambda: manager.made(
        path, {"description": "changed by another"}, "PATCH"
    )
    manager.made(path, {"certificatePolicyId": other["id"]}, "PATCH")
    found = manager.get(path).json["certificateProfile"]
    assert (found["description"], found["certificatePolicyId"]) == ("changed by another", other["id"])


def test_the_second_of_two_new_profiles_is_refused(manager: Manager) -> None:
    policy = manager.policy()
    manager.setting.configuration.before_read["profiles", 1] = lambda: manager.new_profile(
        "web", policy=policy, description="first"
    )
    values = {"projectId": PROJECT, "slug": "web", "caId": manager.ca("RSA-issuing")}
    answer = manager.post(PROFILES, {**values, "certificatePolicyId": policy["id"]})
    assert answer.status == 403 and "already exists" in answer.message
    [stored] = [one for one in manager.setting.configuration.profiles() if one.project == "shop" and one.slug == "web"]
    assert stored.description == "first"


def test_the_second_of_two_new_policies_is_refused(manager: Manager) -> None:
    manager.setting.configuration.before_read["policies", 2] = lambda: manager.policy("web", validity={"max": "1d"})
    answer = manager.post(POLICIES, {"projectId": PROJECT, "name": "web", **RULES})
    assert answer.status == 403 and "already exists" in answer.message


def test_an_application_of_another_project_is_not_overwritten(manager: Manager) -> None:
    manager.setting.profile("x", project="other")
    there, _ = manager.setting.identity("administer", profile="other/*", name="other-manager")
    mine, theirs = manager.token, manager.setting.token(there)

    def create() -> None:
        manager.token = theirs
        manager.made(APPLICATIONS, {"projectId": id_of(STACK, "project", "other"), "name": "pay"})
        manager.token = mine

    manager.setting.configuration.before_read["applications", 1] = create
    answer = manager.post(APPLICATIONS, {"projectId": PROJECT, "name": "pay"})
    assert answer.status == 403 and "already exists" in answer.message
    assert [one.project for one in manager.setting.configuration.applications() if one.name == "pay"] == ["other"]


def test_a_change_gives_up_after_some_attempts(manager: Manager) -> None:
    policy = manager.policy()
    number = 0

    def again() -> None:
        nonlocal number
        number += 1
        manager.setting.configuration.meanwhile.clear()
        manager.made(f"{POLICIES}/{policy['id']}", {"description": f"{number}"}, "PATCH")
        manager.setting.configuration.meanwhile.append(again)

    manager.setting.configuration.meanwhile.append(again)
    answer = manager.call("PATCH", f"{POLICIES}/{policy['id']}", {"description": "mine"})
    assert (answer.status, number) == (503, ATTEMPTS)
