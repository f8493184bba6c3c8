"""Logins with third-party proofs (Kubernetes, Azure, Google), and LDAP."""

from __future__ import annotations

import hmac
import http.client
import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.doubles.infisical import jwt
from tests.doubles.infisical.configuration import Estate
from tests.doubles.infisical.errors import Refusal, broken, token_error
from tests.doubles.infisical.identity_providers import REVIEWS, Google, Tenant
from tests.doubles.infisical.logins import Proven, configured, listed
from tests.doubles.infisical.schema import strings

TOKEN_LIMIT = 8 * 1024
ACCOUNT = re.compile(r"system:serviceaccount:([^:]+):([^:]+)")
SERVICE_ACCOUNT = re.compile(r"[a-z0-9-]+@[a-z0-9-]+\.iam\.gserviceaccount\.com")
ORGANIZATION = ("organizationSlug", "subOrganizationName")


class KubernetesLogin:
    """The Kubernetes login by TokenReview, with the login's own token if no reviewer token is configured."""

    def __init__(self, estate: Estate, address: Callable[[], tuple[str, int]]) -> None:
        self._estate = estate
        self._address = address

    def __call__(self, body: Any, now: datetime) -> Proven:
        del now  # the cluster looks at the time
        given = strings(body, ("identityId", "jwt"), ORGANIZATION)
        identity = configured(self._estate, given, "kubernetes", "Kubernetes")
        rules = identity.methods["kubernetes"]
        if rules.get("tokenReviewMode", "api") == "api" and rules.get("kubernetesHost", "the double") == "":
            raise Refusal(400, "Kubernetes host is required when token review mode is set to API")
        if len(given["jwt"]) > TOKEN_LIMIT:
            raise Refusal(400, "Kubernetes token is too long")
        wanted = rules.get("allowedAudience", "")
        status = self._review(given["jwt"], wanted, rules.get("tokenReviewerJwt") or given["jwt"])
        if status.get("error"):
            raise Refusal(401, status["error"])
        if not status.get("authenticated"):
            raise Refusal(401, "Kubernetes token not authenticated")
        account = ACCOUNT.fullmatch(status["user"]["username"])
        if account is None:
            raise Refusal(400, "Username in the token review is not that of a service account")
        namespace, name = account.groups()
        if not listed(namespace, rules.get("allowedNamespaces", "")):
            raise Refusal(401, "Access denied: K8s namespace not allowed.")
        if not listed(name, rules.get("allowedNames", "")):
            raise Refusal(401, "Access denied: K8s name not allowed.")
        if wanted and wanted not in status.get("audiences", []):
            raise Refusal(401, "Access denied: K8s audience not allowed.")
        return identity, {"identityAuth": {"kubernetes": {"namespace": namespace, "name": name}}}

    def _review(self, token: str, audience: str, bearer: str) -> dict[str, Any]:
        spec = {"token": token} | ({"audiences": [audience]} if audience else {})
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        connection = http.client.HTTPConnection(*self._address(), timeout=10)
        try:
            headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
            connection.request("POST", REVIEWS, json.dumps(review), headers)
            answer = connection.getresponse()
            said = json.loads(answer.read(64 * 1024))
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Refusal(400, "Kubernetes cannot be reached") from error
        finally:
            connection.close()
        if answer.status == 401:  # the cluster does not know the reviewer
            raise Refusal(401, said["message"])
        return said["status"]


