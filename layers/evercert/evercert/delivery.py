"""From a saved chain to every destination that does not have it yet."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509

from evercert.certificate import Bundle, Chain
from evercert.errors import (
    ClaimLost,
    EvercertError,
    Misconfigured,
    OutOfTime,
    Rejected,
    SealBroken,
    Unavailable,
    Unexpected,
)
from evercert.keys import public_bytes
from evercert.ports import Destinations, Held, Inventory, Seal
from evercert.record import Delivery, Pending, Record
from evercert.spec import Component


@dataclass
class Result:
    """Where the revision is after a round of deliveries, and what went wrong elsewhere."""

    deliveries: dict[str, Delivery]
    taken: int = 0
    errors: dict[str, EvercertError] = field(default_factory=dict)


@dataclass(frozen=True)
class Deliveries:
    """Hands one bundle to each destination; one that fails does not stop the others."""

    inventory: Inventory
    seal: Seal
    destinations: Destinations

    def check(self, record: Record) -> None:
        """Asks every destination whether it could take what the spec wants, before anything is issued."""
        for component in record.spec.destinations:
            self.destinations.open(component, record.name).check(record.spec)

    def run(self, held: Held, record: Record, pending: Pending) -> Result:
        """Delivers to those that lack the revision, and writes down each delivery under the claim."""
        bundle = self._bundle(record, pending)
        result = Result(dict(record.deliveries))
        for component in record.spec.destinations:
            had = result.deliveries.get(component.key)
            if had is not None and had.revision == pending.revision:
                continue
            try:
                result.deliveries[component.key] = self._deliver(component, record, bundle, pending.revision)
            except (ClaimLost, OutOfTime):
                raise
            except (Rejected, Unavailable, Misconfigured) as error:
                result.errors[component.key] = error
                continue
            except Exception as error:  # noqa: BLE001 (a bug in one destination must not keep the others waiting)
                result.errors[component.key] = Unexpected.of(error)
                continue
            result.taken += 1
            self.inventory.update(held, {"deliveries": result.deliveries})
        return result

    def _deliver(self, component: Component, record: Record, bundle: Bundle, revision: int) -> Delivery:
        delivered = self.destinations.open(component, record.name).deliver(bundle)
        return Delivery(revision=revision, location=delivered.location, version=delivered.version)

    def _bundle(self, record: Record, pending: Pending) -> Bundle:
        if pending.chain is None:
            raise ValueError("only a saved chain is delivered")
        private_key = self.seal.open(pending.sealed_key, record.uid, pending.revision)
        asked = public_bytes(x509.load_pem_x509_csr(pending.csr.encode()).public_key())
        if private_key.public_bytes() != asked:
            raise SealBroken(f"the sealed private key of revision {pending.revision} is not the one that was sealed")
        return Bundle(Chain.from_pem(pending.chain), private_key)
