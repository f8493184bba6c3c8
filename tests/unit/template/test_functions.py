"""Functions: network, asynchronous runs, concurrency; the rules for parameters; the log group of the API."""

from __future__ import annotations

import re

import pytest

from tests.tools.template import RESOURCES, TEMPLATE, actions, allowed, of

NO_VALUE = {"Ref": "AWS::NoValue"}
RULES = TEMPLATE["Rules"]


def test_functions_run_in_the_given_subnets() -> None:
    subnets = {
        "SubnetIds": {"Split": [",", {"Ref": "SubnetIds"}]},
        "SecurityGroupIds": {"Split": [",", {"Ref": "SecurityGroupIds"}]},
    }
    assert TEMPLATE["Globals"]["Function"]["VpcConfig"] == {"If": ["HasVpc", subnets, NO_VALUE]}
    assert TEMPLATE["Conditions"]["HasVpc"] == {"Not": [{"Equals": [{"Ref": "SubnetIds"}, ""]}]}
    assert not any("VpcConfig" in one["Properties"] for one in of("AWS::Serverless::Function").values())


@pytest.mark.parametrize("role", ["CheckerRole", "IssuerRole", "AuthorityRole", "SignerRole", "ReportRole"])
def test_network_interfaces_are_of_lambda_itself(role: str) -> None:
    """In every case: CloudFormation updates the role before Lambda deletes the interfaces of emptied SubnetIds."""
    statements = RESOURCES[role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    (network,) = [one for one in statements if "ec2:" in str(one)]
    assert "If" not in network
    (network,) = [one for one in allowed(role) if one.get("Sid") == "NetworkInterfaces"]
    assert actions(network) == [
        f"ec2:{name}"
        for name in (
            "CreateNetworkInterface", "DescribeNetworkInterfaces", "DescribeSubnets", "DeleteNetworkInterface",
            "AssignPrivateIpAddresses", "UnassignPrivateIpAddresses",
        )
    ]  # fmt: skip
    # Calls of code in a function carry this key, those of Lambda do not.
    assert network["Condition"] == {"Null": {"lambda:SourceFunctionArn": "true"}}


@pytest.mark.parametrize(
    ("parameter", "value", "valid"),
    [
        ("SubnetIds", "", True),
        ("SubnetIds", "subnet-0123abcd,subnet-0123456789abcdef0", True),
        ("SubnetIds", "subnet-0123abcd, subnet-0123abce", False),
        ("SubnetIds", "sg-0123abcd", False),
        ("SecurityGroupIds", "sg-0123abcd", True),
        ("SecurityGroupIds", "sg-0123abcd,", False),
        ("AuthorityConcurrency", "10", True),
        ("AuthorityConcurrency", "0", False),
        ("SignerConcurrency", "ten", False),
        ("Runtime", "python3.11", False),
        ("Runtime", "python3.12", True),
        ("Runtime", "python3.20", True),
        ("Runtime", "nodejs22.x", False),
    ],
)
def test_parameter_refuses_invalid_values(parameter: str, value: str, valid: bool) -> None:
    assert bool(re.fullmatch(TEMPLATE["Parameters"][parameter]["AllowedPattern"], value)) is valid


def holds(rule: str, **values: str) -> bool:
    """Evaluate the assertion of a rule."""

    def evaluate(node: object) -> object:
        if not isinstance(node, dict):
            return node
        ((name, found),) = node.items()
        if name == "Ref":
            return values[found]
        parts = [evaluate(one) for one in found]
        return {"Or": any(parts), "And": all(parts), "Not": not parts[0], "Equals": parts[0] == parts[-1]}[name]

    (assertion,) = RULES[rule]["Assertions"]
    assert "\n" not in assertion["AssertDescription"]
    return bool(evaluate(assertion["Assert"]))


@pytest.mark.parametrize(
    ("subnets", "groups", "valid"),
    [("", "", True), ("subnet-1", "sg-1", True), ("subnet-1", "", False), ("", "sg-1", False)],
)
def test_rule_requires_subnets_with_security_groups(subnets: str, groups: str, valid: bool) -> None:
    assert holds("SubnetsWithSecurityGroups", SubnetIds=subnets, SecurityGroupIds=groups) is valid


@pytest.mark.parametrize(
    ("disabled", "address", "valid"),
    [
        ("no", "", True),
        ("no", "https://ca.example.com", True),
        ("yes", "https://ca.example.com", True),
        ("yes", "", False),
    ],
)
def test_rule_requires_an_address_without_the_endpoint(disabled: str, address: str, valid: bool) -> None:
    values = {"DisableExecuteApiEndpoint": disabled, "AuthorityAddress": address}
    assert holds("DisabledEndpointWithAddress", **values) is valid


def test_api_endpoint_is_disabled_by_its_parameter() -> None:
    api = RESOURCES["AuthorityApi"]["Properties"]
    assert api["DisableExecuteApiEndpoint"] == {"If": ["HasDisabledEndpoint", True, False]}
    assert TEMPLATE["Parameters"]["DisableExecuteApiEndpoint"]["Default"] == "no"


@pytest.mark.parametrize("name", ["Authority", "Signer"])
def test_concurrency_of_the_authority_is_reserved_on_request(name: str) -> None:
    reserved = RESOURCES[f"{name}Function"]["Properties"]["ReservedConcurrentExecutions"]
    assert reserved == {"If": [f"Has{name}Concurrency", {"Ref": f"{name}Concurrency"}, NO_VALUE]}
    assert TEMPLATE["Parameters"][f"{name}Concurrency"]["Default"] == ""


def test_asynchronous_runs_have_retries_that_fit_their_task() -> None:
    """The retry policy of a schedule covers the delivery to Lambda only; Lambda would retry each run twice for 6 hours."""
    config = {
        name: function["Properties"].get("EventInvokeConfig")
        for name, function in of("AWS::Serverless::Function").items()
        if any(event["Type"] == "ScheduleV2" for event in function["Properties"].get("Events", {}).values())
    }
    assert config == {
        "CheckerFunction": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 300},
        "AuthorityFunction": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 21_600},
        "RenewalFunction": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 300},
        "ReportFunction": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3_600},
    }


def test_access_logs_need_no_entry_in_the_resource_policy() -> None:
    """CloudWatch Logs allows one resource policy of 5,120 characters; names below /aws/vendedlogs share an entry."""
    group = RESOURCES["AuthorityAccessLogs"]["Properties"]["LogGroupName"]["Sub"]
    assert group.startswith("/aws/vendedlogs/")
    (logs,) = [one for one in RESOURCES["DataKey"]["Properties"]["KeyPolicy"]["Statement"] if one["Sid"] == "Logs"]
    arns = [one["Sub"] for one in logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]]
    prefix = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:"
    for name, one in of("AWS::Logs::LogGroup").items():
        named = one["Properties"]["LogGroupName"]["Sub"]
        assert any(f"{prefix}{named}".startswith(arn.removesuffix("*")) for arn in arns), name
