"""Sample requests and certificates as the authority stores them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from evercert.authority.ca.leaf_fields import Leaf
from evercert.authority.contracts.records import CertificateRecord, RequestRecord
from evercert.authority.requests.requested_fields import Spelling
from evercert.pki.certificate import to_pem
from evercert.pki.identifiers import parse
from evercert.pki.keys import PrivateKey
from tests.doubles.fakes import START

CA, PROFILE, PROJECT = (str(uuid.uuid5(uuid.NAMESPACE_DNS, name)) for name in ("ca", "profile", "project"))
KEY = PrivateKey.generate("EC_prime256v1")


def leaf(**changes: Any) -> Leaf:
    values = {
        "subject": {"common_name": ("www.example.com",)},
        "names": (parse("dns:www.example.com"), parse("ip:10.0.0.7")),
        "key_usages": ("digital_signature",),
        "extended_key_usages": ("server_auth",),
        "not_before": START - timedelta(minutes=5),
        "not_after": START + timedelta(days=90),
        "hash": "SHA256",
    }
    return Leaf.model_validate({name.replace("_", "-"): value for name, value in (values | changes).items()})


def requested(**changes: Any) -> RequestRecord:
    values = {
        "id": str(uuid.uuid4()),
        "certificate_id": str(uuid.uuid4()),
        "identity": str(uuid.uuid4()),
        "profile": PROFILE,
        "application": None,
        "project": PROJECT,
        "created_at": START,
        "updated_at": START,
        "status": "pending",
        "ca": CA,
        "leaf": leaf(),
        "lifetime": 90 * 86_400,
        "csr": "-----BEGIN CERTIFICATE REQUEST-----",
        "metadata": (("team", "web"), ("team", "shop")),
        "sealed_key": "c2VhbGVk",
        "asked": "digest",
        "spelling": Spelling("WWW.example.com", None, ("WWW.example.com", "10.0.0.7"), ("digital_signature",)),
    }
    return RequestRecord(**(values | changes))


def kept(request: RequestRecord, **changes: Any) -> CertificateRecord:
    signed = certificate()
    values = {
        "id": request.certificate_id,
        "request": request.id,
        **{
            name: getattr(request, name)
            for name in (
                "identity", "profile", "application", "project", "ca", "leaf", "lifetime", "csr",
                "supplied_csr", "metadata", "sealed_key", "renews", "spelling",
            )
        },
        "created_at": START + timedelta(seconds=1),
        "updated_at": START + timedelta(seconds=1),
        "serial_number": f"{signed.serial_number:x}",
        "not_before": signed.not_valid_before_utc,
        "not_after": signed.not_valid_after_utc,
        "certificate": to_pem([signed]),
        "chain": "",
    }  # fmt: skip
    return CertificateRecord(**(values | changes))


def certificate() -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "www.example.com")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(START - timedelta(minutes=5))
        .not_valid_after(START + timedelta(days=90))
    )
    return KEY.sign_certificate(builder)


@cache
def crl(number: int, entries: int = 0, first: int = 1) -> bytes:
    """Return a cached CRL in DER, valid for seven days."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CA")]))
        .last_update(START)
        .next_update(START + timedelta(days=7))
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for serial in range(first, first + entries):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(START)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(KEY._key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
