"""A CA of the double of AWS Private CA: its chain, its templates, and the certificates that it signs.

Written independently of the package. Source of the templates: user guide of AWS Private CA, "Template definitions".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose
from cryptography.x509.oid import NameOID

HASHES: dict[str, Any] = {"SHA256": hashes.SHA256(), "SHA384": hashes.SHA384(), "SHA512": hashes.SHA512()}
CURVES = {"EC_prime256v1": ec.SECP256R1, "EC_secp384r1": ec.SECP384R1, "EC_secp521r1": ec.SECP521R1}
TLS = ("digital_signature", "key_encipherment")
SIGNS = ("digital_signature",)
# Key usages and extended key usages; the blank template has neither.
TEMPLATES: dict[str, tuple[tuple[str, ...], tuple[x509.ObjectIdentifier, ...]]] = {
    "EndEntityCertificate": (TLS, (Purpose.SERVER_AUTH, Purpose.CLIENT_AUTH)),
    "EndEntityClientAuthCertificate": (TLS, (Purpose.CLIENT_AUTH,)),
    "EndEntityServerAuthCertificate": (TLS, (Purpose.SERVER_AUTH,)),
    "CodeSigningCertificate": (SIGNS, (Purpose.CODE_SIGNING,)),
    "OCSPSigningCertificate": (SIGNS, (Purpose.OCSP_SIGNING,)),
    "BlankEndEntityCertificate": ((), ()),
}
VARIANTS = ("", "CSRPassthrough", "APIPassthrough", "APICSRPassthrough", "CriticalBasicConstraints_CSRPassthrough")
BITS = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


@dataclass
class Authority:
    """A CA; a subordinate one has a root above it."""

    arn: str
    created: datetime
    key: str = "EC_prime256v1"
    signing: str | None = None  # the algorithm of the CA's own CSR
    usage_mode: str = "GENERAL_PURPOSE"
    status: str = "ACTIVE"
    years: int = 10
    subordinate: bool = True
    private: Any = field(init=False, repr=False)
    chain: list[x509.Certificate] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.private = _generate(self.key)
        name = _name(f"Issuing {self.arn[-36:-28]}")
        if not self.subordinate:
            self.chain = [self._certify(name, self.private, name, self.private)]
            return
        root, root_name = _generate(self.key), _name(f"Root {self.arn[-36:-28]}")
        top = self._certify(root_name, root, root_name, root)
        self.chain = [self._certify(name, self.private, root_name, root, path_length=0), top]

    @property
    def expires(self) -> datetime:
        return self.chain[0].not_valid_after_utc

    @property
    def chain_pem(self) -> str:
        return "".join(pem(one) for one in self.chain).strip()

    @property
    def description(self) -> dict[str, Any]:
        """Return the answer of DescribeCertificateAuthority."""
        signing = self.signing or ("SHA256WITHRSA" if self.key.startswith("RSA") else "SHA256WITHECDSA")
        return {
            "Arn": self.arn, "OwnerAccount": self.arn.split(":")[4], "CreatedAt": self.created,
            "Type": "SUBORDINATE" if self.subordinate else "ROOT", "Status": self.status, "UsageMode": self.usage_mode,
            "NotBefore": self.chain[0].not_valid_before_utc, "NotAfter": self.expires,
            "CertificateAuthorityConfiguration": {
                "KeyAlgorithm": self.key, "SigningAlgorithm": signing, "Subject": {"CommonName": "Issuing"},
            },
        }  # fmt: skip

    def signs_with(self, algorithm: str) -> bool:
        family = "RSA" if isinstance(self.private, rsa.RSAPrivateKey) else "ECDSA"
        return algorithm.partition("WITH")[2].partition("_")[0] == family

    def has_template(self, name: str) -> bool:
        kind, _, variant = name.partition("_")
        return kind in TEMPLATES and variant in VARIANTS and (kind.startswith("Blank") <= bool(variant))

    def _certify(
        self, subject: x509.Name, key: Any, issuer: x509.Name, signer: Any, path_length: int | None = None
    ) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.created - timedelta(days=1))
            .not_valid_after(self.created.replace(microsecond=0) + timedelta(days=365 * self.years))
            .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
            .add_extension(_usage(("digital_signature", "key_cert_sign", "crl_sign")), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .sign(signer, hashes.SHA256())
        )


@dataclass
class Certificate:
    """An issued certificate."""

    authority: str
    leaf: x509.Certificate
    issued: datetime
    revoked: str | None = None

    @property
    def pem(self) -> str:
        return pem(self.leaf).strip()


def read_csr(data: bytes) -> x509.CertificateSigningRequest | None:
    """Return a CSR with a valid signature, a key of a kind that AWS supports, and a name; None for others."""
    try:
        csr = x509.load_pem_x509_csr(data)
        signed, key = csr.is_signature_valid, csr.public_key()
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        return None
    named = bool(csr.subject.rdns) or _extension(csr, x509.SubjectAlternativeName) is not None  # model: Csr
    return csr if signed and named and isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) else None


def sign(
    authority: Authority,
    csr: x509.CertificateSigningRequest,
    template: str,
    algorithm: str,
    begin: datetime,
    end: datetime,
    *,
    named: bool = True,
) -> x509.Certificate:
    """Issue a certificate as the template defines; extensions of the template replace those of the CSR."""
    kind, _, variant = template.partition("_")
    usages, purposes = TEMPLATES[kind]
    builder = (
        x509.CertificateBuilder()
        .subject_name(csr.subject)
        .issuer_name(authority.chain[0].subject)
        .public_key(csr.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin.replace(microsecond=0))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(csr.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.private.public_key()), critical=False
        )
    )
    if named and (names := _extension(csr, x509.SubjectAlternativeName)) is not None:
        builder = builder.add_extension(names.value, names.critical)
    if usages:
        builder = builder.add_extension(_usage(usages), critical=True)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    if "CSRPassthrough" in variant:
        for wanted, present in ((x509.KeyUsage, usages), (x509.ExtendedKeyUsage, purposes)):
            if not present and (found := _extension(csr, wanted)) is not None:
                builder = builder.add_extension(found.value, found.critical)
    digest, _, family = algorithm.partition("WITH")
    how = {}
    if family.endswith("_PSS"):
        how = {"rsa_padding": padding.PSS(padding.MGF1(HASHES[digest]), padding.PSS.DIGEST_LENGTH)}
    return builder.sign(authority.private, HASHES[digest], **how)


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _generate(algorithm: str) -> Any:
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm]())
    return rsa.generate_private_key(65_537, int(algorithm.removeprefix("RSA_")))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(wanted: tuple[str, ...]) -> x509.KeyUsage:
    return x509.KeyUsage(**{bit: bit in wanted for bit in BITS})


def _extension(csr: x509.CertificateSigningRequest, kind: Any) -> Any:
    try:
        return csr.extensions.get_extension_for_class(kind)
    except (x509.ExtensionNotFound, ValueError):
        return None
