"""The status check: is the certificate still valid, and do its destinations still hold it."""

from __future__ import annotations

from dataclasses import dataclass, field

from evercert.contracts.destination import Destinations, Drift
from evercert.contracts.issuer import OpenIssuer, Status, StatusChecker
from evercert.contracts.record import Facts, Record
from evercert.errors import ClaimLost, EvercertError, OutOfTime, Unexpected
from evercert.issuance.circuit_breaker import Breaker
from evercert.registry import Component


@dataclass
class Observation:
    """What was seen; `errors` are of those that could not be asked."""

    status: Status = "good"
    drifts: dict[str, tuple[Component, Drift]] = field(default_factory=dict)
    errors: list[EvercertError] = field(default_factory=list)

    @property
    def news(self) -> bool:
        """Something that is to be announced."""
        return self.status == "revoked" or bool(self.drifts)

    @property
    def lost(self) -> bool:
        """Only a new certificate mends it."""
        return self.status != "good" or any(drift.repaired is None for _, drift in self.drifts.values())


@dataclass(frozen=True)
class StatusCheck:
    """Asks the issuer and every destination, whatever the others answer."""

    destinations: Destinations
    breaker: Breaker

    def run(self, record: Record, facts: Facts, opened: OpenIssuer) -> Observation:
        """Repairs what can be repaired without a new certificate; raises nothing that a service answers."""
        seen = Observation()
        try:
            if isinstance(opened.issuer, StatusChecker):
                with self.breaker.watch(
                    self.breaker.admit(f"issuer {record.spec.issuer} {opened.identity_hash[:8]}", record.uid)
                ):
                    seen.status = opened.issuer.status(record.spec, facts)
        except (ClaimLost, OutOfTime):
            raise
        except Exception as error:  # noqa: BLE001 (whatever one of them does, the others are looked at)
            seen.errors.append(error if isinstance(error, EvercertError) else Unexpected.of(error))
        for component in record.spec.destinations:
            try:
                drift = self._examine(record, component, facts)
            except (ClaimLost, OutOfTime):
                raise
            except Exception as error:  # noqa: BLE001
                seen.errors.append(error if isinstance(error, EvercertError) else Unexpected.of(error))
                continue
            if drift is not None:
                seen.drifts[component.key] = component, drift
        return seen

    def _examine(self, record: Record, component: Component, facts: Facts) -> Drift | None:
        here = record.deliveries.get(component.key)
        if here is None or here.revision != facts.revision:
            return None  # it lacks the revision, and that is known
        destination = self.destinations.open(component, record.name)
        with self.breaker.watch(self.breaker.admit(destination.service, record.uid)):
            return destination.examine(here)
