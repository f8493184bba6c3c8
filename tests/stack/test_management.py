"""The management API on the deployed stack: its routes, its role, and one profile from policy to certificate."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.client import HTTPMessage
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.authority.token_issuers import Provider, jwk_set
from tests.doubles.infisical import Planted
from tests.doubles.infisical.http_server import Answer, Serving
from tests.doubles.infisical.identity_providers import shared_key
from tests.stack.conftest import Stack, until, written
from tests.stack.manager import Manager, managing
from tests.stack.test_permissions import denied
from tests.tools.local_infisical import definition

MANAGER = "/api/v1/cert-manager"


@pytest.fixture(scope="module")
def manager(stack: Stack) -> Iterator[Manager]:
    with managing(stack, "team") as found:
        yield found


def test_management_calls_reach_their_function(manager: Manager) -> None:
    cas = {one["name"]: one["id"] for one in manager.made("GET", f"{MANAGER}/ca/internal")}
    rules = {"sans": [{"type": "dns_name", "allowed": ["*.example.com"]}], "validity": {"max": "30d"}}
    names = {"subject": [{"type": "common_name", "allowed": ["*.example.com"]}], **rules}
    usages = {"keyUsages": {"allowed": ["digital_signature"]}, "extendedKeyUsages": {"allowed": ["server_auth"]}}
    body = {"projectId": manager.project, "name": "web", **names, **usages}
    policy = manager.made("POST", f"{MANAGER}/certificate-policies", body)["certificatePolicy"]
    fields = {
        "projectId": manager.project,
        "slug": "web",
        "caId": cas["issuing-ec"],
        "certificatePolicyId": policy["id"],
    }
    profile = manager.made("POST", f"{MANAGER}/certificate-profiles", fields)["certificateProfile"]
    path = f"{MANAGER}/certificate-profiles/{profile['id']}"
    assert manager.made("GET", path)["certificateProfile"] == profile
    changed = manager.made("PATCH", path, {"description": "web"})["certificateProfile"]
    assert changed["description"] == "web"

    application = manager.made("POST", f"{MANAGER}/applications", {"name": "team-app", "profileIds": [profile["id"]]})
    attached = f"{MANAGER}/applications/{application['application']['id']}/profiles/{profile['id']}"
    manager.made("PUT", f"{attached}/enrollment/api", {"autoRenew": True, "renewBeforeDays": 7})
    assert manager.made("GET", f"{attached}/enrollment")["api"]["renewBeforeDays"] == 7

    attributes = {"commonName": "web.example.com", "ttl": "20d", "keyUsages": ["digital_signature"]}
    purposes = {"extendedKeyUsages": ["server_auth"]}
    request = {"profileId": profile["id"], "applicationId": application["application"]["id"]}
    issued = manager.made("POST", f"{MANAGER}/certificates", {**request, "attributes": attributes | purposes})
    name = issued["certificate"]["certificateId"]
    assert manager.made("GET", f"{MANAGER}/certificates/{name}")["certificate"]["renewBeforeDays"] == 7

    identities = f"/api/v1/projects/{manager.project}/identities"
    identity = manager.made("POST", identities, {"name": "team-ci"})["identity"]["id"]
    manager.made(
        "PATCH",
        f"/api/v1/projects/{manager.project}/memberships/identities/{identity}",
        {"roles": [{"role": "member"}]},
    )
    login = manager.made("POST", f"/api/v1/auth/universal-auth/identities/{identity}", {})["identityUniversalAuth"]
    secret = manager.made("POST", f"/api/v1/auth/universal-auth/identities/{identity}/client-secrets", {})[
        "clientSecret"
    ]
    body = {"clientId": login["clientId"], "clientSecret": secret}
    assert manager.made("POST", "/api/v1/auth/universal-auth/login", body)["accessToken"]

    done = manager.stack.evercert("authority", "changes", "--identity", "team-manager", "--json")
    assert len(json.loads(done.stdout)) == 9


def test_due_certificate_is_renewed_by_the_schedule_function(manager: Manager) -> None:
    """A certificate whose renewal is set to its whole life is due at once."""
    profile = manager.made("GET", f"{MANAGER}/certificate-profiles/slug/web?projectId={manager.project}")
    attributes = {"commonName": "due.example.com", "ttl": "3s", "keyUsages": ["digital_signature"]}
    body = {"profileId": profile["certificateProfile"]["id"], "attributes": attributes | {"ttl": "20d"}}
    body["attributes"]["extendedKeyUsages"] = ["server_auth"]
    name = manager.made("POST", f"{MANAGER}/certificates", body)["certificate"]["certificateId"]
    manager.made("PATCH", f"{MANAGER}/certificates/{name}/config", {"renewBeforeDays": 13})
    table = manager.stack.client("dynamodb")
    table.update_item(
        TableName=manager.stack.outputs["AuthorityTable"],
        Key={"pk": {"S": f"certificate#{name}"}, "sk": {"S": "certificate"}},
        UpdateExpression="SET due_at = :past",
        ExpressionAttributeValues={":past": {"S": "2026-01-01T00:00:00.000Z"}},
    )
    assert run_renewal(manager) == {"renewed": 1}
    found = manager.made("GET", f"{MANAGER}/certificates/{name}")["certificate"]
    assert found["latestRenewalCertificateId"]


def run_renewal(manager: Manager) -> Any:
    """Run the function of the schedule; return its counts."""
    function = manager.stack.resource("RenewalFunction")
    answer = manager.stack.client("lambda").invoke(FunctionName=function, Payload=b"{}")
    return json.loads(answer["Payload"].read())


@pytest.fixture(scope="module")
def role(stack: Stack) -> Callable[..., Any]:
    credentials = stack.role(stack.resource("AdministrationRole"))
    return lambda service, **more: stack.client(service, **credentials, **more)


def test_administration_role_cannot_sign_or_read_certificates(manager: Manager, role: Callable[..., Any]) -> None:
    outputs = manager.stack.outputs
    assert denied(lambda: role("lambda").invoke(FunctionName=outputs["SignerFunction"], Payload=b"{}"))
    assert denied(lambda: role("dynamodb").scan(TableName=outputs["AuthorityTable"]))
    assert denied(
        lambda: role("dynamodb").get_item(TableName=outputs["AuthorityAudit"], Key={"pk": {"S": "x"}, "sk": {"S": "x"}})
    )
    assert denied(lambda: role("dynamodb").update_item(
        TableName=outputs["AuthorityAudit"], Key={"pk": {"S": "x"}, "sk": {"S": "x"}}, UpdateExpression="REMOVE a",
    ))  # fmt: skip


def test_job_of_a_build_system_logs_in_with_its_token(manager: Manager) -> None:
    provider = Provider(lambda: datetime.now(UTC))
    subject = "repo:acme/shop:environment:production"

    def answer(_method: str, path: str, _headers: HTTPMessage, _body: bytes) -> Answer:
        document = jwk_set(provider.keys) if path == "/keys" else {"issuer": issuer, "jwks_uri": f"{issuer}/keys"}
        return 200, {"Content-Type": "application/json"}, json.dumps(document).encode()

    serving = Serving(answer)
    issuer = f"http://127.0.0.1:{serving.port}"
    serving.start()
    try:
        identities = f"/api/v1/projects/{manager.project}/identities"
        identity = manager.made("POST", identities, {"name": "build"})["identity"]["id"]
        bounds = {"boundIssuer": issuer, "boundSubject": subject, "boundAudiences": "evercert"}
        settings = {"oidcDiscoveryUrl": issuer, **bounds}
        manager.made("POST", f"/api/v1/auth/oidc-auth/identities/{identity}", settings)
        body = {"identityId": identity, "jwt": provider.token(iss=issuer, sub=subject)}
        assert manager.made("POST", "/api/v1/auth/oidc-auth/login", body)["accessToken"]
        forged = {**body, "jwt": provider.token(iss=issuer, sub=subject, key=shared_key(2))}
        status, said = manager.call("POST", "/api/v1/auth/oidc-auth/login", forged)
        assert (status, said["message"]) == (401, "Access denied: invalid signature")
    finally:
        serving.stop()


def profile_of(manager: Manager, slug: str, **fields: Any) -> str:
    """Create a profile with a policy of its own; return its id."""
    rules: dict[str, Any] = {
        "subject": [{"type": "common_name", "allowed": ["*.example.com"]}],
        "sans": [{"type": "dns_name", "allowed": ["*.example.com"]}],
        "keyUsages": {"allowed": ["digital_signature", "key_encipherment"]},
        "extendedKeyUsages": {"allowed": ["server_auth"]},
    }
    body = {"projectId": manager.project, "name": slug, **rules}
    policy = manager.made("POST", f"{MANAGER}/certificate-policies", body)["certificatePolicy"]
    values = {"projectId": manager.project, "slug": slug, "certificatePolicyId": policy["id"], **fields}
    return str(manager.made("POST", f"{MANAGER}/certificate-profiles", values)["certificateProfile"]["id"])


def asked(manager: Manager, profile: str) -> Any:
    attributes = {"commonName": "web.example.com", "ttl": "20d", "keyUsages": ["digital_signature"]}
    body = {"profileId": profile, "attributes": {**attributes, "extendedKeyUsages": ["server_auth"]}}
    return manager.made("POST", f"{MANAGER}/certificates", body)


def test_request_waits_for_an_operator(manager: Manager) -> None:
    cas = {one["name"]: one["id"] for one in manager.made("GET", f"{MANAGER}/ca/internal")}
    profile = profile_of(manager, "approved", caId=cas["issuing-ec"], approvalConfig={"requiredApprovals": 1})
    events = manager.stack.subscribe(type=["authority.approval-requested", "authority.approval-granted"])
    found = asked(manager, profile)
    request = found["certificateRequestId"]
    assert found["status"] == "pending_approval"
    run_renewal(manager)
    assert until(lambda: [one["type"] for one in events()] == ["authority.approval-requested"], 30)
    done = manager.stack.evercert("authority", "request", "approve", request, "--reason", "known", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["approved"] == 1
    polled = manager.made("GET", f"{MANAGER}/certificates/certificate-requests/{request}")
    assert polled["status"] == "issued" and polled["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    run_renewal(manager)
    assert until(lambda: "authority.approval-granted" in [one["type"] for one in events()], 30)


def test_issuer_outside_fulfills_a_request(manager: Manager, infisical: Planted, tmp_path: Path) -> None:
    stack, name = manager.stack, "outside"
    auth = {"type": "aws-iam", "identity-id": infisical.machine.id}
    done = stack.evercert("apply", written(tmp_path, {name: definition(infisical, auth)}, []))
    assert done.returncode == 0, done.stdout + done.stderr
    profile = profile_of(manager, "outside", issuerType="external", issuer=name)
    try:
        refused = asked(manager, profile)["certificateRequestId"]
    except AssertionError:
        raise AssertionError([one["message"] for one in stack.logs("authority")[-1:]]) from None
    path = f"{MANAGER}/certificates/certificate-requests"
    assert until(lambda: manager.made("GET", f"{path}/{refused}")["status"] == "failed", 60)
    assert "closed to profiles" in manager.made("GET", f"{path}/{refused}")["errorMessage"]
    done = stack.evercert("authority", "external", "set", name, "--dns", "*.example.com", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    request = asked(manager, profile)["certificateRequestId"]
    assert until(lambda: manager.made("GET", f"{path}/{request}")["status"] == "issued", 60)
    found = manager.made("GET", f"{path}/{request}")
    assert found["privateKey"].startswith("-----BEGIN PRIVATE KEY-----")
    shown = manager.made("GET", f"{MANAGER}/certificates/{found['certificateId']}")["certificate"]
    assert (shown["caType"], shown["caName"]) == ("external", name)
