"""Permissions after SAM's transform: those of template.yaml, and those that SAM generates."""

from __future__ import annotations

import pytest

from tests.iam.deployment import Deployment
from tests.iam.evaluator import Request, evaluate
from tests.iam.sam import transformed

PARAMETERS = {"Authority": "yes", "DestinationRegions": "us-east-1"}


@pytest.fixture(scope="module")
def after() -> Deployment:
    return Deployment(PARAMETERS, template=transformed(PARAMETERS))


def test_transform_changes_no_role_of_the_template(after: Deployment) -> None:
    before = Deployment(PARAMETERS)
    assert {role: after.roles[role] for role in before.roles} == before.roles
    assert after.key_policies == before.key_policies


def test_transform_generates_roles_that_invoke_one_function(after: Deployment) -> None:
    """The schedules' roles; nothing else in the stack may invoke a function but the API and the queue."""
    generated = {role: found for role, found in after.roles.items() if role not in Deployment(PARAMETERS).roles}
    schedules = ("CheckerFunctionTick", "CheckerFunctionSweep", "AuthorityFunctionCrl", "RenewalFunctionRenewals")
    assert set(generated) == {f"{name}Role" for name in schedules}
    for role, found in generated.items():
        own = role.partition("Function")[0] + "Function"
        for function in after.of("AWS::Lambda::Function"):
            asked = Request(after.arn(role), "lambda:InvokeFunction", after.arn(function))
            assert evaluate(asked, found).allowed is (function == own), (role, function)
        assert {action for one in found for action in one.actions} == {"lambda:InvokeFunction"}
        trust = after.properties(role)["AssumeRolePolicyDocument"]["Statement"]
        assert [one["Principal"] for one in trust] == [{"Service": ["scheduler.amazonaws.com"]}]


def test_queue_is_read_with_the_role_of_the_issuer(after: Deployment) -> None:
    """Lambda's poller uses the function's role: these three actions, and the key of the queue."""
    mappings = map(after.properties, after.of("AWS::Lambda::EventSourceMapping"))
    assert {one["EventSourceArn"] for one in mappings} == {after.arn("Queue"), after.arn("ValidationQueue")}
    for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"):
        assert evaluate(Request(after.arn("IssuerRole"), action, after.arn("Queue")), after.roles["IssuerRole"]).allowed
    key = after.key_of(after.arn("Queue"))
    asked = Request(after.arn("IssuerRole"), "kms:Decrypt", str(key))
    assert evaluate(asked, after.roles["IssuerRole"], after.key_policies[str(key)]).allowed
