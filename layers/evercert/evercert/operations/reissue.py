"""Whether a changed record leads to a new certificate."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from evercert.contracts.record import Reason, Record
from evercert.operations.issuer_identity import identities
from evercert.registry import Component, Registry
from evercert.scheduling.decision import Resume, Start, Wait, decide, due_reason


def reissue_reason(
    record: Record, definitions: Mapping[str, Component], issuers: Registry, now: datetime
) -> Reason | None:
    """Return why the record needs a new certificate, as the issuer function will decide it, or None.

    A certificate that is issued and not delivered everywhere is delivered, and not replaced.
    """
    hashes = identities(record.spec.issuer_names, definitions, issuers)
    unknown = len(hashes) < len(record.spec.issuer_names)
    first = hashes.get(record.spec.issuer_names[0])
    match decide(record, first, now, list(hashes.values()), unknown=unknown):
        case Start(reason):
            return reason
        case Resume(pending, chain):
            return pending.reason if chain is None else None
        case Wait() if record.pending is None or record.pending.chain is None:
            return due_reason(record, list(hashes.values()), now, unknown=unknown)
    return None
