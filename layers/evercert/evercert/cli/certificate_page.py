"""The page of `show`: one certificate for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.text import Text

from evercert.cli.console import Terminal, styled
from evercert.cli.grid import PIPE, wrapped
from evercert.cli.show import STYLES
from evercert.contracts.consumers import ConsumerList
from evercert.contracts.record import Facts, Record
from evercert.contracts.spec_store import Pause, PauseTarget
from evercert.issuance.event_data import label
from evercert.operations.ages import relative
from evercert.operations.escapes import quoted, visible
from evercert.operations.next_steps import next_steps
from evercert.operations.served_state import ServedLine, consumer_lines, probe_line
from evercert.operations.summaries import EXPIRED
from evercert.registry import Component

LABEL = 14  # cells of the first column
BAR = 20
LONGEST = 2_000  # characters of a message
MOST_NAMES = 100
LATE = 2 / 3  # of the lifetime
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Page:
    """Page of a record, with the issuer that it came from, the definitions and the pauses."""

    record: Record
    issuer: str | None
    definitions: Mapping[str, Component]
    pauses: Mapping[PauseTarget, Pause]
    now: datetime
    consumers: ConsumerList | None = None  # None in a stack without acknowledgements

    def print(self, console: Terminal) -> None:
        """Print state, validity, names, destinations, last error and next step."""
        width = None if console.width >= PIPE else max(console.width - LABEL, BAR)
        for title, values in self._lines(unicode=console.encoding.startswith("utf")):
            name = title
            for value in values:
                for part in wrapped(value.plain, width) if width else [value.plain]:
                    console.print(styled(f"{name:<{LABEL}}").append(part, value.style))
                    name = ""

    def _lines(self, *, unicode: bool) -> Iterator[tuple[str, Sequence[Text]]]:
        record, facts = self.record, self.record.facts
        expired = facts is not None and facts.not_after < self.now
        yield "name", [styled(quoted(record.name))]
        style = STYLES.get(EXPIRED if expired else record.state, "")
        yield "state", [styled(f"{EXPIRED.upper()} ({record.state})" if expired else record.state, style)]
        yield "issuer", [styled(self._issuer())]
        names = [str(name) for name in record.spec.attributes.identifiers] if facts is None else list(facts.names)
        more = [f"and {len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
        yield "names", [styled(", ".join([*names[:MOST_NAMES], *more]) or "(none)")]
        if facts is not None:
            yield "validity", list(self._validity(facts, unicode=unicode))
            yield "serial", [styled(facts.serial_number)]
            yield "revision", [styled(str(facts.revision))]
        if record.renew_at is not None:
            was = "was due " if record.renew_at < self.now else ""
            yield "renewal", [styled(f"{was}{_moment(record.renew_at)} ({relative(record.renew_at, self.now)})")]
        yield "destinations", list(self._destinations())
        if (probed := probe_line(record, self.now)) is not None:
            yield "probe", [_served(probed)]
        if self.consumers is not None:
            yield "consumers", [_served(line) for line in consumer_lines(self.consumers, record, self.now)]
        if record.spec.labels:
            yield "labels", [styled(", ".join(f"{key}={value}" for key, value in sorted(record.spec.labels.items())))]
        if record.last_error is not None:
            error = record.last_error
            text = f"{_moment(error.at)} ({error.kind}): {error.message}"
            yield "last error", [styled(visible(text, LONGEST), "red")]
        yield "next step", [styled(step) for step in next_steps(record, self.pauses, self.now)]

    def _issuer(self) -> str:
        names = self.record.spec.issuer_names
        kinds = [
            f"{name} ({self.definitions[name].type})" if name in self.definitions else f"{name} (undefined)"
            for name in names
        ]
        came_from = f"; issued by {self.issuer}" if len(names) > 1 and self.issuer is not None else ""
        return ", ".join(kinds) + came_from

    def _validity(self, facts: Facts, *, unicode: bool) -> Iterator[Text]:
        yield styled(f"{_moment(facts.not_before)} to {_moment(facts.not_after)}")
        used = min(max((self.now - facts.not_before) / max(facts.lifetime, _SECOND), 0), 1)
        full, empty = ("█", "░") if unicode else ("#", "-")
        bar = full * int(used * BAR) + empty * (BAR - int(used * BAR))
        style = "red" if used == 1 else "yellow" if used > LATE else "green"
        verb = "expired" if used == 1 else "expires"
        yield styled(f"{bar} {used:.0%} used, {verb} {relative(facts.not_after, self.now)}", style)

    def _destinations(self) -> Iterator[Text]:
        current = self.record.facts.revision if self.record.facts is not None else None
        for component in self.record.spec.destinations:
            delivery = self.record.deliveries.get(component.key)
            location = delivery.location if delivery is not None and delivery.location else label(component)
            if delivery is None or not delivery.revision:
                yield styled(f"{component.type}: {location}: nothing delivered yet", "yellow")
            elif delivery.revision != current:
                yield styled(f"{component.type}: {location}: still revision {delivery.revision}", "yellow")
            else:
                yield styled(f"{component.type}: {location}")


def _served(line: ServedLine) -> Text:
    return styled(line.text, "yellow" if line.late else "")


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"
