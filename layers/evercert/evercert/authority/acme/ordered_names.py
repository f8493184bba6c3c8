"""The names of an order: parsed, and allowed by policy and credential (RFC 8555 §7.4, RFC 8738)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evercert.authority.acme.problems import Refused, Subproblem, malformed
from evercert.authority.ca.ceiling import within
from evercert.authority.ca.definition import Ceiling
from evercert.authority.policy import evaluation
from evercert.authority.policy.patterns import allows
from evercert.authority.policy.policy import NameType, Policy
from evercert.pki.identifiers import Identifier, Kind, parse_valid
from evercert.schema import printable

MOST_NAMES = 100
MOST_CHARACTERS = 8_000  # of all names together: more of them fit into no CSR
_KINDS: dict[str, Kind] = {"dns": "dns", "ip": "ip"}
_TYPES: dict[Kind, NameType] = {"dns": "dns_name", "ip": "ip_address"}
WILDCARD = "*."


def read(found: object) -> tuple[Identifier, ...]:
    """Return the ordered names, each once; raise Refused with a subproblem for each one that cannot be certified.

    Names are canonical: lower case, A-labels (which the client must send), addresses as in RFC 5952.
    """
    if not isinstance(found, list) or not 0 < len(found) <= MOST_NAMES:
        raise malformed(f"identifiers must be a list of 1 to {MOST_NAMES} objects with type and value")
    names, problems = dict[Identifier, None](), list[Subproblem]()
    for one in found:
        if not isinstance(one, dict) or not isinstance(one.get("type"), str) or not isinstance(one.get("value"), str):
            raise malformed("each identifier must be an object with the texts type and value")
        name = _parse(one["type"], one["value"])
        if isinstance(name, Identifier):
            names[name] = None
        else:
            problems.append(name)
    _refuse(problems)
    if sum(len(name.value) for name in names) > MOST_CHARACTERS:
        raise malformed(f"the names have more than {MOST_CHARACTERS} characters together; order several certificates")
    return tuple(names)


def require_allowed(names: Iterable[Identifier], policy: Policy, patterns: Sequence[str]) -> None:
    """Raise Refused with a subproblem for each name that the policy, or the credential of the account, forbids.

    `patterns` are those of the credential; none: it forbids nothing.
    """
    problems = []
    for name in names:
        found = evaluation.find_violations_of_name(name, policy)
        if patterns and not any(allows(_TYPES[name.kind], pattern, name.value) for pattern in patterns):
            found.append("the account may not order this name")
        if found:
            problems.append(Subproblem("rejectedIdentifier", "; ".join(found), as_identifier(name)))
    _refuse(problems)


def require_certifiable(names: Iterable[Identifier], ceilings: Sequence[Ceiling]) -> None:
    """Raise Refused with a subproblem for each name that no CA of the profile may certify."""
    detail = "outside the ceiling of the CA"
    _refuse(
        [
            Subproblem("rejectedIdentifier", detail, as_identifier(name))
            for name in names
            if not any(within(name, ceiling) for ceiling in ceilings)
        ]
    )


def as_identifier(name: Identifier) -> dict[str, str]:
    """Return the name as an identifier of ACME."""
    return {"type": name.kind, "value": name.value}


def base_of(name: Identifier) -> tuple[Identifier, bool]:
    """Return the name of its authorization, and whether it is a wildcard (§7.1.4)."""
    if name.kind == "dns" and name.value.startswith(WILDCARD):
        return Identifier("dns", name.value.removeprefix(WILDCARD)), True
    return name, False


def _parse(kind: str, value: str) -> Identifier | Subproblem:
    shown = {"type": printable(kind, 20), "value": printable(value, 260)}
    if kind not in _KINDS:
        return Subproblem("unsupportedIdentifier", "this CA certifies the types dns and ip", shown)
    if not value.isascii():
        return Subproblem("malformed", "an international name must be sent as A-labels (xn--…)", shown)
    name = parse_valid(f"{kind}:{value}")
    if name is None or name.kind != kind:
        return Subproblem("malformed", f"not a valid {'DNS name' if kind == 'dns' else 'IP address'}", shown)
    return name


def _refuse(problems: Sequence[Subproblem]) -> None:
    """Raise Refused for these names: with the type of all of them, or else `malformed`."""
    if not problems:
        return
    kinds = {one.kind for one in problems}
    kind = kinds.pop() if len(kinds) == 1 else "malformed"
    shown = ", ".join(one.identifier["value"] for one in problems[:5])
    detail = f"{len(problems)} identifier(s) refused: {shown}{', …' if len(problems) > 5 else ''}"  # noqa: PLR2004
    raise Refused(kind, f"{detail}: {problems[0].detail}", subproblems=problems)
