"""Storage of the ACME server in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from evercert.authority.acme.records import Account, Order
from evercert.authority.configuration.acme_limits import Rate
from evercert.authority.configuration.profiles import EabCredential
from evercert.errors import SealBroken


@dataclass
class FakeUsedNonces:
    """Used nonces."""

    taken: dict[str, datetime] = field(default_factory=dict)

    def take(self, digest: str, until: datetime) -> bool:
        if digest in self.taken:
            return False
        self.taken[digest] = until
        return True


@dataclass
class FakeAcmeAccounts:
    """Accounts, and the single-use credentials that are bound."""

    stored: dict[str, Account] = field(default_factory=dict)
    bound: dict[str, str] = field(default_factory=dict)

    def create(self, account: Account, once: str | None) -> Account | None:
        if (found := self.of_key(account.scope, account.thumbprint)) is not None:
            return found
        if once is not None and self.bound.setdefault(once, account.id) != account.id:
            return None
        self.stored[account.id] = Account.model_validate_json(account.model_dump_json())
        return account

    def of_id(self, account_id: str) -> Account | None:
        return self.stored.get(account_id)

    def of_key(self, scope: str, thumbprint: str) -> Account | None:
        same = (one for one in self.stored.values() if (one.scope, one.thumbprint) == (scope, thumbprint))
        return next(same, None)

    def replace(self, changed: Account) -> bool:
        found = self.stored[changed.id]
        if found == changed:
            return True
        if found.version != changed.version - 1 or found.thumbprint != changed.thumbprint:
            return False
        self.stored[changed.id] = changed
        return True

    def change_key(self, before: Account, changed: Account) -> bool:
        if self.stored[before.id] != before or self.of_key(changed.scope, changed.thumbprint) is not None:
            return False
        self.stored[before.id] = changed
        return True


@dataclass
class FakeCredentials:
    """Credentials whose MAC keys are not encrypted."""

    stored: dict[str, EabCredential] = field(default_factory=dict)

    def of_id(self, credential_id: str) -> EabCredential | None:
        return self.stored.get(credential_id)

    def mac_key(self, credential: EabCredential) -> bytes:
        if credential.sealed == "broken":
            raise SealBroken("the MAC key was changed")
        return bytes.fromhex(credential.sealed)


@dataclass
class FakeAcmeOrders:
    """Orders, holds on certificates, and renewal ids."""

    stored: dict[str, Order] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    certificates: dict[str, str] = field(default_factory=dict)

    def create(self, order: Order) -> bool:
        if order.replaces is not None:
            holder = self.replacement_of(order.replaces)
            if holder is not None and holder.status_at(order.created_at) != "invalid":
                return False
            self.held[order.replaces] = order.id
        self.stored[order.id] = Order.model_validate_json(order.model_dump_json())
        return True

    def of_id(self, order_id: str) -> Order | None:
        return self.stored.get(order_id)

    def replace(self, changed: Order, waits_until: datetime | None = None) -> bool:
        if self.stored[changed.id].version != changed.version - 1:
            return self.stored[changed.id] == changed
        self.stored[changed.id] = changed
        return True

    def finish(self, changed: Order, renewal_id: str | None, until: datetime) -> bool:
        named = renewal_id is not None and changed.certificate is not None
        if named and self.certificates.get(str(renewal_id), changed.certificate) != changed.certificate:
            return False
        if self.stored[changed.id].version != changed.version - 1 or not self.replace(changed):
            return False
        if named:
            self.certificates[str(renewal_id)] = str(changed.certificate)
        return True

    def of_account(self, account_id: str, after: str | None) -> tuple[list[str], str | None]:
        own = [one for one in self.stored.values() if one.account == account_id]
        places = sorted((f"{one.created_at:%Y%m%dT%H%M%S%f}#{one.id}" for one in own), reverse=True)
        left = [place for place in places if after is None or place < after]
        page = left[:50]
        return [place.partition("#")[2] for place in page], page[-1] if len(left) > len(page) else None

    def certificate_of(self, renewal_id: str) -> str | None:
        return self.certificates.get(renewal_id)

    def replacement_of(self, renewal_id: str) -> Order | None:
        held = self.held.get(renewal_id)
        return self.stored.get(held) if held is not None else None


@dataclass
class FakeBuckets:
    """Token buckets: for each name, when it is full again."""

    full_at: dict[str, datetime] = field(default_factory=dict)

    def take(self, name: str, tokens: int, rate: Rate, now: datetime) -> datetime | None:
        cost = min(tokens, rate.at_most) * (rate.per / rate.at_most)
        full_at = max(self.full_at.get(name, now), now) + cost
        if full_at > now + rate.per:
            return full_at - rate.per
        self.full_at[name] = full_at
        return None


@dataclass
class FakeValidations:
    """Messages that wait for the validator: order, place, type and number of failed tries; and the delay."""

    sent: list[tuple[tuple[str, int, str, int], timedelta]] = field(default_factory=list)

    def send(self, order: Order, place: int, kind: str, delay: timedelta) -> None:
        challenge = order.authorizations[place].challenge(kind)
        assert challenge is not None
        self.sent.append(((order.id, place, kind, challenge.tries), delay))
