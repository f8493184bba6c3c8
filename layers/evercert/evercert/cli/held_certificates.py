"""Compare a plan with the certificates that destinations hold: refusals that the issuer function would meet later."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from evercert.contracts.destination import Preflight
from evercert.contracts.record import Delivery
from evercert.destinations.context import DestinationContext, RegisteredDestinations
from evercert.errors import EvercertError, Rejected
from evercert.schema import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evercert.cli.connection import Connection
    from evercert.documents.spec import Component, Spec
    from evercert.operations.apply import Plan

MOST = 100  # destinations that one `apply` reads
SHOWN = 5  # notes


@dataclass
class Compared:
    """Refusals, and notes on certificates that could not be read."""

    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def compare(planned: Plan, connection: Connection) -> Compared:
    """Return what the destinations refuse of the new certificates; read-only, at most 100 destinations.

    Destinations in other accounts are left out: their roles trust the issuer function alone.
    """
    changes = list(islice(_changes(planned), MOST))
    if not changes:
        return Compared()
    found, unread = Compared(), []
    destinations = RegisteredDestinations(DestinationContext(connection.id, connection.clients))
    for spec, component, delivery in changes:
        try:
            destination = destinations.open(component, spec.name)
            if isinstance(destination, Preflight):
                destination.preflight(spec, delivery)
        except Rejected as error:
            found.refused.append(f"{spec.name}: destination {component.type}: {error}")
        except EvercertError as error:
            unread.append(f"{spec.name}: destination {component.type} was not compared: {printable(str(error), 300)}")
    found.notes = unread[:SHOWN]
    return found


def _changes(planned: Plan) -> Iterator[tuple[Spec, Component, Delivery]]:
    """Return the destinations that receive a new certificate and may hold one already."""
    for step in planned.steps:
        if step.change is None or step.reissued is None:
            continue
        record = step.change.record
        for component in record.spec.destinations:
            delivery = record.deliveries.get(component.key, Delivery())
            if component.settings.get("role") is None and (delivery.location or component.settings.get("arn")):
                yield record.spec, component, delivery
