"""Routes of the API: path templates, handlers and schemas."""

from __future__ import annotations

from evercert.authority.infisical_api.approval_routes import APPROVAL_ROUTES
from evercert.authority.infisical_api.ca_routes import CA_ROUTES
from evercert.authority.infisical_api.deprecated_routes import DEPRECATED_ROUTES
from evercert.authority.infisical_api.endpoint import Call, Payload, Route
from evercert.authority.infisical_api.inventory_routes import INVENTORY_ROUTES
from evercert.authority.infisical_api.openapi import openapi_document
from evercert.authority.infisical_api.response_bodies import status_response
from evercert.authority.infisical_api.services import Services

MANAGER = "/api/v1/cert-manager"
CERTIFICATES = f"{MANAGER}/certificates"
REQUESTS = f"{CERTIFICATES}/certificate-requests"
PROFILES = f"{MANAGER}/certificate-profiles"


def _openapi(services: Services, _call: Call) -> Payload:
    return openapi_document(services.address)


def _status(services: Services, _call: Call) -> Payload:
    return status_response(services.clock())


ROUTES: tuple[Route[Services], ...] = (
    Route(
        "POST",
        "/api/v1/auth/{method}/login",
        lambda services, call: services.logins.login(call.ids["method"], call.body),
        "Log in: universal-auth, aws-auth, kubernetes-auth, oidc-auth, jwt-auth, azure-auth or gcp-auth",
        "GivenToken",
        login=False,
        body="Login",
        form=True,
    ),
    Route(
        "POST",
        "/api/v1/auth/token/renew",
        lambda services, call: services.logins.renew(call.body),
        "Renew an access token",
        "GivenToken",
        login=False,
        body="AccessToken",
        form=True,
    ),
    Route(
        "POST",
        "/api/v1/auth/token/revoke",
        lambda services, call: services.logins.revoke(call.body),
        "Revoke an access token",
        "Message",
        login=False,
        body="AccessToken",
        form=True,
    ),
    Route(
        "GET",
        "/api/v1/projects/slug/{slug}",
        lambda services, call: services.lookup.project(call.caller, call.ids["slug"]),
        "Get a project by slug",
        "Project",
    ),
    Route(
        "GET",
        f"{PROFILES}/slug/{{slug}}",
        lambda services, call: services.lookup.profile_by_slug(
            call.caller, call.ids["slug"], call.query.get("projectId")
        ),
        "Get a profile by slug and project id",
        "ProfileFound",
        query=("projectId",),
    ),
    Route(
        "GET",
        PROFILES,
        lambda services, call: services.lookup.profiles(call.caller, call.query, *call.page),
        "List the profiles of a project",
        "Profiles",
        query=("projectId", "offset", "limit", "search", "enrollmentType", "issuerType", "caId"),
    ),
    Route(
        "GET",
        f"{PROFILES}/{{id}}",
        lambda services, call: services.lookup.profile(call.caller, call.ids["id"]),
        "Get a profile",
        "ProfileFound",
    ),
    Route(
        "GET",
        f"{PROFILES}/{{id}}/certificates",
        lambda services, call: services.listings.certificates_of(call.caller, call.ids["id"], *call.page),
        "List the certificates of a profile, newest first",
        "Certificates",
        query=("offset", "limit"),
    ),
    Route(
        "GET",
        f"{PROFILES}/{{id}}/certificates/latest-active-bundle",
        lambda services, call: services.retrieval.latest_active_bundle(call.caller, call.ids["id"]),
        "Get the newest valid certificate of a profile with chain and private key",
        "LatestBundle",
    ),
    Route(
        "POST",
        f"{MANAGER}/acme-credentials/{{id}}",
        lambda services, call: services.acme_credentials.create(call.caller, call.ids["id"]),
        "Get a credential that registers one account of an ACME client within an hour; evercert only",
        "EabCredential",
    ),
    Route(
        "GET",
        f"{MANAGER}/applications/by-name/{{name}}",
        lambda services, call: services.lookup.application(call.caller, call.ids["name"]),
        "Get an application by name",
        "ApplicationFound",
    ),
    Route(
        "GET",
        f"{MANAGER}/applications/{{id}}/profiles",
        lambda services, call: services.lookup.attached(call.caller, call.ids["id"]),
        "List the profiles of an application",
        "Attached",
    ),
    Route(
        "POST",
        CERTIFICATES,
        lambda services, call: services.enrollment.issue(call.caller, call.body, call.key),
        "Issue a certificate from attributes or a CSR",
        "Issued",
        body="Issue",
        idempotent=True,
    ),
    *INVENTORY_ROUTES,
    Route(
        "POST",
        f"{REQUESTS}/search",
        lambda services, call: services.listings.search(call.caller, call.body),
        "Search certificate requests, newest first",
        "Requests",
        body="Search",
    ),
    Route(
        "GET",
        f"{REQUESTS}/{{id}}",
        lambda services, call: services.retrieval.poll(call.caller, call.ids["id"]),
        "Get the status of a request",
        "Request",
    ),
    Route(
        "POST",
        f"{REQUESTS}/{{id}}/trigger-validation",
        lambda services, call: services.retrieval.trigger_validation(call.caller, call.ids["id"]),
        "Have an external issuer asked again, at which a person has acted",
        "Triggered",
    ),
    Route(
        "POST",
        f"{REQUESTS}/{{id}}/cancel",
        lambda services, call: services.retrieval.cancel(call.caller, call.ids["id"]),
        "Cancel a request that waits for an approval; complete any other pending request",
        "Cancelled",
    ),
    *APPROVAL_ROUTES,
    Route(
        "GET",
        f"{CERTIFICATES}/{{id}}",
        lambda services, call: services.retrieval.certificate(call.caller, call.ids["id"]),
        "Get a certificate by id or SHA-256 fingerprint, with its status and latest renewal",
        "CertificateFound",
    ),
    Route(
        "GET",
        f"{CERTIFICATES}/{{id}}/bundle",
        lambda services, call: services.retrieval.bundle(call.caller, call.ids["id"]),
        "Get certificate, chain and private key",
        "Bundle",
    ),
    Route(
        "GET",
        f"{CERTIFICATES}/{{id}}/private-key",
        lambda services, call: services.retrieval.private_key(call.caller, call.ids["id"]),
        "Get the private key, if the authority generated it",
        kind="text/plain",
    ),
    Route(
        "POST",
        f"{CERTIFICATES}/{{id}}/renew",
        lambda services, call: services.renewals.renew(call.caller, call.ids["id"], call.body, call.key),
        "Renew a certificate; possible once",
        "Renewed",
        body="Renew",
        idempotent=True,
    ),
    Route(
        "POST",
        f"{CERTIFICATES}/{{id}}/revoke",
        lambda services, call: services.revocation.revoke(call.caller, call.ids["id"], call.body),
        "Revoke a certificate",
        "Revoked",
        body="Revoke",
    ),
    Route(
        "PATCH",
        f"{CERTIFICATES}/{{id}}/config",
        lambda services, call: services.renewal_settings.change(call.caller, call.ids["id"], call.body),
        "Set or end the automatic renewal of a certificate whose key the authority generated",
        "RenewalConfigured",
        body="RenewalConfig",
    ),
    Route(
        "GET",
        f"{MANAGER}/crl/{{id}}/der",
        lambda services, call: services.downloads.crl(call.ids["id"]),
        "Download the CRL of a CA",
        login=False,
        kind="application/pkix-crl",
        cached=True,
    ),
    Route(
        "GET",
        f"{MANAGER}/ca/internal/{{id}}/certificates/{{certificate}}/der",
        lambda services, call: services.downloads.certificate(call.ids["id"], call.ids["certificate"]),
        "Download a certificate of a CA",
        login=False,
        kind="application/pkix-cert",
        cached=True,
    ),
    *DEPRECATED_ROUTES,
    *CA_ROUTES,
    Route("GET", "/api/status", _status, "Get the state of the server", "Status", login=False),
    Route("GET", "/api/openapi.json", _openapi, "Get this document", "Document", login=False),
)
