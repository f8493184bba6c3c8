"""ACM in memory with the rules that the emulator lacks; each with its source.

Sources: the service model that botocore ships ("model"; its documentation of an operation too), and ACM's user guide:
"Prerequisites" (for importing certificates), "Reimport", "Quotas".
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.doubles.strict_acm_rules import algorithm, invalid, read, require_replaceable
from tests.doubles.strict_aws import ACCOUNT, REGION, refuse

MOST_TAGS = 50  # model: TagList
_TAG = re.compile(r"[\w\s.:/=+@-]*")  # model: TagKey, TagValue
_ARN = re.compile(r"arn:[\w+=/,.@-]+:acm:[\w+=/,.@-]*:[0-9]+:[\w+=,.@-]+(/[\w+=,.@-]+)*")  # model: Arn


@dataclass
class Certificate:
    """One certificate in ACM."""

    leaf: x509.Certificate
    chain: str | None
    tags: dict[str, str]
    created: datetime
    imported: datetime
    type: str = "IMPORTED"
    in_use: bool = False


@dataclass
class StrictACM:
    """The part of the client that evercert uses, and manual edits by an operator."""

    clock: Callable[[], datetime]
    yearly: int = 5_000  # Quotas: imported certificates in the last 365 days
    most_held: int = 2_500  # Quotas: imported certificates
    page: int = 1_000  # a response may be shorter than requested
    certificates: dict[str, Certificate] = field(default_factory=dict)
    imports: list[datetime] = field(default_factory=list)
    _asked: datetime | None = None

    def import_certificate(
        self,
        *,
        Certificate: bytes,
        PrivateKey: bytes,
        CertificateChain: bytes | None = None,
        CertificateArn: str | None = None,
        Tags: list[dict[str, str]] | None = None,
    ) -> dict[str, str]:
        now = self._turn()
        leaf = read(Certificate, PrivateKey, CertificateChain, now)
        if CertificateArn is None:
            tags = _tags(Tags)
            self._room(now, new=True)
            arn = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/{uuid.uuid4()}"
            self._keep(arn, leaf, CertificateChain, tags, now, now)
        else:
            arn, held = CertificateArn, self._find(CertificateArn, "ImportCertificate")
            if Tags is not None:  # Reimport: tags are applied when a certificate is imported for the first time
                raise invalid("tags cannot be given on re-import")
            if held.type != "IMPORTED":  # model: CertificateArn of ImportCertificateRequest is an imported one's
                raise invalid("it was not imported")
            require_replaceable(held.leaf, leaf)
            self._room(now, new=False)
            self._keep(arn, leaf, CertificateChain, held.tags, held.created, now)
        self.imports.append(now)
        return {"CertificateArn": arn}

    def get_certificate(self, *, CertificateArn: str) -> dict[str, str]:
        found = self._find(CertificateArn, "GetCertificate")
        body = {"Certificate": found.leaf.public_bytes(serialization.Encoding.PEM).decode()}
        return body if found.chain is None else {**body, "CertificateChain": found.chain}

    def list_certificates(
        self,
        *,
        Includes: dict[str, Any] | None = None,
        MaxItems: int = 1_000,
        SortBy: str | None = None,
        SortOrder: str | None = None,
        NextToken: str | None = None,
    ) -> dict[str, Any]:
        if not 1 <= MaxItems <= 1_000:  # model: MaxItems
            raise invalid("MaxItems", "ListCertificates")
        if (SortBy is None) != (SortOrder is None):  # model: SortBy, "you must also specify SortOrder"
            raise invalid("SortBy and SortOrder", "ListCertificates")
        # model: Filters, "Default filtering returns only RSA_1024 and RSA_2048 certificates"
        kinds = (Includes or {}).get("keyTypes") or ["RSA_1024", "RSA_2048"]
        wanted = [(a, c) for a, c in self.certificates.items() if algorithm(c.leaf.public_key()) in kinds]
        if SortBy is not None:
            wanted.sort(key=lambda entry: entry[1].created, reverse=SortOrder == "DESCENDING")
        start, size = int(NextToken or 0), min(MaxItems, self.page)
        answer: dict[str, Any] = {"CertificateSummaryList": [_summary(*e) for e in wanted[start : start + size]]}
        return {**answer, "NextToken": str(start + size)} if start + size < len(wanted) else answer

    def list_tags_for_certificate(self, *, CertificateArn: str) -> dict[str, Any]:
        tags = self._find(CertificateArn, "ListTagsForCertificate").tags
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def add_tags_to_certificate(self, *, CertificateArn: str, Tags: list[dict[str, str]]) -> None:
        self._find(CertificateArn, "AddTagsToCertificate").tags.update(_tags(Tags))

    def delete_certificate(self, *, CertificateArn: str) -> None:
        if self._find(CertificateArn, "DeleteCertificate").in_use:  # model: DeleteCertificate
            raise refuse("ResourceInUseException", "DeleteCertificate")
        del self.certificates[CertificateArn]

    def _find(self, arn: str, operation: str) -> Certificate:
        if not _ARN.fullmatch(arn):
            raise refuse("InvalidArnException", operation)
        if arn not in self.certificates:
            raise refuse("ResourceNotFoundException", operation)
        return self.certificates[arn]

    def _turn(self) -> datetime:
        """Enforce the quota of ImportCertificate: one request per second; refused ones count too."""
        now, before = self.clock(), self._asked
        if before is not None and before <= now < before + timedelta(seconds=1):
            raise refuse("ThrottlingException", "ImportCertificate", "Rate exceeded")
        self._asked = now
        return now

    def _room(self, now: datetime, *, new: bool) -> None:
        """Whether a re-import counts for the year is not documented; here it does."""
        held = sum(certificate.type == "IMPORTED" for certificate in self.certificates.values())
        year = sum(at > now - timedelta(days=365) for at in self.imports)
        if year >= self.yearly or (new and held >= self.most_held):
            raise refuse("LimitExceededException", "ImportCertificate")

    def _keep(
        self,
        arn: str,
        leaf: x509.Certificate,
        chain: bytes | None,
        tags: dict[str, str],
        created: datetime,
        imported: datetime,
    ) -> None:
        in_use = arn in self.certificates and self.certificates[arn].in_use
        text = None if chain is None else chain.decode()
        self.certificates[arn] = Certificate(leaf, text, tags, created, imported, in_use=in_use)


def _tags(tags: list[dict[str, str]] | None) -> dict[str, str]:
    if tags is not None and not 1 <= len(tags) <= MOST_TAGS:
        raise refuse("TooManyTagsException", "ImportCertificate")
    found = {tag["Key"]: tag.get("Value", "") for tag in tags or []}
    for key, value in found.items():
        fits = 1 <= len(key) <= 128 and len(value) <= 256 and _TAG.fullmatch(key) and _TAG.fullmatch(value)
        if not fits or key.startswith("aws:"):  # model: InvalidTagException
            raise refuse("InvalidTagException", "ImportCertificate")
    return found


def _summary(arn: str, held: Certificate) -> dict[str, Any]:
    return {
        "CertificateArn": arn,
        "Type": held.type,
        "KeyAlgorithm": algorithm(held.leaf.public_key()),
        "CreatedAt": held.created,
        "ImportedAt": held.imported,
        "NotAfter": held.leaf.not_valid_after_utc,
    }
