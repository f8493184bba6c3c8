"""DynamoDB: access tokens, lockouts, uses of client secrets and signatures that were taken, each an item of its own."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from evercert.authority.contracts.records import Token
from evercert.aws.clients import code, translated
from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.updates import Update
from evercert.errors import Unavailable
from evercert.timestamps import from_text

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_FORGOTTEN_AFTER = timedelta(hours=1)  # beyond window and lockout, which a clock may see otherwise than the table
_TRIES = 3
_Change = tuple[str, str, dict[str, int]]  # what changes, on which condition, with which values


class DynamoDBTokens:
    """Read consistently: a token is used a moment after it was made, and is of no use a moment after it is revoked."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    # -- tokens -------------------------------------------------------------------------------------------------------
    def keep(self, token: Token) -> None:
        """The write may be repeated below us: what stands already is then this very token."""
        self._put("token", token.digest, _written(token), "keep an access token")

    def find(self, digest: str) -> Token | None:
        """What hands have left there and does not parse is no token."""
        item = self._get("token", digest, "look up an access token")
        try:
            return Token(
                digest=digest,
                identity=item["identity"],
                created_at=from_text(item["created_at"]),
                expires_at=_moment(item.get("ends_at")),
                latest_at=_moment(item.get("latest_at")),
                ttl_seconds=int(item["ttl_seconds"]),
                uses=None if item.get("uses") is None else int(item["uses"]),
            )
        except (KeyError, TypeError, ValueError, ArithmeticError):
            return None

    def use(self, digest: str) -> bool:
        """In one write, so that two at once do not share the last one; a call that is repeated below us takes two."""
        change: _Change = ("SET #count = #count - :one", "#count > :zero", {":one": 1, ":zero": 0})
        return self._count("token", digest, "uses", change, "use an access token") is not None

    def prolong(self, token: Token, expires_at: datetime | None) -> bool:
        """Never makes a token anew that was revoked."""
        update = Update({"ends_at": expires_at, "expires_at": _seconds(expires_at)})
        update.require_same("identity", token.identity)
        return self._update("token", token.digest, update, "renew an access token")

    def forget(self, digest: str) -> None:
        """Repeatable."""
        with translated("revoke an access token"), suppress(_Otherwise), _conditional():
            self._client.delete_item(
                TableName=self._table, Key=_key("token", digest), ConditionExpression="attribute_exists(pk)"
            )

    # -- signatures ---------------------------------------------------------------------------------------------------
    def take_signature(self, digest: str, until: datetime) -> bool:
        """One write decides; one that is repeated below us knows itself by what it wrote the first time."""
        item = {"taken_by": uuid.uuid4().hex, "expires_at": _seconds(until)}
        return self._put("signature", digest, item, "take a signature")

    # -- client secrets -----------------------------------------------------------------------------------------------
    def locked_until(self, client_id: str) -> datetime | None:
        """Milliseconds since 1970, as all times of this item: conditions compare them."""
        locked = self._get("client", client_id, "look for a lockout").get("locked_until")
        return datetime.fromtimestamp(int(locked) / 1_000, UTC) if isinstance(locked, Decimal) else None

    def failed(self, client_id: str, now: datetime, most: int, window: float, duration: float) -> datetime | None:
        """The first within the window, one more, or the last one; each is a condition of one write."""
        if most == 0:
            return None
        moment = int(now.timestamp() * 1_000)
        until = moment + int(duration * 1_000)
        values = {
            ":now": moment,
            ":counted": moment + int(window * 1_000),
            ":until": until,
            ":last": most - 1,
            ":one": 1,
            # After window and lockout: what is deleted before would end them.
            ":expires": math.ceil(now.timestamp() + window + duration + _FORGOTTEN_AFTER.total_seconds()),
        }
        for _ in range(_TRIES):
            for expression, condition in _FAILURES if most > 1 else (_AT_ONCE,):
                used = {name: value for name, value in values.items() if name in f"{expression} {condition}"}
                change = (expression, condition, used)
                item = self._count("client", client_id, "failures", change, "count a wrong client secret")
                if item is not None:
                    return None if "failures" in item else datetime.fromtimestamp(until / 1_000, UTC)
        raise Unavailable(f"cannot count a wrong client secret: others got in the way {_TRIES} times")

    def succeeded(self, client_id: str) -> None:
        """Leaves a lockout as it is: it may have begun meanwhile."""
        update = Update({"failures": None, "counted_until": None})
        update.require("attribute_exists(#failures)", {}, "failures")
        self._update("client", client_id, update, "forget wrong client secrets")

    def use_secret(self, secret_id: str, most: int) -> bool:
        """Counted for as long as the table lives: a secret that is used up stays so."""
        condition = "attribute_not_exists(#count) OR #count < :most"
        change: _Change = ("ADD #count :one", condition, {":one": 1, ":most": most})
        return self._count("secret", secret_id, "uses", change, "count a use of a client secret") is not None

    # -- the table ----------------------------------------------------------------------------------------------------
    def _get(self, kind: str, name: str, doing: str) -> dict[str, Any]:
        with translated(doing):
            answer = self._client.get_item(TableName=self._table, Key=_key(kind, name), ConsistentRead=True)
        return items.plain(answer.get("Item", {}))

    def _put(self, kind: str, name: str, values: dict[str, Any], doing: str) -> bool:
        """False: another one stands there."""
        written = {key: items.attribute(value) for key, value in values.items() if value is not None}
        item = {**_key(kind, name), **written}
        try:
            with translated(doing), _conditional():
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(pk)",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except _Otherwise as stands:
            return stands.item == item
        return True

    def _update(self, kind: str, name: str, update: Update, doing: str) -> bool:
        """False: its condition does not hold."""
        try:
            with translated(doing), _conditional():
                self._client.update_item(TableName=self._table, Key=_key(kind, name), **update.arguments())
        except _Otherwise:
            return False
        return True

    def _count(self, kind: str, name: str, count: str, change: _Change, doing: str) -> dict[str, Any] | None:
        """The item after the change; None: its condition does not hold."""
        expression, condition, values = change
        try:
            with translated(doing), _conditional():
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=_key(kind, name),
                    UpdateExpression=expression,
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#count": count},
                    ExpressionAttributeValues={key: {"N": str(value)} for key, value in values.items()},
                    ReturnValues="ALL_NEW",
                )
        except _Otherwise:
            return None
        return items.plain(answer["Attributes"])


