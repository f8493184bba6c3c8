"""DynamoDB: answers of http-01 challenges, one item for each token."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.clients import code, translated
from evercert.aws.dynamodb import items
from evercert.errors import Rejected

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_FAILED = "ConditionalCheckFailedException"


class DynamoDBHTTPAnswers:
    """Answers of a stack; the issuer writes them, the responder reads them."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def put(self, token: str, answer: str, expires: datetime) -> None:
        """Store the answer; DynamoDB deletes it some time after `expires`."""
        values = {"answer": answer, "expires_at": int(expires.timestamp())}
        with translated("store the answer of an http-01 challenge"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item={**_key(token), **{name: items.attribute(value) for name, value in values.items()}},
                    ConditionExpression="attribute_not_exists(answer) OR answer = :answer",
                    ExpressionAttributeValues={":answer": {"S": answer}},
                )
            except ClientError as error:
                if code(error) == _FAILED:
                    raise Rejected("the CA sent the token of another challenge, which http-01 forbids") from error
                raise

    def read(self, token: str, now: datetime) -> str | None:
        """Return the answer; None if it is missing, expired, or not text (a manual edit)."""
        with translated("read the answer of an http-01 challenge"):
            found = self._client.get_item(TableName=self._table, Key=_key(token), ConsistentRead=True).get("Item", {})
        answer, expires = found.get("answer", {}).get("S"), found.get("expires_at", {}).get("N")
        try:
            over = expires is None or float(expires) <= now.timestamp()
        except ValueError:
            over = True
        return None if over else answer

    def delete(self, token: str, answer: str) -> None:
        """Delete this answer, and no other one."""
        with translated("delete the answer of an http-01 challenge"):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(token),
                    UpdateExpression="REMOVE answer",
                    ConditionExpression="answer = :answer",
                    ExpressionAttributeValues={":answer": {"S": answer}},
                )
            except ClientError as error:
                if code(error) != _FAILED:
                    raise


def _key(token: str) -> dict[str, Any]:
    return {"pk": {"S": f"http-01#{token}"}, "sk": {"S": "answer"}}
