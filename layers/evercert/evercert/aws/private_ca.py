"""AWS Private CA: the calls for one CA, and what its errors mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError

from evercert.aws import regions
from evercert.aws.clients import DENIED, code, translated
from evercert.errors import Busy, EvercertError, GaveUp, Misconfigured, Unavailable, Unsuited
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.aws.clients import Clients

ACTIVE, SHORT_LIVED = "ACTIVE", "SHORT_LIVED_CERTIFICATE"
SUPERSEDED = "SUPERSEDED"  # evercert revokes only certificates that were never used
_LISTED = "list the CA in the stack's parameter PrivateCaArns; a CA of another account must be shared by AWS RAM"
_ARGUMENTS = "compare ttl, template-arn and signing-algorithm with the CA"
_NOT_ACTIVE = "the CA is not active: enable it, install its certificate, or use another CA"
_NOT_FOUND = "correct arn of the issuer, or restore the CA; a CA of another account must be shared by AWS RAM"


class NotAllowed(Misconfigured):
    """IAM, or the policy of a shared CA, denies a call."""


class UnknownCertificate(GaveUp):
    """The CA does not know a certificate."""


Errors = Mapping[str, tuple[type[EvercertError], str]]  # by the code of AWS, each with its remedy
_ERRORS: Errors = {
    "ConcurrentModificationException": (Busy, "another change of the CA is in progress: try again"),
    "InvalidArgsException": (Unsuited, _ARGUMENTS),
    "InvalidArnException": (Misconfigured, "correct arn and template-arn of the issuer"),
    "InvalidStateException": (Misconfigured, _NOT_ACTIVE),
    "LimitExceededException": (Misconfigured, "a quota is used up: request a higher one from AWS, or use another CA"),
    "MalformedCSRException": (Unsuited, "the CA does not accept the CSR: use another private-key.algorithm or csr"),
    "RequestFailedException": (Unavailable, "AWS gives no reason: try again later"),
    "ResourceNotFoundException": (Misconfigured, _NOT_FOUND),
    "ValidationException": (Unsuited, _ARGUMENTS),
}
_READING: Errors = {
    "RequestFailedException": (GaveUp, "AWS gives no reason; evercert requests another certificate"),
    "ResourceNotFoundException": (UnknownCertificate, "evercert requests another certificate"),
}
_DENIED: Errors = dict.fromkeys(DENIED, (NotAllowed, _LISTED))
_IN_PROGRESS, _REVOKED = "RequestInProgressException", "RequestAlreadyProcessedException"


class PrivateCAClient(Protocol):
    """The part of botocore's client that evercert uses."""

    def describe_certificate_authority(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 (of botocore)
        """Describe a CA."""

    def issue_certificate(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        """Request a certificate."""

    def get_certificate(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        """Read a certificate."""

    def revoke_certificate(self, **arguments: Any) -> Any:  # noqa: ANN401
        """Revoke a certificate."""


class PrivateCAClients:
    """Clients of AWS Private CA in the regions of the CAs; created on first use."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._made: dict[str, PrivateCAClient] = {}

    def of(self, region: str) -> PrivateCAClient:
        """Return the client without a request."""
        if region not in self._made:
            clients = self._clients
            if region != clients.session.region_name:
                clients = clients.elsewhere(region)
                regions.name_disabled(clients.session.events, region)
            self._made[region] = clients.client("acm-pca")
        return self._made[region]


@dataclass(frozen=True)
class Authority:
    """The description of a CA, with the names of AWS; `expires` is None before its certificate is installed."""

    status: str
    key_algorithm: str
    signing_algorithm: str
    short_lived: bool = False  # it issues certificates of at most 7 days
    expires: datetime | None = None


@dataclass(frozen=True)
class CertificateOrder:
    """A request to issue a certificate; the CA issues one for all requests with the same token within 5 minutes."""

    csr: str
    token: str
    template: str
    signing_algorithm: str
    not_before: datetime | None  # None: an hour before the issuance
    not_after: datetime


class PrivateCA:
    """One CA; each call raises an EvercertError that names it."""

    def __init__(self, client: PrivateCAClient, arn: str) -> None:
        self._client = client
        self._arn = arn

    def describe(self) -> Authority:
        """Return the description of the CA; raise NotAllowed without acm-pca:DescribeCertificateAuthority."""
        with self._explained("describe"):
            found = self._client.describe_certificate_authority(CertificateAuthorityArn=self._arn)
        authority = found["CertificateAuthority"]
        return Authority(
            status=authority["Status"],
            key_algorithm=authority["CertificateAuthorityConfiguration"]["KeyAlgorithm"],
            signing_algorithm=authority["CertificateAuthorityConfiguration"]["SigningAlgorithm"],
            short_lived=authority.get("UsageMode") == SHORT_LIVED,
            expires=authority.get("NotAfter"),
        )

    def issue(self, order: CertificateOrder) -> str:
        """Request a certificate and return its ARN; the CA issues it some time later."""
        begin = {} if order.not_before is None else {"ValidityNotBefore": _absolute(order.not_before)}
        with self._explained("issue a certificate with"):
            answer = self._client.issue_certificate(
                CertificateAuthorityArn=self._arn,
                Csr=order.csr.encode(),
                SigningAlgorithm=order.signing_algorithm,
                TemplateArn=order.template,
                Validity=_absolute(order.not_after),
                IdempotencyToken=order.token,
                **begin,
            )
        return str(answer["CertificateArn"])

    def certificate(self, arn: str) -> str | None:
        """Return the certificate and its chain up to the root as PEM; None while the CA issues it.

        Raise UnknownCertificate if the CA does not know it, and GaveUp if it could not issue it.
        """
        with self._explained(f"read certificate {arn.rpartition('/')[2]} of", _READING):
            try:
                answer = self._client.get_certificate(CertificateAuthorityArn=self._arn, CertificateArn=arn)
            except ClientError as error:
                if code(error) == _IN_PROGRESS:
                    return None
                raise
        return f"{answer['Certificate']}\n{answer.get('CertificateChain') or ''}"

    def revoke(self, serial_number: int) -> None:
        """Revoke a certificate as superseded; succeeds if it is revoked already."""
        digits = f"{serial_number:x}"
        octets = bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2))
        with self._explained(f"revoke certificate {octets.hex()} of"):
            try:
                self._client.revoke_certificate(
                    CertificateAuthorityArn=self._arn,
                    CertificateSerial=octets.hex(":"),
                    RevocationReason=SUPERSEDED,
                )
            except ClientError as error:
                if code(error) not in {_REVOKED, _IN_PROGRESS}:
                    raise

    @contextmanager
    def _explained(self, doing: str, more: Errors | None = None) -> Iterator[None]:
        known = {**_ERRORS, **_DENIED, **(more or {})}
        with translated(f"{doing} CA {self._arn}"):
            try:
                yield
            except ClientError as error:
                name = code(error)
                if name not in known:
                    raise
                kind, remedy = known[name]
                said = printable(str(error.response.get("Error", {}).get("Message", "")), 300)
                raise kind(f"cannot {doing} CA {self._arn}: {name}: {said}; {remedy}") from error


def _absolute(moment: datetime) -> dict[str, Any]:
    """Return the moment in whole seconds, rounded down."""
    return {"Type": "ABSOLUTE", "Value": int(moment.timestamp())}
