"""Regions that the account has not enabled: they refuse credentials that are valid elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.hooks import BaseEventHooks

# Also the answer to credentials that are unknown everywhere; an expired session has codes of its own.
UNKNOWN_CREDENTIALS = {"UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure"}


def name_disabled(events: BaseEventHooks, region: str) -> None:
    """Name the region in such errors. The credentials must be known to work in another region."""
    events.register("after-call", partial(_rename, region))


def _rename(region: str, parsed: dict[str, Any], **_: Any) -> None:  # noqa: ANN401 (of botocore)
    error: Mapping[str, Any] = parsed.get("Error") or {}
    if error.get("Code") in UNKNOWN_CREDENTIALS:
        advice = f"the account has probably not enabled region {region}: enable it, or name another region"
        parsed["Error"] = {"Code": "RegionNotEnabled", "Message": f"{advice} ({error['Code']})"}
