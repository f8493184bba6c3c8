"""Look up the CAA records of a name, and check whether they let the CA issue (RFC 8659)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from evercert.acme.caa import Applicant, CAARecord, Obstacle, obstacle, relevant
from evercert.cli.doctor.stack_checks import Check
from evercert.schema import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 10.0  # for all lookups of one name
LOOKUP_SECONDS = 3.0
MOST_RECORDS = 100  # of one name


def check(name: str, applicant: Applicant, resolver: Any = None) -> Check:  # noqa: ANN401 (of dnspython)
    """Check whether the CA may issue for the name; a failed lookup is no failure: the CA may see another network."""
    import dns.exception  # noqa: PLC0415 (slow to import, for this check only)

    title = f"CAA {name}"
    try:
        place, records = _find(name.removeprefix("*."), resolver)
    except (dns.exception.DNSException, OSError) as error:
        remedy = "check the DNS; a CA that cannot look up CAA refuses the name"
        return Check(title, "unknown", f"cannot be looked up at this machine ({type(error).__name__})", remedy)
    if not records:
        return Check(title, "ok", "no records: every CA may issue")
    wildcard = name.startswith("*.")
    found = obstacle(records, applicant, wildcard=wildcard)
    if found is None:
        return Check(title, "ok", f"the records at {place} allow it")
    record = f"the record {printable(str(found.record), 200)} at {place}"
    if not found.is_certain:
        remedy = "after the first order, compare its accounturi with: evercert issuer show NAME"
        return Check(title, "warning", f"{record} names an account, and the stack has none yet", remedy)
    tag = relevant(records, wildcard=wildcard)[0].tag.lower() if found.reason == "issuer" else ""
    return Check(title, "failed", f"forbidden by {record}", _remedy(found, applicant, tag))


def _remedy(found: Obstacle, applicant: Applicant, tag: str) -> str:
    match found.reason:
        case "critical":
            return "remove it: CAs must refuse a critical tag that they do not know"
        case "account":
            return f"correct its accounturi: the stack's account is {applicant.account}"
        case "method":
            return f"add the method of the name's solver to its validationmethods: {applicant.method}"
        case _:
            return f'add there: 0 {tag} "{min(applicant.domains)}"'


def _find(name: str, resolver: Any) -> tuple[str, list[CAARecord]]:  # noqa: ANN401
    """Return the records of the name or of the nearest parent that has some, and its name (§3).

    The resolver follows CNAMEs; the parents are those of the name itself, not those of a CNAME's target.
    """
    import dns.resolver  # noqa: PLC0415

    if resolver is None:
        resolver = dns.resolver.Resolver()
    end = time.monotonic() + SECONDS
    labels = name.split(".")
    for first in range(len(labels)):
        place = ".".join(labels[first:])
        left = max(min(end - time.monotonic(), LOOKUP_SECONDS), 0.0)
        try:
            answer = resolver.resolve(f"{place}.", "CAA", lifetime=left, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            continue
        if records := _records(list(answer)[:MOST_RECORDS]):
            return place, records
    return name, []


def _records(answer: Sequence[Any]) -> list[CAARecord]:
    return [CAARecord(one.flags, one.tag.decode("latin-1"), one.value.decode("latin-1")) for one in answer]
