"""The solver for dns-01 with Route 53 (RFC 8555 §8.4): TXT records in hosted zones of this or another account."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

from evercert import json_parser
from evercert.acme.challenges import DNS_LABEL, dns_value, is_dns_value
from evercert.aws.clients import CALL_LIMIT
from evercert.aws.route53 import RecordSet, TXTRecords
from evercert.canonical_json import canonical_json
from evercert.contracts.solver import LONGEST_LEASE, Challenge, Lease, LeasedValue, Presented
from evercert.deadline import CLOCK_TOLERANCE
from evercert.errors import Misconfigured, NotYet, OutOfTime, Unavailable, Unsuited
from evercert.schema import Model, printable, text_of
from evercert.solvers.cname_records import end_of

if TYPE_CHECKING:
    from evercert.deadline import Clock
    from evercert.solvers.context import Route53Context, SolverContext

LOOK_AGAIN = timedelta(seconds=5)
LEASE_TRIES, LEASE_PAUSE = 3, timedelta(seconds=1)
LEASE_BUSY = timedelta(seconds=5)
LONGEST_ORDER = timedelta(days=30)  # the issuer shortens the expiry of a challenge to this
MOST_STALE = 50  # values that one write removes
_NAME = re.compile(r"[a-z0-9_.-]{1,254}")


class Route53:
    """Writes the answers into TXT record sets of Route 53, also where a CNAME leads to one."""

    challenge_type = "dns-01"

    class Settings(Model):
        """`zone_id`: the hosted zone, by default found by its name. `role`: a role in the zone's account."""

        zone_id: (
            Annotated[str, text_of(r"Z[A-Z0-9]{1,31}", "must be the id of a hosted zone, such as Z1D633PJN98FT9")]
            | None
        ) = None
        role: (
            Annotated[
                str, text_of(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,512}", "must be the ARN of a role")
            ]
            | None
        ) = None

    def __init__(self, settings: Settings, context: SolverContext) -> None:
        if context.route53 is None:
            raise Misconfigured("cannot solve dns-01 here: only the issuer function has access to Route 53")
        self.settings = settings
        self._context: Route53Context = context.route53
        self._records = TXTRecords(self._context.client(settings.role), settings.role)

    def present(self, challenge: Challenge) -> Presented:
        """Add the value to the record set, and return its change; `look` waits until all name servers have it.

        The same write removes the values of earlier orders that could not be removed at their end.
        """
        place = self._place(challenge.name)
        value = LeasedValue(dns_value(challenge.key_authorization), challenge.expires)
        with self._lease(place, value) as held:
            change = self._records.add(place, value.text, held.check, held.stale)
            held.forget()
        notes = canonical_json({"zone": place.zone, "name": place.name, "change": change})
        return Presented(notes, self._context.clock() + LOOK_AGAIN)

    def look(self, challenge: Challenge, notes: str) -> Presented:
        """Return whether all name servers have the change."""
        found = _read(notes)
        if found is None:
            raise Misconfigured(f"the stored notes for {challenge.name} do not parse; run: evercert renew NAME")
        place, change = found
        in_sync = self._records.is_in_sync(change)
        if in_sync is None:  # Route 53 forgot an old change
            in_sync = dns_value(challenge.key_authorization) in self._records.values(place)
            if not in_sync:
                raise Unavailable(
                    f"cannot solve dns-01 for {challenge.name}: the TXT record {place.name} in zone {place.zone} "
                    "lost its value; check which other program writes it"
                )
        return Presented(notes, None if in_sync else self._context.clock() + LOOK_AGAIN)

    def clean_up(self, challenge: Challenge, notes: str) -> None:
        """Remove the value; without notes (a run died after `present`), find its record set again.

        If that fails, the next order with this record set removes the value, once its challenge has expired.
        """
        found = _read(notes)
        place = self._place(challenge.name) if found is None else found[0]
        value = LeasedValue(dns_value(challenge.key_authorization), challenge.expires)
        with self._lease(place, value) as held:
            self._records.remove(place, value.text, held.check, held.stale)
            held.forget(value.text)

    def check(self, name: str) -> None:
        """Raise Unsuited for an IP address; raise Misconfigured if no readable zone contains the name."""
        with suppress(ValueError):
            ip_address(name)
            raise Unsuited(f"dns-01 cannot prove control of the IP address {name}: choose http-01 for it")
        self._records.values(self._place(name.removeprefix("*.")))

    def _place(self, name: str) -> RecordSet:
        wanted = f"{DNS_LABEL}.{name}".lower()
        end = end_of(wanted, self._context.cnames)
        via = "" if end == wanted else f", to which the CNAME of {wanted} leads"
        if not _NAME.fullmatch(end):
            raise Misconfigured(
                f"cannot write the record {printable(end, 100)}{via}: not a host name; correct the CNAME"
            )
        zone = self.settings.zone_id or self._records.zone_of(end)
        if zone is None:
            where = f"account {self.settings.role.split(':')[4]}" if self.settings.role else "the stack's account"
            raise Misconfigured(
                f"cannot solve dns-01 for {name}: no public hosted zone in {where} contains {end}{via}; "
                "create the zone, or set role of the solver to a role in the account that has it"
            )
        return RecordSet(zone, end)

    @contextmanager
    def _lease(self, place: RecordSet, value: LeasedValue) -> Iterator[_Held]:
        """Hold the lease of the record set, which remembers the value before it is written.

        A killed process does not release the lease: it expires.
        """
        lease = self._take(f"{place.zone}#{place.name}", value)
        held = _Held(lease, place, value.text, self._context.clock)
        try:
            yield held
        except Exception:
            self._release(held)
            raise
        self._release(held)

    def _take(self, resource: str, value: LeasedValue) -> Lease:
        for attempt in range(LEASE_TRIES):
            if attempt:
                self._context.sleep(LEASE_PAUSE)
            now = self._context.clock()
            wanted = Lease(resource, str(uuid4()), now + LONGEST_LEASE, frozenset({value}))
            if (taken := self._context.leases.take(wanted, now)) is not None:
                return taken
        again = self._context.clock() + LEASE_BUSY
        raise NotYet(f"another run changes the record {resource.partition('#')[2]}", again)

    def _release(self, held: _Held) -> None:
        with suppress(Unavailable, OutOfTime):  # the lease expires
            self._context.leases.release(held.lease, held.removed)


