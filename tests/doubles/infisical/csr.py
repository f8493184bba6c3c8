"""CSR parsing of the server: it verifies the signature and uses names and usages as the request's."""

from __future__ import annotations

from typing import Any

from cryptography import x509

from tests.doubles.infisical.ca import EXTENDED, SUBJECT, USAGES, algorithm_of
from tests.doubles.infisical.errors import Refusal

_TYPES = {
    x509.DNSName: "dns_name",
    x509.IPAddress: "ip_address",
    x509.RFC822Name: "email",
    x509.UniformResourceIdentifier: "uri",
}


def load(text: str) -> x509.CertificateSigningRequest:
    try:
        csr = x509.load_pem_x509_csr(text.encode())
        valid = csr.is_signature_valid
    except (ValueError, TypeError) as error:
        raise Refusal(400, "Invalid CSR") from error
    if not valid:
        raise Refusal(400, "Invalid CSR: its signature does not verify")
    return csr


def public_key(text: str) -> Any:
    return load(text).public_key()


def read(text: str) -> dict[str, Any]:
    """Return the attributes that the CSR contains."""
    csr = load(text)
    found: dict[str, Any] = {"keyAlgorithm": algorithm_of(csr.public_key())}
    if not found["keyAlgorithm"]:
        raise Refusal(400, "Unsupported key algorithm in CSR")
    for field, oid in SUBJECT.items():
        values = [str(one.value) for one in csr.subject.get_attributes_for_oid(oid)]
        if values:
            found[field] = values if field == "domainComponents" else values[0]
    for extension in csr.extensions:
        match extension.value:
            case x509.SubjectAlternativeName() as names:
                if strange := [type(one).__name__ for one in names if type(one) not in _TYPES]:
                    raise Refusal(400, f"Unsupported subject alternative name in CSR: {strange[0]}")
                found["altNames"] = [{"type": _TYPES[type(one)], "value": str(one.value)} for one in names]
            case x509.KeyUsage() as usage:
                found["keyUsages"] = [name for name, bit in USAGES.items() if _bit(usage, bit)]
            case x509.ExtendedKeyUsage() as usages:
                by_oid = {oid: name for name, oid in EXTENDED.items()}
                found["extendedKeyUsages"] = [by_oid[oid] for oid in usages if oid in by_oid]
            case x509.BasicConstraints(ca=True) as basics:
                found["basicConstraints"] = {"isCA": True, "pathLength": basics.path_length}
    return found


def _bit(usage: x509.KeyUsage, bit: str) -> bool:
    try:
        return bool(getattr(usage, bit))
    except ValueError:  # encipher_only and decipher_only, without key_agreement
        return False
