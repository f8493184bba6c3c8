"""Readers of the management API and of the calls beside it: each is answered by a status other than 500."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from evercert.aws.authority import audit_trail
from evercert.aws.authority.certificate_items import due_shard, read_due
from evercert.errors import EvercertError, Misconfigured
from tests.doubles.authority.client import CERTIFICATES, MANAGER, NAMES, PROFILES, USAGES, csr
from tests.doubles.authority.manager import APPLICATIONS, POLICIES, PROJECT, RULES, Manager
from tests.fuzz.changes import changed_tree
from tests.fuzz.reader import Reader
from tests.fuzz.readers.api import answer_call, changed_call

IDENTITIES = f"/api/v1/projects/{PROJECT}/identities"
UNIVERSAL = "/api/v1/auth/universal-auth/identities"
AWS = "/api/v1/auth/aws-auth/identities"
TYPED = (EvercertError,)


@cache
def manager() -> Manager:
    return Manager()


def calls() -> list[dict[str, Any]]:
    """Return a valid call of each kind."""
    one = manager()
    if not one.setting.configuration.policies():
        one.new_profile()
    ca, policy = one.ca("RSA-issuing"), one.setting.configuration.policies()[0].id
    (profile,) = (found.id for found in one.setting.configuration.profiles() if found.slug == "api")
    application, machine = one.application.id, one.setting.configuration.identity_named("manager")
    assert machine is not None
    one.setting.certificates.publish(ca, 1, _crl(one))
    fields = {"caIds": [ca], "certificatePolicyId": policy, "apiConfig": {"autoRenew": True, "renewBeforeDays": 7}}
    acme = {"enrollmentType": "acme", "acmeConfig": {"skipEabBinding": True}, "defaults": {"ttlDays": 30}}
    certificate = one.issued({"keyAlgorithm": "EC_prime256v1"})["certificateId"]
    flat = {"profileId": one.profile.id, **NAMES, **USAGES, "altNames": "www.example.com,10.0.0.7", "ttl": "1d"}
    bodies: list[tuple[str, str, Any]] = [
        ("POST", POLICIES, {"projectId": PROJECT, "name": "web2", **RULES}),
        ("PATCH", f"{POLICIES}/{policy}", {"description": "x", "validity": {"max": "90d"}}),
        ("GET", f"{POLICIES}?projectId={PROJECT}&offset=0&limit=5&search=w", None),
        ("GET", f"{POLICIES}/{policy}", None),
        ("POST", PROFILES, {"projectId": PROJECT, "slug": "new", "caId": ca, **fields}),
        ("PATCH", f"{PROFILES}/{profile}", {"description": "x", "defaults": {"ttlDays": 30}, "apiConfig": {}}),
        ("PATCH", f"{PROFILES}/{profile}", acme),
        ("POST", APPLICATIONS, {"name": "new", "description": "x", "profileIds": [profile]}),
        ("PATCH", f"{APPLICATIONS}/{application}", {"description": "x"}),
        ("GET", f"{APPLICATIONS}/{application}", None),
        ("POST", f"{APPLICATIONS}/{application}/profiles", {"profileIds": [profile]}),
        ("PUT", f"{APPLICATIONS}/{application}/profiles/{profile}/enrollment/api", {"autoRenew": True, "renewBeforeDays": 3}),
        ("POST", IDENTITIES, {"name": "new", "grants": [{"profile": "api", "permissions": ["request"]}]}),
        ("PATCH", f"{IDENTITIES}/{machine.id}", {"name": "manager"}),
        ("GET", f"{IDENTITIES}/{machine.id}", None),
        ("GET", f"{UNIVERSAL}/{machine.id}", None),
        ("PATCH", f"{UNIVERSAL}/{machine.id}", {"accessTokenTTL": 60, "lockoutThreshold": 3, "lockoutEnabled": True}),
        ("POST", f"{UNIVERSAL}/{machine.id}/client-secrets", {"ttl": 60, "numUsesLimit": 3, "description": "x"}),
        ("GET", f"{UNIVERSAL}/{machine.id}/client-secrets/{machine.id}", None),
        ("POST", f"{AWS}/{machine.id}", {"allowedPrincipalArns": "arn:aws:iam::123456789012:role/x", "allowedAccountIds": ""}),
        ("PATCH", f"{CERTIFICATES}/{certificate}/config", {"renewBeforeDays": 7}),
        ("POST", f"{CERTIFICATES}/issue-certificate", flat),
        ("POST", f"{CERTIFICATES}/order-certificate", {**flat, "subjectAlternativeNames": NAMES["altNames"]}),
        ("POST", "/api/v1/pki/certificates/sign-certificate", {"caId": ca, "csr": csr()[1], "ttl": "1d"}),
        ("POST", "/api/v1/pki/certificates/issue-certificate", {**flat, "keyUsages": ["digitalSignature"]}),
        ("GET", f"{MANAGER}/ca/internal/{ca}/crls", None),
    ]  # fmt: skip
    return [{"method": method, "target": target, "headers": {}, "body": body} for method, target, body in bodies]


def _crl(one: Manager) -> bytes:
    from tests.samples.authority import crl

    del one
    return crl(1)


def read_call(call: Any) -> None:
    """Answer a call of either function; calls before may have changed the caller."""
    one = manager()
    one.setting.configuration.put(one.identity)
    one.token = one.setting.token(one.identity)
    for module in (one.module, one.gateway._functions["AdministrationFunction"]):
        module.logger.setLevel("CRITICAL")
    answer_call(one, one.module.logger, call)


def audit_entry() -> dict[str, Any]:
    """Return an item of the audit trail."""
    one = manager()
    one.policy(f"audited{len(one.setting.configuration.audit)}")
    item: dict[str, Any] = audit_trail.put("table", one.setting.configuration.audit[-1])["Put"]["Item"]
    return item


def read_audit_entry(item: Any) -> None:
    """Parse an item of the audit trail."""
    audit_trail._entry(item)


def read_due_entry(entry: Any) -> None:
    """Parse an entry of the index of renewals; DynamoDB guarantees its keys."""
    whole = {"pk": {"S": f"certificate#{due_shard(json.dumps(entry))}"}, "due_at": {"S": "x"}}
    read_due({**(entry if isinstance(entry, dict) else {}), **whole})


READERS = [
    Reader("call of the management API", calls, read_call, changed_call, TYPED, cost=15),
    Reader("item of the audit trail", lambda: [audit_entry()], read_audit_entry, changed_tree, (Misconfigured,)),
    Reader(
        "entry of a due renewal", lambda: [{"not_after": {"S": "x"}}], read_due_entry, changed_tree, (Misconfigured,)
    ),
]
