"""Applications by API, and the enrollment settings of their profiles."""

from __future__ import annotations

from typing import Any

import pytest

from tests.doubles.authority.client import CERTIFICATES, MANAGER, PROFILES
from tests.doubles.authority.manager import APPLICATIONS, PROJECT, Manager

UNKNOWN = "00000000-0000-4000-8000-000000000000"
ATTRIBUTES = {
    "commonName": "a.acme.com", "ttl": "30d", "keyAlgorithm": "RSA_2048", "signatureAlgorithm": "RSA-SHA256",
}  # fmt: skip


def application(manager: Manager, *profiles: str, name: str = "web-app") -> dict[str, Any]:
    return manager.made(APPLICATIONS, {"name": name, "profileIds": list(profiles)})["application"]


def test_application_is_found_by_name(manager: Manager) -> None:
    made = application(manager, manager.profile.id)
    found = manager.get(f"{APPLICATIONS}/by-name/web-app").json["application"]
    assert (found["id"], made["projectId"]) == (made["id"], PROJECT)
    listed = manager.get(f"{APPLICATIONS}/{made['id']}/profiles").json["profiles"]
    assert [one["profileSlug"] for one in listed] == ["tls-server"]
    assert manager.get(f"{APPLICATIONS}/{made['id']}").json["application"] == made
    assert [one["name"] for one in manager.get(APPLICATIONS).json["applications"]] == ["shop-app", "web-app"]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"name": "shop-app"}, 403, "already exists"),
        ({}, 422, "Required"),
        ({"name": "a b"}, 422, "letters, digits"),
        ({"name": "x", "profileIds": [UNKNOWN]}, 422, "No such profile"),
        ({"name": "x", "projectId": UNKNOWN}, 404, "Project not found"),
    ],
)
def test_invalid_application_is_refused(manager: Manager, body: dict[str, Any], status: int, message: str) -> None:
    response = manager.post(APPLICATIONS, body)
    assert (response.status, message in response.message) == (status, True), response.message


def test_attached_profile_needs_api_enrollment(manager: Manager) -> None:
    profile = manager.new_profile()
    made = application(manager)
    path = f"{APPLICATIONS}/{made['id']}/profiles"
    manager.made(path, {"profileIds": [profile["id"]]})
    enrollment = f"{path}/{profile['id']}/enrollment"
    assert manager.get(enrollment).json == {"api": None, "acme": None, "est": None, "scep": None}
    body = {"profileId": profile["id"], "applicationId": made["id"], "attributes": ATTRIBUTES}
    refused = manager.post(CERTIFICATES, body)
    message = "API enrollment is not configured for this profile on the Application."
    assert (refused.status, refused.json["message"]) == (400, message)

    set_to = {"autoRenew": True, "renewBeforeDays": 14}
    assert manager.made(f"{enrollment}/api", set_to, "PUT") == set_to
    assert manager.get(enrollment).json["api"] == set_to
    assert manager.post(CERTIFICATES, body).status == 200
    manager.made(f"{enrollment}/api", None, "DELETE")
    assert manager.post(CERTIFICATES, body).status == 400

    manager.made(f"{path}/{profile['id']}", None, "DELETE")
    assert manager.get(enrollment).status == 404
    message = "This profile is not attached to the specified Application."
    assert manager.post(CERTIFICATES, body).json["message"] == message


def test_profile_of_a_document_keeps_its_enrollment(manager: Manager) -> None:
    """Applications of documents have no settings: they serve all requests."""
    path = f"{APPLICATIONS}/{manager.application.id}/profiles"
    other = manager.new_profile()
    manager.made(path, {"profileIds": [other["id"], manager.profile.id]})
    kept = manager.get(f"{path}/{manager.profile.id}/enrollment").json
    assert kept["api"] == {"autoRenew": False}
    assert manager.get(f"{path}/{other['id']}/enrollment").json["api"] is None


def test_auto_renew_without_days_is_refused(manager: Manager) -> None:
    path = f"{APPLICATIONS}/{manager.application.id}/profiles/{manager.profile.id}/enrollment/api"
    response = manager.call("PUT", path, {"autoRenew": True})
    assert response.status == 400 and "renewBeforeDays is required" in response.message


@pytest.mark.parametrize(("kind", "message"), [("acme", "set acmeConfig"), ("est", "EST"), ("scep", "SCEP")])
def test_other_enrollment_types_are_refused(manager: Manager, kind: str, message: str) -> None:
    path = f"{APPLICATIONS}/{manager.application.id}/profiles/{manager.profile.id}/enrollment/{kind}"
    response = manager.call("PUT", path, {})
    assert response.status == 501 and message in response.message


def test_deleting_a_profile_detaches_it(manager: Manager) -> None:
    profile = manager.new_profile()
    made = application(manager, profile["id"], manager.profile.id)
    manager.made(f"{PROFILES}/{profile['id']}", None, "DELETE")
    listed = manager.get(f"{APPLICATIONS}/{made['id']}/profiles").json["profiles"]
    assert [one["profileSlug"] for one in listed] == ["tls-server"]


def test_application_changes_its_description_only(manager: Manager) -> None:
    made = application(manager)
    path = f"{APPLICATIONS}/{made['id']}"
    changed = manager.made(path, {"name": "web-app", "description": "shops"}, "PATCH")["application"]
    assert changed == {**made, "description": "shops"}
    assert manager.call("PATCH", path, {"name": "other"}).status == 400
    manager.made(path, None, "DELETE")
    assert manager.get(path).status == 404
    assert manager.get(f"{MANAGER}/applications/by-name/web-app").status == 404
