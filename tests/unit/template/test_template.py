"""What the template says and the emulator does not enforce."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from evercert.aws.clients import CALL_LIMIT
from evercert.aws.timeouts import SIGNER, WAITED_FOR
from evercert.issuance.settings import LOCAL_ISSUERS
from tests.doubles.world import load_template
from tests.tools.local_stack import ROOT

TEMPLATE = load_template()
STACK_NAME = {"Ref": "AWS::StackName"}
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]


def of(kind: str) -> dict[str, Any]:
    return {name: resource for name, resource in RESOURCES.items() if resource["Type"] == kind}


def statements(role: str) -> list[dict[str, Any]]:
    found = []
    for policy in RESOURCES[role]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            found.append(statement["If"][1] if "If" in statement else statement)
    return found


def allowed(role: str) -> list[dict[str, Any]]:
    return [statement for statement in statements(role) if statement["Effect"] == "Allow"]


def actions(statement: dict[str, Any]) -> list[str]:
    action = statement["Action"]
    return [action] if isinstance(action, str) else action


@pytest.mark.parametrize("name", ["standard", "quick"])
def test_timeout_lease_and_visibility_fit_together(name: str) -> None:
    timing = {key: int(value) for key, value in TEMPLATE["Mappings"]["Timing"][name].items()}
    assert timing["IssuerTimeout"] < timing["Lease"] < timing["Visibility"]
    assert timing["Visibility"] >= 6 * timing["IssuerTimeout"]
    assert timing["Redispatch"] > timing["Lease"]
    # A call may start as long as its end lies within the claim: a good part of the function's time must be usable.
    assert timing["Lease"] - CALL_LIMIT.total_seconds() >= timing["IssuerTimeout"]


def test_data_survives_the_stack() -> None:
    kinds = ("AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::SNS::Topic")
    for kind in kinds:
        assert of(kind), kind
        for name, resource in of(kind).items():
            assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == (
                "RetainExceptOnCreate",
                "Retain",
            ), name
    assert RESOURCES["DeadLetters"]["DeletionPolicy"] == "RetainExceptOnCreate"


def test_what_has_a_name_of_ours_goes_with_the_stack() -> None:
    """A log group that stayed would keep the stack from being deployed again under its name."""
    for name, resource in RESOURCES.items():
        named = {"LogGroupName", "TableName", "QueueName", "TopicName", "RoleName"} & set(resource["Properties"])
        assert not (named and "DeletionPolicy" in resource), name


def test_tables_can_be_restored_and_are_encrypted_with_the_data_key() -> None:
    for name, table in of("AWS::DynamoDB::Table").items():
        properties = table["Properties"]
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, name
        assert properties["SSESpecification"]["KMSMasterKeyId"] == {"GetAtt": "DataKey.Arn"}, name
    assert RESOURCES["CertificatesTable"]["Properties"]["TimeToLiveSpecification"]["AttributeName"] == "expires_at"

    assert RESOURCES["AuthorityTable"]["Properties"]["TimeToLiveSpecification"]["AttributeName"] == "expires_at"


def test_both_indexes_hold_keys_only() -> None:
    indexes = RESOURCES["CertificatesTable"]["Properties"]["GlobalSecondaryIndexes"]
    assert {index["IndexName"]: index["Projection"]["ProjectionType"] for index in indexes} == {
        "due": "KEYS_ONLY",
        "expiring": "KEYS_ONLY",
    }


@pytest.mark.parametrize("name", ["Queue", "DeadLetters", "Topic"])
def test_queues_and_topic_are_encrypted_with_the_data_key(name: str) -> None:
    assert RESOURCES[name]["Properties"]["KmsMasterKeyId"] == {"GetAtt": "DataKey.Arn"}


def test_logs_expire_and_are_encrypted() -> None:
    groups = of("AWS::Logs::LogGroup")
    assert len(groups) == len(of("AWS::Serverless::Function")) + len(of("AWS::ApiGatewayV2::Stage"))
    for group in groups.values():
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
        assert group["Properties"]["KmsKeyId"] == {"GetAtt": "DataKey.Arn"}


def test_no_snapstart_on_anything_that_makes_keys() -> None:
    assert "SnapStart" not in str(TEMPLATE)


def test_one_message_at_a_time_with_partial_answers_and_a_dead_letter_queue() -> None:
    source = RESOURCES["IssuerFunction"]["Properties"]["Events"]["Nudge"]["Properties"]
    assert source["BatchSize"] == 1
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    redrive = RESOURCES["Queue"]["Properties"]["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"] == {"GetAtt": "DeadLetters.Arn"}
    assert redrive["maxReceiveCount"] >= 5


def test_the_schedule_has_the_stacks_name_in_its_own() -> None:
    tick = RESOURCES["CheckerFunction"]["Properties"]["Events"]["Tick"]["Properties"]
    assert "${AWS::StackName}" in tick["Name"]["Sub"]
    assert tick["ScheduleExpression"] == {"Ref": "Schedule"}
    assert TEMPLATE["Parameters"]["Schedule"]["Default"] == "rate(5 minutes)"


@pytest.mark.parametrize("role", ["CheckerRole", "IssuerRole", "AuthorityRole", "SignerRole"])
def test_no_role_has_a_star_where_aws_allows_better(role: str) -> None:
    for statement in allowed(role):
        for action in actions(statement):
            service, _, name = action.partition(":")
            assert name not in {"", "*"}, action
            # SendMessage* and Publish*: the batch forms have no action of their own on AWS
            assert "*" not in name or action in {"sqs:SendMessage*", "sns:Publish*"}, action
            if service != "xray" and action != "acm:ListCertificates":  # these know no resources
                assert statement["Resource"] != "*", action


def test_only_the_issuer_seals() -> None:
    users = RESOURCES["SealKey"]["Properties"]["KeyPolicy"]["Statement"]
    crypto = {"kms:Encrypt", "kms:Decrypt", "kms:*", "kms:ReEncrypt*", "kms:GenerateDataKey*"}
    for statement in users:
        if crypto & set(actions(statement)):
            assert statement["Principal"] == {"AWS": {"GetAtt": "IssuerRole.Arn"}}
            assert set(actions(statement)) == {"kms:Encrypt", "kms:Decrypt"}
            assert statement["Condition"] == {"StringEquals": {"kms:EncryptionContext:evercert:stack": STACK_NAME}}
    for role in of("AWS::IAM::Role"):
        assert "SealKey" not in str(statements(role)), role


def test_only_the_authority_seals_what_it_made() -> None:
    statement, *more = [
        statement
        for statement in RESOURCES["AuthoritySealKey"]["Properties"]["KeyPolicy"]["Statement"]
        if statement["Sid"] != "Administration"
    ]
    assert not more
    assert statement["Principal"] == {"AWS": {"GetAtt": "AuthorityRole.Arn"}}
    assert statement["Action"] == ["kms:Encrypt", "kms:Decrypt"]
    assert statement["Condition"] == {"StringEquals": {"kms:EncryptionContext:evercert:stack": STACK_NAME}}
    administration = [
        RESOURCES[key]["Properties"]["KeyPolicy"]["Statement"][0] for key in ("SealKey", "AuthoritySealKey")
    ]
    assert administration[0] == administration[1]


def writable(role: str) -> dict[str, set[str]]:
    """What the role may do with each table."""
    found: dict[str, set[str]] = {}
    for statement in allowed(role):
        names = {name for name in actions(statement) if name.startswith("dynamodb:")}
        if names:
            found.setdefault(str(statement["Resource"]), set()).update(names)
    return found


READS = {"dynamodb:GetItem", "dynamodb:Query"}


def test_no_role_writes_what_operators_set_up_for_the_authority() -> None:
    configuration = str({"GetAtt": "AuthorityConfigurationTable.Arn"})
    for role in of("AWS::IAM::Role"):
        assert writable(role).get(configuration, set()) <= READS, role
        others = [found for found in writable(role) if "Configuration" in found and found != configuration]
        assert not others, role


def test_the_ledger_is_added_to_by_the_signer_and_touched_by_nobody_else() -> None:
    ledger = str({"GetAtt": "AuthorityLedgerTable.Arn"})
    assert writable("SignerRole")[ledger] == {"dynamodb:PutItem"}
    for role in set(of("AWS::IAM::Role")) - {"SignerRole"}:
        assert "Ledger" not in str(statements(role)), role


def test_the_signer_reaches_nothing_but_its_two_tables() -> None:
    assert set(writable("SignerRole")) == {
        str({"GetAtt": "AuthorityConfigurationTable.Arn"}),
        str({"GetAtt": "AuthorityLedgerTable.Arn"}),
    }
    services = {action.partition(":")[0] for statement in allowed("SignerRole") for action in actions(statement)}
    assert services == {"dynamodb", "kms", "logs", "xray"}


def test_no_role_may_sign_but_by_the_policy_of_a_key_of_the_authority() -> None:
    """`evercert authority init` makes those keys, and their policies name the signer's role."""
    for role in of("AWS::IAM::Role"):
        for statement in allowed(role):
            for action in actions(statement):
                if action.startswith("kms:"):
                    assert action in {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:DescribeKey"}, role
                    assert statement["Resource"] == {"GetAtt": "DataKey.Arn"}, role
    for key in of("AWS::KMS::Key").values():
        assert "KeySpec" not in key["Properties"]


def test_the_front_looks_nothing_through_and_calls_the_signer_alone() -> None:
    for resource, names in writable("AuthorityRole").items():
        assert "dynamodb:Scan" not in names, resource
    (call,) = [one for one in allowed("AuthorityRole") if "lambda:InvokeFunction" in actions(one)]
    assert call["Resource"] == {"GetAtt": "SignerFunction.Arn"}
    for role in set(of("AWS::IAM::Role")) - {"AuthorityRole"}:
        assert "lambda:" not in str(statements(role)), role


def test_without_the_parameter_there_is_no_authority() -> None:
    assert TEMPLATE["Parameters"]["Authority"]["Default"] == "no"
    for name, resource in RESOURCES.items():
        ours = name.startswith(("Authority", "Signer", "CaEnding", "CrlStale"))
        assert ours == (resource.get("Condition") == "HasAuthority"), name
    for name, output in TEMPLATE["Outputs"].items():
        assert name.startswith(("Authority", "Signer")) == (output.get("Condition") == "HasAuthority"), name


ADDRESS = {"If": ["HasAuthorityAddress", {"Ref": "AuthorityAddress"}, {"GetAtt": "AuthorityApi.ApiEndpoint"}]}


def test_everybody_knows_the_authority_by_one_address() -> None:
    assert TEMPLATE["Outputs"]["AuthorityAddress"]["Value"] == ADDRESS
    for name in ("AuthorityFunction", "SignerFunction"):
        assert RESOURCES[name]["Properties"]["Environment"]["Variables"]["AUTHORITY_ADDRESS"] == ADDRESS
    hosts = RESOURCES["IssuerFunction"]["Properties"]["Environment"]["Variables"]["ISSUER_HOSTS"]
    assert hosts["If"][1]["Sub"][1]["Own"] == {"Select": [2, {"Split": ["/", ADDRESS]}]}


def test_the_api_is_held_back_and_logged_and_called_by_itself_alone() -> None:
    stage = RESOURCES["AuthorityStage"]["Properties"]
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] <= 100
    assert stage["AccessLogSettings"]["DestinationArn"] == {"GetAtt": "AuthorityApiLogs.Arn"}
    assert "path" not in stage["AccessLogSettings"]["Format"].lower()
    permission = RESOURCES["AuthorityApiPermission"]["Properties"]
    assert permission["SourceArn"]["Sub"].endswith(":${AuthorityApi}/*")
    assert permission["FunctionName"] == {"Ref": "AuthorityFunction"}


