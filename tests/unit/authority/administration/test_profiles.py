"""Profiles by API: fields, CAs, enrollment types and defaults."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.authority.configuration.profiles import AcmeOptions
from tests.doubles.authority.client import CERTIFICATES, PROFILES
from tests.doubles.authority.manager import APPLICATIONS, PROJECT, Manager

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def test_profile_is_the_same_in_both_functions(manager: Manager) -> None:
    made = manager.new_profile(description="web", defaults={"ttlDays": 30, "keyUsages": ["digital_signature"]})
    assert manager.get(f"{PROFILES}/{made['id']}").json["certificateProfile"] == made
    assert made["defaults"] == {"ttlDays": 30, "keyUsages": ["digital_signature"]}
    assert made["caId"] == manager.ca("RSA-issuing")
    listed = manager.get(f"{PROFILES}?projectId={PROJECT}").json["certificateProfiles"]
    assert made in listed


def test_profile_may_have_a_ca_for_each_key_family(manager: Manager) -> None:
    ids = [manager.ca("EC-issuing"), manager.ca("RSA-issuing")]
    made = manager.new_profile(caId=None, caIds=ids)
    assert (made["caIds"], made["caId"]) == (ids, ids[0])


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"slug": "tls-server"}, 403, "Certificate profile with this name already exists in project"),
        ({"slug": "a b"}, 422, "lower-case"),
        ({"certificatePolicyId": UNKNOWN}, 404, "Certificate policy not found"),
        ({"certificatePolicyId": None}, 422, "Required"),
        ({"caId": UNKNOWN}, 404, "Issuing CA not found"),
        ({"caId": "root"}, 422, "Invalid uuid"),
        ({"caId": None}, 422, "Required for the issuer type ca"),
        ({"issuerType": "self-signed"}, 400, "must not be given for a self-signed profile"),
        ({"enrollmentType": "est"}, 400, "unsupported enrollmentType est"),
        ({"estConfig": {}}, 400, "are not supported"),
        ({"apiConfig": {"autoRenew": True}}, 400, "renewBeforeDays is required"),
        ({"apiConfig": {"autoRenew": True, "renewBeforeDays": 31}}, 422, "less than or equal to 30"),
        ({"enrollmentType": "api", "acmeConfig": {}}, 400, "requires enrollmentType acme"),
        ({"enrollmentType": "acme", "apiConfig": {}}, 400, "requires enrollmentType api"),
        (
            {
                "enrollmentType": "acme",
                "acmeConfig": {"skipDnsOwnershipVerification": True, "skipEabBinding": True},
            },
            400,
            "cannot be used together",
        ),
        ({"defaults": {"ttlDays": 400}}, 400, "Profile defaults violate policy"),
        ({"defaults": {"ttlDayz": 1}}, 400, "unknown key"),
        ({"externalConfigs": {"template": "x"}}, 400, "is not supported"),
        ({"projectId": UNKNOWN}, 404, "Project not found"),
    ],
)
def test_invalid_profile_is_refused(manager: Manager, fields: dict[str, Any], status: int, message: str) -> None:
    values = {"projectId": PROJECT, "caId": manager.ca("RSA-issuing"), "certificatePolicyId": manager.policy()["id"]}
    response = manager.post(PROFILES, {**values, "slug": "api", **fields})
    assert (response.status, message in response.message) == (status, True), response.message
    assert [entry[2] for entry in manager.audit] == ["policy"]


def test_root_ca_is_refused(manager: Manager) -> None:
    values = {"projectId": PROJECT, "caId": manager.ca("RSA-root"), "certificatePolicyId": manager.policy()["id"]}
    assert manager.post(PROFILES, {**values, "slug": "api"}).status == 404


def test_two_cas_of_one_family_are_refused(manager: Manager) -> None:
    ids = [manager.ca("RSA-issuing")] * 2
    values = {"projectId": PROJECT, "caIds": ids, "certificatePolicyId": manager.policy()["id"]}
    assert "two CAs of one key family" in manager.post(PROFILES, {**values, "slug": "api"}).message


def test_null_fields_count_as_absent(manager: Manager) -> None:
    """The web page of Infisical sends null for the settings of the other enrollment types."""
    made = manager.new_profile(estConfig=None, acmeConfig=None, externalConfigs=None, description=None)
    assert made["description"] is None


def test_change_keeps_other_fields(manager: Manager) -> None:
    made = manager.new_profile(description="web", defaults={"ttlDays": 30}, apiConfig={"autoRenew": False})
    body = {"slug": "api", "description": "shop", "enrollmentType": "api", "issuerType": "ca"}
    changed = manager.made(f"{PROFILES}/{made['id']}", body, "PATCH")["certificateProfile"]
    assert changed == {**made, "description": "shop"}


def test_profile_moves_to_another_policy_and_ca(manager: Manager) -> None:
    made, other = manager.new_profile(), manager.policy("other", validity={"max": "7d"})
    body = {"certificatePolicyId": other["id"], "caId": manager.ca("EC-issuing")}
    changed = manager.made(f"{PROFILES}/{made['id']}", body, "PATCH")["certificateProfile"]
    assert (changed["certificatePolicyId"], changed["caId"]) == (other["id"], manager.ca("EC-issuing"))
    stored = manager.setting.configuration.profile(made["id"])
    assert stored is not None and stored.policy.validity.max == "7d" and stored.policy_name == "other"


def test_profile_cannot_be_renamed(manager: Manager) -> None:
    made = manager.new_profile()
    response = manager.call("PATCH", f"{PROFILES}/{made['id']}", {"slug": "new"})
    assert response.status == 400 and "cannot be renamed" in response.message


def test_self_signed_profile_has_no_ca(manager: Manager) -> None:
    made = manager.new_profile(caId=None, issuerType="self-signed")
    assert (made["issuerType"], made["caId"], made["caIds"]) == ("self-signed", None, [])
    changed = manager.made(f"{PROFILES}/{made['id']}", {"issuerType": "ca", "caId": manager.ca("EC-issuing")}, "PATCH")
    assert changed["certificateProfile"]["caId"] == manager.ca("EC-issuing")
    back = manager.made(f"{PROFILES}/{made['id']}", {"issuerType": "self-signed"}, "PATCH")
    assert back["certificateProfile"]["caId"] is None


def test_self_signed_profile_has_no_automatic_renewal(manager: Manager) -> None:
    made = manager.new_profile(apiConfig={"autoRenew": True, "renewBeforeDays": 7})
    for body in ({"issuerType": "self-signed"}, {"issuerType": "self-signed", "apiConfig": {"autoRenew": True}}):
        response = manager.call("PATCH", f"{PROFILES}/{made['id']}", body)
        assert response.status == 400 and "renew" in response.message
    manager.made(f"{PROFILES}/{made['id']}", {"issuerType": "self-signed", "apiConfig": {"autoRenew": False}}, "PATCH")


def test_acme_profile_refuses_api_enrollment(manager: Manager) -> None:
    made = manager.new_profile(enrollmentType="acme", acmeConfig={"skipEabBinding": True})
    assert made["acmeConfig"]["directoryUrl"].endswith(f"/acme/profiles/{made['id']}/directory")
    assert made["acmeConfig"]["skipEabBinding"] is True and made["apiConfig"] is None
    attributes = {"commonName": "a.acme.com", "ttl": "30d"}
    response = manager.post(CERTIFICATES, {"profileId": made["id"], "attributes": attributes})
    assert (response.status, response.json["message"]) == (403, "Profile is not configured for api enrollment")
    switched = manager.made(f"{PROFILES}/{made['id']}", {"enrollmentType": "api"}, "PATCH")["certificateProfile"]
    assert (switched["acmeConfig"], switched["enrollmentType"]) == (None, "api")


def test_deleted_profile_leaves_its_certificates(manager: Manager) -> None:
    made = manager.new_profile()
    attributes = {
        "commonName": "a.acme.com", "ttl": "30d", "keyAlgorithm": "RSA_2048", "signatureAlgorithm": "RSA-SHA256",
    }  # fmt: skip
    issued = manager.made(CERTIFICATES, {"profileId": made["id"], "attributes": attributes})["certificate"]
    manager.made(f"{PROFILES}/{made['id']}", None, "DELETE")
    assert manager.get(f"{PROFILES}/{made['id']}").status == 404
    assert manager.setting.certificates.certificate(issued["certificateId"]) is not None


def test_latest_active_bundle_needs_an_active_certificate(manager: Manager) -> None:
    made = manager.new_profile()
    response = manager.get(f"{PROFILES}/{made['id']}/certificates/latest-active-bundle")
    assert (response.status, response.json["message"]) == (404, "No active certificate found for this profile")


def test_profile_for_the_api_serves_no_acme_clients(manager: Manager) -> None:
    made = manager.new_profile(enrollmentType="acme", acmeConfig={"skipEabBinding": True})
    path = f"{PROFILES}/{made['id']}"
    assert made["acmeConfig"] is not None
    response = manager.call("PATCH", path, {"apiConfig": {"autoRenew": False}})
    assert response.status == 400 and "requires enrollmentType api" in response.message
    changed = manager.made(path, {"enrollmentType": "api"}, "PATCH")["certificateProfile"]
    assert changed["acmeConfig"] is None
    stored = manager.setting.configuration.profile(made["id"])
    assert stored is not None and stored.acme is None
    response = manager.call("PATCH", path, {"acmeConfig": {"skipEabBinding": True}})
    assert response.status == 400 and "requires enrollmentType acme" in response.message


def test_profile_of_a_document_set_to_the_api_serves_no_acme(manager: Manager) -> None:
    profile = manager.setting.profile("both", project="shop")
    manager.setting.configuration.put(profile.model_copy(update={"acme": AcmeOptions()}))
    changed = manager.made(f"{PROFILES}/{profile.id}", {"enrollmentType": "api"}, "PATCH")["certificateProfile"]
    assert changed["acmeConfig"] is None
    stored = manager.setting.configuration.profile(profile.id)
    assert stored is not None and stored.acme is None


def test_self_signed_profile_takes_no_acme_settings(manager: Manager) -> None:
    profile = manager.setting.profile("both", project="shop").model_copy(
        update={"issuer_type": "self-signed", "cas": (), "enrollment": None}
    )
    manager.setting.configuration.put(profile)
    response = manager.call("PATCH", f"{PROFILES}/{profile.id}", {"acmeConfig": {"skipEabBinding": True}})
    assert response.status == 400 and "do not support ACME" in response.message


def test_default_lifetime_keeps_the_other_defaults(manager: Manager) -> None:
    made = manager.new_profile(defaults={"ttlDays": 30, "keyUsages": ["digital_signature"]})
    path = f"{PROFILES}/{made['id']}"
    changed = manager.made(path, {"defaultTtlDays": 7}, "PATCH")["certificateProfile"]
    assert changed["defaults"] == {"ttlDays": 7, "keyUsages": ["digital_signature"]}
    replaced = manager.made(path, {"defaults": {"ttlDays": 9}}, "PATCH")["certificateProfile"]
    assert replaced["defaults"] == {"ttlDays": 9}


def test_new_profile_of_the_same_slug_inherits_nothing(manager: Manager) -> None:
    policy = manager.policy()
    made = manager.new_profile(policy=policy)
    manager.made(APPLICATIONS, {"name": "web", "profileIds": [made["id"]]})
    identities = f"/api/v1/projects/{PROJECT}/identities"
    grants = [{"profile": "api", "permissions": ["request"]}, {"profile": "*", "permissions": ["read-key"]}]
    manager.made(identities, {"name": "host", "grants": grants})
    manager.made(f"{PROFILES}/{made['id']}", None, "DELETE")
    assert manager.audit[-3:] == [
        ("manager", "delete", "profile", "shop/api"),
        ("manager", "change", "application", "web"),
        ("manager", "change", "identity", "host"),
    ]
    manager.new_profile(policy=policy)
    host = manager.setting.configuration.identity_named("host")
    (application,) = (one for one in manager.setting.configuration.applications() if one.name == "web")
    assert host is not None and [grant.profile for grant in host.grants] == ["shop/*"]
    assert application.profiles == ()


def test_new_profile_removes_what_a_call_at_the_same_time_left(manager: Manager) -> None:
    """A call that gives a permission may end just after the profile is deleted."""
    policy = manager.policy()
    left = manager.setting.identity("request", profile="shop/api", name="host")[0]
    manager.new_profile(policy=policy)
    host = manager.setting.configuration.identity(left.id)
    assert host is not None and host.grants == ()
    assert ("manager", "change", "identity", "host") in manager.audit


def test_profile_may_have_an_issuer_outside(manager: Manager) -> None:
    made = manager.new_profile(caId=None, issuerType="external", issuer="lets-encrypt")
    assert (made["issuerType"], made["issuer"], made["caIds"]) == ("external", "lets-encrypt", [])
    path = f"{PROFILES}/{made['id']}"
    assert manager.made(path, {"description": "x"}, "PATCH")["certificateProfile"]["issuer"] == "lets-encrypt"
    back = manager.made(path, {"issuerType": "ca", "caId": manager.ca("EC-issuing")}, "PATCH")["certificateProfile"]
    assert "issuer" not in back and back["caIds"] == [manager.ca("EC-issuing")]


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"issuerType": "external", "caId": None}, 422, "Required for the issuer type external"),
        ({"issuerType": "external", "issuer": "x"}, 400, "caId must not be given"),
        ({"issuer": "x"}, 400, "belongs to the issuer type external"),
        ({"issuerType": "external", "caId": None, "issuer": "a b"}, 422, "issuer"),
    ],
)
def test_invalid_issuer_is_refused(manager: Manager, fields: dict[str, Any], status: int, message: str) -> None:
    values = {"projectId": PROJECT, "caId": manager.ca("RSA-issuing"), "certificatePolicyId": manager.policy()["id"]}
    response = manager.post(PROFILES, {**values, "slug": "outside", **fields})
    assert (response.status, message in response.message) == (status, True), response.message
