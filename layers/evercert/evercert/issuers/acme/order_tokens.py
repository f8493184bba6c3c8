"""Limit of the new orders of one account: a token for each order, from a bucket that all runs share."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from evercert.errors import Busy, Misconfigured, NotYet, Throttled, Unavailable

if TYPE_CHECKING:
    from evercert.issuers.acme.settings import AcmeSettings
    from evercert.issuers.context import IssuerContext

TABLE_BUSY = timedelta(seconds=30)  # until a throttled table is asked again


class OrderTokens:
    """Takes tokens for the orders of one issuer's account."""

    def __init__(self, settings: AcmeSettings, context: IssuerContext) -> None:
        self._settings = settings
        self._context = context

    def take(self) -> None:
        """Take a token, immediately before the order is sent; raise NotYet with the time to come again.

        An error of the table says nothing about the CA, so it neither opens nor slows down the CA's circuit breaker.
        """
        limit, now = self._settings.order_limit, self._context.clock()
        if limit is None:
            return
        if self._context.acme is None:
            raise Misconfigured("cannot place an ACME order here: only the issuer function can")
        try:
            again = self._context.acme.order_buckets.take(self._settings.account_id, limit, now)
        except Throttled as error:
            raise NotYet(str(error), now + (error.retry_after or TABLE_BUSY)) from error
        except Busy:
            raise
        except Unavailable as error:
            raise Busy(str(error), retry_after=error.retry_after) from error
        if again is not None:
            directory = self._settings.directory
            raise NotYet(f"the account at {directory} has used up its orders; waiting for the next one", again)
