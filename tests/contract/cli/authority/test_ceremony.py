"""Making CAs on the emulator: dead at each step and run again, there is one key and one certificate for each."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from evercert.authority.ca.definition import CA, Ceiling
from evercert.aws.authority.configuration_writer import AuthorityEstate
from evercert.aws.authority.key_creation import CAKeyMaking
from evercert.aws.authority.key_policies import Roles, of_issuing, of_root
from evercert.aws.authority.kms_keys import KMSKeys
from evercert.cli.authority import ceremony
from evercert.cli.authority.ceremony import Hands, Wish
from evercert.errors import Misconfigured, Rejected
from tests.doubles.world import Killed, World
from tests.tools.local_stack import ACCOUNT
from tests.tools.openssl import verify

NOW = datetime.now(UTC).replace(microsecond=0)  # openssl knows no other
ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
ROLES = Roles(f"{ROLE}signer", (f"{ROLE}authority", f"{ROLE}checker", f"{ROLE}issuer"))
WISH = Wish("Example", "Example Corp", timedelta(days=7300), timedelta(days=1825))
EC_ONLY = Wish("Example", None, timedelta(days=7300), timedelta(days=1825), issuing=(("issuing-ec", "EC_prime256v1"),))


class Ceremony:
    """One stack's, in the process that the switch can kill."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.stack = f"stack-{uuid.uuid4().hex[:8]}"
        self.table = world.authority_table("AuthorityConfigurationTable")
        self.said: list[str] = []
        self._others = set(self._keys())  # of earlier tests; looking through them all would take as long as all else

    def _keys(self) -> list[str]:
        return [key["KeyArn"] for key in self.world.operator.kms.list_keys(Limit=1000)["Keys"]]

    def hands(self, now: datetime = NOW) -> Hands:
        clients = self.world.clients
        estate = AuthorityEstate(clients.dynamodb, self.table)
        making = CAKeyMaking(clients.kms, self.stack)
        every = making._arns
        making._arns = lambda: (arn for arn in every() if arn not in self._others)  # type: ignore[method-assign]
        return Hands(estate, making, KMSKeys(clients.kms), ROLES, "https://ca.example.com", now, self.said.append)

    def keys(self) -> dict[str, list[str]]:
        """Of this stack, by CA."""
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
    """Keys, configuration and certificates fit together."""
    estate = of.hands().estate
    assert {name: len(keys) for name, keys in of.keys().items()} == {ca.name: 1 for ca in cas}
    assert {ca.name for ca in estate.cas()} == {ca.name for ca in cas}
    root = next(ca for ca in cas if ca.kind == "root")
    for ca in cas:
        assert estate.ca_named(ca.name) == ca
        assert (ca.key,) == tuple(of.keys()[ca.name])
        assert (ca.status, len(ca.installed)) == ("active", 1)
        if ca.kind == "issuing":
            assert (ca.parent, ca.current.chain) == (root.id, root.current.certificate)
            assert ca.ceiling is not None
            assert verify(ca.current.certificate, trusted=root.current.certificate, chain=ca.current.chain) == "OK"


def test_a_root_and_an_issuing_ca_of_each_family(of: Ceremony) -> None:
    cas = ceremony.establish(of.hands(), WISH)
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
        with pytest.raises(x509.ExtensionNotFound):  # the root has no list: no function signs with it
            issuing.extensions.get_extension_for_class(x509.CRLDistributionPoints)


def test_again_changes_nothing(of: Ceremony) -> None:
    first = ceremony.establish(of.hands(), EC_ONLY)
    of.said.clear()
    assert ceremony.establish(of.hands(), EC_ONLY) == first
    assert of.said == []


