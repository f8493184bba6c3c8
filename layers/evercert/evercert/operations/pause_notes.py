"""Sentences and JSON values about pauses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evercert.contracts.spec_store import Pause, PauseTarget
from evercert.operations.escapes import quoted, visible
from evercert.schema import printable
from evercert.timestamps import to_text

MOST_LINES = 5  # lines about certificates; a line with their number follows


def describe(pauses: Mapping[PauseTarget, Pause]) -> list[tuple[str, str]]:
    """Return a sentence and the `resume` command for each pause: the stack, issuers, then certificates."""
    ordered = sorted(pauses.items(), key=_order)
    certificates = [target for target, _ in ordered if target.certificate is not None]
    hidden = set(certificates[MOST_LINES:])
    found = [
        (f"{visible(str(target), 200)} is paused{_details(pause)}", f"evercert resume{_arguments(target)}")
        for target, pause in ordered
        if target not in hidden
    ]
    if hidden:
        found.append((f"{len(hidden)} more certificates are paused", "evercert resume NAME..."))
    return found


def values(pauses: Mapping[PauseTarget, Pause]) -> list[dict[str, Any]]:
    """Return the pauses as JSON values; the whole stack has neither issuer nor certificate."""
    return [
        {
            "issuer": target.issuer,
            "certificate": target.certificate,
            "since": pause.since and to_text(pause.since),
            "until": pause.until and to_text(pause.until),
            "reason": pause.reason,
        }
        for target, pause in sorted(pauses.items(), key=_order)
    ]


def _order(entry: tuple[PauseTarget, Pause]) -> tuple[str, str]:
    return entry[0].certificate or "", entry[0].issuer or ""


def _details(pause: Pause) -> str:
    since = f" since {pause.since:%Y-%m-%d %H:%M}Z" if pause.since is not None else ""
    until = f" until {pause.until:%Y-%m-%d %H:%M}Z" if pause.until is not None else ""
    return f"{since}{until}{f' ({printable(pause.reason)})' if pause.reason else ''}"


def _arguments(target: PauseTarget) -> str:
    if target.certificate is not None:
        return f" {quoted(target.certificate)}"
    return "" if target.issuer is None else f" --issuer {visible(target.issuer, 200)}"
