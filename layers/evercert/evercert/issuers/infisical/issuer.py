"""Issuer for the Infisical API: issues, renews, follows and revokes certificates.

After a crash or a lost response it looks for the existing request before it makes another one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from evercert.contracts.issuer import Issued, PendingAnswer, Request, Status
from evercert.contracts.record import Facts
from evercert.documents.spec import Spec
from evercert.errors import AnswerLost, Misconfigured, Rejected, Unavailable
from evercert.issuers.infisical.api import Api, Names, id_of, status_of
from evercert.issuers.infisical.errors import NOT_FOUND, Refusal
from evercert.issuers.infisical.followed_certificate import FollowedCertificate
from evercert.issuers.infisical.recovery import PERHAPS, Recovery, successor_of
from evercert.issuers.infisical.request_bodies import body_of, require_supported, without_root
from evercert.issuers.infisical.response_parser import CERTIFICATE, ResponseParser
from evercert.issuers.infisical.session import shared_session
from evercert.issuers.infisical.settings import InfisicalSettings
from evercert.pki.algorithms import KeyAlgorithm
from evercert.pki.certificate import Chain

if TYPE_CHECKING:
    from evercert.issuers.context import IssuerContext

MISSING_ID = "00000000-0000-4000-8000-000000000000"  # of no certificate
ENDED = frozenset({"failed", "rejected", "cancelled"})
REASON = "SUPERSEDED"  # evercert revokes only certificates that were never used


class Infisical:
    """Issuer for one profile of one server; one instance per process caches the ids of its names and the login."""

    Settings = InfisicalSettings

    def __init__(self, settings: InfisicalSettings, context: Callable[[], IssuerContext]) -> None:
        self.settings = settings
        self._session = shared_session(
            context(), settings.address, settings.auth, retry=settings.retry, ca_bundle=settings.ca_bundle
        )
        self._api = Api(self._session)
        self._answers = ResponseParser(self._api, settings.pending_for)
        self._recovery = Recovery(self._api, self._answers, self._names_with_defaults)
        self._followed = FollowedCertificate(self._api, self._answers, settings.address)
        self._names: Names | None = None
        self._renews_with_csr = True  # older servers ignore the CSR and renew with a key of their own

    @staticmethod
    def identity(settings: InfisicalSettings) -> dict[str, Any]:
        """Return address, organization, project or application, and profile."""
        return settings.identity

    def issue(self, request: Request) -> Issued | PendingAnswer:
        """Follow, renew or issue the certificate; a request of an earlier run is resumed first."""
        if (certificate_id := request.spec.certificate_id) is not None:
            if self.settings.profile is not None:  # else writers of specs could read every key the identity can read
                raise Rejected("cannot follow a certificate-id: this issuer has a profile; use one without a profile")
            return self._followed.newest(request, certificate_id)
        require_supported(request.spec)
        if request.handle is not None:
            return self._resume(request, request.handle) or self._recovery.find(request) or self._issue(request)
        found = self._recovery.find(request) if request.asked_before else None
        return found or self._renew(request) or self._issue(request)

    def status(self, spec: Spec, facts: Facts) -> Status:
        """Return the status; "good" if the certificate has no id at the server, or is not visible."""
        if facts.reference is None or (known := self._api.certificate(facts.reference)) is None:
            return "good"
        if known.get("status") == "revoked":
            return "revoked"
        return "replaced" if spec.key_from_issuer and successor_of(known) is not None else "good"

    def revoke(self, chain: Chain, reference: str | None) -> None:
        """Revoke by id, or else by thumbprint; raise Rejected for a followed certificate."""
        certificate_id = reference or chain.fingerprint_sha256
        self._require_own(f"certificate {certificate_id}")
        self._api.revoke(certificate_id, REASON)

    def cancel(self, handle: str) -> None:
        """Cancel a request, or revoke its certificate if it is already issued.

        Raises an error if neither is possible, and Rejected if the request may belong to another client.
        """
        self._require_own(f"request {handle}")
        if handle.startswith(PERHAPS):
            raise Rejected(f"did not cancel request {handle.removeprefix(PERHAPS)}: another client may have made it")
        if handle.startswith(CERTIFICATE):
            self._api.revoke(handle.removeprefix(CERTIFICATE), REASON)
            return
        answer = self._api.cancel(handle)
        if not isinstance(answer, Refusal) and answer.get("cancelled") is True:
            return
        current = self._api.request(handle)
        if (certificate_id := id_of(current, "certificateId")) is not None:
            self._api.revoke(certificate_id, REASON)
        elif status_of(current) not in ENDED:
            if isinstance(answer, Refusal):
                raise answer.as_error(f"cancel request {handle}")
            raise Rejected(f"cannot cancel request {handle}: the server left it open; cancel it in Infisical")

    def withdraw(self, request: Request) -> bool:
        """Cancel or revoke the request of an earlier run if it is certainly evercert's; return whether it did."""
        if self.settings.profile is None:
            return False
        if (handle := self._recovery.find_handle(request, request.token)) is not None:
            self.cancel(handle)
            return True
        if request.previous is None or request.previous.reference is None or request.csr is None:
            return False  # without a CSR, evercert's renewal looks like the server's own
        found = self._recovery.find_successor(request, request.previous.reference, asked=True)
        if not isinstance(found, Issued):
            return False  # a pending request does not show its key
        self.revoke(found.chain, found.reference)
        return True

    def key_algorithm(self) -> KeyAlgorithm | None:
        """Return the profile's default key algorithm, or None."""
        default = (self._names_with_defaults().defaults or {}).get("keyAlgorithm")
        return next((known for known in get_args(KeyAlgorithm) if known == default), None)

    def check_login(self) -> None:
        """Log in and revoke the token; the profile is not read."""
        self._session.check_login()

    def reach(self) -> None:
        """Log in and look up the profile, without cached names."""
        self._names = None
        if self.settings.profile is None:
            self._api.certificate(MISSING_ID)
        else:
            self._resolve_names()

    def _issue(self, request: Request) -> Issued | PendingAnswer:
        try:
            answer = self._api.issue(body_of(request, self._resolve_names().where))
            if isinstance(answer, Refusal) and answer.status == NOT_FOUND:
                self._names = None  # it may have been recreated under the same name
                answer = self._api.issue(body_of(request, self._resolve_names().where))
        except AnswerLost:
            if (found := self._recovery.find(request)) is not None:
                return found
            raise
        if isinstance(answer, Refusal):
            raise answer.as_error(f"issue with profile {self.settings.profile!r}")
        return self._answers.of_issue(request, answer)

    def _resume(self, request: Request, handle: str) -> Issued | PendingAnswer | None:
        """Return the state of a request; None if it is another client's or its certificate does not fit."""
        if handle.startswith(PERHAPS):
            return self._recovery.resume_uncertain(request, handle)
        answer: Issued | PendingAnswer
        if handle.startswith(CERTIFICATE):
            answer = self._answers.of_certificate(request, handle.removeprefix(CERTIFICATE))
        else:
            answer = self._answers.of_request(request, handle)
        return answer if request.previous is None else self._require_own_key(request, answer)

    def _renew(self, request: Request) -> Issued | PendingAnswer | None:
        """Renew the delivered certificate; return None if the server refuses."""
        previous = request.previous.reference if request.previous is not None else None
        if previous is None or not (self._renews_with_csr or request.csr is None):
            return None
        # Without a CSR the server may have renewed it by itself; with one, only evercert has the key.
        if request.asked_before or request.csr is None:
            found = self._recovery.find_successor(request, previous, asked=request.asked_before)
            if found is not None:
                return found
        key: dict[str, Any] = {"renewalKeySource": "new"}
        if request.csr is not None:
            key = {"renewalKeySource": "csr", "csr": request.csr}
        try:
            answer = self._api.renew(previous, {**key, "removeRootsFromChain": without_root(request.spec)})
        except AnswerLost:
            if (found := self._recovery.find_successor(request, previous, asked=True)) is not None:
                return found
            raise
        if isinstance(answer, Refusal):
            return None
        return self._require_own_key(request, self._answers.of_issue(request, answer))

    def _require_own_key(self, request: Request, answer: Issued | PendingAnswer) -> Issued | PendingAnswer | None:
        """Revoke a renewal for another key than that of the CSR and return None; return others unchanged."""
        if not isinstance(answer, Issued) or self._answers.is_of(request, answer.chain):
            return answer
        self._renews_with_csr = False
        if answer.reference is not None:
            with suppress(Rejected, Unavailable, Misconfigured):  # best effort: the issuance continues without it
                self._api.revoke(answer.reference, REASON)
        return None

    def _require_own(self, what: str) -> None:
        """Raise Rejected if this issuer has no profile: it then requested nothing itself."""
        if self.settings.profile is None:
            raise Rejected(f"did not change {what}: this issuer only follows certificates")

    def _resolve_names(self) -> Names:
        settings = self.settings
        if self._names is None:
            if settings.profile is None:
                raise Misconfigured("this issuer has no profile: it can only follow certificates by certificate-id")
            if settings.project is not None:
                self._names = self._api.project_profile(settings.project, settings.profile)
            else:
                self._names = self._api.application_profile(str(settings.application), settings.profile)
        return self._names

    def _names_with_defaults(self) -> Names:
        """Return the names with the profile's project and defaults, if the identity may read the profile."""
        names = self._resolve_names()
        if names.defaults is None:
            profile = self._api.profile(names.profile) or {}
            defaults = profile.get("defaults")
            names = replace(
                names,
                project=id_of(profile, "projectId"),
                defaults=defaults if isinstance(defaults, dict) else {},
            )
            self._names = names
        return names