@dataclass
class _Held:
    """A lease during a change of its record set; `removed` are the values that its release forgets."""

    lease: Lease
    place: RecordSet
    own: str
    clock: Clock
    removed: set[LeasedValue] = field(default_factory=set)

    def check(self) -> None:
        """Refuse a write that could outlast the lease."""
        if self.clock() + CALL_LIMIT > self.lease.until:
            raise NotYet(f"reading {self.place.name} took too long to write it safely", self.lease.until)

    @cached_property
    def stale(self) -> set[str]:
        """The values of others that no order needs; ignore an end that no order can have (a wrong clock)."""
        now = self.clock()
        earliest, latest = now - CLOCK_TOLERANCE, now + LONGEST_ORDER + CLOCK_TOLERANCE
        needed = {value.text for value in self.lease.values if earliest < value.ends <= latest}
        known = {value.text for value in self.lease.values if is_dns_value(value.text)}
        return set(sorted(known - needed - {self.own})[:MOST_STALE])

    def forget(self, *texts: str) -> None:
        """Forget these values and the stale ones: the record set no longer has them."""
        gone = {*texts, *self.stale}
        self.removed = {value for value in self.lease.values if value.text in gone or not is_dns_value(value.text)}


def _read(notes: str) -> tuple[RecordSet, str] | None:
    """Return record set and change of the notes; None if they do not parse."""
    try:
        values = json_parser.parse(notes)
        zone, name, change = values["zone"], values["name"], values["change"]
    except (ValueError, TypeError, KeyError):
        return None
    if not all(isinstance(value, str) and value for value in (zone, name, change)):
        return None
    return RecordSet(zone, name), change
