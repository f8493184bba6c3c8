"""Which requests of a profile need an approval."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from evercert.authority.policy.policy import Part
from evercert.durations import Duration

SHORTEST, LONGEST = timedelta(minutes=10), timedelta(days=90)


def _bounded(span: timedelta) -> timedelta:
    if not SHORTEST <= span <= LONGEST:
        raise ValueError("must be from 10m to 90d")
    return span


class ApprovalOptions(Part):
    """Approval by identities with the permission `approve`, or by operators.

    A request fails if fewer than `needed` of them approve it `within` this time. With `renewals: false`, a renewal of
    the same identity with the same names and usages needs none.
    """

    needed: Annotated[int, Field(strict=True, ge=1, le=10)] = 1
    within: Annotated[Duration, AfterValidator(_bounded)] = timedelta(days=7)
    renewals: Annotated[bool, Field(strict=True)] = True
