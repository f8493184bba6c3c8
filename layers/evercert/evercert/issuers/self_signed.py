"""Self-signed certificates, for development and for peers that pin the certificate."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509

from evercert.contracts.issuer import Issued, Request
from evercert.documents.spec import Model
from evercert.errors import Rejected
from evercert.pki.algorithms import Family
from evercert.pki.attributes import Attributes
from evercert.pki.certificate import Chain
from evercert.pki.keys import PrivateKey, alternative_names, family, subject
from evercert.pki.usages import ExtendedKeyUsage, KeyUsage, usage_extensions

DEFAULT_TTL = timedelta(days=90)
MAX_BACKDATING = timedelta(minutes=5)
# Key usages for TLS by key family; RSA includes the key exchange of TLS 1.2 and older.
_USUAL: dict[Family, tuple[KeyUsage, ...]] = {
    "RSA": ("digital_signature", "key_encipherment"),
    "EC": ("digital_signature",),
    "Ed25519": ("digital_signature",),
}


class SelfSigned:
    """Issues certificates locally; the issuer name is the subject name."""

    class Settings(Model):
        """No settings."""

    def __init__(self, settings: Settings, context: object = None) -> None:  # noqa: ARG002 (no requests)
        self.settings = settings

    @staticmethod
    def identity(settings: Settings) -> dict[str, str]:
        """Return the settings that identify the issuer; it has neither address nor CA."""
        return {"type": "self-signed", **settings.model_dump(mode="json")}

    def issue_with(self, request: Request, private_key: PrivateKey) -> Issued:
        """Issue a version 3 end-entity certificate (RFC 5280 §4.2) with a random serial number (§4.1.2.2)."""
        attributes = request.spec.attributes
        begins, ends = _lifetime(attributes, request.now)
        name = subject(attributes)
        if not name.rdns:
            # RFC 5280 §4.1.2.4: the issuer name must not be empty, and here the subject is the issuer. No common name:
            # the document has none.
            name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, request.certificate[:64])])
        public_key = private_key.public_key
        own = x509.SubjectKeyIdentifier.from_public_key(public_key)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(alternative_names(attributes), critical=False)
            .add_extension(own, critical=False)
            # Only self-signed CA certificates may omit it (RFC 5280 §4.2.1.1).
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False)
        )
        for extension, critical in usage_extensions(*_usages(attributes, family(private_key.algorithm))):
            builder = builder.add_extension(extension, critical)
        return Issued(Chain((private_key.sign_certificate(builder, attributes.signature_algorithm),)))


def _usages(attributes: Attributes, kind: Family) -> tuple[Sequence[KeyUsage], Sequence[ExtendedKeyUsage]]:
    """Return the requested usages, or those of TLS; verifiers of time stamps accept no other key usage than signing."""
    stamps = attributes.extended_key_usages == ("time_stamping",)
    usual = ("digital_signature",) if stamps else _USUAL[kind]
    return attributes.key_usages or usual, attributes.extended_key_usages or ("server_auth", "client_auth")


def _lifetime(attributes: Attributes, now: datetime) -> tuple[datetime, datetime]:
    """Return start and end; the start is backdated for peers' slow clocks, by at most a tenth of the lifetime."""
    begins, ends = attributes.not_before, attributes.not_after
    if begins is not None and ends is not None:
        return begins, ends
    ttl = attributes.ttl or (ends - now if ends is not None else DEFAULT_TTL)
    if ttl <= timedelta(0):
        raise Rejected("invalid attributes.not-after: must be in the future")
    begins = begins or now.replace(microsecond=0) - min(MAX_BACKDATING, ttl / 10)
    return begins, ends or begins + ttl
