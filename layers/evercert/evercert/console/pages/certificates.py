"""Page of all certificates: search, filters, sort, and pages of 100 rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from evercert.console.context import context_of
from evercert.console.forms import number
from evercert.console.inventory import Entry
from evercert.console.rendering import page
from evercert.operations.overview import STATES, end_of, state_of
from evercert.operations.row_note import note

PAGE = 100
ENDS = (7, 14, 30, 90)  # days
SORTS = ("name", "state", "issuer", "expiry")
LONGEST = 300  # characters of a search


@dataclass(frozen=True)
class Filter:
    """Conditions of the page, which must all hold."""

    search: str = ""
    state: str = ""
    issuer: str = ""
    label: str = ""  # key=value, or a key alone
    ends: int | None = None  # within this number of days
    sort: str = "name"
    order: Literal["up", "down"] = "up"

    @classmethod
    def of(cls, query: QueryParams) -> Filter:
        """Read the query; an unknown value is no condition."""
        ends, sort = number(query.get("ends", "")), query.get("sort", "name")
        return cls(
            search=query.get("search", "").strip()[:LONGEST],
            state=query.get("state", ""),
            issuer=query.get("issuer", ""),
            label=query.get("label", "").strip()[:LONGEST],
            ends=ends if ends in ENDS else None,
            sort=sort if sort in SORTS else "name",
            order="down" if query.get("order") == "down" else "up",
        )

    def matches(self, entry: Entry, now: datetime) -> bool:
        """Whether all conditions hold."""
        if self.search.lower() not in entry.text:
            return False
        if self.state and self.state not in {state_of(entry.row), entry.row["state"]}:
            return False
        if self.issuer and self.issuer not in entry.issuers:
            return False
        if self.label and not self._has_label(entry.labels):
            return False
        if self.ends is not None:
            end = end_of(entry.row)
            return end is not None and end < now + timedelta(days=self.ends)
        return True

    def _has_label(self, labels: Mapping[str, str]) -> bool:
        key, equals, value = self.label.partition("=")
        return key in labels and (not equals or labels[key] == value)

    def sorted(self, entries: Iterable[Entry]) -> list[Entry]:
        """Return the entries in the order of the page; names break ties."""

        def key(entry: Entry) -> tuple[str | int, str]:
            match self.sort:
                case "state":
                    state = state_of(entry.row)
                    return STATES.index(state) if state in STATES else len(STATES), entry.name
                case "issuer":
                    return ", ".join(entry.issuers), entry.name
                case "expiry":
                    return str(entry.row.get("not_after") or "~"), entry.name
                case _:
                    return entry.name, ""

        return sorted(entries, key=key, reverse=self.order == "down")

    def query(self, **changed: object) -> dict[str, object]:
        """Return the query of this page with changes; without what is the default."""
        values = {**vars(self), **changed}
        defaults = vars(Filter())
        return {name: value for name, value in values.items() if value != defaults.get(name)}


def show(request: Request) -> Response:
    """Return the page."""
    context = context_of(request)
    wanted, now = Filter.of(request.query_params), context.services.clock()
    snapshot = context.inventory.snapshot()
    entries = list(snapshot.entries.values())
    found = wanted.sorted(entry for entry in entries if wanted.matches(entry, now))
    last = max((len(found) - 1) // PAGE, 0) + 1
    asked = min(max(number(request.query_params.get("page", "1")) or 1, 1), last)
    values = {
        "snapshot": snapshot,
        "filter": wanted,
        "entries": found[(asked - 1) * PAGE : asked * PAGE],
        "matching": len(found),
        "total": len(entries),
        "page": asked,
        "pages": last,
        "states": sorted({state_of(entry.row) for entry in entries}),
        "issuers": sorted({name for entry in entries for name in entry.issuers}),
        "ends_within": ENDS,
        "sorts": SORTS,
        "state_of": state_of,
        "note": lambda row: note(row, now),
    }
    return page(request, "certificates.html", values)