def test_dead_at_each_call_and_run_again_there_is_one_of_each(of: Ceremony, world: World) -> None:
    world.switch.arm(None)
    ceremony.establish(of.hands(), EC_ONLY)
    calls = len(world.switch.calls)
    assert calls > 10
    for when in ("before", "after"):
        for at in range(1, calls + 1):
            of = Ceremony(world)
            world.switch.arm(at, when)
            with pytest.raises(Killed):
                ceremony.establish(of.hands(), EC_ONLY)
            world.switch.arm(None)
            check(of, ceremony.establish(of.hands(), EC_ONLY))
    world.switch.listening = False


def written_down(of: Ceremony, name: str, kind: Any) -> CA:
    """As by a run that died before it made the key."""
    ca = CA(id=str(uuid.uuid4()), name=name, kind=kind, status="pending", key="", algorithm="EC_prime256v1",
            ceiling=None if kind == "root" else Ceiling())  # fmt: skip
    of.hands().estate.write(ca)
    return ca


def test_a_key_that_was_found_is_what_it_is(of: Ceremony) -> None:
    ca = written_down(of, "issuing-ec", "issuing")
    with pytest.raises(Rejected, match="has no key yet: run evercert authority init again"):
        ceremony.request(of.hands(), ca, EC_ONLY.subject("issuing-ec"))
    key = of.hands().making.make("issuing-ec", ca.id, "EC_secp521r1", of_issuing(ROLES, outside=False))
    _, issuing = ceremony.establish(of.hands(), EC_ONLY)
    assert (issuing.id, issuing.key, issuing.algorithm) == (ca.id, key, "EC_secp521r1")
    assert "made by a run that did not finish" in of.said[2]


def test_a_key_that_a_neighbour_has_planted_is_not_taken_up(of: Ceremony) -> None:
    """Whoever may make and tag keys in the account knows the names, and could have signed with one before."""
    planted = of.hands().making.make("root", "a guess", "EC_secp384r1", of_root(ROLES))
    root, _ = ceremony.establish(of.hands(), EC_ONLY)
    assert root.key != planted


def test_two_keys_for_one_ca_are_for_a_person(of: Ceremony) -> None:
    ca = written_down(of, "root", "root")
    for _ in range(2):
        of.hands().making.make("root", ca.id, "EC_secp384r1", of_root(ROLES))
    with pytest.raises(Misconfigured, match=f"2 keys are tagged evercert:ca-id={ca.id} for CA root"):
        ceremony.establish(of.hands(), EC_ONLY)


def test_a_disabled_key_is_not_taken_up_and_neither_is_another_stacks(of: Ceremony, world: World) -> None:
    ca = written_down(of, "root", "root")
    disabled = of.hands().making.make("root", ca.id, "EC_secp384r1", of_root(ROLES))
    world.operator.kms.disable_key(KeyId=disabled)
    other = CAKeyMaking(world.clients.kms, f"{of.stack}-2").make("root", ca.id, "EC_secp384r1", of_root(ROLES))
    root, _ = ceremony.establish(of.hands(), EC_ONLY)
    assert root.key not in {disabled, other}


def test_an_issuing_ca_is_renewed_with_the_same_key_and_does_not_outlive_the_root(of: Ceremony) -> None:
    root, issuing = ceremony.establish(of.hands(), EC_ONLY)
    later = NOW + timedelta(days=7000)
    hands = of.hands(later)
    seen = hands.estate.ca_named("issuing-ec")
    assert seen is not None
    again = ceremony.renewed_issuing(hands, seen, root, seen.current.x509.subject, timedelta(days=1825))
    assert len(again.installed) == 1  # the one before had ended
    assert again.current.x509.public_key() == issuing.current.x509.public_key()
    assert again.current.x509.not_valid_after_utc == root.current.x509.not_valid_after_utc
    late = of.hands(NOW + timedelta(days=7300))
    with pytest.raises(Rejected, match=r"CA root ends at .*: renew it first"):
        ceremony.renewed_issuing(late, again, root, seen.current.x509.subject, timedelta(days=1))


