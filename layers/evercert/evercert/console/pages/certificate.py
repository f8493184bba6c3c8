"""Page of one certificate: validity, names, chain, destinations, history, and what can be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from evercert.console.context import Context, context_of
from evercert.console.rendering import page
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Facts, Record
from evercert.contracts.revisions import KeptRevision, KeptRevisions
from evercert.errors import EvercertError, Rejected
from evercert.issuance.event_data import label
from evercert.operations.issuer_identity import issuer_of
from evercert.operations.next_steps import next_steps
from evercert.operations.outcome_details import details
from evercert.operations.served_state import ServedLine, consumer_lines, probe_line
from evercert.operations.summaries import EXPIRED
from evercert.pki.certificate import Chain

MOST_EVENTS = 50
MOST_NAMES = 100


@dataclass(frozen=True)
class Link:
    """One certificate of the chain, the leaf first."""

    subject: str
    ends: datetime


@dataclass(frozen=True)
class Place:
    """Destination with the revision that it has."""

    label: str
    location: str
    revision: int
    current: bool


@dataclass(frozen=True)
class Choice:
    """Kept revision that a rollback can restore."""

    revision: int
    ends: datetime


def show(request: Request) -> Response:
    """Return the page, or the one that says that there is no such certificate."""
    context = context_of(request)
    name = request.query_params.get("name", "")
    record = context.services.specs.record(name)
    if record is None:
        return page(request, "missing.html", {"name": name}, status=404)
    if isinstance(record, Unreadable):
        return page(request, "unreadable.html", {"record": record})
    return page(request, "certificate.html", _values(context, record))


def chain(request: Request) -> Response:
    """Return the chain of the certificate in use as a file, without the private key."""
    context = context_of(request)
    name = request.query_params.get("name", "")
    record = context.services.specs.record(name)
    found = _in_use(record, context.services.specs.kept(record)) if isinstance(record, Record) else None
    if found is None:
        raise Rejected(f"the chain of {name} was not kept; read it at its destination")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}.pem"}
    return Response(found.chain, media_type="application/x-pem-file", headers=headers)


def _values(context: Context, record: Record) -> dict[str, object]:
    services, now = context.services, context.services.clock()
    pauses, definitions = services.specs.pauses(now), services.specs.issuers()
    kept, problem = _kept(context, record)
    facts = record.facts
    expired = facts is not None and facts.not_after < now
    names = list(facts.names) if facts is not None else [str(one) for one in record.spec.attributes.identifiers]
    history = services.specs.history(record.name)
    return {
        "record": record,
        "state": EXPIRED if expired else record.state,
        "facts": facts,
        "used": _used(facts, now),
        "overdue": record.renew_at is not None and record.renew_at < now,
        "issued_by": issuer_of(record, definitions, services.issuers),
        "definitions": definitions,
        "names": names[:MOST_NAMES],
        "more_names": max(len(names) - MOST_NAMES, 0),
        "chain": _chain(record, kept),
        "places": _places(record),
        "served": _served(context, record, now),
        "next_steps": list(next_steps(record, pauses, now)),
        "paused": [target for target in pauses if target.certificate == record.name],
        "choices": [] if kept is None else _choices(record, kept),
        "kept_problem": problem,
        "history": history[-MOST_EVENTS:][::-1],
        "details": details,
        "older_events": max(len(history) - MOST_EVENTS, 0),
        "busy": record.state in ("new", "pending") or record.rolls_back or record.requested_at != record.served,
    }


def _served(context: Context, record: Record, now: datetime) -> list[ServedLine]:
    """Return what the probe saw and what consumers have loaded; the page works without them."""
    probed = probe_line(record, now)
    found = [] if probed is None else [probed]
    try:
        listed = context.services.consumers(record.name)
    except EvercertError as error:
        return [*found, ServedLine(str(error), late=True)]
    return found if listed is None else [*found, *consumer_lines(listed, record, now)]


def _kept(context: Context, record: Record) -> tuple[KeptRevisions | None, str | None]:
    """Return the kept revisions, or why they cannot be read: the page works without them."""
    try:
        return context.services.specs.kept(record), None
    except EvercertError as error:
        return None, str(error)


def _used(facts: Facts | None, now: datetime) -> int:
    """Return how much of the lifetime is over, in percent."""
    if facts is None or not facts.lifetime:
        return 0
    return round(min(max((now - facts.not_before) / facts.lifetime, 0), 1) * 100)


def _chain(record: Record, kept: KeptRevisions | None) -> list[Link]:
    """Return the chain of the certificate in use; empty if it was not kept."""
    found = None if kept is None else _in_use(record, kept)
    if found is None:
        return []
    try:
        chain = Chain.from_pem(found.chain)
        return [
            Link(one.subject.rfc4514_string() or "(no subject)", one.not_valid_after_utc) for one in chain.certificates
        ]
    except ValueError:
        return []


def _in_use(record: Record, kept: KeptRevisions) -> KeptRevision | None:
    return None if record.facts is None else kept.find(record.facts.revision)


def _places(record: Record) -> list[Place]:
    current = record.facts.revision if record.facts is not None else 0
    found = []
    for component in record.spec.destinations:
        delivery = record.deliveries.get(component.key)
        revision = 0 if delivery is None else delivery.revision
        location = "" if delivery is None else delivery.location
        found.append(Place(label(component), location, revision, bool(revision) and revision == current))
    return found


def _choices(record: Record, kept: KeptRevisions) -> Sequence[Choice]:
    current = record.facts.revision if record.facts is not None else 0
    found = []
    for one in kept.revisions:
        if one.revision == current:
            continue
        try:
            chain = Chain.from_pem(one.chain)
        except ValueError:
            continue
        found.append(Choice(one.revision, chain.ends))
    return found
