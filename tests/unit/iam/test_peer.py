"""Our evaluator and a third-party one make the same decision on every recorded need, and on variations of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.iam import recorded
from tests.iam.deployment import Deployment
from tests.iam.evaluator import Request, evaluate
from tests.iam.judge import ROLES
from tests.iam.policies import statements
from tests.tools.permissions import PARAMETERS, key_documents, request_of
from tests.tools.policy_peer import decisions, documents

DEPLOYMENT = Deployment(PARAMETERS)


def requests() -> Iterator[tuple[str, Request]]:
    """Yield each recorded need, also of the other roles, in another region, and without each of its keys."""
    for entry in recorded.read():
        asked = request_of(entry, DEPLOYMENT)
        for role in ROLES.values():
            yield role, replace(asked, principal=DEPLOYMENT.arn(role))
        role = ROLES[entry["principal"]]
        yield role, replace(asked, context={**asked.context, "aws:RequestedRegion": "us-west-2"})
        yield role, replace(asked, resource=asked.resource.replace("evercert/", "other/").replace("Table", "Other"))
        for key in asked.context:
            yield role, replace(asked, context={name: one for name, one in asked.context.items() if name != key})
            if isinstance(asked.context[key], str):
                yield role, replace(asked, context={**asked.context, key: "another"})


@pytest.mark.peer("node")
@pytest.mark.peer("npm")
def test_evaluator_agrees_with_the_peer() -> None:
    keys = key_documents(DEPLOYMENT)
    asked = list(requests())
    theirs = decisions([documents(DEPLOYMENT, role, one, keys) for role, one in asked])
    differences, unknown = [], set()
    for (role, one), their in zip(asked, theirs, strict=True):
        policy = (
            statements(keys.get(one.resource, {"Version": "2012-10-17", "Statement": []}), "key")
            if ":key/" in one.resource
            else None
        )
        ours = evaluate(one, DEPLOYMENT.roles[role], policy)
        if ours.allowed != their.allowed:
            differences.append(f"{role} {one}: ours {ours}, theirs {their}")
        unknown |= {f"{one.action} {name}" for name in their.ignored}
    assert not differences, "\n".join(differences)
    assert not unknown, f"condition keys that AWS does not have: {sorted(unknown)}"
    assert {one.allowed for one in theirs} == {True, False}
