"""Diagnosis by the issuer function: whether it could issue and deliver now. Read-only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from evercert.contracts.destination import Inspectable
from evercert.contracts.issuer import Reachable
from evercert.contracts.ports import Ports, Unreadable
from evercert.contracts.record import Delivery, Record
from evercert.errors import EvercertError, Unexpected
from evercert.issuance.event_data import label
from evercert.pki.keys import PrivateKey
from evercert.registry import Component

MOST = 25
SAMPLE = "00000000-0000-4000-8000-000000000000"


def examine(names: Sequence[str], ports: Ports) -> dict[str, Any]:
    """Return problems under `seal`, `issuers` (by name) and `certificates` (by name), of at most 25 certificates."""
    records = {name: ports.records.look(name) for name in names[:MOST]}
    issuers = sorted({record.spec.issuer for record in records.values() if isinstance(record, Record)})
    return {
        "seal": _problem(partial(_try_seal, ports)),
        "issuers": {name: _problem(partial(_reach_issuer, name, ports)) for name in issuers},
        "certificates": {name: list(_problems(record, ports)) for name, record in records.items()},
    }


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
