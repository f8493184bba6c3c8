"""DynamoDB: the breakers, one item for each service with failures or throttles."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.answers import InvalidAnswer
from evercert.aws.clients import code, translated
from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.updates import Update
from evercert.contracts.ports import BreakerState
from evercert.errors import Rejected

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

FORGOTTEN_AFTER = timedelta(days=1)
FARTHEST_APART = 60_000  # milliseconds; a slower pace is a manual edit
FARTHEST_TURN = 600_000  # milliseconds
LAST_TURN = 200_000_000_000_000  # milliseconds since 1970, before the last date of Python
MOST_FAILURES = 1_000_000  # in a row; a larger count is a manual edit


class DynamoDBBreakers:
    """Circuit breakers of a stack, read eventually consistent: half the price, and an extra call now and then."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def read(self, service: str, *, latest: bool = False) -> BreakerState:
        """Return the state. Delete attributes that do not parse (manual edits) and treat them as absent."""
        with translated(f"read the circuit breaker of {service}"):
            answer = self._client.get_item(TableName=self._table, Key=breaker_key(service), ConsistentRead=latest)
        return self.state(service, answer.get("Item", {}))

    def state(self, service: str, item: Mapping[str, Any]) -> BreakerState:
        """Return the state in this item, which may be empty; delete attributes that do not parse, as `read` does."""
        values = items.plain(item)
        failures, until = values.get("failures"), items.moment(values.get("shut_until"))
        apart, slow_until = values.get("apart"), items.moment(values.get("slow_until"))
        slow: dict[str, Any] = {}
        if slow_until is not None:
            number = int(apart) if isinstance(apart, Decimal) and 0 < apart <= FARTHEST_APART else 0
            slow = {"slow_until": slow_until, "apart": timedelta(milliseconds=number)}
        if until is not None and isinstance(failures, Decimal) and 0 <= failures <= MOST_FAILURES:
            return BreakerState(service, int(failures), until, **slow)
        if "shut_until" in values:
            # Any value will do, because it is only compared. One that cannot be deleted must not stop the service.
            with suppress(Rejected):
                self.close(BreakerState(service, open_until=values["shut_until"]))
        return BreakerState(service, **slow)

    def open(self, state: BreakerState, failures: int, until: datetime) -> bool:
        """Block calls until `until`; return False if another run has written meanwhile."""
        expires = int((until + FORGOTTEN_AFTER).timestamp())
        update = Update({"failures": failures, "shut_until": until, "expires_at": expires})
        return self._write(state, update, f"open the circuit breaker of {state.service}")

    def close(self, state: BreakerState) -> None:
        """Delete the state, unless another run has written it meanwhile."""
        update = Update({"failures": None, "shut_until": None, "expires_at": None})
        self._write(state, update, f"close the circuit breaker of {state.service}")

    def slow_down(self, state: BreakerState, apart: timedelta, until: datetime) -> bool:
        """Store the pace; return False if another run stored one after this state was read: a burst is one step."""
        update = Update(
            {
                "apart": apart // timedelta(milliseconds=1),
                "slow_until": until,
                "expires_at": int((until + FORGOTTEN_AFTER).timestamp()),
            }
        )
        # An end that no pace can have is a manual edit, or was written by a wrong clock.
        unchanged = "NOT attribute_type(#slow_until, :text) OR #slow_until <= :seen OR #slow_until > :never"
        seen, never = state.slow_until or until - FORGOTTEN_AFTER, until + FORGOTTEN_AFTER
        update.require(unchanged, {":text": "S", ":seen": seen, ":never": never}, "slow_until")
        return self._update(state, update, f"slow down {state.service}") is not None

    def take_turn(self, state: BreakerState, now: datetime, within: timedelta) -> datetime | None:
        """Reserve the next turn; ignore a stored one that is too far ahead (a wrong clock, a manual edit)."""
        apart, wanted = state.apart // timedelta(milliseconds=1), int(now.timestamp() * 1_000)
        numbers = {":now": wanted, ":never": wanted + FARTHEST_TURN, ":apart": apart, ":number": "N"}
        idle = "NOT attribute_type(#next_free, :number) OR #next_free <= :now OR #next_free > :never"
        with translated(f"take a turn of {state.service}"):
            if self._turn(state, "SET #next_free = :now + :apart", idle, numbers) is not None:
                return now
            soon = {":now": wanted, ":soon": wanted + within // timedelta(milliseconds=1), ":apart": apart}
            behind = "#next_free > :now AND #next_free <= :soon"
            found = self._turn(state, "SET #next_free = #next_free + :apart", behind, soon)
        return None if found is None else datetime.fromtimestamp((found - apart) / 1_000, UTC)

    def _turn(self, state: BreakerState, change: str, condition: str, values: dict[str, Any]) -> int | None:
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key=breaker_key(state.service),
                UpdateExpression=change,
                ConditionExpression=condition,
                ExpressionAttributeNames={"#next_free": "next_free"},
                ExpressionAttributeValues={name: items.attribute(value) for name, value in values.items()},
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if code(error) == "ConditionalCheckFailedException":
                return None
            raise
        return _milliseconds(answer)

    def _write(self, state: BreakerState, update: Update, doing: str) -> bool:
        update.require_same("shut_until", state.open_until)
        return self._update(state, update, doing) is not None

    def _update(self, state: BreakerState, update: Update, doing: str) -> Any:  # noqa: ANN401 (the client's answer)
        """Return the answer, or None if the condition failed."""
        with translated(doing):
            try:
                return self._client.update_item(
                    TableName=self._table, Key=breaker_key(state.service), **update.arguments()
                )
            except ClientError as error:
                if code(error) == "ConditionalCheckFailedException":
                    return None
                raise


def _milliseconds(answer: Any) -> int:  # noqa: ANN401 (the client's answer)
    """Return the stored turn; DynamoDB guarantees by the condition that it is near the present."""
    try:
        found = int(Decimal(answer["Attributes"]["next_free"]["N"]))
    except (KeyError, TypeError, ValueError, ArithmeticError):
        found = -1
    if not 0 <= found <= LAST_TURN:
        raise InvalidAnswer("dynamodb:UpdateItem has no time in next_free")
    return found


def breaker_key(service: str) -> dict[str, Any]:
    """Return the key of the item of this service."""
    return {"pk": {"S": f"breaker#{service.replace(' ', '#')}"}, "sk": {"S": "breaker"}}
