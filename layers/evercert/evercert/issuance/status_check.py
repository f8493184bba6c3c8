"""Status check: whether the certificate is still valid and its destinations still hold it."""

from __future__ import annotations

from dataclasses import dataclass, field

from evercert.contracts.destination import Destinations, Drift
from evercert.contracts.issuer import Advice, OpenIssuer, RenewalAdviser, Status, StatusChecker
from evercert.contracts.record import Facts, Record
from evercert.errors import ClaimLost, EvercertError, OutOfTime, Unexpected
from evercert.issuance.circuit_breaker import Breaker
from evercert.registry import Component


@dataclass
class Observation:
    """Result of a status check; `errors` come from the issuer and destinations that could not be checked."""

    status: Status = "good"
    drifts: dict[str, tuple[Component, Drift]] = field(default_factory=dict)
    errors: list[EvercertError] = field(default_factory=list)
    advice: Advice | None = None  # of the issuer, about the renewal

    @property
    def news(self) -> bool:
        """Whether there is something to announce."""
        return self.status == "revoked" or bool(self.drifts)

    @property
    def lost(self) -> bool:
        """Whether only a new certificate fixes it."""
        return self.status != "good" or any(drift.repaired is None for _, drift in self.drifts.values())


@dataclass(frozen=True)
class StatusCheck:
    """Checks the issuer and every destination, even if some of them fail."""

    destinations: Destinations
    breaker: Breaker

    def run(self, record: Record, facts: Facts, opened: OpenIssuer | None) -> Observation:
        """Check status and drift, and repair drift where possible; errors of services are collected, not raised.

        Without an issuer, only the destinations are checked.
        """
        observed = Observation()
        try:
            if opened is not None and isinstance(opened.issuer, StatusChecker):
                with self.breaker.watch(self.breaker.admit(opened.service, record.uid)):
                    observed.status = opened.issuer.status(record.spec, facts)
            if opened is not None and isinstance(opened.issuer, RenewalAdviser) and record.spec.renews:
                self.breaker.require_closed(opened.service, record.uid)
                observed.advice = opened.issuer.advise(facts, self.breaker.clock())
        except (ClaimLost, OutOfTime):
            raise
        except Exception as error:  # noqa: BLE001 (one failure must not keep the others unchecked)
            observed.errors.append(error if isinstance(error, EvercertError) else Unexpected.of(error))
        for component in record.spec.destinations:
            try:
                drift = self._examine(record, component, facts)
            except (ClaimLost, OutOfTime):
                raise
            except Exception as error:  # noqa: BLE001
                observed.errors.append(error if isinstance(error, EvercertError) else Unexpected.of(error))
                continue
            if drift is not None:
                observed.drifts[component.key] = component, drift
        return observed

    def _examine(self, record: Record, component: Component, facts: Facts) -> Drift | None:
        here = record.deliveries.get(component.key)
        if here is None or here.revision != facts.revision:
            return None  # known to lack the revision
        destination = self.destinations.open(component, record.name)
        with self.breaker.watch(self.breaker.admit(destination.service, record.uid)):
            return destination.examine(here)
