"""Refusals of the ACME server as problem documents (RFC 8555 §6.7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evercert.acme.problem import URN
from evercert.schema import printable

# HTTP status of each type (§6.7, RFC 9773 §5), unless a refusal gives another one.
STATUS = {
    "accountDoesNotExist": 400,
    "alreadyReplaced": 409,
    "alreadyRevoked": 400,
    "badCSR": 400,
    "badNonce": 400,
    "badPublicKey": 400,
    "badRevocationReason": 400,
    "badSignatureAlgorithm": 400,
    "connection": 400,
    "dns": 400,
    "externalAccountRequired": 403,
    "incorrectResponse": 403,
    "invalidContact": 400,
    "invalidProfile": 400,
    "malformed": 400,
    "orderNotReady": 403,
    "rateLimited": 429,
    "rejectedIdentifier": 400,
    "serverInternal": 500,
    "tls": 400,
    "unauthorized": 403,
    "unsupportedContact": 400,
    "unsupportedIdentifier": 400,
    "userActionRequired": 403,
}
LONGEST_DETAIL = 500


@dataclass(frozen=True)
class Subproblem:
    """The refusal of one identifier (§6.7.1)."""

    kind: str
    detail: str
    identifier: dict[str, str]

    @property
    def body(self) -> dict[str, Any]:
        """The members of the subproblem."""
        detail = printable(self.detail, LONGEST_DETAIL)
        return {"type": f"{URN}{self.kind}", "detail": detail, "identifier": self.identifier}


class Refused(Exception):
    """A request that the server refuses; `kind` is the type without its URN.

    `headers` are those that the type needs, such as the Location of an account that has a key already.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        status: int | None = None,
        subproblems: Sequence[Subproblem] = (),
        headers: dict[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.status = STATUS[kind] if status is None else status
        self.headers = headers or {}
        self._detail = detail
        self._subproblems = tuple(subproblems)
        self._members = members

    @property
    def body(self) -> dict[str, Any]:
        """The problem document."""
        found: dict[str, Any] = {
            "type": f"{URN}{self.kind}",
            "detail": printable(self._detail, LONGEST_DETAIL),
            "status": self.status,
            **self._members,
        }
        if self._subproblems:
            found["subproblems"] = [one.body for one in self._subproblems]
        return found


def malformed(detail: str, status: int | None = None, headers: dict[str, str] | None = None) -> Refused:
    """Return the refusal of a request that breaks a rule of the protocol."""
    return Refused("malformed", detail, status=status, headers=headers)
