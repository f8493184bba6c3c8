"""Settings that issuers with a server have in common: address, CA bundle, longest wait."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from evercert.durations import Duration
from evercert.errors import EvercertError
from evercert.origins import Origin, path_of

LONGEST_PENDING = timedelta(days=30)


def _address(value: str) -> str:
    try:
        origin = Origin.of(value)
        path_of(value)
    except EvercertError as error:
        raise ValueError(str(error)) from None
    if origin.scheme != "https" and not origin.is_loopback:
        raise ValueError(
            f"invalid address: must be https://, because credentials are sent to it: https://{str(origin)[7:]}"
        )
    return value


def _ca_bundle(value: str) -> str:
    """Validate the bundle before it is stored: a private key in it would end up in the table."""
    from evercert.http_client import trust  # noqa: PLC0415 (few issuers have one)

    if (message := trust.problem(value)) is not None:
        raise ValueError(message)
    return value


def _pending_for(value: timedelta) -> timedelta:
    if value > LONGEST_PENDING:
        raise ValueError(f"invalid duration: must be at most {LONGEST_PENDING.days}d")
    return value


Address = Annotated[str, AfterValidator(_address)]
CABundle = Annotated[str, Field(max_length=65_536), AfterValidator(_ca_bundle)]
PendingFor = Annotated[Duration, AfterValidator(_pending_for)]
