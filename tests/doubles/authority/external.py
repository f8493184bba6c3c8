"""In-memory work of external issuers, for both sides; passes the contract suite of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from evercert.authority.ca.definition import Ceiling
from evercert.authority.contracts.external import ExternalCeiling, Work


class FakeExternalRequests:
    """Ports ExternalRequests and ExternalWork; `woken` has the ids of messages."""

    def __init__(self) -> None:
        self.stored: dict[str, Work] = {}
        self.due_at: dict[str, datetime] = {}
        self.held: dict[str, datetime] = {}
        self.ended: set[str] = set()
        self.woken: list[str] = []
        self.later: list[tuple[str, datetime]] = []
        self.hastened: dict[str, datetime] = {}

    def find(self, request_id: str) -> Work | None:
        return self.stored.get(request_id)

    def begin(self, request_id: str, at: datetime) -> None:
        if request_id not in self.stored and request_id not in self.ended:
            self.stored[request_id], self.due_at[request_id] = Work(request_id), at
            self.wake([request_id])

    def hasten(self, request_id: str, now: datetime) -> None:
        again = self.hastened.get(request_id, now - timedelta(minutes=1)) <= now - timedelta(minutes=1)
        if request_id in self.stored and request_id not in self.held and again:
            self.due_at[request_id] = self.hastened[request_id] = now
            self.wake([request_id])

    def claim(self, request_id: str, now: datetime, until: datetime) -> Work | None:
        soon = now + timedelta(seconds=5)
        if request_id not in self.stored or self.held.get(request_id, now) > now or self.due_at[request_id] > soon:
            return None
        self.held[request_id] = self.due_at[request_id] = until
        return self.stored[request_id]

    def keep(self, work: Work) -> None:
        if work.request in self.stored:
            self.stored[work.request] = work

    def save(self, work: Work, due_at: datetime) -> None:
        if work.request in self.stored:
            self.stored[work.request], self.due_at[work.request] = replace(work), due_at
            self.held.pop(work.request, None)

    def end(self, request_id: str) -> None:
        self.ended.add(request_id)
        for found in (self.stored, self.due_at, self.held):
            found.pop(request_id, None)  # type: ignore[attr-defined]

    def due(self, now: datetime, limit: int) -> Sequence[str]:
        found = sorted((at, name) for name, at in self.due_at.items() if at <= now)
        return [name for _, name in found[:limit]]

    def wake(self, request_ids: Sequence[str]) -> None:
        self.woken += request_ids

    def wake_at(self, request_id: str, due_at: datetime, now: datetime) -> None:
        if due_at <= now + timedelta(minutes=15):
            self.later.append((request_id, due_at))


class FakeCeilings:
    """Port ExternalCeilings."""

    def __init__(self, **ceilings: Ceiling) -> None:
        self.ceilings = ceilings

    def ceiling(self, issuer: str) -> ExternalCeiling | None:
        found = self.ceilings.get(issuer)
        return found and ExternalCeiling.model_validate(found.model_dump(by_alias=True))
