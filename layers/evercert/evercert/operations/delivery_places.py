"""Places of destinations, compared before a document is applied."""

from __future__ import annotations

from collections.abc import Sequence

from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.documents.document import place_of, places
from evercert.documents.spec import Spec
from evercert.errors import Misconfigured
from evercert.issuance.event_data import label
from evercert.registry import Component, Registry


def removed(spec: Spec, current: Record | Unreadable | None, destinations: Registry) -> list[str]:
    """Return a note on each removed destination that still holds the certificate.

    A destination whose other settings change, such as its format, is not removed.
    """
    if not isinstance(current, Record):
        return []
    kept = {(component.type, place_of(component, spec.name, destinations)) for component in spec.destinations}
    return [
        f"{spec.name}: {label(component)} is no longer a destination; it keeps its certificate ({here.location})"
        for component in current.spec.destinations
        if (here := current.deliveries.get(component.key))
        and here.location
        and (component.type, _known_place(component, spec.name, destinations)) not in kept
    ]


def shared(specs: Sequence[Spec], others: Sequence[Record], destinations: Registry) -> tuple[list[str], list[str]]:
    """Return conflicts and notes: two certificates in one secret would overwrite each other indefinitely."""
    taken: dict[str, str] = {}
    notes = []
    for record in others:
        try:
            taken |= dict.fromkeys(places(record.spec, destinations), record.name)
        except Misconfigured as error:
            notes.append(f"{record.name} in the stack: {error}; not checked for conflicts with the files")
    conflicts = [
        f"{spec.name}: {place} belongs to certificate {taken[place]} of this stack"
        for spec in specs
        for place in places(spec, destinations)
        if place in taken
    ]
    return conflicts, notes


def _known_place(component: Component, certificate: str, destinations: Registry) -> str | None:
    """Return the place of a stored destination, or None if this release does not know its settings."""
    try:
        return place_of(component, certificate, destinations)
    except Misconfigured:
        return None
