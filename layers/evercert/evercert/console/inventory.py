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
from evercert.errors import EvercertError, Unexpected
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
        self._changed: set[str] = set()  # names that actions changed since a reading began

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
        """Read one row again after an action; if that fails, all rows are read with the next page."""
        with self._lock:
            self._changed.add(name)  # a reading that began before has the old row
            if self._snapshot is None:
                return
        try:
            record = self._services.specs.record(name)
            pauses = self._services.specs.pauses(self._services.clock())
        except EvercertError:
            self._due = 0.0
            return
        with self._lock:
            old = self._snapshot
            self._snapshot = Snapshot(self._with(old.entries, name, record, pauses), pauses, old.read_at)

    def _with(
        self,
        entries: Mapping[str, Entry],
        name: str,
        record: Record | Unreadable | None,
        pauses: Mapping[PauseTarget, Pause],
    ) -> Mapping[str, Entry]:
        found = {other: row for other, row in entries.items() if other != name}
        if record is not None:
            found[name] = entry(record, self._services.clock(), pauses)
        return dict(sorted(found.items()))

    def _read_again(self) -> None:
        try:
            self._read()
        except Exception as error:  # noqa: BLE001 (the rows remain, and the page says why)
            why = str(error if isinstance(error, EvercertError) else Unexpected.of(error))
            with self._lock:
                if self._snapshot is not None:
                    old = self._snapshot
                    self._snapshot = Snapshot(old.entries, old.pauses, old.read_at, why)
                    self._due = self._timer() + FRESH
        finally:
            self._reading.release()

    def _read(self) -> Snapshot:
        specs, now, began = self._services.specs, self._services.clock(), self._timer()
        with self._lock:
            self._changed.clear()
        pauses = specs.pauses(now)
        entries: Mapping[str, Entry] = {record.name: entry(record, now, pauses) for record in specs.records()}
        with self._lock:
            changed = sorted(self._changed)
        for name in changed:
            entries = self._with(entries, name, specs.record(name), pauses)
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
