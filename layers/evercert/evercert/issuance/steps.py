"""The steps of a run: obtain, deliver, maintain, and the breaker that they share."""

from __future__ import annotations

from evercert.contracts.ports import Ports
from evercert.issuance.abandonment import Abandonment
from evercert.issuance.circuit_breaker import Breaker
from evercert.issuance.consumer_check import ConsumerCheck
from evercert.issuance.delivery import Deliveries
from evercert.issuance.maintenance import Maintenance
from evercert.issuance.obtain import Obtainer
from evercert.issuance.preflight_check import PreflightCheck
from evercert.issuance.probe_check import ProbeCheck
from evercert.issuance.restoration import Restoration
from evercert.issuance.revision_history import RevisionHistory
from evercert.issuance.status_check import StatusCheck


class Steps:
    """Steps of one run."""

    def __init__(self, ports: Ports) -> None:
        self.breaker = Breaker(ports.breakers, ports.clock, ports.sleep)
        self.abandonment = Abandonment(ports.issuers, self.breaker, ports.clock)
        self.obtainer = Obtainer(ports.records, ports.seal, self.abandonment, ports.clock)
        self.preflight = PreflightCheck(ports.destinations, self.breaker)
        self.deliveries = Deliveries(
            ports.records, ports.seal, ports.destinations, ports.rate_limiter, self.breaker, ports.clock, ports.sleep
        )
        self.history = RevisionHistory(ports.revisions, ports.clock)
        self.restoration = Restoration(
            ports.records, ports.revisions, ports.seal, self.abandonment, self.breaker, ports.clock
        )
        self.maintenance = Maintenance(
            StatusCheck(ports.destinations, self.breaker),
            ProbeCheck(ports.prober, ports.clock),
            ConsumerCheck(ports.consumers, ports.clock),
        )
