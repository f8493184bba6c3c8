"""Create CAs on the emulator: a run that dies at any step is resumed without a second key or certificate."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from evercert.authority.ca.definition import CA, Ceiling
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.aws.authority.key_creation import CAKeyMaking
from evercert.aws.authority.key_policies import Roles, earlier_issuing, of_issuing, of_root
from evercert.aws.authority.kms_keys import KMSKeys
from evercert.cli.authority import ceremony
from evercert.cli.authority.ceremony import CeremonyContext, InitOptions
from evercert.errors import Misconfigured, Rejected
from tests.doubles.world import Killed, World
from tests.tools.local_stack import ACCOUNT
from tests.tools.openssl import verify

NOW = datetime.now(UTC).replace(microsecond=0)  # openssl verifies against the real clock
ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
ROLES = Roles(f"{ROLE}signer", (f"{ROLE}authority", f"{ROLE}checker", f"{ROLE}issuer"))
OPTIONS = InitOptions("Example", "Example Corp", timedelta(days=7300), timedelta(days=1825))
EC_ONLY = InitOptions(
    "Example", None, timedelta(days=7300), timedelta(days=1825), issuing=(("issuing-ec", "EC_prime256v1"),)
)


class Ceremony:
    """The ceremony of one stack, in the process that the switch can kill."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.stack = f"stack-{uuid.uuid4().hex[:8]}"
        self.table = world.authority_table("AuthorityConfigurationTable")
        self.reported: list[str] = []
        self._others = set(self._keys())  # keys of earlier tests, excluded to keep the search fast

    def _keys(self) -> list[str]:
        return [key["KeyArn"] for key in self.world.operator.kms.list_keys(Limit=1000)["Keys"]]

    def context(self, now: datetime = NOW) -> CeremonyContext:
        clients = self.world.clients
        configuration = ConfigurationWriter(clients.dynamodb, self.table)
        key_creation = CAKeyMaking(clients.kms, clients.client("kms", once=True), self.stack)
        every = key_creation._arns
        key_creation._arns = lambda: (arn for arn in every() if arn not in self._others)  # type: ignore[method-assign]
        return CeremonyContext(
            configuration,
            key_creation,
            KMSKeys(clients.kms),
            ROLES,
            "https://ca.example.com",
            now,
            self.reported.append,
        )

    def keys(self) -> dict[str, list[str]]:
        """Return the keys of this stack by CA."""
        found: dict[str, list[str]] = {}
        kms = self.world.operator.kms
        for key in set(self._keys()) - self._others:
            tags = {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key)["Tags"]}
            if tags.get("evercert:stack") == self.stack:
                found.setdefault(tags["evercert:ca"], []).append(key)
        return found


@pytest.fixture
def of(world: World) -> Ceremony:
    return Ceremony(world)


def check(of: Ceremony, cas: tuple[CA, ...]) -> None:
    """Assert that keys, configuration and certificates agree."""
    configuration = of.context().configuration
    assert {name: len(keys) for name, keys in of.keys().items()} == {ca.name: 1 for ca in cas}
    assert {ca.name for ca in configuration.cas()} == {ca.name for ca in cas}
    root = next(ca for ca in cas if ca.kind == "root")
    for ca in cas:
        assert configuration.ca_named(ca.name) == ca
        assert (ca.key,) == tuple(of.keys()[ca.name])
        assert (ca.status, len(ca.installed)) == ("active", 1)
        if ca.kind == "issuing":
            assert (ca.parent, ca.current.chain) == (root.id, root.current.certificate)
            assert ca.ceiling is not None
            assert verify(ca.current.certificate, trusted=root.current.certificate, chain=ca.current.chain) == "OK"


