"""Read internal CAs: their state, certificates and CRLs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from evercert.authority.api_errors import bad_request, not_found, permission_denied
from evercert.authority.ca.definition import CA, Installed
from evercert.authority.configuration.identity import Identity
from evercert.authority.contracts.ports import Certificates, Configuration
from evercert.authority.registration.access import uuid_of
from evercert.timestamps import to_text

_STATUS = {"active": "active", "disabled": "disabled", "pending": "pending-certificate", "retired": "disabled"}
_SUBJECT = {
    "commonName": NameOID.COMMON_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "ou": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "country": NameOID.COUNTRY_NAME,
    "province": NameOID.STATE_OR_PROVINCE_NAME,
    "locality": NameOID.LOCALITY_NAME,
}


@dataclass(frozen=True)
class CaLookup:
    """CAs belong to the whole authority; every identity with a permission can read them."""

    configuration: Configuration
    certificates: Certificates

    def all(self, identity: Identity, query: Mapping[str, str]) -> dict[str, Any]:
        """Return all CAs by name."""
        return {"certificateAuthorities": self.internal(identity, query)}

    def internal(self, identity: Identity, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return all CAs by name, without those that cannot be read."""
        _require_permission(identity)
        found = [ca for ca in self.configuration.every_ca().values() if isinstance(ca, CA)]
        return [{**_body(ca), "projectId": query.get("projectId")} for ca in sorted(found, key=lambda ca: ca.name)]

    def one(self, identity: Identity, name: str) -> dict[str, Any]:
        """Return the CA with this id."""
        return _body(self._ca(identity, name))

    def certificate(self, identity: Identity, name: str) -> dict[str, Any]:
        """Return the certificate that the CA signs with now."""
        return _certificate(_installed(self._ca(identity, name))[-1])

    def all_certificates(self, identity: Identity, name: str) -> list[dict[str, Any]]:
        """Return all certificates of the CA, the newest last."""
        installed = _installed(self._ca(identity, name))
        return [{**_certificate(one), "version": number} for number, one in enumerate(installed, start=1)]

    def crls(self, identity: Identity, name: str) -> list[dict[str, Any]]:
        """Return the newest CRL of the CA in PEM, or none."""
        ca = self._ca(identity, name)
        der = self.certificates.published(ca.id)
        return [] if der is None else [{"id": ca.id, "crl": _pem(der)}]

    def _ca(self, identity: Identity, name: str) -> CA:
        _require_permission(identity)
        ca_id = uuid_of(name)
        found = self.configuration.ca(ca_id) if ca_id else None
        if found is None:
            raise not_found("CA not found")
        return found


def _pem(crl: bytes) -> str:
    return x509.load_der_x509_crl(crl).public_bytes(serialization.Encoding.PEM).decode()


def _require_permission(identity: Identity) -> None:
    if not any(grant.permissions for grant in identity.grants):
        raise permission_denied("read", "certificate-authorities")


def _installed(ca: CA) -> tuple[Installed, ...]:
    if not ca.installed:
        raise bad_request("CA does not have a certificate installed")
    return ca.installed


def _body(ca: CA) -> dict[str, Any]:
    return {
        "id": ca.id,
        "name": ca.name,
        "type": "internal",
        "status": _STATUS[ca.status],
        "projectId": None,
        "enableDirectIssuance": False,
        "configuration": {
            "type": "root" if ca.kind == "root" else "intermediate",
            "friendlyName": ca.name,
            "keyAlgorithm": ca.algorithm,
            "parentCaId": ca.parent,
            **(_certified(ca.current) if ca.installed else {}),
        },
    }


def _certified(installed: Installed) -> dict[str, Any]:
    """Return what the certificate of a CA says about it."""
    certificate = installed.x509
    values = {name: certificate.subject.get_attributes_for_oid(oid) for name, oid in _SUBJECT.items()}
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    return {
        **{name: str(found[0].value) for name, found in values.items() if found},
        "dn": certificate.subject.rfc4514_string(),
        "notBefore": to_text(certificate.not_valid_before_utc),
        "notAfter": to_text(certificate.not_valid_after_utc),
        "maxPathLength": -1 if constraints.path_length is None else constraints.path_length,
        "serialNumber": f"{certificate.serial_number:x}",
        "activeCaCertId": installed.id,
    }


def _certificate(installed: Installed) -> dict[str, Any]:
    return {
        "certificate": installed.certificate.strip(),
        "certificateChain": installed.chain.strip(),
        "serialNumber": f"{installed.x509.serial_number:x}",
        "certId": installed.id,
    }
