"""What an operator asks the issuer function: could you do your work now? Looks, and changes nothing."""

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
    """Problems by what they are of: `seal`, `issuers` by name, `certificates` by name; the first 25 certificates."""
    records = {name: ports.inventory.look(name) for name in names[:MOST]}
    issuers = sorted({record.spec.issuer for record in records.values() if isinstance(record, Record)})
    return {
        "seal": _problem(partial(_try_seal, ports)),
        "issuers": {name: _problem(partial(_ask, name, ports)) for name in issuers},
        "certificates": {name: list(_problems(record, ports)) for name, record in records.items()},
    }


def _ask(name: str, ports: Ports) -> None:
    opened = ports.issuers.open(name)
    if isinstance(opened.issuer, Reachable):
        opened.issuer.reach()


def _try_seal(ports: Ports) -> None:
    sealed = ports.seal.close(PrivateKey.generate("EC_prime256v1"), SAMPLE, 0)
    ports.seal.open(sealed, SAMPLE, 0)


def _problems(record: Record | Unreadable | None, ports: Ports) -> Iterator[str]:
    if record is None:
        yield "there is no such certificate"
    elif isinstance(record, Unreadable):
        yield f"its record does not parse: {record.problem}"
    else:
        for component in record.spec.destinations:
            if (problem := _problem(partial(_look, record, component, ports))) is not None:
                # What does not open may have anything for a setting, a secret by mistake.
                known = _problem(partial(ports.destinations.open, component, record.name)) is None
                yield f"{label(component) if known else component.type}: {problem}"


def _look(record: Record, component: Component, ports: Ports) -> None:
    destination = ports.destinations.open(component, record.name)
    destination.check(record.spec)
    if isinstance(destination, Inspectable):
        destination.inspect(record.deliveries.get(component.key, Delivery()))


def _problem(attempt: Callable[[], object]) -> str | None:
    try:
        attempt()
    except EvercertError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 (whatever is wrong there, the rest is still to be looked at)
        return str(Unexpected.of(error))
    return None