def test_the_signer_ends_before_who_waits_for_it_does() -> None:
    timeouts = {name: RESOURCES[f"{name}Function"]["Properties"]["Timeout"] for name in ("Authority", "Signer")}
    waits = RESOURCES["AuthorityIntegration"]["Properties"]["TimeoutInMillis"] / 1000
    cold_start = 3
    assert timeouts["Signer"] + cold_start <= SIGNER.read
    assert (
        timedelta(seconds=timeouts["Signer"]) >= 2 * WAITED_FOR.call
    )  # or no second call would begin after a slow one
    # What the front does before and after it asks the signer has the rest.
    assert SIGNER.call.total_seconds() + WAITED_FOR.call.total_seconds() < timeouts["Authority"] < waits


def test_revocation_lists_have_a_schedule_of_their_own() -> None:
    crl = RESOURCES["AuthorityFunction"]["Properties"]["Events"]["Crl"]["Properties"]
    assert "${AWS::StackName}" in crl["Name"]["Sub"]
    assert crl["ScheduleExpression"] == "rate(1 day)"
    assert json.loads(crl["Input"]) == {"task": "crl"}


def test_the_issuer_cannot_read_a_certificate_back_and_reads_credentials_of_its_own_region_only() -> None:
    here = "${AWS::Region}:${AWS::AccountId}"
    readable = {
        "secretsmanager:GetSecretValue": f"arn:${{AWS::Partition}}:secretsmanager:{here}:secret:evercert/credentials/*",
        "ssm:GetParameter": f"arn:${{AWS::Partition}}:ssm:{here}:parameter/evercert/credentials/*",
    }
    found = {}
    for statement in allowed("IssuerRole"):
        assert "secretsmanager:BatchGetSecretValue" not in actions(statement)
        if any(action in readable or action.startswith("ssm:") for action in actions(statement)):
            (action,) = actions(statement)
            found[action] = statement["Resource"]["Sub"]
    assert found == readable


