"""An in-memory ledger; passes the contract suite of the table."""

from __future__ import annotations

from evercert.authority.ca.signing_orders import Intent
from evercert.aws.authority.signing_ledger import LARGEST
from evercert.errors import Busy


class MemoryLedger:
    """The ledger; tests may read `intents` and `results` by order id."""

    def __init__(self) -> None:
        self.intents: dict[str, Intent] = {}
        self.results: dict[str, bytes] = {}
        self.serials: dict[tuple[str, int], str] = {}

    def intend(self, intent: Intent) -> Intent | None:
        if intent.id in self.intents:
            return self.intents[intent.id]
        if (intent.ca, intent.serial_number) in self.serials:
            return None
        self.serials[intent.ca, intent.serial_number] = intent.id
        self.intents[intent.id] = intent
        return intent

    def conclude(self, intent: Intent, der: bytes) -> bytes:
        if intent.id in self.results and len(self.results[intent.id]) > LARGEST:
            raise Busy("another result is recorded, which is too long to be kept")
        return self.results.setdefault(intent.id, der)
