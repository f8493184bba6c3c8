"""The server's CA: a root and an intermediate with real keys, and leaves as Infisical builds them."""

from __future__ import annotations

import ipaddress
import secrets
import uuid
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

SUBJECT = {
    "domainComponents": NameOID.DOMAIN_COMPONENT,
    "country": NameOID.COUNTRY_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "state": NameOID.STATE_OR_PROVINCE_NAME,
    "commonName": NameOID.COMMON_NAME,
    "locality": NameOID.LOCALITY_NAME,
}  # in the order of the certificate
USAGES = {
    "digital_signature": "digital_signature",
    "key_encipherment": "key_encipherment",
    "non_repudiation": "content_commitment",
    "data_encipherment": "data_encipherment",
    "key_agreement": "key_agreement",
    "key_cert_sign": "key_cert_sign",
    "crl_sign": "crl_sign",
    "encipher_only": "encipher_only",
    "decipher_only": "decipher_only",
}
EXTENDED = {
    "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "server_auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "code_signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email_protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ocsp_signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "time_stamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "any_purpose": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}
CURVES = {"EC_prime256v1": ec.SECP256R1, "EC_secp384r1": ec.SECP384R1, "EC_secp521r1": ec.SECP521R1}
HASHES = {"SHA256": hashes.SHA256, "SHA384": hashes.SHA384, "SHA512": hashes.SHA512}
ANY_POLICY = x509.ObjectIdentifier("2.5.29.32.0")


def new_key(algorithm: str) -> Any:
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm]())
    return rsa.generate_private_key(public_exponent=65_537, key_size=int(algorithm.removeprefix("RSA_")))


def algorithm_of(public_key: Any) -> str:
    """Return the API name of a key, or an empty string."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return f"RSA_{public_key.key_size}"
    names = {curve.name: name for name, curve in CURVES.items()}
    return names.get(public_key.curve.name, "") if isinstance(public_key, ec.EllipticCurvePublicKey) else ""


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key: Any) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def serial() -> int:
    """Return 20 random bytes with the top bit cleared."""
    return int.from_bytes(secrets.token_bytes(20), "big") & ~(1 << 159) | 1


def subject(wanted: dict[str, Any]) -> x509.Name:
    said = []
    for field, oid in SUBJECT.items():
        values = wanted.get(field) or []
        said += [
            x509.NameAttribute(oid, value, _validate=False)
            for value in ([values] if isinstance(values, str) else values)
        ]
    return x509.Name(said)


def general_name(san: dict[str, str]) -> x509.GeneralName:
    match san["type"]:
        case "dns_name":
            return x509.DNSName(san["value"])
        case "ip_address":
            return x509.IPAddress(ipaddress.ip_address(san["value"]))
        case "email":
            return x509.RFC822Name(san["value"])
    return x509.UniformResourceIdentifier(san["value"])


def usage(names: list[str]) -> x509.KeyUsage:
    bits = {USAGES[name] for name in names}
    return x509.KeyUsage(**{bit: bit in bits for bit in USAGES.values()})


class Authority:
    """A CA that signs leaves with `intermediate`, which `root` issued."""

    def __init__(
        self, now: datetime, *, site: str = "", algorithm: str = "EC_prime256v1", name: str = "issuing"
    ) -> None:
        self.id = str(uuid.uuid4())
        self.name = name
        self.site = site
        self.active = True
        root_key = new_key(algorithm)
        self._key = new_key(algorithm)
        self.root = _ca(f"{name} root", root_key, None, root_key, now, None)
        self.intermediate = _ca(f"{name} CA", self._key, self.root, root_key, now, 0)
        self.not_after = self.intermediate.not_valid_after_utc

    @property
    def family(self) -> str:
        return "RSA" if isinstance(self._key, rsa.RSAPrivateKey) else "ECDSA"

    def chain(self) -> list[str]:
        """Return the issuing CA's certificate and its chain, root last."""
        return [pem(self.intermediate), pem(self.root)]

    def sign(self, public_key: Any, wanted: dict[str, Any], begins: datetime, ends: datetime) -> x509.Certificate:
        named = subject(wanted)
        builder = (
            x509.CertificateBuilder()
            .subject_name(named)
            .issuer_name(self.intermediate.subject)
            .public_key(public_key)
            .serial_number(serial())
            .not_valid_before(begins)
            .not_valid_after(ends)
        )
        for extension, critical in [
            *_basics(wanted),
            *self._pointers(public_key),
            *_asked(wanted, empty=not list(named)),
        ]:
            builder = builder.add_extension(extension, critical)
        hashed = HASHES[wanted.get("signatureAlgorithm", "X-SHA256").rpartition("-")[2]]
        return builder.sign(self._key, hashed())

    def _pointers(self, public_key: Any) -> list[tuple[Any, bool]]:
        site = self.site or "https://infisical.example"
        crl = x509.UniformResourceIdentifier(f"{site}/api/v1/cert-manager/crl/{self.id}/der")
        path = f"{site}/api/v1/cert-manager/ca/internal/{self.id}/certificates/{self.id}/der"
        issuer = x509.UniformResourceIdentifier(path)
        return [
            (x509.CRLDistributionPoints([x509.DistributionPoint([crl], None, None, None)]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False),
            (x509.SubjectKeyIdentifier.from_public_key(public_key), False),
            (
                x509.AuthorityInformationAccess(
                    [x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, issuer)]
                ),
                False,
            ),
            (x509.CertificatePolicies([x509.PolicyInformation(ANY_POLICY, None)]), False),
        ]


def _basics(wanted: dict[str, Any]) -> list[tuple[Any, bool]]:
    asked = wanted.get("basicConstraints") or {}
    ca = bool(asked.get("isCA")) or "key_cert_sign" in (wanted.get("keyUsages") or ())
    return [(x509.BasicConstraints(ca, asked.get("pathLength") if ca else None), ca)]


def _asked(wanted: dict[str, Any], *, empty: bool) -> list[tuple[Any, bool]]:
    """Return the extensions for usages and names; the names are critical only if the subject is empty."""
    said: list[tuple[Any, bool]] = []
    if usages := wanted.get("keyUsages"):
        said.append((usage(usages), True))
    if extended := wanted.get("extendedKeyUsages"):
        said.append((x509.ExtendedKeyUsage([EXTENDED[name] for name in extended]), True))
    if names := wanted.get("altNames"):
        said.append((x509.SubjectAlternativeName([general_name(san) for san in names]), empty))
    return said


def _ca(name: str, key: Any, parent: x509.Certificate | None, signer: Any, now: datetime, depth: int | None) -> Any:
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usages = ["key_cert_sign", "crl_sign"] + (["digital_signature", "key_encipherment"] if parent else [])
    return (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(parent.subject if parent else named)
        .public_key(key.public_key())
        .serial_number(serial())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650 if parent else 7300))
        .add_extension(x509.BasicConstraints(ca=True, path_length=depth), critical=True)
        .add_extension(usage(usages), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )


def self_signed(key: Any, wanted: dict[str, Any], begins: datetime, ends: datetime) -> x509.Certificate:
    """Return a self-signed leaf with CA:false, usages and names, all non-critical, and no key identifiers."""
    named = subject(wanted)
    builder = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(key.public_key())
        .serial_number(serial())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
    )
    for extension, _ in _asked(wanted, empty=False):
        builder = builder.add_extension(extension, critical=False)
    hashed = HASHES[wanted.get("signatureAlgorithm", "RSA-SHA256").rpartition("-")[2]]
    return builder.sign(key, hashed())
