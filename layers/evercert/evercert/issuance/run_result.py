"""Result of a run: a conclusion with an outcome, or a release of the claim without one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from evercert.contracts.events import Outcome
from evercert.contracts.record import Pending, Record
from evercert.contracts.revisions import RevisionsToKeep

MESSAGE_LIMIT = 1_000
AT_REST = {"state": "ready", "pending": None, "failures": 0, "last_error": None, "retry_at": None}

LogOutcome = Literal["nothing-to-do", "checked", "waiting", "put-off", "paused", "pending"]


@dataclass(frozen=True)
class Attempt:
    """State of a run at its end."""

    record: Record
    now: datetime
    pending: Pending | None = None
    issuer_hash: str | None = None  # of the first issuer of the spec
    certificate_issuer: str | None = None  # name of the issuer of the delivered certificate, if the spec has it

    @property
    def issuer(self) -> str:
        """The name of the issuer that events are about: that of the revision in progress, or of the certificate."""
        if self.pending is not None and self.pending.issuer in self.record.spec.issuer_names:
            return self.pending.issuer
        return self.certificate_issuer or self.record.spec.issuer


@dataclass(frozen=True)
class Conclusion:
    """A run that ends with an outcome to announce: record changes, next due time and the outcome."""

    changes: dict[str, Any]
    due_at: datetime | None
    outcome: Outcome
    metrics: dict[str, float] = field(default_factory=dict)
    nudge_at: datetime | None = None  # before the next tick: a rate slot is due
    kept: RevisionsToKeep | None = None

    def without_kept(self, warning: str) -> Conclusion:
        """Return the conclusion that keeps nothing, and says so in its event."""
        data = {**self.outcome.data, "warnings": [*self.outcome.data.get("warnings", []), warning]}
        return replace(self, outcome=self.outcome.model_copy(update={"data": data}), kept=None)

    def unannounced(self) -> RunWithoutOutcome:
        """Return the same end without an event; the log line has the data, and the metrics count it as before."""
        changes = {name: value for name, value in self.changes.items() if name != "outcomes"}
        details = {"severity": self.outcome.severity, **self.outcome.data, **self.metrics}
        return RunWithoutOutcome("waiting", changes, self.due_at, details, self.nudge_at)


@dataclass(frozen=True)
class RunWithoutOutcome:
    """A run that announces nothing: record changes, next due time and fields for the log line."""

    log_outcome: LogOutcome
    changes: dict[str, Any]
    due_at: datetime | None
    details: dict[str, Any] = field(default_factory=dict)
    nudge_at: datetime | None = None  # before the next tick: the issuer may be done, or a rate slot is due
