"""Infisical's API enrollment: asks, waits for approvals, renews, follows, and never asks twice if it can look."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from evercert.contracts.issuer import Issued, PendingAnswer, Request, Status
from evercert.contracts.record import Facts
from evercert.documents.spec import Spec
from evercert.errors import AnswerLost, Misconfigured, Rejected, Unavailable
from evercert.issuers.infisical.api import Api, Names, id_of
from evercert.issuers.infisical.errors import NOT_FOUND, Refusal
from evercert.issuers.infisical.followed_certificate import FollowedCertificate
from evercert.issuers.infisical.recovery import PERHAPS, Recovery, successor_of
from evercert.issuers.infisical.request_bodies import body_of, require_known, without_root
from evercert.issuers.infisical.response_parser import ResponseParser
from evercert.issuers.infisical.session import shared_session
from evercert.issuers.infisical.settings import InfisicalSettings
from evercert.pki.algorithms import KeyAlgorithm
from evercert.pki.certificate import Chain

if TYPE_CHECKING:
    from evercert.issuers.context import IssuerContext

NOBODY = "00000000-0000-4000-8000-000000000000"  # a certificate that there is not
ENDED = frozenset({"failed", "rejected", "cancelled"})
REASON = "SUPERSEDED"  # of what evercert takes back: nobody has ever used it


class Infisical:
    """One profile of one server; opened once in a process, so that names and login are asked for once."""

    Settings = InfisicalSettings

    def __init__(self, settings: InfisicalSettings, outside: Callable[[], IssuerContext]) -> None:
        self.settings = settings
        self._api = Api(
            shared_session(
                outside(), settings.address, settings.auth, retry=settings.retry, ca_bundle=settings.ca_bundle
            )
        )
        self._answers = ResponseParser(self._api, settings.pending_for)
        self._lost = Recovery(self._api, self._answers, self._described)
        self._followed = FollowedCertificate(self._api, self._answers, settings.address)
        self._names: Names | None = None
        self._renews_for_a_csr = True  # older servers renew with a key of their own, whatever they are sent

    @staticmethod
    def identity(settings: InfisicalSettings) -> dict[str, Any]:
        """Address, organization, project or application, profile."""
        return settings.identity

    def issue(self, request: Request) -> Issued | PendingAnswer:
        """As the spec wants it: followed, renewed, or issued anew; and first of all, found again."""
        if (certificate_id := request.spec.certificate_id) is not None:
            if self.settings.profile is not None:  # who may write specs gains no other key by it
                raise Rejected("a certificate-id is followed by an issuer that names no profile, and this one does")
            return self._followed.newest(request, certificate_id)
        require_known(request.spec)
        if request.handle is not None:
            return self._resumed(request, request.handle) or self._lost.asked(request) or self._issued(request)
        found = self._lost.asked(request) if request.asked_before else None
        return found or self._renewed(request) or self._issued(request)

    def status(self, spec: Spec, facts: Facts) -> Status:
        """Of what has no id here, nothing can be asked."""
        if facts.reference is None or (known := self._api.certificate(facts.reference)) is None:
            return "good"
        if known.get("status") == "revoked":
            return "revoked"
        return "replaced" if spec.key_from_issuer and successor_of(known) is not None else "good"

    def revoke(self, chain: Chain, reference: str | None) -> None:
        """By id; a thumbprint names what has none. Raises Rejected for what is only followed."""
        certificate_id = reference or chain.fingerprint_sha256
        self._require_own(f"certificate {certificate_id}")
        self._api.revoke(certificate_id, REASON)

    def cancel(self, handle: str) -> None:
        """What is issued already is revoked instead; raises if it is neither, and Rejected for what may not be ours."""
        self._require_own(f"request {handle}")
        if handle.startswith(PERHAPS):
            raise Rejected(f"request {handle.removeprefix(PERHAPS)} may be a renewal of somebody else's, and is left")
        answer = self._api.cancel(handle)
        if not isinstance(answer, Refusal) and answer.get("cancelled") is True:
            return
        stands = self._api.request(handle)
        if (certificate_id := id_of(stands, "certificateId")) is not None:
            self._api.revoke(certificate_id, REASON)
        elif stands.get("status") not in ENDED:
            if isinstance(answer, Refusal):
                raise answer.as_error(f"cancel request {handle}")
            raise Rejected(f"request {handle} could not be cancelled; cancel it in Infisical")

    def forget(self, request: Request) -> bool:
        """By the same ways on which a run would have found it again, if it is certain then that it is ours."""
        if self.settings.profile is None:
            return False
        if (handle := self._lost.handle(request, request.token)) is not None:
            self.cancel(handle)
            return True
        if request.previous is None or request.previous.reference is None or request.csr is None:
            return False  # without a CSR nothing tells our renewal from one of the server's own
        found = self._lost.successor(request, request.previous.reference, asked=True)
        if not isinstance(found, Issued):
            return False  # one that waits shows no key
        self.revoke(found.chain, found.reference)
        return True

    def key_algorithm(self) -> KeyAlgorithm | None:
        """The profile's default."""
        wanted = (self._described().defaults or {}).get("keyAlgorithm")
        return next((known for known in get_args(KeyAlgorithm) if known == wanted), None)

    def reach(self) -> None:
        """Login, project or application, profile; anew each time."""
        self._names = None
        if self.settings.profile is None:
            self._api.certificate(NOBODY)
        else:
            self._resolved()

    def _issued(self, request: Request) -> Issued | PendingAnswer:
        try:
            answer = self._api.issue(body_of(request, self._resolved().where))
            if isinstance(answer, Refusal) and answer.status == NOT_FOUND:
                self._names = None  # made anew under the same name, perhaps
                answer = self._api.issue(body_of(request, self._resolved().where))
        except AnswerLost:
            if (found := self._lost.asked(request)) is not None:
                return found
            raise
        if isinstance(answer, Refusal):
            raise answer.as_error(f"issue with profile {self.settings.profile!r}")
        return self._answers.of_issue(request, answer)

    def _resumed(self, request: Request, handle: str) -> Issued | PendingAnswer | None:
        """How it stands; None for what is not ours, or of no use."""
        if handle.startswith(PERHAPS):
            return self._lost.perhaps(request, handle)
        answer = self._answers.of_request(request, handle)
        return answer if request.previous is None else self._own(request, answer)

    def _renewed(self, request: Request) -> Issued | PendingAnswer | None:
        """The renewal of what is delivered now; None where the server allows none."""
        previous = request.previous.reference if request.previous is not None else None
        if previous is None or not (self._renews_for_a_csr or request.csr is None):
            return None
        # Without a CSR the server may have renewed it by itself; with one, nobody but us has the key.
        if request.asked_before or request.csr is None:
            found = self._lost.successor(request, previous, asked=request.asked_before)
            if found is not None:
                return found
        how: dict[str, Any] = {"renewalKeySource": "new"}
        if request.csr is not None:
            how = {"renewalKeySource": "csr", "csr": request.csr}
        try:
            answer = self._api.renew(previous, {**how, "removeRootsFromChain": without_root(request.spec)})
        except AnswerLost:
            if (found := self._lost.successor(request, previous, asked=True)) is not None:
                return found
            raise
        if isinstance(answer, Refusal):
            return None
        return self._own(request, self._answers.of_issue(request, answer))

    def _own(self, request: Request, answer: Issued | PendingAnswer) -> Issued | PendingAnswer | None:
        """None for a renewal with another key than was sent; it is taken back."""
        if not isinstance(answer, Issued) or self._answers.is_of(request, answer.chain):
            return answer
        self._renews_for_a_csr = False
        if answer.reference is not None:
            with suppress(Rejected, Unavailable, Misconfigured):  # what is wanted now does not wait for it
                self._api.revoke(answer.reference, REASON)
        return None

    def _require_own(self, what: str) -> None:
        """An issuer without a profile asks for nothing, so nothing is its own."""
        if self.settings.profile is None:
            raise Rejected(f"{what} was issued elsewhere, and is left")

    def _resolved(self) -> Names:
        settings = self.settings
        if self._names is None:
            if settings.profile is None:
                raise Misconfigured("this issuer names no profile, and can only follow certificates by certificate-id")
            if settings.project is not None:
                self._names = self._api.project_profile(settings.project, settings.profile)
            else:
                self._names = self._api.application_profile(str(settings.application), settings.profile)
        return self._names

    def _described(self) -> Names:
        """With what only the profile itself says: its project, its defaults; as far as this identity may see it."""
        names = self._resolved()
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
