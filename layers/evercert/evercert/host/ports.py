"""Ports of the agent: the stack, hooks, log, clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from evercert.contracts.certificate_status import CertificateStatus
from evercert.host.hooks import Hook, HookResult


class Stack(Protocol):
    """The stack, read with the host's role. Raises Unavailable or Misconfigured."""

    def status(self, name: str) -> CertificateStatus | None:
        """Return the state of a certificate, or None if it was never applied."""

    def secret(self, location: str, version: str) -> str:
        """Return the value of one version of a secret."""


class HookRunner(Protocol):
    """Runs hooks, one at a time."""

    def run(self, hook: Hook, variables: Mapping[str, str]) -> HookResult:
        """Run a hook to its end or its time limit; never raises."""


class Log(Protocol):
    """Writes one line for each fact."""

    def info(self, message: str, **facts: object) -> None:
        """Write what happened."""

    def error(self, message: str, **facts: object) -> None:
        """Write what failed."""


class Clock(Protocol):
    """Tells the time in UTC."""

    def __call__(self) -> datetime:
        """Return the present time."""
