"""Issuer definitions as the commands show them: settings of a valid definition only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evercert.cli.console import Terminal, styled
from evercert.cli.grid import Grid
from evercert.contracts.spec_store import STACK, PauseTarget
from evercert.errors import Misconfigured
from evercert.issuers import ISSUERS
from evercert.operations import pause_notes
from evercert.registry import Component
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.contracts.accounts import StoredAccount
    from evercert.contracts.spec_store import Pause


class Definition:
    """A stored definition; `settings` is None if they do not validate, and `problem` says why."""

    def __init__(self, name: str, stored: Component | Misconfigured) -> None:
        self.name = name
        self.component = stored if isinstance(stored, Component) else None
        self.settings: Any = None
        self.problem: str | None = None
        try:
            self.settings = ISSUERS.settings(_parsed(stored))
        except Misconfigured as error:
            self.problem = printable(str(error))

    @property
    def document(self) -> dict[str, Any] | None:
        """The settings as the document spells them; None if they do not validate: they may hold a secret by mistake."""
        return None if self.component is None or self.settings is None else self.component.settings

    @property
    def account_id(self) -> str | None:
        """The id of the account at the CA, for types that have accounts."""
        return getattr(self.settings, "account_id", None)

    @property
    def _targets(self) -> tuple[PauseTarget, ...]:
        return STACK, PauseTarget(self.name)

    def is_paused(self, pauses: Mapping[PauseTarget, Pause]) -> bool:
        """Whether this issuer or the whole stack is paused."""
        return any(target in pauses for target in self._targets)

    def summary(self, pauses: Mapping[PauseTarget, Pause]) -> dict[str, Any]:
        """Return the row of `issuer list`."""
        settings = self.document or {}
        return {
            "name": self.name,
            "type": self.component and self.component.type,
            "address": settings.get("directory") or settings.get("address"),
            "profile": settings.get("profile"),
            "paused": self.is_paused(pauses),
            "problem": self.problem,
        }

    def detail(self, pauses: Mapping[PauseTarget, Pause], account: StoredAccount | None) -> dict[str, Any]:
        """Return the values of `issuer show`; of an account its URL and contacts, never its key."""
        found: dict[str, Any] = {
            "name": self.name,
            "type": self.component and self.component.type,
            "settings": self.document,
            "problem": self.problem,
            "pauses": pause_notes.values({target: pauses[target] for target in self._targets if target in pauses}),
        }
        if self.account_id is not None:
            registered = account is not None and account.url is not None
            found["account"] = _public(account) if account and registered else None
        return found


def _public(account: StoredAccount) -> dict[str, Any]:
    """Return what people may see of an account: neither of its sealed keys."""
    unfinished = None if account.next_key is None else "not finished"
    found = {"kms_key": account.kms_key, "key_change": unfinished, "deactivated": account.deactivated or None}
    shown = {name: value for name, value in found.items() if value is not None}
    return {"url": account.url, "contact": account.contact, **shown}


def table(console: Terminal, rows: list[dict[str, Any]]) -> None:
    """Print the table of `issuer list`."""
    grid = Grid("NAME", "TYPE", "ADDRESS", "PROFILE", "PAUSED", "PROBLEM")
    for row in rows:
        texts = [str(row[key] or "") for key in ("name", "type", "address", "profile")]
        grid.add_row(*texts, styled("paused" * row["paused"], "yellow"), styled(row["problem"] or "", "red"))
    console.print(grid)


def _parsed(stored: Component | Misconfigured) -> Component:
    if isinstance(stored, Misconfigured):
        raise stored
    return stored
