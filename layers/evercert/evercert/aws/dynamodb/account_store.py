"""DynamoDB: accounts at ACME CAs, one item for each directory and external account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.clients import code, translated
from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.updates import Update
from evercert.contracts.accounts import StoredAccount

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_FAILED = "ConditionalCheckFailedException"
_NEW = dict.fromkeys(("sealed_key", "kms_key", "next_key", "url", "contact", "contacts", "deactivated"))


class DynamoDBAccounts:
    """ACME accounts of a stack; their private keys are sealed, or in KMS."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def read(self, account_id: str) -> StoredAccount | None:
        """Return the account; None if it is missing, or has no key (a manual edit)."""
        with translated("read an ACME account"):
            found = self._client.get_item(TableName=self._table, Key=_key(account_id), ConsistentRead=True)
        values = items.plain(found.get("Item", {}))
        sealed_key, kms_key = _text(values.get("sealed_key")), _text(values.get("kms_key"))
        if sealed_key is None and kms_key is None:
            return None
        contact, contacts = values.get("contact"), values.get("contacts")
        return StoredAccount(
            sealed_key,
            _text(values.get("url")),
            tuple(entry for entry in (contact if isinstance(contact, list) else []) if isinstance(entry, str)),
            {
                name: entry
                for name, entry in (contacts if isinstance(contacts, dict) else {}).items()
                if isinstance(entry, str)
            },
            kms_key,
            _text(values.get("next_key")),
            values.get("deactivated") is True,
        )

    def create(self, account_id: str, sealed_key: str | None, kms_key: str | None = None) -> bool:
        """Store a new account, unless there is one with a key."""
        update = Update({**_NEW, "sealed_key": sealed_key, "kms_key": kms_key})
        name = "kms_key" if sealed_key is None else "sealed_key"
        update.require(f"NOT attribute_type(#{name}, :text)", {":text": "S"}, name)
        return self._write(account_id, update, "store the key of a new ACME account")

    def register(self, account_id: str, account: StoredAccount) -> bool:
        """Store URL and contacts of the account with this key."""
        changes = {"url": account.url, "contact": list(account.contact), "contacts": dict(account.contacts) or None}
        return self._change(account_id, account, changes, "store the URL of an ACME account")

    def begin_key_change(self, account_id: str, account: StoredAccount, next_key: str) -> bool:
        """Store the next key of a registered account, unless there is one."""
        doing = "store the next key of an ACME account"
        return self._change(account_id, account, {"next_key": next_key}, doing, "next_key url")

    def finish_key_change(self, account_id: str, account: StoredAccount, url: str) -> bool:
        """Make the next key the key of the account."""
        changes = {"sealed_key": account.next_key, "next_key": None, "url": url}
        return self._change(account_id, account, changes, "store the new key of an ACME account", "next_key")

    def abandon_key_change(self, account_id: str, account: StoredAccount) -> bool:
        """Delete the next key."""
        doing = "delete the next key of an ACME account"
        return self._change(account_id, account, {"next_key": None}, doing, "next_key")

    def mark_deactivated(self, account_id: str, account: StoredAccount, *, deactivated: bool) -> bool:
        """Store or remove the mark of the account with this key."""
        doing = "mark an ACME account as deactivated"
        return self._change(account_id, account, {"deactivated": deactivated or None}, doing)

    def replace(self, account_id: str, account: StoredAccount, sealed_key: str) -> bool:
        """Replace the deactivated account with this key."""
        update = Update({**_NEW, "sealed_key": sealed_key})
        update.require_same("sealed_key", account.sealed_key)
        update.require("#deactivated = :deactivated", {":deactivated": True}, "deactivated")
        return self._write(account_id, update, "replace a deactivated ACME account")

    def _change(
        self, account_id: str, account: StoredAccount, changes: Mapping[str, Any], doing: str, same: str = ""
    ) -> bool:
        """Write the changes if the key, and the attributes named in `same`, are those of the account."""
        update = Update(changes)
        for name in ("kms_key" if account.sealed_key is None else "sealed_key", *same.split()):
            update.require_same(name, getattr(account, name))
        return self._write(account_id, update, doing)

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


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
