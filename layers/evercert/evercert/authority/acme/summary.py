"""Summary of the accounts and orders of a profile, for operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from evercert.acme.problem import URN
from evercert.authority.acme.records import Account, Order, OrderStatus


@dataclass
class Failures:
    """Orders that failed for one reason; `latest` is the detail of the newest one."""

    count: int = 0
    latest: str = ""


@dataclass
class Summary:
    """Accounts by status, orders by status, and failed orders by reason."""

    accounts: Counter[str] = field(default_factory=Counter)
    orders: Counter[OrderStatus] = field(default_factory=Counter)
    failures: dict[str, Failures] = field(default_factory=dict)

    def add(self, account: Account, orders: Iterable[Order], now: datetime) -> None:
        """Count an account and its orders, oldest first."""
        self.accounts[account.status] += 1
        for order in orders:
            status = order.status_at(now)
            self.orders[status] += 1
            if status == "invalid":
                kind, detail = reason(order, now)
                found = self.failures.setdefault(kind, Failures())
                found.count, found.latest = found.count + 1, detail


def reason(order: Order, now: datetime) -> tuple[str, str]:
    """Return why an order failed: the type of the problem without its URN, and a detail that names the first name."""
    if order.error is not None:
        return _problem(order.error)
    for found in order.authorizations:
        for challenge in found.challenges:
            if challenge.status == "invalid" and challenge.error is not None:
                kind, detail = _problem(challenge.error)
                return kind, f"{found.name}: {detail}"
    statuses = {one.status_at(now, order.expires_at): one.name for one in order.authorizations}
    if "deactivated" in statuses:
        return "deactivated", f"{statuses['deactivated']}: its client deactivated the authorization"
    return "expired", f"{order.authorizations[0].name}: not finalized within a day"


def _problem(error: dict[str, object]) -> tuple[str, str]:
    return str(error.get("type", "unknown")).removeprefix(URN), str(error.get("detail", ""))
