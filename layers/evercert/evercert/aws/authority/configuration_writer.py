"""DynamoDB: write the configuration of the authority, for operators and for the management API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from evercert.authority.ca.definition import CA
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.named_policy import NamedPolicy
from evercert.authority.configuration.profiles import Application, EabCredential, Profile
from evercert.authority.contracts.management import ChangedMeanwhile
from evercert.aws.authority.configuration import CLIENT, MODELS, SCHEMA, DynamoDBConfiguration, Project
from evercert.aws.clients import translated
from evercert.aws.dynamodb.retries import ConditionsFailed, transact
from evercert.canonical_json import canonical_json
from evercert.errors import Rejected
from evercert.schema import Model

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

NAMED = "named"  # `identity#web`: the owner of a name, because ids are random and names must be unique
MOST = 100  # maximum writes of one transaction
_KINDS = {model: kind for kind, model in MODELS.items()}
_NAMES: dict[type[Model], str] = {
    CA: "name",
    Project: "slug",
    NamedPolicy: "key",
    Profile: "key",
    Application: "name",
    Identity: "name",
    EabCredential: "id",
}
_OURS_OR_NONE = "attribute_not_exists(pk) OR #own = :own"  # absent: an operator restored a part by hand
Write = dict[str, Any]


class ConfigurationWriter(DynamoDBConfiguration):
    """Configuration with write access; a write only replaces the text that this object has read."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        super().__init__(client, table)
        self._seen: dict[tuple[str, str], str | None] = {}  # None: absent

    def projects(self) -> dict[str, str]:
        """Return the slugs of the projects by id."""
        return {project.id: project.slug for project in self._all(Project, "project")}

    def applications(self) -> tuple[Application, ...]:
        """Return all objects of the kind by name."""
        return tuple(sorted(self._all(Application, "application"), key=lambda application: application.name))

    def identities(self) -> tuple[Identity, ...]:
        """Return all objects of the kind by name."""
        return tuple(sorted(self._all(Identity, "identity"), key=lambda identity: identity.name))

    def eab_credentials(self) -> tuple[EabCredential, ...]:
        """Return all objects of the kind, newest first."""
        return tuple(sorted(self._all(EabCredential, "eab"), key=lambda one: one.created_at, reverse=True))

    def ca_named(self, name: str) -> CA | None:
        """Return the object with this name, or None."""
        found = self.ca(self._id_of("ca", name))
        named = found is not None and found.name == name  # the administration function can write name items
        return found if named else None

    def identity_named(self, name: str) -> Identity | None:
        """Return the object with this name, or None."""
        found = self.identity(self._id_of("identity", name))
        return found if found is not None and found.name == name else None

    def write(self, *things: Model) -> None:
        """Write all or none; idempotent. Raises Rejected if another operator changed one meanwhile."""
        writes = [write for thing in things for write in self._puts(thing)]
        if len(writes) > MOST:
            raise Rejected(
                f"{len(writes)} writes are one transaction, and DynamoDB accepts {MOST}: split the document in two"
            )
        self._transact(writes, "write", things)
        for thing in things:
            self._seen[_key(thing)] = _document(thing)

    def remove(self, *things: Model) -> None:
        """Delete all or none; logins and tokens of a deleted identity become invalid."""
        writes = [write for thing in things for write in self._deletes(thing)]
        self._transact(writes, "delete", things)

    def _deletes(self, thing: Model) -> Iterator[Write]:
        kind, key = _key(thing)
        unchanged, seen = self._as_seen(kind, key)
        keyed = {"TableName": self._table, "Key": _keys(kind, key)}
        yield {"Delete": {**keyed, "ConditionExpression": unchanged, **seen}}
        for claim_kind, name, field in _claims(thing):
            keyed = {"TableName": self._table, "Key": _keys(claim_kind, name)}
            yield {"Delete": {**keyed, "ConditionExpression": _OURS_OR_NONE, **_is(field, key)}}

    def _puts(self, thing: Model) -> Iterator[Write]:
        kind, key = _key(thing)
        item = {**_keys(kind, key), "schema": {"N": str(SCHEMA)}, "document": {"S": _document(thing)}}
        unchanged, seen = self._as_seen(kind, key)
        yield {"Put": {"TableName": self._table, "Item": item, "ConditionExpression": unchanged, **seen}}
        for claim_kind, name, field in _claims(thing):
            yield self._claim(claim_kind, name, field, key)

    def _claim(self, kind: str, key: str, field: str, value: str) -> Write:
        """Return a write that requires the item to be absent or ours."""
        item = {**_keys(kind, key), field: {"S": value}}
        put = {"TableName": self._table, "Item": item}
        return {"Put": {**put, "ConditionExpression": _OURS_OR_NONE, **_is(field, value)}}

    def _as_seen(self, kind: str, key: str) -> tuple[str, dict[str, Any]]:
        """Return the condition that an object is unchanged since it was read, with its names and values."""
        seen = self._seen.get((kind, key))
        if seen is None:
            return "attribute_not_exists(pk)", {}
        named = {"ExpressionAttributeNames": {"#document": "document"}}
        return "#document = :seen", {**named, "ExpressionAttributeValues": {":seen": {"S": seen}}}

    def _transact(self, writes: Sequence[Write], doing: str, things: Sequence[Model]) -> None:
        names = [_named(thing) for thing in things]
        what = ", ".join(names[:5]) + ("" if len(names) <= 5 else f" and {len(names) - 5} more")  # noqa: PLR2004
        if not writes:
            return
        try:
            with translated(f"{doing} {what}"):
                transact(self._client, writes)
        except ConditionsFailed as error:
            raise ChangedMeanwhile(
                f"{what}: changed or created meanwhile by another operator or through the API: nothing was written; "
                "run the command again"
            ) from error

    def _read(self, kind: str, key: str) -> dict[str, Any] | None:
        item = super()._read(kind, key)
        self._remember(kind, key, _text(item))
        return item

    def _items(self, kind: str) -> Iterator[dict[str, Any]]:
        for item in super()._items(kind):
            self._remember(kind, item["sk"]["S"], _text(item))
            yield item

    def _remember(self, kind: str, key: str, text: str | None) -> None:
        """Note what a write may replace: the text read last."""
        self._seen[kind, key] = text

    def _id_of(self, kind: str, name: str) -> str:
        found = self._read(NAMED, f"{kind}#{name}") or {}
        return str(found.get("id", {}).get("S", ""))