def test_establish_creates_a_root_and_an_issuing_ca_per_family(of: Ceremony) -> None:
    cas = ceremony.establish(of.context(), OPTIONS)
    check(of, cas)
    root, ec, rsa = (ca.current.x509 for ca in cas)
    assert [ca.algorithm for ca in cas] == ["EC_secp384r1", "EC_prime256v1", "RSA_3072"]
    assert ec.subject.rfc4514_string() == "CN=Example Issuing EC,O=Example Corp"
    assert root.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert rsa.not_valid_after_utc == NOW + timedelta(days=1825)
    for issuing in (ec, rsa):
        constraints = issuing.extensions.get_extension_for_class(x509.BasicConstraints).value
        assert (constraints.ca, constraints.path_length) == (True, 0)
        places = issuing.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
        assert "https://ca.example.com/api/v1/cert-manager/ca/internal/" in str(places)
        (point,) = issuing.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        assert point.full_name[0].value == f"https://ca.example.com/api/v1/cert-manager/crl/{cas[0].id}/der"


def test_establish_is_idempotent(of: Ceremony) -> None:
    first = ceremony.establish(of.context(), EC_ONLY)
    of.reported.clear()
    assert ceremony.establish(of.context(), EC_ONLY) == first
    assert of.reported == []


def test_establish_resumes_after_a_crash_at_each_call(of: Ceremony, world: World) -> None:
    world.switch.arm(None)
    ceremony.establish(of.context(), EC_ONLY)
    calls = len(world.switch.calls)
    assert calls > 10
    for when in ("before", "after"):
        for at in range(1, calls + 1):
            of = Ceremony(world)
            world.switch.arm(at, when)
            with pytest.raises(Killed):
                ceremony.establish(of.context(), EC_ONLY)
            world.switch.arm(None)
            check(of, ceremony.establish(of.context(), EC_ONLY))
    world.switch.listening = False


def store_without_key(of: Ceremony, name: str, kind: Any) -> CA:
    """Store a CA as a run does that dies before it creates the key."""
    ca = CA(id=str(uuid.uuid4()), name=name, kind=kind, status="pending", key="", algorithm="EC_prime256v1",
            ceiling=None if kind == "root" else Ceiling())  # fmt: skip
    of.context().configuration.write(ca)
    return ca


def test_establish_adopts_the_key_of_an_interrupted_run(of: Ceremony) -> None:
    ca = store_without_key(of, "issuing-ec", "issuing")
    with pytest.raises(Rejected, match="has no key yet: run evercert authority init again"):
        ceremony.build_csr(of.context(), ca, EC_ONLY.subject("issuing-ec"))
    key = of.context().key_creation.make("issuing-ec", ca.id, "EC_secp521r1", of_issuing(ROLES, outside=False))
    _, issuing = ceremony.establish(of.context(), EC_ONLY)
    assert (issuing.id, issuing.key, issuing.algorithm) == (ca.id, key, "EC_secp521r1")
    assert "created by an interrupted run" in of.reported[2]


def test_establish_ignores_a_planted_key(of: Ceremony) -> None:
    """Another user of the account may create keys with the right names, and may have signed with them before."""
    planted = of.context().key_creation.make("root", "a guess", "EC_secp384r1", of_root(ROLES))
    root, _ = ceremony.establish(of.context(), EC_ONLY)
    assert root.key != planted


def test_establish_refuses_two_keys_for_one_ca(of: Ceremony) -> None:
    ca = store_without_key(of, "root", "root")
    for _ in range(2):
        of.context().key_creation.make("root", ca.id, "EC_secp384r1", of_root(ROLES))
    with pytest.raises(Misconfigured, match=f"2 keys are tagged evercert:ca-id={ca.id} for CA root"):
        ceremony.establish(of.context(), EC_ONLY)


def test_establish_ignores_disabled_and_foreign_keys(of: Ceremony, world: World) -> None:
    ca = store_without_key(of, "root", "root")
    disabled = of.context().key_creation.make("root", ca.id, "EC_secp384r1", of_root(ROLES))
    world.operator.kms.disable_key(KeyId=disabled)
    other = CAKeyMaking(world.clients.kms, world.clients.client("kms", once=True), f"{of.stack}-2").make(
        "root", ca.id, "EC_secp384r1", of_root(ROLES)
    )
    root, _ = ceremony.establish(of.context(), EC_ONLY)
    assert root.key not in {disabled, other}


