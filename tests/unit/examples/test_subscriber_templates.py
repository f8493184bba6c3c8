"""The templates of the example subscribers: permissions, failed events, and no secrets in environments."""

from __future__ import annotations

import pytest

from tests.iam.deployment import Deployment
from tests.iam.evaluator import Request, evaluate
from tests.iam.policies import statements
from tests.tools.local_stack import ACCOUNT, REGION, ROOT
from tests.tools.template import load_template

TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:evercert"
PARAMETERS = {
    "reload-by-ssm": {"TopicArn": TOPIC, "Certificate": "web"},
    "redeploy-ecs": {"TopicArn": TOPIC, "Certificate": "web", "Cluster": "main", "Service": "shop"},
    "chat-message": {"TopicArn": TOPIC, "WebhookSecret": "chat/webhook"},
}
EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-0"
TAGGED = {"ssm:resourceTag/evercert-certificate": "web"}
NEEDS: dict[str, list[tuple[str, str, dict[str, str]]]] = {
    "reload-by-ssm": [
        ("ssm:SendCommand", f"arn:aws:ssm:{REGION}:{ACCOUNT}:document/Reload", {}),
        ("ssm:SendCommand", EC2, TAGGED),
    ],
    "redeploy-ecs": [
        ("ecs:DescribeServices", f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/main/shop", {}),
        ("ecs:UpdateService", f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/main/shop", {}),
    ],
    "chat-message": [
        ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:chat/webhook-AbCdEf", {}),
        ("dynamodb:GetItem", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/Posted", {}),
        ("dynamodb:PutItem", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/Posted", {}),
    ],
}
FORBIDDEN = {
    "reload-by-ssm": [
        ("ssm:SendCommand", f"arn:aws:ssm:{REGION}::document/AWS-RunShellScript", {}),
        ("ssm:SendCommand", EC2, {"ssm:resourceTag/evercert-certificate": "other"}),
        ("ssm:SendCommand", EC2, {}),
    ],
    "redeploy-ecs": [("ecs:UpdateService", f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/main/other", {})],
    "chat-message": [
        ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:chat/webhook2-AbCdEf", {}),
        ("dynamodb:DeleteItem", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/Posted", {}),
    ],
}


@pytest.fixture(params=PARAMETERS)
def example(request: pytest.FixtureRequest) -> tuple[str, Deployment]:
    template = load_template(ROOT / "examples" / "subscribers" / request.param / "template.yaml")
    return request.param, Deployment(PARAMETERS[request.param], template=template)


def test_role_allows_the_calls_and_nothing_else(example: tuple[str, Deployment]) -> None:
    name, deployment = example
    (policy,) = deployment.template["Resources"]["Function"]["Properties"]["Policies"]
    identity = statements(deployment.intrinsics.resolve(policy), name)
    role = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    decisions = [evaluate(Request(role, *need), identity) for need in NEEDS[name]]
    assert all(one.allowed for one in decisions), decisions
    used = {permission for one in decisions for permission in one.by}
    assert used == {(one.label, action, on) for one in identity for action in one.actions for on in one.resources}
    assert not any(evaluate(Request(role, *need), identity).allowed for need in FORBIDDEN[name])


def test_failed_events_reach_a_queue(example: tuple[str, Deployment]) -> None:
    """SNS may send to the queue from this topic only; the function and the subscription both name it."""
    _, deployment = example
    resources = deployment.template["Resources"]
    (statement,) = resources["FailedPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert deployment.intrinsics.resolve(statement["Condition"]) == {"ArnEquals": {"aws:SourceArn": TOPIC}}
    function = resources["Function"]["Properties"]
    (subscription,) = function["Events"].values()
    queue = {"GetAtt": "Failed.Arn"}
    assert function["DeadLetterQueue"] == {"Type": "SQS", "TargetArn": queue}
    assert subscription["Properties"]["RedrivePolicy"] == {"deadLetterTargetArn": queue}


def test_document_runs_the_unit_only() -> None:
    template = load_template(ROOT / "examples" / "subscribers" / "reload-by-ssm" / "template.yaml")
    deployment = Deployment(PARAMETERS["reload-by-ssm"], template=template)
    content = deployment.intrinsics.resolve(template["Resources"]["Reload"]["Properties"]["Content"])
    (step,) = content["mainSteps"]
    assert "parameters" not in content
    assert step["inputs"]["runCommand"] == ["systemctl restart install-certificate.service"]


def test_functions_keep_secrets_out_of_their_environment() -> None:
    template = load_template(ROOT / "examples" / "subscribers" / "chat-message" / "template.yaml")
    variables = template["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
    assert variables == {"WEBHOOK_SECRET": {"Ref": "WebhookSecret"}, "POSTED": {"Ref": "Posted"}}
