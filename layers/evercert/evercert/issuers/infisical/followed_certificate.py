"""A certificate that is renewed elsewhere, and read wherever its renewals lead."""

from __future__ import annotations

from evercert.contracts.issuer import Issued, Request
from evercert.errors import Misconfigured, Rejected
from evercert.issuers.infisical.api import Api, Fields
from evercert.issuers.infisical.recovery import successor_of
from evercert.issuers.infisical.response_parser import ResponseParser
from evercert.schema import printable

MOST_SUCCESSORS = 20


class FollowedCertificate:
    """Asks for nothing, and takes nothing back."""

    def __init__(self, api: Api, answers: ResponseParser, address: str) -> None:
        self._api = api
        self._answers = answers
        self._address = address

    def newest(self, request: Request, first: str) -> Issued:
        """The newest in the line of its renewals; raises Rejected if that is no certificate to deliver."""
        certificate_id, known = self._end_of_the_line(*self._start(request, first))
        if (status := known.get("status")) != "active":
            said = printable(str(status), 40)
            raise Rejected(f"certificate {certificate_id} is {said}, and nothing replaces it; renew it in Infisical")
        if known.get("hasPrivateKey") is False:
            raise Rejected(
                f"certificate {certificate_id}: Infisical has no private key of it, so it cannot be followed; "
                "renew it there with a key of the server's"
            )
        issued = self._answers.of_certificate(request, certificate_id)
        if issued.private_key is None:
            raise Rejected(f"the private key of certificate {certificate_id} is of a kind that evercert cannot use")
        return issued

    def _start(self, request: Request, first: str) -> tuple[str, Fields]:
        """What is delivered now, if it is still there: a long line is walked once."""
        delivered = request.previous.reference if request.previous is not None else None
        if delivered is not None and (known := self._api.certificate(delivered)) is not None:
            return delivered, known
        return first, self._certificate(first)

    def _end_of_the_line(self, first: str, known: Fields) -> tuple[str, Fields]:
        seen = [first]
        while (successor := successor_of(known)) is not None:
            if successor in seen:
                raise Rejected(f"certificate {first} cannot be followed: its renewals go round in a circle")
            if len(seen) > MOST_SUCCESSORS:
                raise Rejected(
                    f"certificate {first} has more than {MOST_SUCCESSORS} renewals in a line; "
                    f"write a newer certificate-id, such as {successor}"
                )
            seen.append(successor)
            known = self._certificate(successor)
        return seen[-1], known

    def _certificate(self, certificate_id: str) -> Fields:
        if (known := self._api.certificate(certificate_id)) is None:
            raise Misconfigured(
                f"there is no certificate {certificate_id} at {self._address} that this identity may see"
            )
        return known
