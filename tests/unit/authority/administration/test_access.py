"""Who may manage a project, and changes at the same time."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from evercert.authority.administration.routes import ROUTES
from evercert.authority.configuration.profiles import id_of
from evercert.authority.infisical_api.endpoint import Route
from tests.doubles.authority.client import PROFILES
from tests.doubles.authority.configuration import STACK
from tests.doubles.authority.gateway import function_of
from tests.doubles.authority.manager import APPLICATIONS, POLICIES, PROJECT, RULES, Manager

BANK = id_of(STACK, "project", "bank")
WRITES = [route for route in ROUTES if route.method != "GET"]


def target(manager: Manager, route: Route[Any]) -> str:
    """Return the path of the route with ids of existing objects."""
    kind = {"certificate-policies": "policy", "certificate-profiles": "profile", "applications": "application"}
    named = {
        "policy": id_of(STACK, "policy", "shop/web"),
        "profile": manager.profile.id,
        "application": manager.application.id,
    }
    part = next((word for key, word in kind.items() if f"/{key}" in route.template), "identity")
    ids = {
        "id": named.get(part, manager.identity.id),
        "profile": manager.profile.id,
        "project": PROJECT,
        "secret": manager.identity.id,
        "type": "acme",
    }
    return route.template.format(**ids)


BODY = {
    "projectId": PROJECT, "name": "new", "slug": "new", "profileIds": [], "roles": [{"role": "member"}], "autoRenew": False,
}  # fmt: skip


@pytest.mark.parametrize("route", WRITES, ids=lambda route: f"{route.method} {route.template}")
@pytest.mark.parametrize(
    "grants",
    [
        [("*", ("request", "read-key", "administer"))],
        [("shop/tls-server", ("request", "read-key", "administer"))],
        [("shop/*", ("request", "read-key"))],
        [("bank/*", ("administer",))],
        [],
    ],
    ids=["all", "profile", "member", "other project", "nothing"],
)
def test_writes_need_a_grant_on_the_project(
    manager: Manager, route: Route[Any], grants: list[tuple[str, tuple[str, ...]]]
) -> None:
    policy = manager.policy()
    given = [{"profile": profile, "permissions": permissions} for profile, permissions in grants]
    other, _ = manager.setting.identity(name="other", grants=given)
    manager.token = manager.setting.token(other)
    before = copy.deepcopy(manager.setting.configuration._of)
    body = {**BODY, "certificatePolicyId": policy["id"], "caId": manager.ca("RSA-issuing")}
    response = manager.call(route.method, target(manager, route), body if route.has_body else None)
    assert response.status in {403, 404}, response.body
    assert (manager.setting.configuration._of, len(manager.audit)) == (before, 1)


def test_policy_of_another_project_is_invisible(manager: Manager) -> None:
    policy = manager.policy()
    other, _ = manager.setting.identity("administer", profile="bank/*", name="other")
    manager.setting.profile("tls", project="bank")
    manager.token = manager.setting.token(other)
    assert manager.get(f"{POLICIES}/{policy['id']}").status == 404
    assert manager.get(f"{POLICIES}?projectId={PROJECT}").status == 404
    values = {"projectId": BANK, "caId": manager.ca("RSA-issuing"), "certificatePolicyId": policy["id"]}
    assert manager.post(PROFILES, {**values, "slug": "api"}).status == 404


def test_manager_of_several_projects_names_one(manager: Manager) -> None:
    grants = [{"profile": f"{project}/*", "permissions": ["administer"]} for project in ("shop", "bank")]
    manager.setting.profile("tls", project="bank")
    both, _ = manager.setting.identity(name="both", grants=grants)
    manager.token = manager.setting.token(both)
    assert manager.post(POLICIES, {"name": "web", **RULES}).status == 422
    made = manager.made(POLICIES, {"name": "web", "projectId": BANK, **RULES})["certificatePolicy"]
    assert made["projectId"] == BANK


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.template}")
def test_gateway_sends_management_calls_to_their_function(manager: Manager, route: Route[Any]) -> None:
    assert function_of(route.method, target(manager, route)) == "AdministrationFunction"


def test_every_change_is_in_the_audit_trail(manager: Manager) -> None:
    policy = manager.policy()
    profile = manager.new_profile(policy=policy)
    manager.made(f"{PROFILES}/{profile['id']}", {"description": "new"}, "PATCH")
    manager.made(APPLICATIONS, {"name": "web-app"})
    manager.made(f"{PROFILES}/{profile['id']}", None, "DELETE")
    assert manager.audit == [
        ("manager", "create", "policy", "shop/web"),
        ("manager", "create", "profile", "shop/api"),
        ("manager", "change", "profile", "shop/api"),
        ("manager", "create", "application", "web-app"),
        ("manager", "delete", "profile", "shop/api"),
    ]
    change = manager.setting.configuration.audit[2]
    assert change.before is not None and change.after is not None
    assert (change.before["description"], change.after["description"]) == ("", "new")


def test_change_at_the_same_time_is_checked_again(manager: Manager) -> None:
    """A profile that takes its policy while that changes has the new rules."""
    policy = manager.policy()
    other = Manager.__new__(Manager)
    other.__dict__ = dict(manager.__dict__)
    path = f"{POLICIES}/{policy['id']}"
    manager.setting.configuration.meanwhile.append(lambda: other.made(path, {"validity": {"max": "7d"}}, "PATCH"))
    profile = manager.new_profile(policy=policy)
    stored = manager.setting.configuration.profile(profile["id"])
    assert stored is not None and stored.policy.validity.max == "7d"


def test_change_that_always_collides_is_unavailable(manager: Manager) -> None:
    policy = manager.policy()
    configuration = manager.setting.configuration

    def change() -> None:
        stored = configuration.policy(policy["id"])
        assert stored is not None
        configuration.put(stored.model_copy(update={"revision": stored.revision + 1}))

    configuration.meanwhile += [change] * 10
    response = manager.call("PATCH", f"{POLICIES}/{policy['id']}", {"description": "x"})
    assert response.status == 503 and len(configuration.meanwhile) == 6