def test_keys_of_a_stack_are_found_by_their_tags(of: Ceremony, world: World) -> None:
    """`uninstall --plan` needs them after the tables are gone."""
    root, issuing = ceremony.establish(of.context(), EC_ONLY)
    other = CAKeyMaking(world.clients.kms, world.clients.client("kms", once=True), f"{of.stack}-2")
    foreign = other.make("root", "id", "EC_secp384r1", of_root(ROLES))
    keys = of.context().key_creation
    assert set(keys.of_stack()) == {(root.key, "root"), (issuing.key, "issuing-ec")}
    assert set(other.of_stack()) == {(foreign, "root")}
    world.operator.kms.disable_key(KeyId=root.key)
    world.operator.kms.schedule_key_deletion(KeyId=issuing.key)
    assert set(keys.of_stack()) == {(root.key, "root")}


def test_renew_issuing_keeps_the_key_and_ends_with_the_root(of: Ceremony) -> None:
    root, issuing = ceremony.establish(of.context(), EC_ONLY)
    later = NOW + timedelta(days=7000)
    context = of.context(later)
    seen = context.configuration.ca_named("issuing-ec")
    assert seen is not None
    again = ceremony.renew_issuing(context, seen, root, seen.current.x509.subject, timedelta(days=1825))
    assert len(again.installed) == 1  # the previous one had expired
    assert again.current.x509.public_key() == issuing.current.x509.public_key()
    assert again.current.x509.not_valid_after_utc == root.current.x509.not_valid_after_utc
    late = of.context(NOW + timedelta(days=7300))
    with pytest.raises(Rejected, match=r"CA root expires at .*: renew it first"):
        ceremony.renew_issuing(late, again, root, seen.current.x509.subject, timedelta(days=1))


def test_renew_issuing_keeps_unexpired_certificates(of: Ceremony) -> None:
    root, _ = ceremony.establish(of.context(), EC_ONLY)
    context = of.context(NOW + timedelta(days=1000))
    seen = context.configuration.ca_named("issuing-ec")
    assert seen is not None
    again = ceremony.renew_issuing(context, seen, root, seen.current.x509.subject, timedelta(days=1825))
    assert [one.id for one in again.installed[:1]] == [seen.current.id]
    assert again.current.x509.not_valid_after_utc == NOW + timedelta(days=2825)


def test_establish_without_root_creates_pending_cas(of: Ceremony) -> None:
    cas = ceremony.establish(of.context(), InitOptions("Example", None, *(timedelta(days=1),) * 2, outside=True))
    assert [(ca.name, ca.status, ca.parent) for ca in cas] == [
        ("issuing-ec", "pending", None), ("issuing-rsa", "pending", None),
    ]  # fmt: skip
    context = of.context()
    for ca in cas:
        text = ceremony.build_csr(context, ca, OPTIONS.subject(ca.name))
        csr = x509.load_pem_x509_csr(text.encode())
        assert csr.is_signature_valid
        assert csr.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_restore_key_policies_replaces_former_policies(of: Ceremony, world: World) -> None:
    cas = ceremony.establish(of.context(), EC_ONLY)
    assert ceremony.restore_key_policies(of.context(), cas) == []
    old = Roles(f"{ROLE}before", ROLES.others)
    for policy, done in (
        (of_issuing(old, outside=False), "restored"),
        (earlier_issuing(ROLES, outside=False), "updated"),
    ):
        of.context().key_creation.put_policy(cas[1].key, policy)
        assert ceremony.restore_key_policies(of.context(), cas) == [cas[1]]
        assert of.reported[-1] == f"{done} the key policy of CA issuing-ec"
        assert ceremony.restore_key_policies(of.context(), cas) == []
        found = json.loads(world.operator.kms.get_key_policy(KeyId=cas[1].key, PolicyName="default")["Policy"])
        assert found == of_issuing(ROLES, outside=False)
