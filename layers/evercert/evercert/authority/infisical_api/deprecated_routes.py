"""Routes of deprecated calls that issue and import certificates."""

from __future__ import annotations

from evercert.authority.infisical_api.endpoint import Route
from evercert.authority.infisical_api.services import Services

_CERTIFICATES = "/api/v1/cert-manager/certificates"
_OLDEST = "/api/v1/pki/certificates"

DEPRECATED_ROUTES: tuple[Route[Services], ...] = (
    Route(
        "POST",
        f"{_CERTIFICATES}/issue-certificate",
        lambda services, call: services.deprecated.issue(call.caller, call.body, call.key),
        "Deprecated: issue a certificate from attributes",
        "FlatCertificate",
        body="FlatRequest",
        idempotent=True,
    ),
    Route(
        "POST",
        f"{_CERTIFICATES}/sign-certificate",
        lambda services, call: services.deprecated.sign(call.caller, call.body, call.key),
        "Deprecated: issue a certificate for a CSR",
        "FlatCertificate",
        body="FlatRequest",
        idempotent=True,
    ),
    Route(
        "POST",
        f"{_CERTIFICATES}/order-certificate",
        lambda services, call: services.deprecated.order(call.caller, call.body, call.key),
        "Deprecated: issue a certificate as an order, which is pending while the request waits",
        "Order",
        body="FlatRequest",
        idempotent=True,
    ),
    Route(
        "POST",
        f"{_OLDEST}/sign-certificate",
        lambda services, call: services.deprecated.sign_by_ca(call.caller, call.body, call.key),
        "Deprecated: issue a certificate for a CSR from the profile of a template or CA",
        "FlatCertificate",
        body="FlatRequest",
        idempotent=True,
    ),
    Route(
        "POST",
        f"{_OLDEST}/issue-certificate",
        lambda services, call: services.deprecated.issue_by_ca(call.caller, call.body, call.key),
        "Deprecated: issue a certificate from the profile of a template or CA",
        "FlatCertificate",
        body="FlatRequest",
        idempotent=True,
    ),
    Route(
        "POST",
        f"{_OLDEST}/import-certificate",
        lambda services, call: services.imports.add(call.caller, call.body),
        "Deprecated: import a certificate of another issuer",
        "Imported",
        body="Import",
    ),
)
