"""Routes of the inventory: search, import of certificates, and their metadata."""

from __future__ import annotations

from evercert.authority.infisical_api.endpoint import Route
from evercert.authority.infisical_api.services import Services

_CERTIFICATES = "/api/v1/cert-manager/certificates"

INVENTORY_ROUTES: tuple[Route[Services], ...] = (
    Route(
        "POST",
        f"{_CERTIFICATES}/search",
        lambda services, call: services.inventory.search(call.caller, call.body),
        "Search certificates by name, serial number, fingerprint, expiry, profile, requester or status; evercert only",
        "CertificatesFound",
        body="CertificateSearch",
    ),
    Route(
        "POST",
        f"{_CERTIFICATES}/import-certificate",
        lambda services, call: services.imports.add(call.caller, call.body),
        "Import a certificate of another issuer, with its chain and private key",
        "Imported",
        body="Import",
    ),
    Route(
        "PATCH",
        f"{_CERTIFICATES}/{{id}}",
        lambda services, call: services.metadata.change(call.caller, call.ids["id"], call.body),
        "Replace the metadata of a certificate",
        "Metadata",
        body="MetadataChange",
    ),
)