def test_no_credential_can_be_written_by_the_issuer() -> None:
    for statement in allowed("IssuerRole"):
        if "credentials" in str(statement["Resource"]):
            assert actions(statement) in (["secretsmanager:GetSecretValue"], ["ssm:GetParameter"])


def test_only_public_hosts_of_infisical_may_be_asked_unless_an_operator_says_otherwise() -> None:
    assert TEMPLATE["Parameters"]["IssuerHosts"]["Default"] == "app.infisical.com,us.infisical.com,eu.infisical.com"
    variables = RESOURCES["IssuerFunction"]["Properties"]["Environment"]["Variables"]
    listed = {"Join": [",", {"Ref": "IssuerHosts"}]}
    condition, with_our_own, without = variables["ISSUER_HOSTS"]["If"]
    assert (condition, without) == ("HasAuthority", listed)
    assert (with_our_own["Sub"][0], with_our_own["Sub"][1]["Hosts"]) == ("${Hosts},${Own}", listed)


def test_the_template_has_no_way_to_ask_this_machine_itself() -> None:
    assert LOCAL_ISSUERS not in (ROOT / "template.yaml").read_text()


def test_secrets_are_written_only_with_our_tag() -> None:
    for statement in allowed("IssuerRole"):
        names = set(actions(statement))
        if names & {
            "secretsmanager:PutSecretValue",
            "secretsmanager:UpdateSecretVersionStage",
            "secretsmanager:RestoreSecret",
        }:
            assert statement["Condition"]["StringEquals"]["aws:ResourceTag/evercert:stack"] == STACK_NAME
        if names & {"secretsmanager:CreateSecret", "secretsmanager:TagResource"}:
            assert "aws:RequestTag/evercert:stack" in str(statement["Condition"])
        if "secretsmanager:TagResource" in names:  # else the role could make another stack's secret its own
            assert "aws:ResourceTag/evercert:stack" in str(statement["Condition"]["StringEqualsIfExists"])
        if "sts:AssumeRole" in names:
            assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": {"Ref": "AWS::StackId"}}}
        if any(name.startswith("secretsmanager:") for name in names - {"secretsmanager:GetSecretValue"}):
            named = statement["Resource"] == {"Ref": "SecretArns"}
            assert named or statement["Resource"]["Sub"].endswith(":secret:evercert/certificates/*")


