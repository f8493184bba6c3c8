"""Which path is what (contract §A.2, §A.7, §B, §D.5): templates, and what carries them out."""

from __future__ import annotations

from evercert.authority.infisical_api.endpoint import Call, Route, Said
from evercert.authority.infisical_api.services import Services

MANAGER = "/api/v1/cert-manager"
CERTIFICATES = f"{MANAGER}/certificates"
REQUESTS = f"{CERTIFICATES}/certificate-requests"
PROFILES = f"{MANAGER}/certificate-profiles"


def _openapi(front: Services, _call: Call) -> Said:
    from evercert.authority.infisical_api.openapi import document  # noqa: PLC0415 (seldom asked for)

    return document(ROUTES, front.address)


ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/api/v1/auth/{method}/login",
        lambda front, call: front.logging_in.login(call.ids["method"], call.body),
        "Log in: universal-auth or aws-auth",
        "GivenToken",
        login=False,
        body="Login",
    ),
    Route(
        "POST",
        "/api/v1/auth/token/renew",
        lambda front, call: front.logging_in.renew(call.body),
        "Renew an access token",
        "GivenToken",
        login=False,
        body="AccessToken",
    ),
    Route(
        "POST",
        "/api/v1/auth/token/revoke",
        lambda front, call: front.logging_in.revoke(call.body),
        "End an access token",
        "Message",
        login=False,
        body="AccessToken",
    ),
    Route(
        "GET",
        "/api/v1/projects/slug/{slug}",
        lambda front, call: front.naming.project(call.who, call.ids["slug"]),
        "A project by its slug",
        "Project",
    ),
    Route(
        "GET",
        f"{PROFILES}/slug/{{slug}}",
        lambda front, call: front.naming.profile_by_slug(call.who, call.ids["slug"], call.query.get("projectId")),
        "A profile by its slug, in a project by its id",
        "ProfileFound",
        query=("projectId",),
    ),
    Route(
        "GET",
        PROFILES,
        lambda front, call: front.naming.profiles(call.who, call.query, *call.page),
        "The profiles of a project",
        "Profiles",
        query=("projectId", "offset", "limit", "search", "enrollmentType", "issuerType", "caId"),
    ),
    Route(
        "GET",
        f"{PROFILES}/{{id}}",
        lambda front, call: front.naming.profile(call.who, call.ids["id"]),
        "A profile",
        "ProfileFound",
    ),
    Route(
        "GET",
        f"{PROFILES}/{{id}}/certificates",
        lambda front, call: front.listing.certificates_of(call.who, call.ids["id"], *call.page),
        "The certificates of a profile, the newest first",
        "Certificates",
        query=("offset", "limit"),
    ),
    Route(
        "GET",
        f"{MANAGER}/applications/by-name/{{name}}",
        lambda front, call: front.naming.application(call.who, call.ids["name"]),
        "An application by its name",
        "ApplicationFound",
    ),
    Route(
        "GET",
        f"{MANAGER}/applications/{{id}}/profiles",
        lambda front, call: front.naming.attached(call.who, call.ids["id"]),
        "The profiles of an application",
        "Attached",
    ),
    Route(
        "POST",
        CERTIFICATES,
        lambda front, call: front.enrollment.issue(call.who, call.body, call.key),
        "Issue a certificate, by attributes or by CSR",
        "Issued",
        body="Issue",
        idempotent=True,
    ),
    Route(
        "POST",
        f"{REQUESTS}/search",
        lambda front, call: front.listing.search(call.who, call.body),
        "Find requests, the newest first",
        "Requests",
        body="Search",
    ),
    Route(
        "GET",
        f"{REQUESTS}/{{id}}",
        lambda front, call: front.reading.poll(call.who, call.ids["id"]),
        "How a request stands",
        "Request",
    ),
    Route(
        "POST",
        f"{REQUESTS}/{{id}}/trigger-validation",
        lambda front, call: front.reading.trigger_validation(call.who, call.ids["id"]),
        "Nothing here waits for a validation: always refused",
    ),
    Route(
        "POST",
        f"{REQUESTS}/{{id}}/cancel",
        lambda front, call: front.reading.cancel(call.who, call.ids["id"]),
        "Ends the waiting: what waits is finished",
        "Cancelled",
    ),
    Route(
        "GET",
        f"{CERTIFICATES}/{{id}}",
        lambda front, call: front.reading.certificate(call.who, call.ids["id"]),
        "A certificate by id or by SHA-256 fingerprint: its status, its successor",
        "CertificateFound",
    ),
    Route(
        "GET",
        f"{CERTIFICATES}/{{id}}/bundle",
        lambda front, call: front.reading.bundle(call.who, call.ids["id"]),
        "Certificate, chain and private key",
        "Bundle",
    ),
    Route(
        "GET",
        f"{CERTIFICATES}/{{id}}/private-key",
        lambda front, call: front.reading.private_key(call.who, call.ids["id"]),
        "The private key, where the authority made it",
        kind="text/plain",
    ),
    Route(
        "POST",
        f"{CERTIFICATES}/{{id}}/renew",
        lambda front, call: front.renewals.renew(call.who, call.ids["id"], call.body, call.key),
        "Renew a certificate, once",
        "Renewed",
        body="Renew",
        idempotent=True,
    ),
    Route(
        "POST",
        f"{CERTIFICATES}/{{id}}/revoke",
        lambda front, call: front.revocation.revoke(call.who, call.ids["id"], call.body),
        "Revoke a certificate, once",
        "Revoked",
        body="Revoke",
    ),
    Route(
        "GET",
        f"{MANAGER}/crl/{{id}}/der",
        lambda front, call: front.published.crl(call.ids["id"]),
        "The CRL of a CA",
        login=False,
        kind="application/pkix-crl",
    ),
    Route(
        "GET",
        f"{MANAGER}/ca/internal/{{id}}/certificates/{{certificate}}/der",
        lambda front, call: front.published.certificate(call.ids["id"], call.ids["certificate"]),
        "A certificate of a CA",
        login=False,
        kind="application/pkix-cert",
    ),
    Route("GET", "/api/openapi.json", _openapi, "This document", "Document", login=False),
)
