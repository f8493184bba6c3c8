"""Key policies of CAs: new roles, KMS's other order and notation, and changes that count."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from evercert.aws.authority.key_creation import CAKeyMaking
from evercert.aws.authority.key_policies import Roles, earlier_issuing, earlier_root, of_issuing, of_root
from evercert.errors import Misconfigured
from tests.doubles.authority.policy_kms import ACCOUNT, ROOT_USER, PolicyKMS, changed, principals, values

ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
ROLES = Roles(f"{ROLE}signer", (f"{ROLE}authority", f"{ROLE}checker", f"{ROLE}issuer"))
PRESENT = {
    "root": of_root(ROLES),
    "issuing": of_issuing(ROLES, outside=False),
    "external": of_issuing(ROLES, outside=True),
}
EARLIER = {
    "earlier root": earlier_root(ROLES),
    "earlier issuing": earlier_issuing(ROLES, outside=False),
    "earlier external": earlier_issuing(ROLES, outside=True),
}
EVERY = {**PRESENT, **EARLIER}


@pytest.fixture
def kms() -> PolicyKMS:
    created = datetime(2026, 1, 1, tzinfo=UTC)
    return PolicyKMS(dict.fromkeys((ROLES.signer, *ROLES.others), created))


def keys(kms: PolicyKMS) -> CAKeyMaking:
    return CAKeyMaking(kms, kms, "evercert")  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", PRESENT.values(), ids=PRESENT)
def test_key_is_created_beside_roles_that_kms_does_not_see(kms: PolicyKMS, policy: dict[str, Any]) -> None:
    key = keys(kms).make("issuing-ec", "id", "EC_prime256v1", policy)
    keys(kms).put_policy(key, policy)
    assert json.loads(kms.policies[key]) == policy


@pytest.mark.parametrize("policy", EARLIER.values(), ids=EARLIER)
def test_earlier_policies_had_to_wait_for_new_roles(kms: PolicyKMS, policy: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match="invalid principals"):
        keys(kms).make("issuing-ec", "id", "EC_prime256v1", policy)
    kms.now += kms.unseen
    assert keys(kms).make("issuing-ec", "id", "EC_prime256v1", policy)


@pytest.mark.parametrize("policy", EVERY.values(), ids=EVERY)
def test_has_policy_accepts_every_order_and_notation(kms: PolicyKMS, policy: dict[str, Any]) -> None:
    kms.now += kms.unseen
    key = keys(kms).make("issuing-ec", "id", "EC_prime256v1", policy)
    texts = {kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"] for _ in range(20)}
    assert len(texts) > 10
    assert all(keys(kms).has_policy(key, policy) for _ in range(50))


@pytest.mark.parametrize("policy", EVERY.values(), ids=EVERY)
def test_has_policy_finds_every_change_of_permissions(kms: PolicyKMS, policy: dict[str, Any]) -> None:
    differences = dict(changed(policy))
    assert len(differences) > 20
    for name, other in differences.items():
        kms.policies["key"] = json.dumps(other)
        assert not keys(kms).has_policy("key", policy), name


def test_has_policy_tells_the_policies_apart(kms: PolicyKMS) -> None:
    for name, policy in EVERY.items():
        kms.policies["key"] = json.dumps(policy)
        assert [other for other in EVERY if keys(kms).has_policy("key", EVERY[other])] == [name]


@pytest.mark.parametrize("text", ["", "[]", "null", '{"Statement": 1}', '{"Statement": [null, 1]}', "[" * 100_000])
def test_has_policy_rejects_malformed_policies(text: str) -> None:
    class Returning:
        def get_key_policy(self, **_: str) -> dict[str, str]:
            return {"Policy": text}

    assert not CAKeyMaking(Returning(), Returning(), "evercert").has_policy("key", of_root(ROLES))  # type: ignore[arg-type]


def signers(policy: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the conditions under which each principal may sign; a condition on a role makes it the principal."""
    found: dict[str, list[dict[str, Any]]] = {}
    for statement in policy["Statement"]:
        assert "kms:*" not in values(statement["Action"])
        if statement["Effect"] == "Allow" and "kms:Sign" in values(statement["Action"]):
            conditions = dict(statement["Condition"])
            only = conditions.pop("ArnEquals", None)
            (named,) = principals(statement) if only is None else [only["aws:PrincipalArn"]]
            assert named != "*"
            found.setdefault(named, []).append(conditions)
    return found


def denied(policy: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Return the roles and the actions of the only denial."""
    (refusal,) = [statement for statement in policy["Statement"] if statement["Effect"] == "Deny"]
    assert set(refusal["Condition"]) == {"ArnEquals"}
    return set(refusal["Condition"]["ArnEquals"]["aws:PrincipalArn"]), set(refusal["Action"])


OPERATORS = {ROOT_USER: [{"StringEquals": {"kms:MessageType": "DIGEST"}}]}
SIGNER = {ROLES.signer: [{"StringEquals": {"kms:MessageType": "DIGEST", "aws:PrincipalAccount": ACCOUNT}}]}
REFUSED = {"kms:Sign", "kms:CreateGrant", "kms:PutKeyPolicy"}


def test_root_policy_denies_signing_to_functions() -> None:
    assert signers(PRESENT["root"]) == OPERATORS
    assert denied(PRESENT["root"]) == ({ROLES.signer, *ROLES.others}, REFUSED)


def test_issuing_policy_allows_signing_to_the_signer_only() -> None:
    assert signers(PRESENT["issuing"]) == SIGNER
    assert denied(PRESENT["issuing"]) == (set(ROLES.others), REFUSED)


def test_external_policy_allows_operators_to_sign_csrs() -> None:
    assert signers(PRESENT["external"]) == {**SIGNER, **OPERATORS}


@pytest.mark.parametrize("policy", EVERY.values(), ids=EVERY)
def test_key_policies_allow_no_grants(policy: dict[str, Any]) -> None:
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Deny" or "kms:CreateGrant" not in values(statement["Action"])