def test_certificates_are_imported_only_with_our_tag() -> None:
    for statement in allowed("IssuerRole"):
        names = {name for name in actions(statement) if name.startswith("acm:")}
        if not names & {"acm:ImportCertificate", "acm:AddTagsToCertificate"}:
            looks = {"acm:GetCertificate", "acm:DescribeCertificate", "acm:ListTagsForCertificate"}
            assert names <= looks | {"acm:ListCertificates"}
            continue
        equal = statement["Condition"]["StringEquals"]
        tags = {key: value for key, value in equal.items() if "Tag/" in key}
        if "acm:AddTagsToCertificate" in names:
            assert tags == {"aws:RequestTag/evercert:stack": STACK_NAME}
            # else the role could make another stack's certificate its own
            assert statement["Condition"]["StringEqualsIfExists"] == {"aws:ResourceTag/evercert:stack": STACK_NAME}
        else:
            assert tags in (
                {"aws:RequestTag/evercert:stack": STACK_NAME},
                {"aws:ResourceTag/evercert:stack": STACK_NAME},
            )
        assert statement["Resource"] == {"Sub": "arn:${AWS::Partition}:acm:*:${AWS::AccountId}:certificate/*"}


def test_secrets_and_certificates_stay_in_the_listed_regions() -> None:
    listed = {"Sub": ["${AWS::Region},${More}", {"More": {"Join": [",", {"Ref": "DestinationRegions"}]}}]}
    regions = {"If": ["HasDestinationRegions", {"Split": [",", listed]}, {"Ref": "AWS::Region"}]}
    (refusal,) = [statement for statement in statements("IssuerRole") if statement["Effect"] == "Deny"]
    services = {action.removesuffix(":*") for action in refusal["Action"]}
    assert refusal["Condition"] == {"StringNotEquals": {"aws:RequestedRegion": regions}}
    assert refusal["Resource"] == "*"
    for statement in allowed("IssuerRole"):
        if not services & {action.partition(":")[0] for action in actions(statement)}:
            assert ":*:" not in str(statement["Resource"]), statement
    assert services == {"secretsmanager", "acm"}


