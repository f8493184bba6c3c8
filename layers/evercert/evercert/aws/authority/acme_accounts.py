"""DynamoDB: accounts of the ACME server, used nonces, and the MAC key of the server."""

from __future__ import annotations

from datetime import datetime

from evercert.authority.acme.records import Account
from evercert.aws.authority.access_tokens import DynamoDBTokens
from evercert.aws.authority.acme_items import AcmeItems, key, place_of
from evercert.aws.authority.transactions import refused
from evercert.errors import Unavailable

ROUNDS = 5


class DynamoDBAcmeAccounts(AcmeItems):
    """Accounts, with an item for each key, and one for each single-use credential."""

    def create(self, account: Account, once: str | None) -> Account | None:
        """Store account, key and the use of the credential in one transaction."""
        writes = [
            self.new("acme-account", account.id, {"document": account.model_dump_json(), "version": account.version}),
            self.new("acme-key", _key_name(account), {"account": account.id}),
        ]
        writes.append(self.listed(f"acme-accounts#{account.profile}", place_of(account.created_at, account.id)))
        if once is not None:
            writes.append(self.new("acme-binding", once, {"account": account.id}))
        for _ in range(ROUNDS):
            if not refused(self._client, writes, "register an ACME account"):
                return account
            if (found := self.of_key(account.scope, account.thumbprint)) is not None:
                return found
            if once is not None and self.get("acme-binding", once):
                return None
        raise Unavailable("cannot register an ACME account: it conflicts with another registration")

    def of_id(self, account_id: str) -> Account | None:
        """Return the account with one consistent read."""
        return self.document(Account, "acme-account", account_id) if account_id else None

    def of_key(self, scope: str, thumbprint: str) -> Account | None:
        """Return the account with two consistent reads."""
        found = self.get("acme-key", f"{scope}#{thumbprint}").get("account")
        return self.of_id(found) if isinstance(found, str) else None

    def replace(self, changed: Account) -> bool:
        """Replace the version before."""
        return self.replaced("acme-account", changed, "change an ACME account")

    def change_key(self, before: Account, changed: Account) -> bool:
        """Replace the account and move its key in one transaction; the old key registers a new account."""
        writes = [
            self.changed("acme-account", changed),
            self.new("acme-key", _key_name(changed), {"account": changed.id}),
            {
                "Delete": {
                    "TableName": self._table,
                    "Key": key("acme-key", _key_name(before)),
                    "ConditionExpression": "#account = :account",
                    "ExpressionAttributeNames": {"#account": "account"},
                    "ExpressionAttributeValues": {":account": {"S": before.id}},
                }
            },
        ]
        return not refused(self._client, writes, "change the key of an ACME account")


class DynamoDBUsedNonces:
    """Redeemed nonces, until they are too old to be redeemed."""

    def __init__(self, tokens: DynamoDBTokens) -> None:
        self._tokens = tokens

    def take(self, digest: str, until: datetime) -> bool:
        """Store the nonce as a used signature; return False if it is stored already."""
        return self._tokens.take_signature(f"acme-nonce#{digest}", until)


class DynamoDBServerSecret(AcmeItems):
    """The sealed MAC key for nonces and fetched credentials, which all instances of the function share."""

    def read(self) -> str | None:
        """Return the sealed key, or None before the first one is stored."""
        found = self.get("acme-secret", "nonces").get("sealed")
        return found if isinstance(found, str) else None

    def store(self, sealed: str) -> str:
        """Store the key unless there is one; return the stored one."""
        refused(self._client, [self.new("acme-secret", "nonces", {"sealed": sealed})], "store the MAC key of nonces")
        found = self.read()
        if found is None:
            raise Unavailable("cannot store the MAC key of nonces: try again")
        return found


def _key_name(account: Account) -> str:
    return f"{account.scope}#{account.thumbprint}"
