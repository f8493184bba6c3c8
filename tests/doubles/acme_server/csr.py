"""The CSR of finalize, checked as CAs do (RFC 8555 §7.4, §11.1)."""

from __future__ import annotations

from cryptography import x509

from evercert.acme import base64url
from evercert.acme.jwk import JWK, to_jwk
from tests.doubles.acme_server.answers import Refusal


def parse(payload: dict[str, object]) -> tuple[bytes, x509.CertificateSigningRequest]:
    """Return the CSR of a finalize request; raise Refusal."""
    if set(payload) != {"csr"}:
        raise Refusal("malformed", "finalize needs csr and nothing else")
    try:
        der = base64url.decode(str(payload["csr"]))
        return der, x509.load_der_x509_csr(der)
    except ValueError as error:
        raise Refusal("badCSR", f"Error parsing certificate request: {error}") from None


def check(csr: x509.CertificateSigningRequest, names: set[str], account_key: JWK) -> None:
    """Raise Refusal unless it is signed, for exactly these names, and for another key than the account's."""
    if not csr.is_signature_valid:
        raise Refusal("badCSR", "invalid signature on CSR")
    try:
        same = to_jwk(csr.public_key()) == account_key  # type: ignore[arg-type]
    except ValueError:
        same = False  # a curve that account keys cannot have
    if same:
        raise Refusal("badCSR", "certificate public key must be different than account key")
    if (found := set(names_of(csr))) != names:
        raise Refusal("badCSR", f"CSR has the names {sorted(found)}, the order {sorted(names)}")


def names_of(csr: x509.CertificateSigningRequest) -> list[str]:
    """Return the names of the CSR as an order writes them."""
    return [str(entry.value) for entry in general_names(csr)]


def general_names(csr: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    """Return the subject alternative names."""
    try:
        return list(csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []
