"""Lint certificates and CRLs with pkilint (RFC 5280)."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from pkilint import loader, pkix
from pkilint.pkix import certificate, crl, extension, name
from pkilint.validation import ValidationFindingSeverity


@cache
def _of_certificates() -> Any:
    return certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )


@cache
def _of_lists() -> Any:
    return crl.create_pkix_crl_validator_container(
        [
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [
            crl.create_issuer_validator_container([]),
            crl.create_validity_validator_container([]),
            crl.create_extensions_validator_container([]),
        ],
    )


# What it does not know in this set of rules: wildcards (RFC 9525 §6.3; its set for servers lets them pass as well), and
# schemes of URIs other than the web's. What else could be wrong with such a name is looked at here.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
UNKNOWN = re.compile(
    rf'ERROR pkix\.invalid_domain_name_syntax: Invalid domain name syntax: "\*(?:\.{_LABEL}){{2,}}"'
    rf'|ERROR pkix\.invalid_uri_syntax: Invalid URI syntax: "spiffe://{_LABEL}(?:\.{_LABEL})*(?:/[A-Za-z0-9._-]+)*"'
)


def findings(of: x509.Certificate | x509.CertificateRevocationList) -> list[str]:
    """Return errors and warnings, without notices."""
    der = of.public_bytes(serialization.Encoding.DER)
    if isinstance(of, x509.Certificate):
        document = loader.RFC5280CertificateDocumentLoader().load_der_document(der)
        results = _of_certificates().validate(document.root)
    else:
        document = loader.RFC5280CertificateListDocumentLoader().load_der_document(der)
        results = _of_lists().validate(document.root)
    lines = [
        f"{found.finding.severity} {found.finding.code}: {found.message}"
        for result in results
        for found in result.finding_descriptions
        if found.finding.severity <= ValidationFindingSeverity.WARNING
    ]
    return [text for text in lines if not UNKNOWN.fullmatch(text)]
