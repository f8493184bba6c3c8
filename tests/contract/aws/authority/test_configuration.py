"""Contract of the authority's configuration: the emulator's table and the fake."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from evercert.authority.ca.definition import CA, Ceiling, Installed
from evercert.authority.configuration.identity import Identity, UniversalLogin
from evercert.authority.configuration.named_policy import NamedPolicy
from evercert.authority.configuration.profiles import Application, Profile, id_of
from evercert.authority.contracts.management import AuditEntry, Change, ChangedMeanwhile, ManagedConfiguration
from evercert.authority.contracts.ports import Configuration
from evercert.aws.authority import configuration
from evercert.aws.authority.change_writer import ChangeWriter
from evercert.aws.authority.configuration import DynamoDBConfiguration, Project
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.errors import Misconfigured, Rejected
from evercert.pki.certificate import to_pem
from tests.doubles.authority.configuration import STACK, FakeConfiguration, FakeManagedConfiguration
from tests.doubles.fakes import START
from tests.doubles.world import World
from tests.samples.authority import certificate

PEM = to_pem([certificate()])
ROOT = CA(
    id="0b5e2a2c-7a0e-4f6e-9a53-54e8a9a0a001", name="root", kind="root", status="active", key="arn:aws:kms:::key/1",
    algorithm="EC_secp384r1", installed=(Installed(id="c1", certificate=PEM),),
)  # fmt: skip
ISSUING = CA(
    id="0b5e2a2c-7a0e-4f6e-9a53-54e8a9a0a002", name="issuing-ec", kind="issuing", status="pending",
    key="arn:aws:kms:::key/2", algorithm="EC_prime256v1", parent=ROOT.id,
    ceiling=Ceiling(dns=("*.example.com", "example.com"), longest=timedelta(days=90)),
)  # fmt: skip
PROFILE = Profile.model_validate(
    {
        "id": id_of(STACK, "profile", "my-project/tls-server"), "project": "my-project", "slug": "tls-server",
        "cas": ["issuing-ec"], "policy-name": "tls-server", "policy": {}, "defaults": {"ttlDays": 30},
    }
)  # fmt: skip
OTHER = PROFILE.model_copy(update={"id": id_of(STACK, "profile", "my-project/mtls"), "slug": "mtls"})
APPLICATION = Application(
    id=id_of(STACK, "application", "my-app"), name="my-app", project="my-project", profiles=("tls-server",)
)
SECRET = {"id": "s1", "digest": "ab" * 32, "created-at": START, "expires-at": START + timedelta(days=1), "uses": 3}
MACHINE = Identity.model_validate(
    {
        "id": str(uuid4()), "name": "machine", "aws": {"principals": ["arn:aws:iam::111111111111:role/app"]},
        "universal": {"client-id": str(uuid4()), "secrets": [SECRET]},
        "grants": [{"profile": "my-project/tls-server", "permissions": ["request", "read-key"]}],
        "token-ttl": timedelta(minutes=10), "token-uses": 5,
    }
)  # fmt: skip
POLICY = NamedPolicy.model_validate(
    {
        "id": id_of(STACK, "policy", "my-project/web"), "project": "my-project", "name": "web",
        "policy": {"validity": {"max": "90d"}, "sans": [{"type": "dns_name", "allowed": ["*.example.com"]}]},
    }
)  # fmt: skip
PROJECT = Project(id=id_of(STACK, "project", "my-project"), slug="my-project")
Fill = Callable[..., Configuration]


@pytest.fixture
def table(world: World) -> str:
    return world.authority_table("AuthorityConfigurationTable")


@pytest.fixture(params=["fake", "dynamodb"])
def fill(request: pytest.FixtureRequest) -> Fill:
    """Return a function that creates a configuration with these objects."""
    if request.param == "fake":
        return FakeConfiguration
    world: World = request.getfixturevalue("world")
    name = request.getfixturevalue("table")

    def filled(*things: Any) -> Configuration:
        writer = ConfigurationWriter(world.operator.dynamodb, name)
        writer.write(PROJECT, *things)
        return DynamoDBConfiguration(world.clients.dynamodb, name)

    return filled


def test_configuration_finds_complete_objects_by_id(fill: Fill) -> None:
    found = fill(ROOT, ISSUING, PROFILE, APPLICATION, MACHINE)
    assert found.ca(ROOT.id) == ROOT
    assert found.ca(ISSUING.id) == ISSUING
    assert found.profile(PROFILE.id) == PROFILE
    assert found.application(APPLICATION.id) == APPLICATION
    assert found.identity(MACHINE.id) == MACHINE
    assert found.identity_of_client(MACHINE.universal.client_id) == MACHINE
    assert found.project(PROJECT.id) == "my-project"


def test_lists_are_sorted_by_name(fill: Fill) -> None:
    found = fill(ROOT, ISSUING, PROFILE, OTHER)
    assert found.cas() == (ISSUING, ROOT)
    assert found.every_ca() == {ISSUING.id: ISSUING, ROOT.id: ROOT}
    assert found.profiles() == (OTHER, PROFILE)


@pytest.mark.parametrize("key", ["", "none", ROOT.id.upper(), "../ca", "a" * 300])
def test_missing_object_is_none(fill: Fill, key: str) -> None:
    found = fill(ROOT, MACHINE)
    for look in (
        found.ca, found.profile, found.project, found.application, found.identity, found.identity_of_client,
    ):  # fmt: skip
        assert look(key) is None


def test_kinds_are_separate(fill: Fill) -> None:
    found = fill(ROOT, PROFILE, MACHINE)
    assert found.profile(ROOT.id) is None
    assert found.ca(PROFILE.id) is None
    assert found.identity(MACHINE.universal.client_id) is None
    assert found.identity_of_client(MACHINE.id) is None


def test_stored_policy_has_the_given_rules_only(world: World, table: str) -> None:
    """Clients compare the rules with their configuration, so that a default is not one of them."""
    ConfigurationWriter(world.operator.dynamodb, table).write(POLICY)
    found = DynamoDBConfiguration(world.clients.dynamodb, table)
    assert found.policies() == (POLICY,)
    stored = found.policy(POLICY.id)
    assert stored is not None and stored.policy.model_fields_set == {"validity", "sans"}


# -- Changes through the API ------------------------------------------------------------------------------------------
Opener = Callable[[], ManagedConfiguration]


@pytest.fixture(params=["fake", "dynamodb"])
def opened(request: pytest.FixtureRequest) -> tuple[Opener, Callable[[], list[Any]]]:
    """Return a function that opens a configuration with PROFILE and POLICY, and one that returns the audit trail."""
    if request.param == "fake":
        shared = FakeConfiguration(PROFILE, POLICY, MACHINE)
        return lambda: FakeManagedConfiguration(shared), lambda: list(shared.audit)  # type: ignore[return-value]
    world: World = request.getfixturevalue("world")
    name, audit = request.getfixturevalue("table"), world.authority_table("AuthorityAuditTable")
    client = world.operator.dynamodb
    ConfigurationWriter(client, name).write(PROJECT, PROFILE, POLICY, MACHINE)
    return lambda: ChangeWriter(client, name, audit), lambda: client.scan(TableName=audit)["Items"]


def change(*puts: Any, remove: tuple[Any, ...] = ()) -> Change:
    entry = AuditEntry(
        str(uuid4()), START, MACHINE.id, MACHINE.name, "change", "policy", POLICY.id, POLICY.key, {"a": 1}, None
    )
    return Change((entry,), puts, remove)


def test_change_is_written_with_its_audit_entry(opened: tuple[Opener, Callable[[], list[Any]]]) -> None:
    open_, audit = opened
    configuration = open_()
    policy, profile = configuration.policy(POLICY.id), configuration.profile(PROFILE.id)
    configuration.apply(change(policy.model_copy(update={"description": "new"}), remove=(profile,)))
    found = open_()
    assert (found.policy(POLICY.id).description, found.profile(PROFILE.id), len(audit())) == ("new", None, 1)


@pytest.mark.parametrize("kind", ["changed", "deleted", "created"])
def test_apply_rejects_concurrent_change(opened: tuple[Opener, Callable[[], list[Any]]], kind: str) -> None:
    open_, audit = opened
    slower, faster = open_(), open_()
    seen = slower.policy(POLICY.id), slower.profile(PROFILE.id), slower.application(APPLICATION.id)
    theirs = faster.policy(POLICY.id), faster.application(APPLICATION.id)
    if kind == "changed":
        faster.apply(change(theirs[0].model_copy(update={"revision": 1})))
    elif kind == "deleted":
        faster.apply(change(remove=(theirs[0],)))
    else:
        faster.apply(change(APPLICATION))
    mine = seen[0].model_copy(update={"description": "mine"})
    with pytest.raises(ChangedMeanwhile):
        slower.apply(change(mine, APPLICATION, remove=(seen[1],)))
    assert open_().profile(PROFILE.id) == PROFILE
    assert len(audit()) == 1


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("kind", ["changed", "deleted", "created"])
def test_second_read_rejects_concurrent_change(
    opened: tuple[Opener, Callable[[], list[Any]]], kind: str, listed: bool
) -> None:
    open_, _ = opened
    slower, faster = open_(), open_()
    assert slower.policies() == (POLICY,) if listed else slower.policy(POLICY.id) == POLICY
    assert slower.policy("none") is None
    stored = faster.policy(POLICY.id)
    new = POLICY.model_copy(update={"id": "none", "name": "new"})
    if kind == "changed":
        faster.apply(change(stored.model_copy(update={"revision": 1})))
    elif kind == "deleted":
        faster.apply(change(remove=(stored,)))
    else:
        faster.apply(change(new))
    with pytest.raises(ChangedMeanwhile):
        slower.policies()
    with pytest.raises(ChangedMeanwhile):
        slower.policy(new.id if kind == "created" else POLICY.id)


def test_list_shows_what_is_absent(opened: tuple[Opener, Callable[[], list[Any]]]) -> None:
    open_, _ = opened
    slower = open_()
    assert slower.policies() == (POLICY,)
    new = POLICY.model_copy(update={"id": "none", "name": "new"})
    open_().apply(change(new))
    with pytest.raises(ChangedMeanwhile):
        slower.policy(new.id)


def test_deleted_identity_frees_its_name(opened: tuple[Opener, Callable[[], list[Any]]]) -> None:
    open_, _ = opened
    configuration = open_()
    configuration.apply(change(remove=(configuration.identity(MACHINE.id),)))
    again = MACHINE.model_copy(update={"id": str(uuid4())})
    other = open_()
    assert other.identity_named(MACHINE.name) is None
    other.apply(change(again))
    with pytest.raises(ChangedMeanwhile):
        open_().apply(change(MACHINE.model_copy(update={"id": str(uuid4()), "universal": None})))


# -- DynamoDB only ----------------------------------------------------------------------------------------------------
@pytest.fixture
def writer(world: World, table: str) -> ConfigurationWriter:
    return ConfigurationWriter(world.operator.dynamodb, table)


def test_writer_finds_objects_by_name(writer: ConfigurationWriter) -> None:
    writer.write(PROJECT, ROOT, ISSUING, APPLICATION, MACHINE)
    assert writer.ca_named("issuing-ec") == ISSUING
    assert writer.identity_named("machine") == MACHINE
    assert writer.identities() == (MACHINE,)
    assert writer.applications() == (APPLICATION,)
    assert writer.projects() == {PROJECT.id: "my-project"}
    assert writer.ca_named("machine") is None


def test_redirected_name_finds_nothing(world: World, table: str, writer: ConfigurationWriter) -> None:
    """The administration function may write items of names, but no CA."""
    writer.write(ROOT, ISSUING)
    item = {"pk": {"S": "named"}, "sk": {"S": "ca#issuing-ec"}, "id": {"S": ROOT.id}}
    world.operator.dynamodb.put_item(TableName=table, Item=item)
    assert writer.ca_named("issuing-ec") is None


def test_audit_entry_is_never_replaced(world: World, table: str, writer: ConfigurationWriter) -> None:
    audit = world.authority_table("AuthorityAuditTable")
    opened = ChangeWriter(world.operator.dynamodb, table, audit)
    first = change(POLICY)
    opened.apply(first)
    again = replace(first, entries=(replace(first.entries[0], identity_name="other"),), puts=(PROFILE,))
    with pytest.raises(ChangedMeanwhile):
        opened.apply(again)
    (item,) = world.operator.dynamodb.scan(TableName=audit)["Items"]
    assert item["identity_name"]["S"] == MACHINE.name


def test_write_replaces_the_version_that_was_read(writer: ConfigurationWriter) -> None:
    writer.write(ISSUING)
    changed = writer.ca(ISSUING.id).model_copy(update={"status": "active"})
    writer.write(changed)
    writer.write(changed)
    assert writer.ca_named("issuing-ec") == changed


def test_write_of_the_slower_operator_is_rejected(world: World, table: str, writer: ConfigurationWriter) -> None:
    writer.write(ISSUING, MACHINE)
    slower = ConfigurationWriter(world.operator.dynamodb, table)
    seen, machine = slower.ca(ISSUING.id), slower.identity(MACHINE.id)
    writer.write(ISSUING.model_copy(update={"status": "disabled"}))
    with pytest.raises(
        Rejected, match="ca issuing-ec, identity machine: changed or created meanwhile by another operator"
    ):
        slower.write(seen.model_copy(update={"status": "active"}), machine.model_copy(update={"token_uses": 9}))
    assert writer.ca(ISSUING.id).status == "disabled"
    assert writer.identity(MACHINE.id) == MACHINE


def test_write_never_replaces_an_object_that_was_not_read(
    world: World, table: str, writer: ConfigurationWriter
) -> None:
    writer.write(ISSUING)
    with pytest.raises(Rejected, match="ca issuing-ec"):
        ConfigurationWriter(world.operator.dynamodb, table).write(ISSUING.model_copy(update={"status": "active"}))
    assert writer.ca(ISSUING.id) == ISSUING


@pytest.mark.parametrize("thing", [ISSUING, MACHINE], ids=["ca", "identity"])
def test_names_are_unique_per_kind(writer: ConfigurationWriter, thing: Any) -> None:
    writer.write(thing)
    with pytest.raises(Rejected):
        writer.write(thing.model_copy(update={"id": str(uuid4())}))


def test_client_ids_are_unique(writer: ConfigurationWriter) -> None:
    writer.write(MACHINE)
    with pytest.raises(Rejected):
        writer.write(MACHINE.model_copy(update={"id": str(uuid4()), "name": "other"}))
    assert writer.identity_of_client(MACHINE.universal.client_id) == MACHINE


def test_delete_removes_an_identity_and_frees_its_name(writer: ConfigurationWriter) -> None:
    writer.write(MACHINE)
    writer.remove(writer.identity_named("machine"))
    assert writer.identity(MACHINE.id) is None
    assert writer.identity_of_client(MACHINE.universal.client_id) is None
    again = MACHINE.model_copy(
        update={"id": str(uuid4()), "universal": UniversalLogin.model_validate({"client-id": str(uuid4())})}
    )
    writer.write(again)
    assert writer.identity_named("machine") == again
    with pytest.raises(Rejected):  # the deleted identity
        writer.remove(MACHINE)
    assert writer.identity_named("machine") == again


def test_delete_removes_a_partially_restored_identity(world: World, table: str, writer: ConfigurationWriter) -> None:
    writer.write(MACHINE)
    key = {"pk": {"S": "client"}, "sk": {"S": MACHINE.universal.client_id}}
    world.operator.dynamodb.delete_item(TableName=table, Key=key)
    writer.remove(writer.identity_named("machine"))
    assert writer.identity(MACHINE.id) is None


def test_delete_of_a_changed_object_is_rejected(world: World, table: str, writer: ConfigurationWriter) -> None:
    writer.write(MACHINE)
    slower = ConfigurationWriter(world.operator.dynamodb, table)
    seen = slower.identity_named("machine")
    writer.write(MACHINE.model_copy(update={"token_uses": 7}))
    with pytest.raises(Rejected):
        slower.remove(seen)
    assert writer.identity(MACHINE.id).token_uses == 7


def test_write_larger_than_a_transaction_is_rejected(writer: ConfigurationWriter) -> None:
    many = [PROFILE.model_copy(update={"id": str(uuid4()), "slug": f"p{number}"}) for number in range(101)]
    with pytest.raises(Rejected, match="101 writes are one transaction, and DynamoDB accepts 100"):
        writer.write(*many)
    assert writer.profiles() == ()


def test_empty_write_does_nothing(writer: ConfigurationWriter) -> None:
    writer.write()


def test_old_client_id_of_an_identity_is_not_accepted(world: World, table: str, writer: ConfigurationWriter) -> None:
    writer.write(MACHINE)
    moved = MACHINE.model_copy(update={"universal": UniversalLogin.model_validate({"client-id": str(uuid4())})})
    writer.write(moved)
    found = DynamoDBConfiguration(world.clients.dynamodb, table)
    assert found.identity_of_client(MACHINE.universal.client_id) is None
    assert found.identity_of_client(moved.universal.client_id) == moved


def item(**document: Any) -> dict[str, Any]:
    return {"pk": {"S": "ca"}, "sk": {"S": "x"}, "schema": {"N": "1"}, **document}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (item(), "does not parse"),
        (item(document={"S": "{"}), "does not parse"),
        (item(document={"N": "5"}), "does not parse"),
        (item(document={"S": json.dumps({"id": "x", "kind": "leaf"})}), "does not parse"),
        (item(document={"S": ROOT.model_dump_json(by_alias=True).replace("BEGIN", "NO")}), "malformed certificate"),
        (item(schema={"N": "2"}, document={"S": "{}"}), "newer evercert"),
    ],
)
def test_unparsable_item_is_misconfigured(world: World, table: str, found: dict[str, Any], said: str) -> None:
    world.operator.dynamodb.put_item(TableName=table, Item=found)
    reader = DynamoDBConfiguration(world.clients.dynamodb, table)
    with pytest.raises(Misconfigured, match=f"ca x of the authority .*{said}"):
        reader.ca("x")
    with pytest.raises(Misconfigured, match=said):
        reader.cas()
    ConfigurationWriter(world.operator.dynamodb, table).write(ISSUING)
    every = reader.every_ca()
    assert every.keys() == {"x", ISSUING.id}
    assert every[ISSUING.id] == ISSUING
    assert said in str(every["x"])


def test_issuing_cas_are_found_by_name(fill: Fill) -> None:
    found = fill(ROOT, ISSUING)
    for _ in range(2):
        cas = found.issuing_cas(["issuing-ec"])
        assert cas[ISSUING.id] == ISSUING
    assert ISSUING.id in found.issuing_cas(["missing"])  # all of them, as `every_ca`


@pytest.mark.parametrize(
    "fields",
    [{"status": "disabled"}, {"name": "old"}, {"kind": "root"}, {}],
    ids=["disabled", "renamed", "no longer issuing", "recreated"],
)
def test_known_cas_are_read_each_time(world: World, table: str, fields: dict[str, Any]) -> None:
    writer = ConfigurationWriter(world.operator.dynamodb, table)
    writer.write(ROOT, ISSUING)
    reader = DynamoDBConfiguration(world.clients.dynamodb, table)
    for _ in range(2):
        assert reader.issuing_cas(["issuing-ec"])[ISSUING.id] == ISSUING
    other, changed = ISSUING.model_copy(update={"id": str(uuid4())}), ISSUING.model_copy(update=fields)
    if fields:
        writer.write(changed)
    else:
        writer.remove(ISSUING)
        writer.write(other)
    found = reader.issuing_cas(["issuing-ec"])
    assert found.get(ISSUING.id) == (changed if fields else None)
    assert (ROOT.id in found, other.id in found) == ("status" not in fields, not fields)  # or the others too


def test_unreadable_known_ca_is_returned_as_its_error(world: World, table: str) -> None:
    ConfigurationWriter(world.operator.dynamodb, table).write(ROOT, ISSUING)
    reader = DynamoDBConfiguration(world.clients.dynamodb, table)
    reader.issuing_cas(["issuing-ec"])
    spoiled = {"pk": {"S": "ca"}, "sk": {"S": ISSUING.id}, "document": {"S": "{"}}
    world.operator.dynamodb.put_item(TableName=table, Item=spoiled)
    found = reader.issuing_cas(["issuing-ec"])
    assert isinstance(found[ISSUING.id], Misconfigured) and found[ROOT.id] == ROOT


def test_lists_read_all_pages_up_to_a_limit(
    world: World, table: str, writer: ConfigurationWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        large = {"ttlDays": number, "note": "x" * 390_000}
        writer.write(PROFILE.model_copy(update={"id": str(uuid4()), "slug": f"p{number}", "defaults": large}))
    reader = DynamoDBConfiguration(world.clients.dynamodb, table)
    assert [profile.slug for profile in reader.profiles()] == ["p0", "p1", "p2", "p3"]
    monkeypatch.setattr(configuration, "PAGES", 1)
    with pytest.raises(Misconfigured, match="more than 1 pages of profile"):
        reader.profiles()


def test_missing_table_is_misconfigured(world: World) -> None:
    reader = DynamoDBConfiguration(world.operator.dynamodb, "nowhere")
    with pytest.raises(Misconfigured, match="cannot read ca x of the authority"):
        reader.ca("x")
    with pytest.raises(Misconfigured, match="cannot read each profile of the authority"):
        reader.profiles()