def test_the_checker_touches_no_issuer_no_topic_and_no_secret() -> None:
    services = {action.partition(":")[0] for statement in allowed("CheckerRole") for action in actions(statement)}
    assert services == {"dynamodb", "sqs", "kms", "logs", "xray"}


def test_the_topic_lets_nobody_publish_without_a_permission() -> None:
    (policy,) = of("AWS::SNS::TopicPolicy").values()
    for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
        assert not any("Publish" in action or action.endswith("*") for action in actions(statement))


def test_a_restored_table_takes_the_place_of_the_stacks_own_everywhere() -> None:
    """Whatever is not on this list still names the table that was lost."""
    name = {"If": ["HasRestoredTable", {"Ref": "RestoredTable"}, {"Ref": "CertificatesTable"}]}
    arn = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${Table}"
    assert TEMPLATE["Outputs"]["CertificatesTable"]["Value"] == name
    for function in ("CheckerFunction", "IssuerFunction"):
        assert RESOURCES[function]["Properties"]["Environment"]["Variables"]["CERTIFICATES_TABLE"] == name
    resources = [
        resource
        for role in ("CheckerRole", "IssuerRole")
        for statement in allowed(role)
        if any(action.startswith("dynamodb:") for action in actions(statement))
        for resource in (statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]])
        if resource != {"GetAtt": "IssuersTable.Arn"}
    ]
    wanted = [f"{arn}/index/due", f"{arn}/index/expiring", arn, arn]
    assert resources == [{"Sub": [text, {"Table": name}]} for text in wanted]


def test_the_sweep_is_a_task_of_the_checker_and_has_a_schedule_of_its_own() -> None:
    sweep = RESOURCES["CheckerFunction"]["Properties"]["Events"]["Sweep"]["Properties"]
    assert "${AWS::StackName}" in sweep["Name"]["Sub"]
    assert sweep["ScheduleExpression"] == {"Ref": "SweepSchedule"}
    assert json.loads(sweep["Input"]) == {"task": "sweep"}
    assert sweep["RetryPolicy"] == {"MaximumRetryAttempts": 0}
    assert "Input" not in RESOURCES["CheckerFunction"]["Properties"]["Events"]["Tick"]["Properties"]


def test_no_role_grows_beyond_what_iam_takes() -> None:
    """10,240 characters without white space for all inline policies of a role; ARNs grow when references are filled in."""
    for role in of("AWS::IAM::Role"):
        text = json.dumps([RESOURCES[role]["Properties"]["Policies"]], separators=(",", ":"))
        assert len(text) < 8000, role


def test_every_function_logs_to_its_own_group_and_has_two_layers() -> None:
    shared = TEMPLATE["Globals"]["Function"]
    assert shared["Layers"] == [{"Ref": "DependenciesLayer"}, {"Ref": "EvercertLayer"}]
    assert shared["LoggingConfig"] == {"LogFormat": "JSON"}
    for name, function in of("AWS::Serverless::Function").items():
        assert function["Properties"]["LoggingConfig"]["LogGroup"] == {"Ref": f"{name.removesuffix('Function')}Logs"}


def test_the_defaults_are_for_aws() -> None:
    parameters = TEMPLATE["Parameters"]
    assert (parameters["Runtime"]["Default"], parameters["Architecture"]["Default"]) == ("python3.13", "arm64")
    assert parameters["Timing"]["Default"] == "standard"


def test_a_new_layer_alone_reaches_the_functions() -> None:
    """With an alias it would not: SAM publishes no version for it (docs/explanation/decisions/0005-no-alias.md)."""
    assert "AutoPublishAlias" not in str(TEMPLATE)
