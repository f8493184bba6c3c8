"""DynamoDB: what operators set up for the authority, written with their own rights, and by nobody else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.authority.ca.definition import CA
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.profiles import Application, Profile
from evercert.aws.authority.configuration import CLIENT, MODELS, SCHEMA, DynamoDBConfiguration, Project
from evercert.aws.clients import code, translated
from evercert.canonical_json import canonical_json
from evercert.errors import Rejected, Unavailable
from evercert.schema import Model

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

NAMED = "named"  # `identity#web`: whose the name is; ids are random, and two of one name could be taken for each other
MOST = 100  # writes that DynamoDB takes together
_CONFLICTS = 3  # tries of a transaction that meets another one
_KINDS = {model: kind for kind, model in MODELS.items()}
_NAMES: dict[type[Model], str] = {CA: "name", Project: "slug", Profile: "key", Application: "name", Identity: "name"}
_OURS_OR_NONE = "attribute_not_exists(pk) OR #own = :own"  # none: hands have restored a part
Write = dict[str, Any]


class AuthorityEstate(DynamoDBConfiguration):
    """Reads as the functions do. What it writes replaces only the very text that this object has read before."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        super().__init__(client, table)
        self._seen: dict[tuple[str, str], str] = {}

    def projects(self) -> dict[str, str]:
        """Slugs by id."""
        return {project.id: project.slug for project in self._all(Project, "project")}

    def applications(self) -> tuple[Application, ...]:
        """All of them, by name."""
        return tuple(sorted(self._all(Application, "application"), key=lambda application: application.name))

    def identities(self) -> tuple[Identity, ...]:
        """All of them, by name."""
        return tuple(sorted(self._all(Identity, "identity"), key=lambda identity: identity.name))

    def ca_named(self, name: str) -> CA | None:
        """By its name."""
        return self.ca(self._id_of("ca", name))

    def identity_named(self, name: str) -> Identity | None:
        """By its name."""
        return self.identity(self._id_of("identity", name))

    def write(self, *things: Model) -> None:
        """All together or none; raises Rejected when somebody else was faster. Repeating it changes nothing."""
        writes = [write for thing in things for write in self._puts(thing)]
        if len(writes) > MOST:
            raise Rejected(
                f"{len(writes)} writes belong together, and DynamoDB takes {MOST}: split the document in two"
            )
        self._transact(writes, "write", [_named(thing) for thing in things])
        for thing in things:
            self._seen[_key(thing)] = _document(thing)

    def remove(self, identity: Identity) -> None:
        """With its client and its name; nothing of it can log in any more, and its tokens are worth nothing."""
        unchanged, seen = self._as_seen("identity", identity.id)
        key = {"TableName": self._table, "Key": _keys("identity", identity.id)}
        claims = [(NAMED, f"identity#{identity.name}", "id")]
        if identity.universal is not None:
            claims.append((CLIENT, identity.universal.client_id, "identity"))
        writes: list[Write] = [{"Delete": {**key, "ConditionExpression": unchanged, **seen}}]
        for kind, name, field in claims:
            key = {"TableName": self._table, "Key": _keys(kind, name)}
            writes.append({"Delete": {**key, "ConditionExpression": _OURS_OR_NONE, **_is(field, identity.id)}})
        self._transact(writes, "delete", [_named(identity)])

    def _puts(self, thing: Model) -> Iterator[Write]:
        kind, key = _key(thing)
        item = {**_keys(kind, key), "schema": {"N": str(SCHEMA)}, "document": {"S": _document(thing)}}
        unchanged, seen = self._as_seen(kind, key)
        yield {"Put": {"TableName": self._table, "Item": item, "ConditionExpression": unchanged, **seen}}
        if isinstance(thing, CA | Identity):
            yield self._claim(NAMED, f"{kind}#{thing.name}", "id", thing.id)
        if isinstance(thing, Identity) and thing.universal is not None:
            yield self._claim(CLIENT, thing.universal.client_id, "identity", thing.id)

    def _claim(self, kind: str, key: str, field: str, value: str) -> Write:
        """Ours already, or nobody's."""
        item = {**_keys(kind, key), field: {"S": value}}
        put = {"TableName": self._table, "Item": item}
        return {"Put": {**put, "ConditionExpression": _OURS_OR_NONE, **_is(field, value)}}

    def _as_seen(self, kind: str, key: str) -> tuple[str, dict[str, Any]]:
        """The condition that it is still what was read, and what the condition names."""
        seen = self._seen.get((kind, key))
        if seen is None:
            return "attribute_not_exists(pk)", {}
        named = {"ExpressionAttributeNames": {"#document": "document"}}
        return "#document = :seen", {**named, "ExpressionAttributeValues": {":seen": {"S": seen}}}

    def _transact(self, writes: Sequence[Write], doing: str, names: Sequence[str]) -> None:
        what = ", ".join(names[:5]) + ("" if len(names) <= 5 else f" and {len(names) - 5} more")  # noqa: PLR2004
        for _ in range(_CONFLICTS if writes else 0):
            with translated(f"{doing} {what}"):
                try:
                    self._client.transact_write_items(TransactItems=list(writes))  # type: ignore[arg-type]
                except ClientError as error:
                    _check_cancellation(error, what)
                else:
                    return
        if writes:
            raise Unavailable(f"cannot {doing} {what}: other writes got in the way; run the command again")

    def _read(self, kind: str, key: str) -> dict[str, Any] | None:
        item = super()._read(kind, key)
        self._remember(kind, key, item)
        return item

    def _items(self, kind: str) -> Iterator[dict[str, Any]]:
        for item in super()._items(kind):
            self._remember(kind, item["sk"]["S"], item)
            yield item

    def _remember(self, kind: str, key: str, item: dict[str, Any] | None) -> None:
        self._seen.pop((kind, key), None)
        if item is not None and "S" in item.get("document", {}):
            self._seen[kind, key] = item["document"]["S"]

    def _id_of(self, kind: str, name: str) -> str:
        found = self._read(NAMED, f"{kind}#{name}") or {}
        return str(found.get("id", {}).get("S", ""))


def _is(field: str, value: str) -> dict[str, Any]:
    return {"ExpressionAttributeNames": {"#own": field}, "ExpressionAttributeValues": {":own": {"S": value}}}


def _keys(kind: str, key: str) -> dict[str, Any]:
    return {"pk": {"S": kind}, "sk": {"S": key}}


def _key(thing: Model) -> tuple[str, str]:
    return _KINDS[type(thing)], str(thing.id)  # type: ignore[attr-defined]


def _named(thing: Model) -> str:
    """For messages."""
    return f"{_KINDS[type(thing)]} {getattr(thing, _NAMES[type(thing)])}"


def _document(thing: Model) -> str:
    return canonical_json(thing.model_dump(mode="json", by_alias=True))


def _check_cancellation(error: ClientError, what: str) -> None:
    """Returns when the transaction only met another one, and can be tried again."""
    if code(error) != "TransactionCanceledException":
        raise error
    reasons: list[dict[str, Any]] = error.response.get("CancellationReasons", [])  # type: ignore[assignment]
    codes = [reason.get("Code") for reason in reasons]
    if "ConditionalCheckFailed" in codes:
        raise Rejected(
            f"{what}: changed or made by somebody else meanwhile, and nothing was written; run the command again"
        ) from error
    if "TransactionConflict" not in codes:
        raise error
