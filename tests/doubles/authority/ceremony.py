"""A root and an issuing CA with KMS keys, as created by the operator's key ceremony."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from evercert.authority.ca.builder import CALimits, Issuer, IssuerURLs, Span, serial_number, sign_issuing_ca, sign_root
from evercert.authority.ca.constraints import Constraints
from evercert.authority.ca.definition import CA, Ceiling, Installed
from evercert.authority.ca.kms_key import kms_private_key, public_key_of
from evercert.authority.ca.leaf_fields import Leaf
from evercert.authority.ca.signing_orders import LeafOrder
from evercert.aws.authority.kms_keys import KMSKeys
from evercert.pki.identifiers import parse
from tests.doubles.authority.kms import StrictSigningKMS
from tests.doubles.fakes import START
from tests.samples.certificates import private_key

ADDRESS = "https://ca.example.com"
SHA256 = hashes.SHA256()
YEAR = timedelta(days=365)


def name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


@dataclass
class Ceremony:
    """`root` and `issuing` CA of one key family."""

    algorithm: Any = "EC_prime256v1"
    now: datetime = START
    ceiling: Ceiling = field(default_factory=Ceiling)
    kms: StrictSigningKMS = field(default_factory=StrictSigningKMS)
    address: str = ADDRESS
    constraints: Constraints | None = None
    root_limits: CALimits = field(default_factory=CALimits)

    def __post_init__(self) -> None:
        self.keys = KMSKeys(self.kms)  # type: ignore[arg-type]
        family = self.algorithm.partition("_")[0]
        root_arn, arn = self.kms.add(self.algorithm, 1), self.kms.add(self.algorithm, 2)
        root_id, root_installed, own_id = (str(uuid.uuid4()) for _ in range(3))
        root_key = kms_private_key(self.keys, root_arn, public_key_of(self.keys, root_arn))
        begins = self.now - timedelta(days=1)
        root = sign_root(
            root_key, name(f"{family} root"), serial_number(), Span(begins, begins + 20 * YEAR), self.root_limits
        )
        above = Issuer(root, IssuerURLs.of(self.address, root_id, root_installed), root_key)
        public_key = public_key_of(self.keys, arn)
        span = Span(begins, begins + 5 * YEAR)
        certificate = sign_issuing_ca(
            public_key, name(f"{family} issuing"), serial_number(), span, above, constraints=self.constraints
        )
        self.root = CA(
            id=root_id, name=f"{family}-root", kind="root", status="active", key=root_arn, algorithm=self.algorithm,
            installed=(Installed(id=root_installed, certificate=pem(root)),),
        )  # fmt: skip
        self.issuing = CA(
            id=own_id, name=f"{family}-issuing", kind="issuing", status="active", key=arn, algorithm=self.algorithm,
            parent=root_id, ceiling=self.ceiling,
            installed=(Installed(id=str(uuid.uuid4()), certificate=pem(certificate), chain=pem(root)),),
        )  # fmt: skip


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def csr(key: Any, algorithm: Any = SHA256) -> str:
    """Return a CSR without names: the signer reads only its key."""
    signed = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, algorithm)
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def ceiling(**changes: Any) -> Ceiling:
    """Return the default ceiling with these changes."""
    return Ceiling(**_aliases(changes))


def _aliases(values: dict[str, Any]) -> dict[str, Any]:
    return {field.replace("_", "-"): value for field, value in values.items()}


def leaf(now: datetime = START, **changes: Any) -> Leaf:
    """Return a TLS server leaf for 90 days."""
    fields: dict[str, Any] = {
        "subject": {"common_name": ("www.example.com",)},
        "names": (parse("dns:www.example.com"),),
        "key_usages": ("digital_signature",),
        "extended_key_usages": ("server_auth",),
        "not_before": now - timedelta(minutes=5),
        "not_after": now + timedelta(days=90),
        **changes,
    }
    return Leaf(**_aliases(fields))


def order(ca: CA, now: datetime = START, *, key: Any = None, **changes: Any) -> LeafOrder:
    """Return an order with a new id, unless `id` is given."""
    own = {field: changes.pop(field) for field in ("id", "profile", "csr") if field in changes}
    fields = {
        "id": str(uuid.uuid4()),
        "ca": ca.id,
        "profile": "shop/tls-server",
        "leaf": leaf(now, **changes),
        "csr": csr(private_key(ca.algorithm) if key is None else key),
        **own,
    }
    return LeafOrder(**fields)