_WITHIN = "counted_until > :now AND #count"
_FAILURES = (
    (
        "SET #count = :one, counted_until = :counted, expires_at = :expires",
        "attribute_not_exists(counted_until) OR counted_until <= :now",
    ),
    ("SET #count = #count + :one, counted_until = :counted, expires_at = :expires", f"{_WITHIN} < :last"),
    (
        "SET locked_until = :until, expires_at = :expires REMOVE #count, counted_until",
        f"{_WITHIN} >= :last",
    ),
)
_AT_ONCE = (_FAILURES[-1][0], "attribute_not_exists(locked_until) OR locked_until <= :until")


class _Otherwise(Exception):
    """The item is not as the write wanted it; `item` is what stands there, if it was asked for."""

    def __init__(self, item: Mapping[str, Any] | None) -> None:
        super().__init__("condition failed")
        self.item = item


@contextmanager
def _conditional() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if code(error) == "ConditionalCheckFailedException":
            raise _Otherwise(cast("dict[str, Any] | None", error.response.get("Item"))) from None
        raise


def _key(kind: str, name: str) -> dict[str, Any]:
    return {"pk": {"S": f"{kind}#{name}"}, "sk": {"S": kind}}


def _written(token: Token) -> dict[str, Any]:
    """`expires_at` is the table's: when DynamoDB may delete it."""
    return {
        "identity": token.identity,
        "created_at": token.created_at,
        "ends_at": token.expires_at,
        "latest_at": token.latest_at,
        "ttl_seconds": token.ttl_seconds,
        "uses": token.uses,
        "expires_at": _seconds(token.expires_at),
    }


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else math.ceil(moment.timestamp())


def _moment(value: object) -> datetime | None:
    """Raises ValueError or TypeError for what is none: a token whose end cannot be read is not one without end."""
    if value is None or isinstance(value, str):
        return None if value is None else from_text(value)
    raise TypeError
