"""Ports of the console, which its pages use with the operator's permissions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from evercert.console.authority_service import AuthorityService
from evercert.console.document_service import DocumentService
from evercert.contracts.consumers import ConsumerList
from evercert.contracts.queue import Queue
from evercert.contracts.spec_store import Specs
from evercert.deadline import Clock
from evercert.registry import Registry


class Check(Protocol):
    """Result of one check of `doctor`; `status` is ok, warning, failed or unknown."""

    @property
    def name(self) -> str:
        """The subject of the check."""

    @property
    def status(self) -> str:
        """The result."""

    @property
    def found(self) -> str:
        """The finding, for people."""

    @property
    def remedy(self) -> str:
        """The remedy; empty without a problem."""


class Doctor(Protocol):
    """The checks of `evercert doctor`."""

    def names(self) -> Sequence[str]:
        """Prepare the checks, and return their names in order."""

    def run(self, name: str) -> Sequence[Check]:
        """Run a check that `names` returned last; its error is a failed result."""


class EventFeed(Protocol):
    """The stack's events since the first call, through a temporary queue."""

    def since(self, number: int) -> Sequence[tuple[int, Mapping[str, Any]]]:
        """Return the events after this number with their numbers; at most the last 500 are remembered."""


def no_consumers(_name: str) -> ConsumerList | None:
    """Return None: the stack has no acknowledgements."""
    return None


@dataclass(frozen=True)
class Services:
    """Everything that the pages use. `authority` is None if the stack has none.

    `consumers` returns those of a certificate, None if the stack has no acknowledgements.
    """

    stack: str
    region: str
    specs: Specs
    queue: Queue
    issuers: Registry
    clock: Clock
    documents: DocumentService
    doctor: Doctor
    events: EventFeed | None  # None: reading them would create a queue
    consumers: Callable[[str], ConsumerList | None] = no_consumers
    authority: AuthorityService | None = None
    version: str = ""
    read_only: bool = False
    pause_refusal: str | None = None  # why certificates cannot be paused: the stack is too old
