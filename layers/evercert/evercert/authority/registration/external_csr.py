"""CSRs for external issuers, which read the names from the CSR."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import ValidationError

from evercert.authority.api_errors import bad_request
from evercert.authority.ca.leaf_fields import Leaf
from evercert.authority.configuration.profiles import Profile
from evercert.pki.attributes import Attributes
from evercert.pki.csr_parser import read
from evercert.schema import first_problem, printable

_AHEAD = timedelta(hours=2)
_SUBJECT = {
    "common_name",
    "organization",
    "organizational_unit",
    "country",
    "state",
    "locality",
    "street_address",
    "postal_code",
    "domain_components",
}


def attributes_of(leaf: Leaf) -> Attributes:
    """Return names, subject and usages of the leaf as the attributes of a CSR; raise Refusal (400)."""
    subject = {name: values[0] for name, values in leaf.subject.items() if values and name != "domain_components"}
    wanted = {
        **{name.replace("_", "-"): value for name, value in subject.items()},
        "alt-names": [str(name) for name in leaf.names],
        "key-usages": list(leaf.key_usages),
        "extended-key-usages": list(leaf.extended_key_usages),
    }
    try:
        return Attributes.model_validate(wanted)
    except ValidationError as error:
        raise bad_request(f"the issuer of this profile cannot certify the request: {first_problem(error)}") from None


def csr_problems(csr: str, leaf: Leaf) -> list[str]:
    """Return what a CSR asks for beyond the leaf; the issuer may certify everything in the CSR.

    A CSR may leave out subject and usages, but not names.
    """
    try:
        parsed = read(csr)
    except ValueError as error:
        return [f"it cannot be sent to an external issuer: {printable(str(error), 200)}"]
    asked, wanted = parsed.attributes, attributes_of(leaf)
    found = [f"it has {note}" for note in parsed.notes]
    if set(asked.identifiers) != set(wanted.identifiers):
        found.append(f"it must have exactly the names {', '.join(map(str, wanted.identifiers))}")
    found += [
        f"it has the usages {', '.join(more)}, which the request does not have"
        for field in ("key_usages", "extended_key_usages")
        if (more := sorted(set(getattr(asked, field)) - set(getattr(wanted, field))))
    ]
    given = asked.model_dump(include=_SUBJECT, exclude_defaults=True)
    allowed = wanted.model_dump(include=_SUBJECT)
    found += [f"its {name} is not that of the request" for name, value in given.items() if allowed.get(name) != value]
    return found


def policy_limit(profile: Profile) -> int | None:
    """Return the longest validity of the policy in seconds, which external issuers may not know; None without one."""
    span = None if profile.issuer is None else profile.policy.validity.span
    return None if span is None else int(span.total_seconds())


def require_immediate(leaf: Leaf, now: datetime) -> None:
    """Raise Refusal (400) for a certificate that begins later: external issuers let theirs begin at once."""
    if leaf.not_before > now + _AHEAD:
        raise bad_request("notBefore: the issuer of this profile cannot date certificates ahead; leave it out")


def require_fitting(csr: str, leaf: Leaf) -> None:
    """Raise Refusal (400) if a client's CSR asks for more than the request, which policy and ceiling judge."""
    if problems := csr_problems(csr, leaf):
        raise bad_request(f"csr: the issuer of this profile would certify everything in it: {'; '.join(problems)}")
