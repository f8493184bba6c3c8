"""DynamoDB: accounts at ACME CAs, one item for each directory and external account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.clients import code, translated
from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.updates import Update
from evercert.contracts.accounts import StoredAccount

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_FAILED = "ConditionalCheckFailedException"


class DynamoDBAccounts:
    """ACME accounts of a stack; their private keys are sealed."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def read(self, account_id: str) -> StoredAccount | None:
        """Return the account; None if it is missing, or has no key (a manual edit)."""
        with translated("read an ACME account"):
            found = self._client.get_item(TableName=self._table, Key=_key(account_id), ConsistentRead=True)
        values = items.plain(found.get("Item", {}))
        sealed_key, url, contact = (values.get(name) for name in ("sealed_key", "url", "contact"))
        if not isinstance(sealed_key, str):
            return None
        entries = contact if isinstance(contact, list) else []
        return StoredAccount(
            sealed_key,
            url if isinstance(url, str) else None,
            tuple(entry for entry in entries if isinstance(entry, str)),
        )

    def create(self, account_id: str, sealed_key: str) -> bool:
        """Store a new account, unless there is one with a key."""
        update = Update({"sealed_key": sealed_key, "url": None, "contact": None})
        update.require("NOT attribute_type(#sealed_key, :text)", {":text": "S"}, "sealed_key")
        return self._write(account_id, update, "store the key of a new ACME account")

    def register(self, account_id: str, account: StoredAccount) -> bool:
        """Store URL and contacts of the account with this key."""
        update = Update({"url": account.url, "contact": list(account.contact)})
        update.require_same("sealed_key", account.sealed_key)
        return self._write(account_id, update, "store the URL of an ACME account")

    def _write(self, account_id: str, update: Update, doing: str) -> bool:
        with translated(doing):
            try:
                self._client.update_item(TableName=self._table, Key=_key(account_id), **update.arguments())
            except ClientError as error:
                if code(error) == _FAILED:
                    return False
                raise
        return True


def _key(account_id: str) -> dict[str, Any]:
    return {"pk": {"S": f"acme-account#{account_id}"}, "sk": {"S": "account"}}