def _text(item: dict[str, Any] | None) -> str | None:
    """Return the document of an object; None for items without one, which reserve names."""
    found: str | None = ((item or {}).get("document") or {}).get("S")
    return found


def _is(field: str, value: str) -> dict[str, Any]:
    return {"ExpressionAttributeNames": {"#own": field}, "ExpressionAttributeValues": {":own": {"S": value}}}


def _keys(kind: str, key: str) -> dict[str, Any]:
    return {"pk": {"S": kind}, "sk": {"S": key}}


def _key(thing: Model) -> tuple[str, str]:
    return _KINDS[type(thing)], str(thing.id)  # type: ignore[attr-defined]


def _claims(thing: Model) -> Iterator[tuple[str, str, str]]:
    """Yield kind, key and field of each item that reserves a unique name for the object."""
    if isinstance(thing, CA | Identity):
        yield NAMED, f"{_KINDS[type(thing)]}#{thing.name}", "id"
    if isinstance(thing, Identity) and thing.universal is not None:
        yield CLIENT, thing.universal.client_id, "identity"


def _named(thing: Model) -> str:
    """Return a description for messages."""
    return f"{_KINDS[type(thing)]} {getattr(thing, _NAMES[type(thing)])}"


def _document(thing: Model) -> str:
    return canonical_json(thing.model_dump(mode="json", by_alias=True))
