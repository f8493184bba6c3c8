"""CAA records: whether a CA may issue for a name (RFC 8659), by which account and method (RFC 8657)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

CRITICAL = 128
_KNOWN = frozenset({"issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"})
Reason = Literal["critical", "issuer", "account", "method"]


@dataclass(frozen=True)
class CAARecord:
    """A record as the DNS has it."""

    flags: int
    tag: str
    value: str

    def __str__(self) -> str:
        return f'{self.flags} {self.tag} "{self.value}"'

    @property
    def domain(self) -> str:
        """The issuer's domain in lower case, without a final dot; empty if the record names none (§4.2)."""
        return self.value.partition(";")[0].strip().rstrip(".").lower()

    def parameters(self, name: str) -> list[str]:
        """Return the values of a parameter, which may occur several times."""
        pairs = [part.partition("=") for part in self.value.split(";")[1:]]
        return [value.strip() for key, _, value in pairs if key.strip().lower() == name]


@dataclass(frozen=True)
class Applicant:
    """The CA's domains, and the account and validation method of the order; None if they are not known yet."""

    domains: Collection[str]
    account: str | None = None
    method: str | None = None


@dataclass(frozen=True)
class Obstacle:
    """A record that forbids to issue; `is_certain` is False if that depends on what is not known yet."""

    record: CAARecord
    reason: Reason
    is_certain: bool = True


def obstacle(records: Sequence[CAARecord], applicant: Applicant, *, wildcard: bool) -> Obstacle | None:
    """Return the record of a name's relevant set that forbids the CA to issue; None if it may (§4)."""
    for record in records:
        if record.flags & CRITICAL and record.tag.lower() not in _KNOWN:
            return Obstacle(record, "critical")
    found = [_of_record(record, applicant) for record in relevant(records, wildcard=wildcard)]
    if not found or None in found:
        return None
    obstacles = [one for one in found if one is not None]
    return min(obstacles, key=lambda one: (one.is_certain, one.reason == "issuer"))


def relevant(records: Sequence[CAARecord], *, wildcard: bool) -> list[CAARecord]:
    """Return the records that name issuers: for a wildcard `issuewild`, if there is one (§4.3)."""
    of_wildcards = [record for record in records if record.tag.lower() == "issuewild"] if wildcard else []
    return of_wildcards or [record for record in records if record.tag.lower() == "issue"]


def _of_record(record: CAARecord, applicant: Applicant) -> Obstacle | None:
    if record.domain not in {domain.rstrip(".").lower() for domain in applicant.domains}:
        return Obstacle(record, "issuer")
    methods = record.parameters("validationmethods")
    allowed = {method.strip() for method in ",".join(methods).split(",")}
    if len(methods) > 1 or (methods and applicant.method is not None and applicant.method not in allowed):
        return Obstacle(record, "method")
    accounts = record.parameters("accounturi")
    if len(accounts) > 1 or (accounts and applicant.account is not None and applicant.account != accounts[0]):
        return Obstacle(record, "account")
    return Obstacle(record, "account", is_certain=False) if accounts and applicant.account is None else None
