"""Compare a plan with its destinations: refusals that the issuer function would meet later."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from evercert.contracts.destination import Creator, Inspectable, Preflight
from evercert.contracts.record import Delivery
from evercert.destinations.context import DestinationContext, RegisteredDestinations
from evercert.errors import EvercertError, Gone, Misconfigured, Rejected
from evercert.schema import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evercert.cli.connection import Connection
    from evercert.documents.spec import Component, Spec
    from evercert.operations.apply import Plan

MOST = 100  # destinations that one `apply` reads
SHOWN = 5  # notes
THREADS = 8


@dataclass
class Compared:
    """Refusals, and notes on certificates that could not be read."""

    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def compare(planned: Plan, connection: Connection) -> Compared:
    """Return what the destinations refuse of the new certificates; read-only, at most 100 destinations.

    They refuse a resource that is missing or of another owner, and a change that ACM does not allow. Destinations in
    other accounts are left out: their roles trust the issuer function alone.
    """
    changes = list(islice(_changes(planned), MOST))
    if not changes:
        return Compared()
    destinations = RegisteredDestinations(DestinationContext(connection.id, connection.clients))
    found = Compared()
    with ThreadPoolExecutor(THREADS) as threads:
        for refusal, note in threads.map(lambda change: _compare(destinations, *change), changes):
            found.refused += refusal
            found.notes += note
    del found.notes[SHOWN:]
    return found


def _compare(
    destinations: RegisteredDestinations, spec: Spec, component: Component, delivery: Delivery
) -> tuple[list[str], list[str]]:
    """Return the refusal and the note of one destination."""
    where = f"{spec.name}: destination {component.type}"
    try:
        destination = destinations.open(component, spec.name)
        creates = isinstance(destination, Creator) and destination.creates  # there is nothing to read before
        if isinstance(destination, Inspectable) and (delivery.location or not creates):
            destination.inspect(delivery)
        if isinstance(destination, Preflight):
            destination.preflight(spec, delivery)
    except Gone:
        return [], []  # the next delivery replaces it
    except Rejected as error:
        return [f"{where}: {error}"], []
    except EvercertError as error:
        if isinstance(error, Misconfigured) and not isinstance(error.__cause__, ClientError):
            return [f"{where}: {error}"], []
        return [], [f"{where} was not compared: {printable(str(error), 300)}"]
    return [], []


def _changes(planned: Plan) -> Iterator[tuple[Spec, Component, Delivery]]:
    """Return the destinations that receive a new certificate."""
    for step in planned.steps:
        if step.change is None or step.reissued is None:
            continue
        record = step.change.record
        for component in record.spec.destinations:
            if component.settings.get("role") is None:
                yield record.spec, component, record.deliveries.get(component.key, Delivery())
