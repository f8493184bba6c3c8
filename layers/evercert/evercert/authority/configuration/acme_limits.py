"""Rate limits of a profile's ACME server."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from evercert.authority.policy.policy import Part
from evercert.durations import Duration, to_text

MOST = 1_000_000
LONGEST_PERIOD = timedelta(days=30)


def _period(value: timedelta) -> timedelta:
    if value > LONGEST_PERIOD:
        raise ValueError(f"must be at most {to_text(LONGEST_PERIOD)}")
    return value


class Rate(Part):
    """Number of requests in a period, refilled evenly."""

    at_most: Annotated[int, Field(strict=True, ge=1, le=MOST)]
    per: Annotated[Duration, AfterValidator(_period)]


class AcmeLimits(Part):
    """Limits against clients that ask for more than the authority can serve.

    An order counts as many names as it has. Accounts without a credential count for the address of the client.
    """

    names_of_account: Rate = Rate(at_most=1_000, per=timedelta(hours=3))
    names_of_credential: Rate = Rate(at_most=10_000, per=timedelta(hours=3))
    new_accounts: Rate = Rate(at_most=300, per=timedelta(hours=3))  # of a credential, and of an address
