"""DynamoDB: token buckets of the ACME server's rate limits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.authority.acme_items import key
from evercert.aws.clients import code, translated
from evercert.aws.dynamodb.retries import retried

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

    from evercert.authority.configuration.acme_limits import Rate

FORGOTTEN_AFTER = timedelta(days=1)  # a full bucket
_TOLERANCE = timedelta(hours=1)  # a bucket that fills up later than an empty one comes from a wrong clock
_FULL = "attribute_not_exists(#full_at) OR #full_at <= :now OR #full_at > :never"
_ENOUGH = "#full_at > :now AND #full_at <= :last"


class DynamoDBBuckets:
    """Buckets with one attribute: `full_at`, the time at which the bucket is full, in milliseconds since 1970.

    A token moves it by one interval, in one conditional write.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def take(self, name: str, tokens: int, rate: Rate, now: datetime) -> datetime | None:
        """Take tokens with one write, or two while the bucket is not full."""
        apart = _milliseconds(rate.per) / rate.at_most
        moment, cost = _milliseconds_of(now), round(min(tokens, rate.at_most) * apart)
        last = moment + _milliseconds(rate.per) - cost
        times = {":now": moment, ":expires_at": int((now + rate.per + FORGOTTEN_AFTER).timestamp())}
        with translated("count a request of an ACME client"):
            never = moment + _milliseconds(rate.per + _TOLERANCE)
            if self._set(name, ":first", _FULL, {**times, ":first": moment + cost, ":never": never}) is None:
                return None
            stored = self._set(name, "#full_at + :cost", _ENOUGH, {**times, ":cost": cost, ":last": last})
        if stored is None:
            return None
        wait = max(stored - last, 0)
        return now + timedelta(milliseconds=wait)

    def _set(self, name: str, value: str, condition: str, values: dict[str, int]) -> int | None:
        """Write the attribute; return None, or the stored value if the condition fails."""
        try:
            retried(
                lambda: self._client.update_item(
                    TableName=self._table,
                    Key=key("acme-limit", name),
                    UpdateExpression=f"SET #full_at = {value}, #expires_at = :expires_at",
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#full_at": "full_at", "#expires_at": "expires_at"},
                    ExpressionAttributeValues={name: {"N": str(number)} for name, number in values.items()},
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            )
        except ClientError as error:
            if code(error) != "ConditionalCheckFailedException":
                raise
            item: Any = error.response.get("Item") or {}
            return int(float(item.get("full_at", {}).get("N", 0)))
        return None


def _milliseconds(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


def _milliseconds_of(moment: datetime) -> int:
    return _milliseconds(moment - datetime(1970, 1, 1, tzinfo=UTC))
