"""Check of the destinations before anything is issued."""

from __future__ import annotations

from dataclasses import dataclass

from evercert.contracts.destination import Destinations, Preflight
from evercert.contracts.record import Delivery, Reason, Record
from evercert.errors import ClaimLost, EvercertError, NotYet, OutOfTime, Rejected, Unavailable, Unexpected
from evercert.issuance.circuit_breaker import Breaker
from evercert.registry import Component

# What no operator requested, and rollbacks: one refusing destination must not keep the others from it.
UNREQUESTED: frozenset[Reason] = frozenset(
    ["missing", "near-expiry", "not-yet-valid", "revoked", "replaced", "drifted", "rolled-back"]
)


@dataclass(frozen=True)
class PreflightCheck:
    """Asks the destinations whether they can take a certificate."""

    destinations: Destinations
    breaker: Breaker

    def run(self, record: Record, reason: Reason) -> None:
        """Check that the destinations can take the certificate; raise the first refusal.

        A requested certificate needs every destination to accept it; a necessary renewal needs only one. Destinations
        that are unavailable are ignored.
        """
        refusals: list[EvercertError] = []
        for component in record.spec.destinations:
            try:
                self._one(record, component)
            except (ClaimLost, OutOfTime):
                raise
            except (Unavailable, NotYet):
                continue
            except Exception as error:  # noqa: BLE001 (a bug in one destination must not keep the others waiting)
                refusals.append(error if isinstance(error, EvercertError) else Unexpected.of(error))
        rejections = [error for error in refusals if isinstance(error, Rejected)]
        if rejections and reason not in UNREQUESTED:
            raise rejections[0]
        if len(refusals) == len(record.spec.destinations):
            raise refusals[0]

    def _one(self, record: Record, component: Component) -> None:
        destination = self.destinations.open(component, record.name)
        destination.check(record.spec)
        if isinstance(destination, Preflight):
            with self.breaker.watch(self.breaker.admit(destination.service, record.uid)):
                destination.preflight(record.spec, record.deliveries.get(component.key, Delivery()))
