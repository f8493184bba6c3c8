"""DynamoDB: the breakers, one item for each service with failures."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.clients import code, translated
from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.updates import Update
from evercert.contracts.ports import BreakerState
from evercert.errors import Rejected

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

FORGOTTEN_AFTER = timedelta(days=1)
MOST_FAILURES = 1_000_000  # in a row; a larger count is a manual edit


class DynamoDBBreakers:
    """Circuit breakers of a stack; eventually consistent reads cost half, and an extra call now and then."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def read(self, service: str) -> BreakerState:
        """Return the state. Delete attributes that do not parse (manual edits) and treat them as absent."""
        with translated(f"read the circuit breaker of {service}"):
            item = self._client.get_item(TableName=self._table, Key=_key(service)).get("Item", {})
        values = items.plain(item)
        failures, until = values.get("failures"), items.moment(values.get("shut_until"))
        if until is not None and isinstance(failures, Decimal) and 0 <= failures <= MOST_FAILURES:
            return BreakerState(service, int(failures), until)
        if "shut_until" in values:
            # Any value will do, because it is only compared. One that cannot be deleted must not stop the service.
            with suppress(Rejected):
                self.close(BreakerState(service, open_until=values["shut_until"]))
        return BreakerState(service)

    def open(self, state: BreakerState, failures: int, until: datetime) -> bool:
        """Block calls until `until`; return False if another run has written meanwhile."""
        expires = int((until + FORGOTTEN_AFTER).timestamp())
        update = Update({"failures": failures, "shut_until": until, "expires_at": expires})
        return self._write(state, update, f"open the circuit breaker of {state.service}")

    def close(self, state: BreakerState) -> None:
        """Delete the state, unless another run has written it meanwhile."""
        update = Update({"failures": None, "shut_until": None, "expires_at": None})
        self._write(state, update, f"close the circuit breaker of {state.service}")

    def _write(self, state: BreakerState, update: Update, doing: str) -> bool:
        update.require_same("shut_until", state.open_until)
        with translated(doing):
            try:
                self._client.update_item(TableName=self._table, Key=_key(state.service), **update.arguments())
            except ClientError as error:
                if code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True


def _key(service: str) -> dict[str, Any]:
    return {"pk": {"S": f"breaker#{service.replace(' ', '#')}"}, "sk": {"S": "breaker"}}
