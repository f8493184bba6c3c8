"""Infisical's API enrollment: asks, waits for approvals, renews, follows, and never asks twice if it can look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from evercert.algorithms import KeyAlgorithm
from evercert.certificate import Chain
from evercert.errors import AnswerLost, Misconfigured, Rejected, foreign
from evercert.issuer import Issued, PendingAnswer, Request, Status
from evercert.issuers.infisical_answers import Answers
from evercert.issuers.infisical_api import Api, Fields, Names
from evercert.issuers.infisical_settings import InfisicalSettings
from evercert.issuers.infisical_wording import TOKEN, body_of, require_known, without_root
from evercert.logins.refusals import NOT_FOUND, Refusal
from evercert.record import Facts
from evercert.spec import Spec

if TYPE_CHECKING:
    from evercert.aws.outside import Outside

NOBODY = "00000000-0000-4000-8000-000000000000"  # a certificate that there is not
MOST_SUCCESSORS = 20
MOST_CANDIDATES = 10  # of a search whose server ignores what was searched for
OPEN = frozenset({"pending_approval", "pending", "pending_validation"})
REASON = "SUPERSEDED"  # of what evercert takes back: nobody has ever used it


class Infisical:
    """One profile of one server; opened once in a process, so that names and login are asked for once."""

    Settings = InfisicalSettings

    def __init__(self, settings: InfisicalSettings, outside: Callable[[], Outside]) -> None:
        self.settings = settings
        self._api = Api(
            outside().session(settings.address, settings.auth, retry=settings.retry, ca_bundle=settings.ca_bundle)
        )
        self._answers = Answers(self._api, settings.pending_for)
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
            return self._follow(request, certificate_id)
        require_known(request.spec)
        if request.handle is not None:
            answer = self._answers.of_request(request, request.handle)
            if request.previous is None:
                return answer
            return self._own(request, answer) or self._found(request) or self._issued(request)
        found = self._found(request) if request.asked_before else None
        return found or self._renewed(request) or self._issued(request)

    def status(self, spec: Spec, facts: Facts) -> Status:
        """Of what has no id here, nothing can be asked."""
        if facts.reference is None or (known := self._api.certificate(facts.reference)) is None:
            return "good"
        if known.get("status") == "revoked":
            return "revoked"
        return "replaced" if spec.key_from_issuer and _successor(known) is not None else "good"

    def revoke(self, chain: Chain, reference: str | None) -> None:
        """By id; a thumbprint names what has none."""
        self._api.revoke(reference or chain.fingerprint_sha256, REASON)

    def cancel(self, handle: str) -> None:
        """What is issued already is revoked instead."""
        if self._api.cancel(handle):
            return
        if isinstance(certificate_id := self._api.request(handle).get("certificateId"), str):
            self._api.revoke(certificate_id, REASON)

    def forget(self, request: Request) -> bool:
        """By the same ways on which a run would have found it again."""
        if request.spec.certificate_id is None and (handle := self._searched(request, request.token)) is not None:
            self.cancel(handle)
            return True
        if request.previous is None or request.previous.reference is None or request.csr is None:
            return False  # without a CSR nothing tells our renewal from one of the server's own
        found = self._successor_of(request, request.previous.reference, asked=True)
        if isinstance(found, PendingAnswer):
            self.cancel(found.handle)
        elif found is not None:
            self.revoke(found.chain, found.reference)
        return found is not None

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
            if (found := self._found(request)) is not None:
                return found
            raise
        if isinstance(answer, Refusal):
            raise answer.as_error(f"issue with profile {self.settings.profile!r}")
        return self._answers.of_issue(request, answer)

    def _renewed(self, request: Request) -> Issued | PendingAnswer | None:
        """The renewal of what is delivered now; None where the server allows none."""
        previous = request.previous.reference if request.previous is not None else None
        if previous is None or not (self._renews_for_a_csr or request.csr is None):
            return None
        # Without a CSR the server may have renewed it by itself; with one, nobody but us has the key.
        if request.asked_before or request.csr is None:
            found = self._successor_of(request, previous, asked=request.asked_before)
            if found is not None:
                return found
        how: dict[str, Any] = {"renewalKeySource": "new"}
        if request.csr is not None:
            how = {"renewalKeySource": "csr", "csr": request.csr}
        try:
            answer = self._api.renew(previous, {**how, "removeRootsFromChain": without_root(request.spec)})
        except AnswerLost:
            if (found := self._successor_of(request, previous, asked=True)) is not None:
                return found
            raise
        if isinstance(answer, Refusal):
            return None
        return self._own(request, self._answers.of_issue(request, answer))

    def _successor_of(self, request: Request, previous: str, *, asked: bool) -> Issued | PendingAnswer | None:
        """What replaced it already: a renewal whose answer was lost, or one that the server made by itself.

        `asked`: we may have asked for one that still waits; a renewal carries the metadata of what it renews. What is
        not ours, or is revoked already, is left alone: somebody may have renewed it by hand, for another use.
        """
        if (known := self._api.certificate(previous)) is None:
            return None
        if (successor := _successor(known)) is None:
            token = _token_of(known) if asked else None
            handle = None if token is None else self._searched(request, token, OPEN)
            return None if handle is None else self._answers.of_request(request, handle)
        if (self._api.certificate(successor) or {}).get("status") != "active":
            return None
        issued = self._answers.of_certificate(request, successor)
        return issued if self._answers.is_of(request, issued.chain) else None

    def _own(self, request: Request, answer: Issued | PendingAnswer) -> Issued | PendingAnswer | None:
        """None for a renewal with another key than was sent; it is taken back."""
        if not isinstance(answer, Issued) or self._answers.is_of(request, answer.chain):
            return answer
        self._renews_for_a_csr = False
        if answer.reference is not None:
            self._api.revoke(answer.reference, REASON)
        return None

    def _found(self, request: Request) -> Issued | PendingAnswer | None:
        """The request that a run made which never saw the answer."""
        handle = self._searched(request, request.token)
        return None if handle is None else self._answers.of_request(request, handle)

    def _searched(self, request: Request, token: str, statuses: frozenset[str] | None = None) -> str | None:
        """The newest request that carries the token, and has one of the statuses; those of our name are seen first."""
        names = self._described()
        if names.project is None:
            return None
        found = self._api.search(names.project, names.profile, {TOKEN: token})
        candidates = [entry for entry in found if statuses is None or entry.get("status") in statuses]
        candidates.sort(key=lambda entry: entry.get("commonName") != request.spec.attributes.common_name)
        for entry in candidates[:MOST_CANDIDATES]:
            if isinstance(handle := entry.get("id"), str) and _token_of(self._api.request(handle)) == token:
                return handle
        return None

    def _follow(self, request: Request, certificate_id: str) -> Issued | PendingAnswer:
        """The newest in the line of its renewals."""
        known = self._certificate(certificate_id)
        for _ in range(MOST_SUCCESSORS):
            if (successor := _successor(known)) is None:
                break
            certificate_id, known = successor, self._certificate(successor)
        if (status := known.get("status")) != "active":
            said = foreign(str(status), 40)
            raise Rejected(f"certificate {certificate_id} is {said}, and nothing replaces it; renew it in Infisical")
        return self._answers.of_certificate(request, certificate_id)

    def _certificate(self, certificate_id: str) -> Fields:
        if (known := self._api.certificate(certificate_id)) is None:
            raise Misconfigured(
                f"there is no certificate {certificate_id} at {self.settings.address} that this identity may see"
            )
        return known

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
            project, defaults = profile.get("projectId"), profile.get("defaults")
            names = replace(
                names,
                project=project if isinstance(project, str) else None,
                defaults=defaults if isinstance(defaults, dict) else {},
            )
            self._names = names
        return names


def _successor(known: Fields) -> str | None:
    found = known.get("latestRenewalCertificateId")
    return found if isinstance(found, str) and found and found != known.get("id") else None


def _token_of(answer: Fields) -> str | None:
    """The token that a request or a certificate carries: older servers find whatever there is."""
    metadata = answer.get("metadata")
    entries = [entry for entry in metadata if isinstance(entry, dict)] if isinstance(metadata, list) else []
    return next(
        (text for entry in entries if entry.get("key") == TOKEN and isinstance(text := entry.get("value"), str)), None
    )
