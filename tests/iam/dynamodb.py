"""Actions and condition keys of DynamoDB, for single calls, batches and transactions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.iam.needs import Need, Where

TRANSACTION = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}
EXPRESSIONS = (
    "ProjectionExpression",
    "UpdateExpression",
    "ConditionExpression",
    "FilterExpression",
    "KeyConditionExpression",
)
WORD = re.compile(r"(?<![:.\w#])#?[A-Za-z_]\w*")
NO_NAMES = {
    "and", "or", "not", "between", "in", "set", "remove", "add", "delete", "attribute_exists", "attribute_not_exists",
    "attribute_type", "begins_with", "contains", "size", "if_not_exists", "list_append",
}  # fmt: skip
ON_TABLES = {
    "GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "DescribeTable", "DescribeContinuousBackups",
    "UpdateTable", "DescribeTimeToLive",
}  # fmt: skip


def dynamodb(operation: str, params: Any, where: Where, _facts: object) -> Iterator[Need]:
    """Return the needs of a call; each item of a transaction needs the action of the single call."""
    if operation in ("TransactWriteItems", "TransactGetItems"):
        for item in params["TransactItems"]:
            ((kind, inner),) = item.items()
            # The Service Authorization Reference lists this key for all of them but ConditionCheckItem.
            enclosing = {} if kind == "ConditionCheck" else {"dynamodb:EnclosingOperation": operation}
            yield _need(TRANSACTION[kind], inner, where, enclosing)
    elif operation in ("BatchGetItem", "BatchWriteItem"):
        for table, inner in params["RequestItems"].items():
            keys = inner["Keys"] if isinstance(inner, dict) else [_written(one) for one in inner]
            more = inner if isinstance(inner, dict) else {}
            yield _need(operation, {**more, "TableName": table, "Keys": keys}, where, {})
    elif operation in ON_TABLES or "TableName" in params:
        yield _need(operation, params, where, {})
    else:
        yield Need(f"dynamodb:{operation}", "*")


def _written(request: Any) -> Any:
    return request["PutRequest"]["Item"] if "PutRequest" in request else request["DeleteRequest"]["Key"]


def _need(operation: str, params: Any, where: Where, more: dict[str, Any]) -> Need:
    table = params["TableName"]
    arn = table if table.startswith("arn:") else where.arn("dynamodb", f"table/{table}")
    if "IndexName" in params:
        arn += f"/index/{params['IndexName']}"
    context = dict(more)
    keys = [params[name] for name in ("Key", "Item") if name in params] + params.get("Keys", [])
    leading = {_text(key["pk"]) for key in keys if isinstance(key.get("pk"), dict)}
    if params.get("Partition"):
        leading.add(_text(params["Partition"]))
    if leading:
        context["dynamodb:LeadingKeys"] = sorted(leading)
    if attributes := _attributes(params, keys):
        context["dynamodb:Attributes"] = sorted(attributes)
    if operation in ("GetItem", "BatchGetItem"):  # they have no such parameter, but the condition key
        context["dynamodb:Select"] = "SPECIFIC_ATTRIBUTES" if "ProjectionExpression" in params else "ALL_ATTRIBUTES"
    for name in ("Select", "ReturnValues", "ReturnConsumedCapacity"):
        if name in params:
            context[f"dynamodb:{name}"] = params[name]
    return Need(f"dynamodb:{operation}", arn, context)


def _text(value: Any) -> str:
    return str(next(iter(value.values())))


def _attributes(params: Any, keys: list[Any]) -> set[str]:
    """Return the names of all top-level attributes that the request names."""
    names = params.get("ExpressionAttributeNames", {})
    found = {name for key in keys for name in key}
    for expression in EXPRESSIONS:
        for word in WORD.findall(params.get(expression, "")):
            if word.lower() not in NO_NAMES:
                found.add(names.get(word, word))
    return found
