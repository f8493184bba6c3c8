"""DynamoDB: items of pauses, in the table of the issuers, which the functions can only read."""

from __future__ import annotations

from evercert.aws.dynamodb import items
from evercert.contracts.spec_store import STACK, Pause, PauseTarget

PAUSE = "pause#"
_ISSUER, _CERTIFICATE, _STACK = f"{PAUSE}issuer#", f"{PAUSE}certificate#", f"{PAUSE}stack"


def pause_key(target: PauseTarget) -> str:
    """Return the partition key of a pause."""
    if target.certificate is not None:
        return f"{_CERTIFICATE}{target.certificate}"
    return _STACK if target.issuer is None else f"{_ISSUER}{target.issuer}"


def read_target(key: str) -> PauseTarget | None:
    """Return what the pause with this key stops; None for a key that no version writes."""
    if key.startswith(_CERTIFICATE):
        return PauseTarget(certificate=key.removeprefix(_CERTIFICATE))
    if key.startswith(_ISSUER):
        return PauseTarget(issuer=key.removeprefix(_ISSUER))
    return STACK if key == _STACK else None


def pause_item(target: PauseTarget, pause: Pause) -> items.Item:
    """Return the item of a pause."""
    values = {
        "pk": pause_key(target),
        "schema": 1,
        "paused_at": pause.since,
        "reason": pause.reason,
        "paused_until": pause.until,
    }
    return {name: items.attribute(value) for name, value in values.items() if value is not None}


def read_pause(item: items.Item) -> Pause:
    """Return the pause; values that do not parse (manual edits) are absent, so that it has no end."""
    values = items.plain(item)
    reason = values.get("reason")
    since, until = (items.moment(values.get(name)) for name in ("paused_at", "paused_until"))
    return Pause(since, reason if isinstance(reason, str) else None, until)
