"""The leaf signs itself: for development, and for peers that pin the certificate."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from evercert.certificate import Chain
from evercert.keys import PrivateKey, alternative_names, subject
from evercert.ports import Issued, Request
from evercert.spec import Model

DEFAULT_TTL = timedelta(days=90)
MOST_BACKDATED = timedelta(minutes=5)


class SelfSigned:
    """Issues at once, without asking anybody; the issuer name is the subject name."""

    class Settings(Model):
        """Nothing to set."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @staticmethod
    def identity(settings: Settings) -> dict[str, str]:
        """What makes it another issuer; it has neither address nor CA."""
        return {"type": "self-signed", **settings.model_dump(mode="json")}

    def issue_with(self, request: Request, private_key: PrivateKey) -> Issued:
        """A version 3 certificate as RFC 5280 §4.2 has an end entity; the serial number is random (§4.1.2.2)."""
        attributes = request.spec.attributes
        ttl = attributes.ttl or DEFAULT_TTL
        # Peers' clocks may be behind ours; a tenth of a short lifetime is all that it can spare.
        begins = request.now.replace(microsecond=0) - min(MOST_BACKDATED, ttl / 10)
        name = subject(attributes)
        if attributes.common_name is None:
            # RFC 5280 §4.1.2.4: the issuer name must not be empty, and here the subject is the issuer.
            name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, request.certificate[:64])])
        public_key = x509.load_pem_x509_csr(request.csr.encode()).public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + ttl)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(rsa=request.spec.private_key.algorithm.startswith("RSA")), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(alternative_names(attributes), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        )
        return Issued(Chain((private_key.sign_certificate(builder),)))


def _usage(*, rsa: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=rsa,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
