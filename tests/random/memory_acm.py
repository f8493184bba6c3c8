"""ACM in memory for random schedules: pairs, ARNs, tags and manual edits."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evercert.pki.algorithms import algorithm_of
from evercert.pki.keys import public_bytes
from tests.doubles.fakes import HandClock
from tests.doubles.strict_aws import ACCOUNT, REGION, refuse


@dataclass
class Imported:
    """One imported certificate; leaf and key move together."""

    certificate: str
    private_key: str
    tags: dict[str, str]
    made: datetime
    by_hand: bool = False


class MemoryACM:
    """API, ImportCertificate, GetCertificate, ListCertificates, ListTagsForCertificate."""

    def __init__(self, clock: HandClock) -> None:
        self.held: dict[str, Imported] = {}
        self.first_imports: list[tuple[str, str]] = []  # certificate and `Name`, for each new ARN
        self.clock = clock

    def import_certificate(
        self,
        *,
        Certificate: bytes,
        PrivateKey: bytes,
        CertificateChain: bytes | None = None,
        CertificateArn: str | None = None,
        Tags: list[dict[str, str]] | None = None,
    ) -> dict[str, Any]:
        leaf = x509.load_pem_x509_certificate(Certificate)
        key = serialization.load_pem_private_key(PrivateKey, password=None)
        if public_bytes(leaf.public_key()) != public_bytes(key.public_key()):
            raise refuse("ValidationException", "ImportCertificate", "the private key is not the certificate's")
        if CertificateChain is not None:
            x509.load_pem_x509_certificates(CertificateChain)
        if CertificateArn is None:
            arn = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/{uuid.uuid4()}"
            tags = {tag["Key"]: tag["Value"] for tag in Tags or []}
            self.held[arn] = Imported(Certificate.decode(), PrivateKey.decode(), tags, self.clock())
            self.first_imports.append((tags["evercert:certificate"], tags["Name"]))
            return {"CertificateArn": arn}
        if Tags:
            raise refuse("ValidationException", "ImportCertificate", "tags are for the first import")
        held = self._find(CertificateArn, "ImportCertificate")
        before = x509.load_pem_x509_certificate(held.certificate.encode())
        if algorithm_of(before.public_key()) != algorithm_of(leaf.public_key()):
            raise refuse("ValidationException", "ImportCertificate", "key type and size may not change")
        held.certificate, held.private_key, held.by_hand = Certificate.decode(), PrivateKey.decode(), False
        return {"CertificateArn": CertificateArn}

    def get_certificate(self, *, CertificateArn: str) -> dict[str, Any]:
        return {"Certificate": self._find(CertificateArn, "GetCertificate").certificate}

    def list_certificates(
        self, *, Includes: dict[str, Any], MaxItems: int, SortBy: str, SortOrder: str
    ) -> dict[str, Any]:
        found = sorted(self.held.items(), key=lambda entry: entry[1].made, reverse=True)
        types = [(arn, held) for arn, held in found if _type(held) in Includes["keyTypes"]]
        return {"CertificateSummaryList": [{"CertificateArn": arn, "CreatedAt": held.made} for arn, held in types]}

    def list_tags_for_certificate(self, *, CertificateArn: str) -> dict[str, Any]:
        tags = self._find(CertificateArn, "ListTagsForCertificate").tags
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _find(self, arn: str, operation: str) -> Imported:
        if arn not in self.held:
            raise refuse("ResourceNotFoundException", operation)
        return self.held[arn]


def _type(held: Imported) -> str | None:
    return algorithm_of(x509.load_pem_x509_certificate(held.certificate.encode()).public_key())
