"""Routes that read internal CAs."""

from __future__ import annotations

from evercert.authority.infisical_api.endpoint import Route
from evercert.authority.infisical_api.services import Services

_CAS = "/api/v1/cert-manager/ca"
_INTERNAL = f"{_CAS}/internal"

CA_ROUTES: tuple[Route[Services], ...] = (
    Route(
        "GET",
        _CAS,
        lambda services, call: services.cas.all(call.caller, call.query),
        "List all CAs",
        "Cas",
        query=("projectId",),
    ),
    Route(
        "GET",
        _INTERNAL,
        lambda services, call: services.cas.internal(call.caller, call.query),
        "List the internal CAs",
        "InternalCas",
        query=("projectId",),
    ),
    Route(
        "GET",
        f"{_INTERNAL}/{{id}}",
        lambda services, call: services.cas.one(call.caller, call.ids["id"]),
        "Get an internal CA",
        "Ca",
    ),
    Route(
        "GET",
        f"{_INTERNAL}/{{id}}/certificate",
        lambda services, call: services.cas.certificate(call.caller, call.ids["id"]),
        "Get the current certificate of an internal CA",
        "CaCertificate",
    ),
    Route(
        "GET",
        f"{_INTERNAL}/{{id}}/ca-certificates",
        lambda services, call: services.cas.all_certificates(call.caller, call.ids["id"]),
        "Get all certificates of an internal CA, the newest last",
        "CaCertificates",
    ),
    Route(
        "GET",
        f"{_INTERNAL}/{{id}}/crls",
        lambda services, call: services.cas.crls(call.caller, call.ids["id"]),
        "Get the newest CRL of an internal CA in PEM",
        "CaCrls",
    ),
)
