"""Refusals of requests that are not stored yet, recorded in the issuance trail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from evercert.authority.api_errors import Refusal
from evercert.authority.contracts.issuance_trail import Asked, IssuanceEntry, IssuanceTrail
from evercert.authority.contracts.records import RequestRecord
from evercert.authority.requests.requested_fields import RequestedFields
from evercert.deadline import Clock
from evercert.errors import EvercertError


@contextmanager
def recorded_refusals(
    trail: IssuanceTrail, clock: Clock, asked: Asked, *others: type[Exception]
) -> Iterator[list[str]]:
    """Append an entry if the block raises a Refusal, or an exception of a type in `others`; then raise it.

    Callers have checked the permission for the profile before: other callers cannot write. The block may append to the
    list of names. If the trail cannot be written, Unavailable takes the place of the refusal.
    """
    names = list(asked.names)
    kinds: tuple[type[Exception], ...] = (Refusal, *others)
    try:
        yield names
    except kinds as error:
        found = replace(asked, names=tuple(dict.fromkeys(names)))
        trail.record(IssuanceEntry.refused(found, clock(), str(error)))
        raise


def record_pending(trail: IssuanceTrail, request: RequestRecord) -> None:
    """Append an entry for a request that must wait, unless it has one.

    An outage does not raise: the request is stored, and its certificate will have an entry.
    """
    with suppress(EvercertError):
        trail.record(IssuanceEntry.pending(request))


def requested_names(fields: RequestedFields) -> list[str]:
    """Return the common name and the alternative names of a request."""
    common = fields.get("common_name")
    return [*([common] if common else []), *(name.value for name in fields.get("names") or ())]
