"""Diagnosis by the issuer function: whether it could issue and deliver now; dry runs of issuers. Read-only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from evercert.contracts.destination import Inspectable
from evercert.contracts.issuer import CAANamed, DryRun, OpenIssuer, Reachable
from evercert.contracts.ports import Ports, Unreadable
from evercert.contracts.record import Delivery, Record
from evercert.errors import EvercertError, Rejected, Unexpected
from evercert.issuance.event_data import label
from evercert.pki.keys import PrivateKey
from evercert.registry import Component

MOST = 25
MOST_NAMES = 10  # in one dry run
SAMPLE = "00000000-0000-4000-8000-000000000000"


def examine(names: Sequence[str], ports: Ports) -> dict[str, Any]:
    """Return problems under `seal`, `issuers` (by name) and `certificates` (by name), of at most 25 certificates."""
    records = {name: ports.records.look(name) for name in names[:MOST]}
    readable = [record for record in records.values() if isinstance(record, Record)]
    issuers = sorted({name for record in readable for name in record.spec.issuer_names})
    return {
        "seal": _problem(partial(_try_seal, ports)),
        "issuers": {name: _problem(partial(_reach_issuer, name, ports)) for name in issuers},
        "certificates": {name: list(_problems(record, ports)) for name, record in records.items()},
    }


def dry_run(name: str, names: Sequence[str], ports: Ports) -> dict[str, Any]:
    """Return `checks` of an issuer, and of at most 10 names: what each found, or its problem. Orders nothing.

    `caa_identities` has the domains that CAA records may name; the caller looks these up.
    """
    opened: list[OpenIssuer] = []
    more: dict[str, list[str]] = {}

    def open_issuer() -> str:
        opened.append(ports.issuers.open(name))
        return "valid"

    checks = [_check("definition", open_issuer)]
    for found in opened:
        checks += [_check(title, attempt) for title, attempt in _attempts(found.issuer, names[:MOST_NAMES])]
        if names and isinstance(found.issuer, CAANamed):
            more["caa_identities"] = _caa_identities(found.issuer)
    return {"checks": checks, **more}


def _caa_identities(issuer: CAANamed) -> list[str]:
    """Return the domains; empty after an error, which the check of the server reports."""
    domains: list[str] = []
    _problem(lambda: domains.extend(issuer.caa_identities()))
    return domains


def _attempts(issuer: object, names: Sequence[str]) -> Iterator[tuple[str, Callable[[], str]]]:
    if isinstance(issuer, Reachable):
        yield "server", partial(_reach, issuer)
    if isinstance(issuer, DryRun):
        yield "credentials", issuer.check_credentials
        yield "account", issuer.check_account
    for name in names:
        yield f"name {name}", partial(_check_name, issuer, name)


def _check_name(issuer: object, name: str) -> str:
    if not isinstance(issuer, DryRun):
        raise Rejected(f"cannot check {name}: issuers of this type have no solvers; remove --name")
    return issuer.check_name(name)


def _reach(issuer: Reachable) -> str:
    issuer.reach()
    return "answers"


def _check(title: str, attempt: Callable[[], str]) -> dict[str, str | None]:
    found: list[str] = []
    problem = _problem(lambda: found.append(attempt()))
    return {"check": title, "found": "".join(found), "problem": problem}


def _reach_issuer(name: str, ports: Ports) -> None:
    opened = ports.issuers.open(name)
    if isinstance(opened.issuer, Reachable):
        opened.issuer.reach()


def _try_seal(ports: Ports) -> None:
    sealed = ports.seal.close(PrivateKey.generate("EC_prime256v1"), SAMPLE, 0)
    ports.seal.open(sealed, SAMPLE, 0)


def _problems(record: Record | Unreadable | None, ports: Ports) -> Iterator[str]:
    if record is None:
        yield "no such certificate"
    elif isinstance(record, Unreadable):
        yield f"the record does not parse: {record.problem}; apply its document again"
    else:
        for component in record.spec.destinations:
            if (problem := _problem(partial(_inspect, record, component, ports))) is not None:
                # Settings that do not validate may hold a secret by mistake.
                valid = _problem(partial(ports.destinations.open, component, record.name)) is None
                yield f"{label(component) if valid else component.type}: {problem}"


def _inspect(record: Record, component: Component, ports: Ports) -> None:
    destination = ports.destinations.open(component, record.name)
    destination.check(record.spec)
    if isinstance(destination, Inspectable):
        destination.inspect(record.deliveries.get(component.key, Delivery()))


def _problem(attempt: Callable[[], object]) -> str | None:
    try:
        attempt()
    except EvercertError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 (one failure must not keep the rest unchecked)
        return str(Unexpected.of(error))
    return None
