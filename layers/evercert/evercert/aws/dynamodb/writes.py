"""DynamoDB: conditional writes of one certificate, retried on conflicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from evercert.aws.clients import code
from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.retries import ConditionsFailed, retried, transact
from evercert.aws.dynamodb.revision_store import KEEPS_NONE
from evercert.aws.dynamodb.updates import Update
from evercert.aws.error_codes import INVALID, cancellation_reasons
from evercert.contracts.events import Outcome
from evercert.contracts.record_part import LAST_COUNT
from evercert.contracts.revisions import RevisionsNotKept
from evercert.errors import NoRoom, Unavailable

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_NUMBER_TRIES = 20  # 0, 1, 3, 7 … numbers further; a record is never a million outcomes behind


class ConditionFailed(Exception):
    """The condition of a write failed; `old` is the current item, or None."""

    def __init__(self, old: Mapping[str, Any] | None) -> None:
        super().__init__("condition failed")
        self.old = old


class Writes:
    """Conditional writes of the table.

    They raise ConditionFailed, NoRoom, and the errors of the client, such as repeated conflicts.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def update(self, name: str, update: Update, *, sort: str = items.SK, **more: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Update one item; return the response of the client."""
        try:
            return retried(
                lambda: self._client.update_item(
                    TableName=self._table,
                    Key=items.key(name, sort),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **update.arguments(),
                    **more,
                )
            )
        except ClientError as error:
            if code(error) == "ConditionalCheckFailedException":
                raise ConditionFailed(cast("dict[str, Any] | None", error.response.get("Item"))) from error
            if code(error) == "ValidationException" and _is_about_size(error.response.get("Error", {})):
                raise _no_room(name) from error
            raise

    def conclude(
        self, update: Update, outcome: Outcome, *, counted: bool = True, beside: tuple[str, Update] | None = None
    ) -> Outcome:
        """Write record and outcome in one transaction; return the outcome with its number.

        A restored record may count too few outcomes, and a record without room may not count this one (`counted`):
        then a free number further on is taken. LAST_COUNT is followed by 1. `beside`: the sort key and the update of
        the kept revisions, which the spec must allow; raises RevisionsNotKept if only that fails.
        """
        for step in range(_NUMBER_TRIES):
            number = (outcome.number + 2**step - 2) % LAST_COUNT + 1
            numbered = outcome.model_copy(update={"number": number})
            if counted:
                update.change({"outcomes": numbered.number})
            if self._conclude(update, numbered, beside):
                return numbered
        raise Unavailable(f"cannot record the outcome of {outcome.name}: its outcomes are ahead of its record")

    def _conclude(self, update: Update, outcome: Outcome, beside: tuple[str, Update] | None) -> bool:
        """Run the transaction; return False if an outcome with this number exists."""
        record = {
            "TableName": self._table,
            "Key": items.key(outcome.name),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        condition = "attribute_not_exists(pk)"
        writes: Any = [
            {"Update": {**record, **(update.arguments() if beside is None else _keeping(update.arguments()))}},
            {"Put": {"TableName": self._table, "Item": items.outcome_item(outcome), "ConditionExpression": condition}},
        ]
        if beside is not None:
            sort, kept = beside
            key = items.key(outcome.name, sort)
            writes.append({"Update": {"TableName": self._table, "Key": key, **kept.arguments()}})
        try:
            transact(self._client, writes)
        except ConditionsFailed as error:
            moved, taken, *_ = error.failed
            if moved:
                raise ConditionFailed(error.items[0]) from error
            if taken:
                return False
            raise RevisionsNotKept("the kept revisions were changed or deleted during the run") from error
        except ClientError as error:
            large = [reason.get("Code") == INVALID and _is_about_size(reason) for reason in cancellation_reasons(error)]
            if any(large[:2]):
                raise _no_room(outcome.name) from error
            if any(large):
                raise RevisionsNotKept("the kept revisions have no room under DynamoDB's 400 KB") from error
            raise
        return True


def _keeping(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments with the condition that the spec allows kept revisions."""
    return {
        **arguments,
        "ConditionExpression": f"{arguments['ConditionExpression']} AND NOT contains(#spec, :none)",
        "ExpressionAttributeNames": {**arguments["ExpressionAttributeNames"], "#spec": "spec"},
        "ExpressionAttributeValues": {**arguments["ExpressionAttributeValues"], ":none": {"S": KEEPS_NONE}},
    }


def _is_about_size(refusal: Mapping[str, Any]) -> bool:
    """Whether DynamoDB refuses the size: "Item size [to update] has exceeded the maximum allowed size"."""
    return str(refusal.get("Message")).startswith("Item size")


def _no_room(name: str) -> NoRoom:
    return NoRoom(f"cannot write the record of {name}: it has no room left under DynamoDB's 400 KB")
