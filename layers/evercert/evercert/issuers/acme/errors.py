"""Conversion of an ACME server's refusals to evercert's errors."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from datetime import timedelta

from evercert.acme.problem import Problem
from evercert.errors import EvercertError, Misconfigured, Rejected, Throttled, Unavailable, Unsuited

# The CA must not issue for these names, or does not issue such certificates, however often it is asked.
_REFUSED_NAMES = frozenset({"rejectedIdentifier", "caa"})
REFUSED = _REFUSED_NAMES | {"unsupportedIdentifier", "badCSR"}
# The definition of the issuer, or its account, is wrong.
_OF_THE_ISSUER = {
    "externalAccountRequired": "set external-account of the issuer to the key id and the HMAC key that the CA gave you",
    "userActionRequired": "open the address that the CA names, and agree to its terms there",
    "invalidContact": "correct `email` of the issuer",
    "unsupportedContact": "correct `email` of the issuer",
    "invalidProfile": "correct `profile` of the issuer",
    "badPublicKey": "choose another account-key for the issuer",
    "badSignatureAlgorithm": "choose another account-key for the issuer",
    "accountDoesNotExist": "check the account at the CA",
    "unauthorized": "check the account at the CA",
}
# A temporary failure of the CA, or a limit.
PASSING = frozenset({"serverInternal", "rateLimited"})
_CONTENT = frozenset({400, 409, 413, 422})


class ProblemAnswer(Exception):
    """A problem document that a server answered; `explained` converts it."""

    def __init__(self, problem: Problem, retry_after: timedelta | None = None) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.retry_after = retry_after


@contextmanager
def explained(operation: str, advice: str | None = None) -> Iterator[None]:
    """Raise a ProblemAnswer as EvercertError; `operation` completes "cannot …": "order a certificate".

    `advice` says what to check in the definition of the issuer, if only the definition can be wrong.
    """
    try:
        yield
    except ProblemAnswer as answer:
        raise error_of(answer.problem, operation, answer.retry_after, advice) from None


def error_of(
    problem: Problem, operation: str, retry_after: timedelta | None = None, advice: str | None = None
) -> EvercertError:
    """Return the error for a problem, with the CA's own words and what to do."""
    message = f"cannot {operation}: the CA answered {problem}"
    if problem.kinds & REFUSED:
        return refusal(problem.kinds, message)
    if problem.kind == "rateLimited":
        return Throttled(message, retry_after=retry_after)
    if problem.kind == "serverInternal":
        return Unavailable(message, retry_after=retry_after)
    if problem.kind in _OF_THE_ISSUER and not (advice and problem.kind == "unauthorized"):
        advice = _OF_THE_ISSUER[problem.kind]
    if advice is not None:
        link = f" ({problem.instance})" if problem.instance else ""
        accepted = f" (the CA accepts {', '.join(problem.algorithms)})" if problem.algorithms else ""
        return Misconfigured(f"{message}{link}{accepted}; {advice}")
    return Rejected(message) if problem.status in _CONTENT else Misconfigured(message)


def refusal(kinds: AbstractSet[str], message: str) -> Rejected:
    """Return the error for REFUSED kinds of problems: only without a refused name may another CA be asked."""
    return Rejected(message) if kinds & _REFUSED_NAMES else Unsuited(message)
