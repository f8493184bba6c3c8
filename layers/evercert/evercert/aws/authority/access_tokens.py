"""DynamoDB: access tokens, lockouts, uses of client secrets, and used signatures, one item each."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from evercert.authority.contracts.records import LoginFailures, Token
from evercert.aws.authority import login_failures
from evercert.aws.authority.call_reads import CallReads
from evercert.aws.clients import code, translated
from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.updates import Update
from evercert.timestamps import from_text

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_Change = tuple[str, str, Mapping[str, int | str]]  # update expression, condition, values


class DynamoDBTokens:
    """Access tokens in the state table, read consistently: a new token works at once, a revoked one no longer."""

    def __init__(self, client: DynamoDBClient, table: str, reads: CallReads | None = None) -> None:
        self._client = client
        self._table = table
        self._reads = reads or CallReads(client)

    # -- tokens -------------------------------------------------------------------------------------------------------
    def keep(self, token: Token) -> None:
        """Store a new token; idempotent under the client's retries."""
        self._put("token", token.digest, _written(token), "keep an access token")

    def find(self, digest: str) -> Token | None:
        """Return the token, or None if it is missing or does not parse (manual edit)."""
        item = items.plain(self._reads.latest((self._table, f"token#{digest}", "token"), "look up an access token"))
        try:
            return Token(
                digest=digest,
                identity=_text(item["identity"]),
                created_at=from_text(item["created_at"]),
                expires_at=_moment(item.get("ends_at")),
                latest_at=_moment(item.get("latest_at")),
                ttl_seconds=int(item["ttl_seconds"]),
                uses=None if item.get("uses") is None else int(item["uses"]),
            )
        except (KeyError, TypeError, ValueError, ArithmeticError):
            return None

    def use(self, digest: str) -> bool:
        """Take one use in one write; a retry of the client may take two. Return False if none is left."""
        change: _Change = ("SET #count = #count - :one", "#count > :zero", {":one": 1, ":zero": 0})
        return self._count("token", digest, "uses", change, "use an access token") is not None

    def prolong(self, token: Token, expires_at: datetime | None) -> bool:
        """Extend the token; return False if it was revoked."""
        update = Update({"ends_at": expires_at, "expires_at": _seconds(expires_at)})
        update.require_same("identity", token.identity)
        return self._update("token", token.digest, update, "renew an access token")

    def forget(self, digest: str) -> None:
        """Delete the token; idempotent."""
        with translated("revoke an access token"), suppress(_Otherwise), _conditional():
            self._client.delete_item(
                TableName=self._table, Key=_key("token", digest), ConditionExpression="attribute_exists(pk)"
            )

    # -- signatures ---------------------------------------------------------------------------------------------------
    def take_signature(self, digest: str, until: datetime, holder: str | None = None) -> bool:
        """Record a signature as used; return False if it was used before, except by the same holder.

        Idempotent under the client's retries.
        """
        item = {"taken_by": holder or uuid.uuid4().hex, "expires_at": _seconds(until)}
        return self._put("signature", digest, item, "take a signature")

    # -- client secrets -----------------------------------------------------------------------------------------------
    def login_failures(self, client_id: str) -> LoginFailures:
        """Return the failures of a client ID, as they are stored."""
        return login_failures.read(self._get("client", client_id, "look for a lockout"))

    def replace_login_failures(
        self, client_id: str, seen: LoginFailures, changed: LoginFailures | None
    ) -> LoginFailures | None:
        """Put or delete the item if it is still as it was read, in one write; otherwise return what is stored now."""
        condition, arguments = login_failures.unchanged(seen)
        arguments |= {"TableName": self._table, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        key = _key("client", client_id)
        try:
            with translated("record a login"), _conditional():
                if changed is None:
                    self._client.delete_item(Key=key, ConditionExpression=condition, **arguments)
                else:
                    item = {**key, **login_failures.written(changed)}
                    self._client.put_item(Item=item, ConditionExpression=condition, **arguments)
        except _Otherwise as newer:
            return login_failures.read(newer.item or {})
        return None

    def secret_used_up(self, secret_id: str, most: int) -> bool:
        """Return whether no use is left; also if the count is not a number (manual edit)."""
        uses = items.plain(self._get("secret", secret_id, "look up the uses of a client secret")).get("uses", Decimal())
        return not isinstance(uses, Decimal) or uses >= most

    def use_secret(self, secret_id: str, most: int) -> bool:
        """Count a login with a limited client secret, without expiry; return False if none is left."""
        condition = "attribute_not_exists(#count) OR #count < :most"
        change: _Change = ("ADD #count :one", condition, {":one": 1, ":most": most})
        return self._count("secret", secret_id, "uses", change, "count a use of a client secret") is not None

    # -- the table ----------------------------------------------------------------------------------------------------
    def _get(self, kind: str, name: str, doing: str) -> dict[str, Any]:
        with translated(doing):
            answer = self._client.get_item(TableName=self._table, Key=_key(kind, name), ConsistentRead=True)
        return dict(answer.get("Item", {}))

    def _put(self, kind: str, name: str, values: dict[str, Any], doing: str) -> bool:
        """Put an item; return False if it exists with other values."""
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
        """Update an item; return False if its condition fails."""
        try:
            with translated(doing), _conditional():
                self._client.update_item(TableName=self._table, Key=_key(kind, name), **update.arguments())
        except _Otherwise:
            return False
        return True

    def _count(self, kind: str, name: str, count: str, change: _Change, doing: str) -> dict[str, Any] | None:
        """Return the changed item, or None if the condition fails."""
        expression, condition, values = change
        try:
            with translated(doing), _conditional():
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=_key(kind, name),
                    UpdateExpression=expression,
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#count": count},
                    ExpressionAttributeValues={key: items.attribute(value) for key, value in values.items()},
                    ReturnValues="ALL_NEW",
                )
        except _Otherwise:
            return None
        return items.plain(answer["Attributes"])


class _Otherwise(Exception):
    """The condition of a write failed; `item` is the current item if it was requested."""

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
    """Return the attributes of a token; `expires_at` is the TTL attribute of the table."""
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


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def _moment(value: object) -> datetime | None:
    """Return the time, or None; raise ValueError or TypeError if it is invalid, which must not mean "no expiry"."""
    if value is None or isinstance(value, str):
        return None if value is None else from_text(value)
    raise TypeError
