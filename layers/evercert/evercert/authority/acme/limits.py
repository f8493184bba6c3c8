"""Rate limits of the ACME server (RFC 8555 §6.6): of accounts, credentials and addresses."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from evercert.authority.acme.host_credentials import owner_of
from evercert.authority.acme.problems import Refused
from evercert.authority.acme.records import Account
from evercert.authority.configuration.acme_limits import AcmeLimits, Rate
from evercert.deadline import Clock

IPV6_NETWORK = 64  # bits; the smallest network of a customer


class Buckets(Protocol):
    """Token buckets, each full until something is taken."""

    def take(self, name: str, tokens: int, rate: Rate, now: datetime) -> datetime | None:
        """Take tokens, at most as many as a full bucket has; if they are missing, return when the bucket has them.

        Not idempotent; raises Unavailable or Misconfigured.
        """


@dataclass(frozen=True)
class Sender:
    """Client of a request, and the limits of its profile; `address` is empty if API Gateway names none."""

    profile: str  # id
    limits: AcmeLimits
    address: str = ""

    @property
    def network(self) -> str:
        """Address, or /64 network of an IPv6 address, which one client has for itself."""
        try:
            address = ipaddress.ip_address(self.address)
        except ValueError:
            return "unknown"
        if address.version == 4:  # noqa: PLR2004 (IPv4)
            return str(address)
        return str(ipaddress.ip_network((address, IPV6_NETWORK), strict=False).network_address)


@dataclass(frozen=True)
class RateLimits:
    """Counts orders and registrations; raises Refused (rateLimited) with Retry-After."""

    buckets: Buckets
    clock: Clock

    def registration(self, sender: Sender) -> None:
        """Count an account without a credential, or a wrong binding, of this address."""
        self._take(f"accounts#{sender.profile}#{sender.network}", 1, sender.limits.new_accounts, "new accounts")

    def binding(self, sender: Sender, credential_id: str) -> None:
        """Count an account that is bound to the credential."""
        owner = owner_of(credential_id)
        self._take(f"accounts#{owner}", 1, sender.limits.new_accounts, "new accounts of this credential")

    def order(self, sender: Sender, account: Account, names: int) -> None:
        """Count the names of an order: for the account, then for all accounts of its credential or address.

        In this order, so that an account above its own limit uses up nothing of the others.
        """
        if account.credential is not None:
            owner, whose = owner_of(account.credential), "the account's credential"
        else:
            owner, whose = f"{sender.profile}#{sender.network}", "your address"
        self._take(f"names#{account.id}", names, sender.limits.names_of_account, "names in orders of this account")
        self._take(f"names#{owner}", names, sender.limits.names_of_credential, f"names in orders of {whose}")

    def _take(self, name: str, tokens: int, rate: Rate, what: str) -> None:
        now = self.clock()
        again = self.buckets.take(name, tokens, rate, now)
        if again is not None:
            wait = max(math.ceil((again - now).total_seconds()), 1)
            raise Refused(
                "rateLimited", f"too many {what}; try again in {wait} seconds", headers={"Retry-After": str(wait)}
            )
