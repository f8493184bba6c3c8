"""Inventory: rows of all certificates in memory, read again in the background while pages are viewed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from evercert.console.services import Services
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Pause, PauseTarget
from evercert.errors import EvercertError
from evercert.operations.summaries import summary

FRESH = 15.0  # seconds in which rows are not read again
REST = 10  # a table that takes long to read is read seldom: at most a tenth of the time
MOST_NAMES = 50  # of a certificate, for the search


@dataclass(frozen=True)
class Entry:
    """Row of one certificate: `row` is its summary, `text` is what the search looks at, in lower case."""

    row: Mapping[str, Any]
    labels: Mapping[str, str]
    issuers: tuple[str, ...]
    text: str

    @property
    def name(self) -> str:
        """The certificate's name."""
        return str(self.row["name"])


@dataclass(frozen=True)
class Snapshot:
    """All rows by name, the pauses, and when they were read; `problem` is why the last reading failed."""

    entries: Mapping[str, Entry]
    pauses: Mapping[PauseTarget, Pause]
    read_at: datetime
    problem: str | None = None


class Inventory:
    """Rows of all certificates. Thread-safe."""

    def __init__(self, services: Services, timer: Callable[[], float] = time.monotonic) -> None:
        self._services = services
        self._timer = timer
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._due = 0.0

    def snapshot(self) -> Snapshot:
        """Return the rows; the first call reads them, and later ones start a thread that does if they are old."""
        found = self._snapshot
        if found is None:
            with self._reading:
                return self._snapshot or self._read()
        if self._timer() >= self._due and self._reading.acquire(blocking=False):
            threading.Thread(target=self._read_again, daemon=True).start()
        return found

    def refresh(self) -> Snapshot:
        """Read all rows now."""
        with self._reading:
            return self._read()

    def update(self, name: str) -> None:
        """Read one row again after an action."""
        record = self._services.specs.record(name)
        pauses = self._services.specs.pauses(self._services.clock())
        with self._lock:
            if self._snapshot is None:
                return
            entries = dict(self._snapshot.entries)
            entries.pop(name, None)
            if record is not None:
                entries[name] = entry(record, self._services.clock(), pauses)
            self._snapshot = Snapshot(dict(sorted(entries.items())), pauses, self._snapshot.read_at)

    def _read_again(self) -> None:
        try:
            self._read()
        except EvercertError as error:
            with self._lock:
                if self._snapshot is not None:
                    old = self._snapshot
                    self._snapshot = Snapshot(old.entries, old.pauses, old.read_at, str(error))
                    self._due = self._timer() + FRESH
        finally:
            self._reading.release()

    def _read(self) -> Snapshot:
        specs, now, began = self._services.specs, self._services.clock(), self._timer()
        pauses = specs.pauses(now)
        entries = {record.name: entry(record, now, pauses) for record in specs.records()}
        with self._lock:
            self._snapshot = Snapshot(dict(sorted(entries.items())), pauses, now)
            ended = self._timer()
            self._due = ended + max(FRESH, REST * (ended - began))
            return self._snapshot


def entry(record: Record | Unreadable, now: datetime, pauses: Mapping[PauseTarget, Pause]) -> Entry:
    """Return the row of a record."""
    row = summary(record, now, pauses)
    if isinstance(record, Unreadable):
        return Entry(row, {}, (), str(row["name"]).lower())
    names: Sequence[str] = record.facts.names if record.facts is not None else ()
    wanted = names or [str(one) for one in record.spec.attributes.identifiers]
    text = "\n".join([record.name, *wanted[:MOST_NAMES]]).lower()
    return Entry(row, dict(record.spec.labels), record.spec.issuer_names, text)
