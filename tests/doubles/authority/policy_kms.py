"""An in-memory KMS that enforces rules about key policies which the emulator does not; each rule names its source.

Sources: the API reference of KMS ("API"), and reports of users that compare policies ("reports").
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.doubles.strict_aws import refuse

ACCOUNT, REGION = "111122223333", "eu-central-1"
ROOT_USER = f"arn:aws:iam::{ACCOUNT}:root"
LARGEST = 32 * 1_024  # API, CreateKey: bytes of a policy


class PolicyKMS:
    """CreateKey, PutKeyPolicy and GetKeyPolicy of the KMS client.

    `roles` are the principals that exist, with the time of their creation; one that is younger than `unseen` is not
    visible yet.
    """

    def __init__(self, roles: Mapping[str, datetime], unseen: timedelta = timedelta(seconds=10)) -> None:
        self.roles = dict(roles)
        self.unseen = unseen
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.random = random.Random(0)
        self.policies: dict[str, str] = {}

    def create_key(self, *, Policy: str, **_: Any) -> dict[str, Any]:
        arn = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{len(self.policies):08d}-0000-4000-8000-000000000000"
        self._check(Policy, "CreateKey")
        self.policies[arn] = Policy
        return {"KeyMetadata": {"Arn": arn}}

    def put_key_policy(self, *, KeyId: str, PolicyName: str, Policy: str) -> dict[str, Any]:
        assert PolicyName == "default"
        self._check(Policy, "PutKeyPolicy")
        self.policies[KeyId] = Policy
        return {}

    def get_key_policy(self, *, KeyId: str, PolicyName: str) -> dict[str, Any]:
        assert PolicyName == "default"
        return {"Policy": json.dumps(self._returned(json.loads(self.policies[KeyId])))}

    def _check(self, text: str, operation: str) -> None:
        def invalid(why: str) -> Exception:
            return refuse("MalformedPolicyDocumentException", operation, why)

        if len(text.encode()) > LARGEST:
            raise refuse("LimitExceededException", operation, "the policy is too long")
        statements = json.loads(text)["Statement"]
        # API, CreateKey: the policy must allow the caller to call PutKeyPolicy later.
        if not any(ROOT_USER in principals(one) and "kms:PutKeyPolicy" in values(one["Action"]) for one in statements):
            raise invalid("The new key policy will not allow you to update the key policy in the future.")
        # API, CreateKey: a principal must exist and be visible to KMS.
        for name in (name for one in statements for name in principals(one)):
            created = self.roles.get(name)
            if name not in {"*", ACCOUNT, ROOT_USER} and (created is None or self.now - created < self.unseen):
                raise invalid("Policy contains a statement with one or more invalid principals.")

    def _returned(self, policy: dict[str, Any]) -> dict[str, Any]:
        """Reports: lists come in any order, lists of one value as that value, accounts in either notation."""
        return {**policy, "Statement": [{name: self._noted(one[name]) for name in one} for one in policy["Statement"]]}

    def _noted(self, found: Any) -> Any:
        if isinstance(found, dict):
            return {name: self._noted(found[name]) for name in self._shuffled(found)}
        several = [self._account(one) for one in self._shuffled(values(found))]
        return several[0] if len(several) == 1 else several

    def _shuffled(self, found: Any) -> list[Any]:
        return self.random.sample(list(found), len(found))

    def _account(self, found: Any) -> Any:
        return self.random.choice([ROOT_USER, ACCOUNT]) if found == ROOT_USER else found


def values(found: Any) -> list[Any]:
    """Return a value, or a list of values, as a list."""
    return found if isinstance(found, list) else [found]


def principals(statement: dict[str, Any]) -> list[str]:
    """Return the principals of a statement."""
    return values(statement["Principal"]["AWS"])


def changed(policy: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return small changes of a policy, each of which means something else, with their descriptions."""
    for number, statement in enumerate(policy["Statement"]):
        sid, rest = statement["Sid"], [one for one in policy["Statement"] if one is not statement]
        yield f"{sid} missing", {**policy, "Statement": rest}
        for name, other in _changed_statement(statement):
            yield f"{sid}: {name}", {**policy, "Statement": [*rest[:number], other, *rest[number:]]}


def _changed_statement(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "another effect", {**found, "Effect": "Deny" if found["Effect"] == "Allow" else "Allow"}
    yield "one more principal", {**found, "Principal": {"AWS": [*principals(found), f"{ROOT_USER[:-4]}role/more"]}}
    yield "another account", {**found, "Principal": {"AWS": "444455556666"}}
    yield "a service", {**found, "Principal": {**found["Principal"], "Service": "ec2.amazonaws.com"}}
    yield "one more action", {**found, "Action": [*values(found["Action"]), "kms:Verify"]}
    yield "a wider action", {**found, "Action": "kms:*"}
    yield "another resource", {**found, "Resource": "arn:aws:kms:*:*:key/*"}
    conditions: dict[str, dict[str, Any]] = found.get("Condition", {})
    yield "one more condition", {**found, "Condition": {**conditions, "Bool": {"aws:SecureTransport": "true"}}}
    if conditions:
        yield "no condition", {name: value for name, value in found.items() if name != "Condition"}
    for operator, keys in conditions.items():
        others = {name: value for name, value in conditions.items() if name != operator}
        yield f"without {operator}", {**found, "Condition": others}
        yield f"weaker {operator}", {**found, "Condition": {**others, f"{operator}IfExists": keys}}
        for key, value in keys.items():
            less = {name: wanted for name, wanted in keys.items() if name != key}
            yield f"without {key}", {**found, "Condition": {**others, operator: less}}
            for wider in ("*", [*values(value), "another"], []):
                yield f"{key} {wider}", {**found, "Condition": {**others, operator: {**keys, key: wider}}}