def azure(estate: Estate, tenants: dict[str, Tenant], body: Any, now: datetime) -> Proven:
    """Check key by `kid`, issuer, audience, times, then the service principal."""
    given = strings(body, ("identityId", "jwt"), ORGANIZATION)
    identity = configured(estate, given, "azure", "Azure")
    rules = identity.methods["azure"]
    tenant, resource = tenants[rules["tenantId"]], rules["resource"]
    head, claims = _unverified(given["jwt"])
    if head.get("kid") not in tenant.keys:
        raise Refusal(401, "Invalid signing key")
    _verified(given["jwt"], tenant.keys[head["kid"]].public_key(), now)
    audience = str(claims.get("aud"))
    if not audience.endswith("/"):
        resource = resource.removesuffix("/")
    if audience != resource:
        raise token_error(f"jwt audience invalid. expected: {resource}")
    if claims.get("iss") != f"https://sts.windows.net/{tenant.id}/":
        raise token_error("jwt issuer invalid")
    if not listed(str(claims.get("oid")), rules.get("allowedServicePrincipalIds", "")):
        raise Refusal(401, "Access denied: Azure service principal not allowed.")
    return identity, {}


def gcp(estate: Estate, google: Google, body: Any, now: datetime) -> Proven:
    """Log in with either Google proof, as the identity's configuration says."""
    given = strings(body, ("identityId", "jwt"), ORGANIZATION)
    identity = configured(estate, given, "gcp", "GCP")
    rules = identity.methods["gcp"]
    engine: dict[str, str] = {}
    if rules.get("type", "gce") == "iam":
        email = _service_account(google, given, now)
    else:
        email, engine = _id_token(google, given, now)
    if not listed(email, rules.get("allowedServiceAccounts", "")):
        raise Refusal(401, "Access denied: GCP service account not allowed.")
    for rule, claim in (("allowedProjects", "project_id"), ("allowedZones", "zone")):
        if engine and not listed(engine.get(claim, ""), rules.get(rule, "")):
            raise Refusal(401, f"Access denied: GCP {rule.removeprefix('allowed').lower()[:-1]} not allowed.")
    return identity, {}


def _id_token(google: Google, given: dict[str, str], now: datetime) -> tuple[str, dict[str, str]]:
    """Verify the token; errors are 500 as in Infisical, except for a missing e-mail address."""
    try:
        head, _ = jwt.unverified(given["jwt"])
        claims = jwt.verified(given["jwt"], google.keys[head["kid"]].public_key(), now.timestamp())
    except (jwt.BadToken, KeyError) as error:
        raise broken() from error
    if (
        "exp" not in claims
        or claims.get("aud") != given["identityId"]
        or claims.get("iss") != "https://accounts.google.com"
    ):
        raise broken()
    if not claims.get("email"):
        raise Refusal(401, "Unauthorized")
    return claims["email"], claims.get("google", {}).get("compute_engine", {})


def _service_account(google: Google, given: dict[str, str], now: datetime) -> str:
    head, claims = _unverified(given["jwt"])
    email = str(claims.get("sub"))
    if not SERVICE_ACCOUNT.fullmatch(email):
        raise Refusal(401, "Invalid service account identifier")
    if email not in google.accounts:
        raise broken()  # Google answers 404
    key = google.accounts[email].get(head.get("kid", ""))
    if key is None:
        raise token_error("secret or public key must be provided")
    _verified(given["jwt"], key.public_key(), now)
    if claims.get("aud") != given["identityId"]:
        raise Refusal(401, "Invalid audience in GCP IAM Token")
    return email


def ldap(estate: Estate, body: Any, now: datetime) -> Proven:
    """Log in by LDAP; the identity's configuration maps `users` to passwords."""
    del now
    given = strings(body, ("identityId", "username", "password"), ORGANIZATION)
    identity = configured(estate, given, "ldap", "LDAP")
    password = identity.methods["ldap"]["users"].get(given["username"])
    if password is None or not hmac.compare_digest(password.encode(), given["password"].encode()):
        raise Refusal(401, "Invalid credentials")
    return identity, {}


def _unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        return jwt.unverified(token)
    except jwt.BadToken as error:
        raise broken() from error  # its parser answers nothing, and the server goes on with that


def _verified(token: str, key: Any, now: datetime) -> None:
    try:
        jwt.verified(token, key, now.timestamp())
    except jwt.BadToken as error:
        raise token_error(str(error)) from error
