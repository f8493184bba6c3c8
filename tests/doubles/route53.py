"""A solver for Route 53 with doubles of its resources; the kill switch sees each of its calls."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from evercert.acme.challenges import dns_value
from evercert.contracts.solver import LONGEST_LEASE, Challenge, Lease, LeasedValue, Presented
from evercert.deadline import CLOCK_TOLERANCE
from evercert.errors import NotYet, Unavailable
from evercert.solvers.context import Route53Context, SolverContext
from evercert.solvers.route53 import Route53
from tests.doubles.fakes import START, HandClock
from tests.doubles.strict_route53 import StrictRoute53
from tests.doubles.world import KillSwitch

NAME = "shop.example.com"
RECORD = f"_acme-challenge.{NAME}"


@dataclass
class FakeLeases:
    """Leases in memory."""

    held: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    values: dict[str, set[LeasedValue]] = field(default_factory=dict)
    switch: KillSwitch = field(default_factory=KillSwitch)

    def take(self, lease: Lease, now: datetime) -> Lease | None:
        if lease.until - now > LONGEST_LEASE:
            raise ValueError("too long")
        self.switch.before("take")
        _, end = self.held.get(lease.resource, ("", now))
        taken = end <= now or end > now + LONGEST_LEASE + CLOCK_TOLERANCE
        if taken:
            self.held[lease.resource] = lease.owner, lease.until
            self.values.setdefault(lease.resource, set()).update(lease.values)
        self.switch.after()
        return replace(lease, values=frozenset(self.values[lease.resource])) if taken else None

    def release(self, lease: Lease, removed: Collection[LeasedValue]) -> None:
        self.switch.before("release")
        if self.held.get(lease.resource, ("", START))[0] == lease.owner:
            del self.held[lease.resource]
            self.values[lease.resource] -= set(removed)
        self.switch.after()

    @property
    def texts(self) -> list[str]:
        """The values that are remembered."""
        return sorted({value.text for values in self.values.values() for value in values})


@dataclass
class FakeCNAMEs:
    """CNAMEs in memory; a target of None is a failure of the DNS."""

    targets: dict[str, str | None] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def target(self, name: str) -> str | None:
        self.asked.append(name)
        found = self.targets.get(name, "")
        if found is None:
            raise Unavailable(f"cannot look up the CNAME of {name}: the DNS did not answer")
        return found or None


def challenge(number: int = 0, name: str = NAME, *, wildcard: bool = False) -> Challenge:
    """Return a challenge; each number has its own value."""
    token = f"{number:022}"
    return Challenge("web", name, wildcard, token, f"{token}.thumbprint", "account", START + timedelta(hours=1))


def value(number: int = 0) -> str:
    """Return the text that the CA looks for."""
    return dns_value(challenge(number).key_authorization)


class Bench:
    """The zone example.com on the strict double, and solvers of new processes."""

    def __init__(self) -> None:
        self.clock, self.switch, self.cnames = HandClock(), KillSwitch(), FakeCNAMEs()
        self.aws = StrictRoute53(self.switch.before, self.switch.after)
        self.zone = self.aws.create_zone("example.com")
        self.leases = FakeLeases(switch=self.switch)
        self.roles: list[str | None] = []

    def solver(self, **settings: Any) -> Route53:
        context = Route53Context(self._client, self.leases, self.cnames, self.clock, self._sleep)
        return Route53(Route53.Settings.model_validate(settings), SolverContext(route53=context))

    def _client(self, role: str | None) -> Any:
        self.roles.append(role)
        return self.aws

    def _sleep(self, span: timedelta) -> None:
        self.clock.now += span

    def present(self, number: int = 0, **more: Any) -> Presented:
        """Present, and come again at the time that the solver names."""
        for _ in range(20):
            try:
                return self.solver().present(challenge(number, **more))
            except NotYet as later:
                self.clock.now = max(later.until, self.clock.now)
        raise AssertionError("never presented")

    def clean_up(self, number: int = 0, notes: str = "", **more: Any) -> None:
        """Clean up, and come again at the time that the solver names."""
        for _ in range(20):
            try:
                return self.solver().clean_up(challenge(number, **more), notes)
            except NotYet as later:
                self.clock.now = max(later.until, self.clock.now)
        raise AssertionError("never cleaned up")

    def texts(self) -> list[str]:
        return sorted(self.aws.texts(RECORD))