def test_a_renewed_ca_keeps_the_certificate_that_others_still_meet(of: Ceremony) -> None:
    root, _ = ceremony.establish(of.hands(), EC_ONLY)
    hands = of.hands(NOW + timedelta(days=1000))
    seen = hands.estate.ca_named("issuing-ec")
    assert seen is not None
    again = ceremony.renewed_issuing(hands, seen, root, seen.current.x509.subject, timedelta(days=1825))
    assert [one.id for one in again.installed[:1]] == [seen.current.id]
    assert again.current.x509.not_valid_after_utc == NOW + timedelta(days=2825)


def test_without_a_root_there_are_keys_that_wait_for_a_certificate(of: Ceremony) -> None:
    cas = ceremony.establish(of.hands(), Wish("Example", None, *(timedelta(days=1),) * 2, outside=True))
    assert [(ca.name, ca.status, ca.parent) for ca in cas] == [
        ("issuing-ec", "pending", None), ("issuing-rsa", "pending", None),
    ]  # fmt: skip
    hands = of.hands()
    for ca in cas:
        text = ceremony.request(hands, ca, WISH.subject(ca.name))
        csr = x509.load_pem_x509_csr(text.encode())
        assert csr.is_signature_valid
        assert csr.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_policies_that_name_roles_of_the_past_are_mended(of: Ceremony, world: World) -> None:
    cas = ceremony.establish(of.hands(), EC_ONLY)
    assert ceremony.mended_policies(of.hands(), cas) == []
    old = Roles(f"{ROLE}before", ROLES.others)
    of.hands().making.put_policy(cas[1].key, of_issuing(old, outside=False))
    assert ceremony.mended_policies(of.hands(), cas) == [cas[1]]
    assert ceremony.mended_policies(of.hands(), cas) == []
    found = json.loads(world.operator.kms.get_key_policy(KeyId=cas[1].key, PolicyName="default")["Policy"])
    assert found == of_issuing(ROLES, outside=False)


def signers(policy: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Who may sign, and under what condition."""
    found: dict[str, list[dict[str, Any]]] = {}
    for statement in policy["Statement"]:
        named = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert "kms:*" not in named
        if statement["Effect"] == "Allow" and "kms:Sign" in named:
            found.setdefault(statement["Principal"]["AWS"], []).append(statement["Condition"])
    return found


ROOT_OF_ACCOUNT = f"arn:aws:iam::{ACCOUNT}:root"
DIGEST = [{"StringEquals": {"kms:MessageType": "DIGEST"}}]


def test_functions_do_not_sign_with_a_root() -> None:
    policy = of_root(ROLES)
    assert signers(policy) == {ROOT_OF_ACCOUNT: DIGEST}
    (refusal,) = [statement for statement in policy["Statement"] if statement["Effect"] == "Deny"]
    assert set(refusal["Principal"]["AWS"]) == {ROLES.signer, *ROLES.others}
    assert {"kms:Sign", "kms:CreateGrant"} <= set(refusal["Action"])


def test_the_signer_alone_signs_with_an_issuing_key() -> None:
    policy = of_issuing(ROLES, outside=False)
    assert signers(policy) == {ROLES.signer: DIGEST}
    (refusal,) = [statement for statement in policy["Statement"] if statement["Effect"] == "Deny"]
    assert set(refusal["Principal"]["AWS"]) == set(ROLES.others)


def test_an_operator_signs_a_csr_with_keys_that_somebody_else_certifies() -> None:
    assert signers(of_issuing(ROLES, outside=True)) == {ROLES.signer: DIGEST, ROOT_OF_ACCOUNT: DIGEST}


@pytest.mark.parametrize("policy", [of_root(ROLES), of_issuing(ROLES, outside=False), of_issuing(ROLES, outside=True)])
def test_nobody_is_let_make_grants(policy: dict[str, Any]) -> None:
    for statement in policy["Statement"]:
        if statement["Effect"] == "Allow":
            assert "kms:CreateGrant" not in statement["Action"]
