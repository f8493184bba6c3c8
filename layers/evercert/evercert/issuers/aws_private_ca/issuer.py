"""Issuer for CAs of AWS Private CA: one step of a request for each call, resumed from stored progress."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

from evercert.aws.private_ca import Authority, NotAllowed, PrivateCA, UnknownCertificate
from evercert.contracts.issuer import Issued, PendingAnswer, Request
from evercert.errors import Misconfigured, Rejected, Unavailable
from evercert.issuers.aws_private_ca.progress import Progress
from evercert.issuers.aws_private_ca.requirements import order_of, require_active
from evercert.issuers.aws_private_ca.settings import AWSPrivateCASettings
from evercert.pki.algorithms import KeyAlgorithm
from evercert.pki.certificate import Chain

if TYPE_CHECKING:
    from evercert.aws.private_ca import CertificateOrder
    from evercert.issuers.context import IssuerContext

# Seconds between two polls: most certificates need a second or two.
POLLS = (1, 1, 1, 2, 2, 5, 10, 30, 60, 120, 300)
LONGEST_PAUSE = timedelta(seconds=2)  # that a run sleeps; longer waits are stored
MOST_UNKNOWN = 3  # polls in which a new certificate may be unknown: not every server of the CA has it at once


class AWSPrivateCA:
    """Issuer for one CA and template; one instance per process caches the description of the CA."""

    Settings = AWSPrivateCASettings

    def __init__(self, settings: AWSPrivateCASettings, context: Callable[[], IssuerContext]) -> None:
        self.settings = settings
        client_in = context().private_ca
        if client_in is None:
            raise Misconfigured("cannot open an issuer for AWS Private CA here: only the issuer function can")
        self._ca = PrivateCA(client_in(settings.region), settings.arn)
        self._authority: Authority | None = None

    @staticmethod
    def identity(settings: AWSPrivateCASettings) -> dict[str, Any]:
        """Return CA and template."""
        return settings.identity

    def issue(self, request: Request) -> Issued | PendingAnswer:
        """Read the requested certificate; without a handle, request it.

        Within 5 minutes, a request with the same token returns the same certificate again.
        """
        if request.handle is None:
            return self._later(request, Progress(self._ca.issue(self._plan(request))))
        progress = Progress.parse(request.handle)
        try:
            pem = self._ca.certificate(progress.certificate)
        except UnknownCertificate:
            if progress.polls >= MOST_UNKNOWN:
                raise
            pem = None
        if pem is None:
            return self._later(request, progress.polled())
        chain = _chain(pem, progress.certificate)
        return Issued(chain, reference=progress.certificate, handle=progress.text, profiled=True)

    def revoke(self, chain: Chain, reference: str | None) -> None:  # noqa: ARG002 (the serial number is enough)
        """Revoke the leaf."""
        self._ca.revoke(chain.leaf.serial_number)

    def cancel(self, handle: str) -> None:
        """Revoke the certificate; raise Unavailable while the CA has not issued it: a request cannot be cancelled."""
        arn = Progress.parse(handle).certificate
        if (pem := self._ca.certificate(arn)) is None:
            raise Unavailable(f"cannot revoke {arn}: the CA has not issued it yet; revoke it later with the AWS CLI")
        self._ca.revoke(_chain(pem, arn).leaf.serial_number)

    def key_algorithm(self) -> KeyAlgorithm | None:
        """Return the algorithm of the CA's key, so that ACM accepts the certificate, or None if it is another kind."""
        authority = self._described_if_allowed()
        found = None if authority is None else authority.key_algorithm
        return next((known for known in get_args(KeyAlgorithm) if known == found), None)

    def reach(self) -> None:
        """Describe the CA; raise Misconfigured if it cannot issue certificates."""
        self._authority = None
        require_active(self.settings.arn, self._described())

    def _plan(self, request: Request) -> CertificateOrder:
        """Return the order; a CA whose cached description forbids it is described again: it may have changed."""
        if self._authority is not None:
            try:
                return order_of(request, self.settings, self._authority)
            except (Rejected, Misconfigured):
                self._authority = None
        return order_of(request, self.settings, self._described_if_allowed())

    def _described_if_allowed(self) -> Authority | None:
        """Return the description, or None if a permission is missing: the CA then refuses a wrong order itself."""
        try:
            return self._described()
        except NotAllowed as error:
            if self.settings.signing_algorithm is None:
                raise Misconfigured(f"{error}; or set signing-algorithm of the issuer") from error
            return None

    def _described(self) -> Authority:
        if self._authority is None:
            self._authority = self._ca.describe()
        return self._authority

    def _later(self, request: Request, progress: Progress) -> PendingAnswer:
        wait = timedelta(seconds=POLLS[min(progress.polls, len(POLLS) - 1)])
        return PendingAnswer(
            handle=progress.text,
            retry_at=request.now + wait,
            deadline=request.now + self.settings.pending_for,
            pause=wait if wait <= LONGEST_PAUSE else None,
        )


def _chain(pem: str, arn: str) -> Chain:
    try:
        return Chain.from_pem(pem)
    except ValueError as error:
        raise Unavailable(f"cannot read certificate {arn}: {error}; check the network and the endpoint") from error
