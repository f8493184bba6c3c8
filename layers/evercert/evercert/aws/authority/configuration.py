"""DynamoDB: the configuration of the authority; of the functions, only the administration function writes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import ValidationError

from evercert.authority.ca.definition import CA
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.named_policy import NamedPolicy
from evercert.authority.configuration.profiles import Application, EabCredential, Profile
from evercert.aws.authority.call_reads import CallReads
from evercert.aws.clients import translated
from evercert.errors import Misconfigured
from evercert.schema import Model, first_problem

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

SCHEMA = 1
M = TypeVar("M", bound=Model)
PAGES = 100  # of at most 1 MiB; an authority has dozens of items, and an endless table is not ours


class Project(Model):
    """Name of a group of profiles and applications."""

    id: str
    slug: str


MODELS: dict[str, type[Model]] = {
    "ca": CA,
    "project": Project,
    "policy": NamedPolicy,
    "profile": Profile,
    "application": Application,
    "identity": Identity,
    "eab": EabCredential,
}
CLIENT = "client"  # universal auth: client ID and its identity


class DynamoDBConfiguration:
    """Configuration read consistently; no object outlives its call: a change counts from the next call on."""

    def __init__(self, client: DynamoDBClient, table: str, reads: CallReads | None = None) -> None:
        self._client = client
        self._table = table
        self._reads = reads or CallReads(client)
        self._ca_ids: dict[str, str] = {}  # by name, as last read; each call reads the CAs themselves

    def refresh(self) -> None:
        """Forget the items of the call."""
        self._reads.refresh()

    def ca(self, ca_id: str) -> CA | None:
        """Return the object with this id, or None."""
        return self._one(CA, "ca", ca_id)

    def cas(self) -> tuple[CA, ...]:
        """Return all CAs, sorted by name."""
        return tuple(sorted(self._all(CA, "ca"), key=lambda ca: ca.name))

    def every_ca(self) -> dict[str, CA | Misconfigured]:
        """Return all CAs by id; an unreadable one is replaced by its error, so that it does not affect the others."""
        found: dict[str, CA | Misconfigured] = {}
        for item in self._items("ca"):
            key = _text(item, "sk")
            try:
                found[key] = self._parsed(CA, "ca", key, item)
            except Misconfigured as error:
                found[key] = error
        self._ca_ids = {ca.name: ca.id for ca in found.values() if isinstance(ca, CA) and ca.kind == "issuing"}
        return found

    def issuing_cas(self, names: Sequence[str]) -> dict[str, CA | Misconfigured]:
        """Return the CAs by id if their ids are known and unchanged, otherwise all CAs."""
        ids = [self._ca_ids.get(name, "") for name in names]
        if not all(ids):
            return self.every_ca()
        keys = [(self._table, "ca", one) for one in ids]
        items = self._reads.get_all(keys, "read CAs of the authority")
        try:
            found = [self._parsed(CA, "ca", sk, items[table, pk, sk]) for table, pk, sk in keys]
        except Misconfigured:  # deleted or unreadable; another CA may have the name
            return self.every_ca()
        if [ca.name for ca in found if ca.kind == "issuing"] != list(names):
            return self.every_ca()
        return {ca.id: ca for ca in found}

    def profile(self, profile_id: str) -> Profile | None:
        """Return the profile with its policy, or None."""
        return self._one(Profile, "profile", profile_id)

    def profiles(self) -> tuple[Profile, ...]:
        """Return all profiles by project and slug."""
        return tuple(sorted(self._all(Profile, "profile"), key=lambda profile: profile.key))

    def policy(self, policy_id: str) -> NamedPolicy | None:
        """Return the policy with this id, or None."""
        return self._one(NamedPolicy, "policy", policy_id)

    def policies(self) -> tuple[NamedPolicy, ...]:
        """Return all policies by project and name."""
        return tuple(sorted(self._all(NamedPolicy, "policy"), key=lambda policy: policy.key))

    def project(self, project_id: str) -> str | None:
        """Return the slug of the project, or None."""
        found = self._one(Project, "project", project_id)
        return None if found is None else found.slug

    def application(self, application_id: str) -> Application | None:
        """Return the object with this id, or None."""
        return self._one(Application, "application", application_id)

    def identity(self, identity_id: str) -> Identity | None:
        """Return the object with this id, or None."""
        return self._one(Identity, "identity", identity_id)

    def eab_credential(self, credential_id: str) -> EabCredential | None:
        """Return the object with this id, or None."""
        return self._one(EabCredential, "eab", credential_id)

    def identity_of_client(self, client_id: str) -> Identity | None:
        """Return the identity with this client ID, or None if it now has another one."""
        item = self._read(CLIENT, client_id)
        found = self.identity(_text(item, "identity")) if item is not None else None
        named = found is not None and found.universal is not None and found.universal.client_id == client_id
        return found if named else None

    def _one(self, model: type[M], kind: str, key: str) -> M | None:
        item = self._read(kind, key)
        return None if item is None else self._parsed(model, kind, key, item)

    def _all(self, model: type[M], kind: str) -> Iterator[M]:
        for item in self._items(kind):
            yield self._parsed(model, kind, _text(item, "sk"), item)

    def _parsed(self, model: type[M], kind: str, key: str, item: dict[str, Any]) -> M:
        try:
            schema = int(item["schema"]["N"])
        except (KeyError, TypeError, ValueError):
            schema = 0
        if schema > SCHEMA:
            raise Misconfigured(f"{kind} {key} of the authority was written by a newer evercert: deploy that version")
        try:
            return cast("M", _model(model, _text(item, "document")))
        except ValidationError as error:
            raise Misconfigured(f"{kind} {key} of the authority does not parse: {first_problem(error)}") from error
        except Exception as error:
            why = type(error).__name__  # whatever a stored value makes a parser raise
            raise Misconfigured(f"{kind} {key} of the authority does not parse ({why}); apply it again") from error

    def _read(self, kind: str, key: str) -> dict[str, Any] | None:
        if not key:  # DynamoDB rejects an empty key, and no item has one
            return None
        return self._reads.get((self._table, kind, key), f"read {kind} {key} of the authority") or None

    def _items(self, kind: str) -> Iterator[dict[str, Any]]:
        more: dict[str, Any] = {}
        for _ in range(PAGES):
            with translated(f"read each {kind} of the authority"):
                page = self._client.query(
                    TableName=self._table,
                    KeyConditionExpression="pk = :kind",
                    ExpressionAttributeValues={":kind": {"S": kind}},
                    ConsistentRead=True,
                    **more,
                )
            yield from page["Items"]
            if not (following := page.get("LastEvaluatedKey")):
                return
            more = {"ExclusiveStartKey": following}
        raise Misconfigured(f"the table {self._table} has more than {PAGES} pages of {kind}: too many for an authority")


@lru_cache(maxsize=256)  # read each time, parsed only after a change
def _model(model: type[M], document: str) -> M:
    """Parse a document; raise ValidationError."""
    return model.model_validate_json(document)


def _text(item: dict[str, Any], name: str) -> str:
    """Return a text attribute, or an empty text, which parses as nothing."""
    found = item.get(name)
    value = found.get("S") if isinstance(found, dict) else None
    return value if isinstance(value, str) else ""
